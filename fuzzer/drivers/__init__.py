"""Drivers play programs to targets: one calls a manager's methods, one lets clients speak an application's protocol."""

from typing import Any

from ..core.program import Program
from ..targets.adapter import Target
from .base import Driver, TargetError
from .manager import ManagerDriver
from .remarks import Remarks
from .wire import WireDriver

__all__ = ("Driver", "ManagerDriver", "Remarks", "TargetError", "WireDriver", "driver_for")


def driver_for(target: Target, program: Program, loop: Any) -> Driver:
    """Return the driver for one execution of a target."""
    if target.traits.by_wire:
        return WireDriver(target, program, loop)
    if target.backend == "trio":
        from .structured import NurseryDriver  # trio is loaded where it is wanted

        return NurseryDriver(target, program, loop)
    return ManagerDriver(target, program, loop)
