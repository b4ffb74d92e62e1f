"""Drivers play programs to targets: one calls a manager's methods, one lets clients speak an application's protocol."""

from ..core.program import Program
from ..targets.adapter import Target
from ..world import Outer
from .base import Driver, TargetError
from .manager import ManagerDriver
from .wire import WireDriver

__all__ = ("Driver", "ManagerDriver", "TargetError", "WireDriver", "driver_for")


def driver_for(target: Target, program: Program, loop: Outer) -> Driver:
    """Return the driver for one execution of a target."""
    kind = WireDriver if target.traits.by_wire else ManagerDriver
    return kind(target, program, loop)
