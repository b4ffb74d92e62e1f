"""Drivers: how a program is played to each kind of target."""

from .base import Driver, TargetError
from .manager import ManagerDriver

__all__ = ("Driver", "ManagerDriver", "TargetError")
