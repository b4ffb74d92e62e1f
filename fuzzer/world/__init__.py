"""The deterministic world an execution runs in: event loop, virtual clock, external events, controlled entropy."""

from .errors import Interrupted, OutsideWorldError, TargetBlockedError
from .external import CARRY_ON, Chooser, External, InOrder, Key
from .interface import DrivenWorld
from .loop import WorldLoop
from .outer import Outer, latency, world_here

__all__ = (
    "CARRY_ON",
    "Chooser",
    "DrivenWorld",
    "External",
    "InOrder",
    "Interrupted",
    "Key",
    "Outer",
    "OutsideWorldError",
    "TargetBlockedError",
    "WorldLoop",
    "latency",
    "world_here",
)
