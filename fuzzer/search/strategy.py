"""What a scheduling strategy is: it proposes schedules for one program, and may learn from what they showed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..core.counting import counted
from ..engine.execution import Execution
from ..world.external import Chooser

__all__ = ("Independent", "Maker", "Proven", "Strategy")


@dataclass(frozen=True, slots=True)
class Proven:
    """What it means that every schedule with up to so many delays was tried, and none showed a violation."""

    delays: int
    schedules: int

    @property
    def bound(self) -> str:
        return counted(self.delays, "delay")

    def __str__(self) -> str:
        return f"proven for this program up to {self.bound}, {self.schedules:,} schedules"


class Strategy(Protocol):
    """Proposes the schedules of one program, one after the other."""

    exhaustive: bool
    """Whether it leaves nothing out, and ends by itself."""
    proven: Proven | None
    """What an exhaustive strategy has tried to the end by now."""

    def next(self) -> Chooser | None:
        """Who decides in the next execution; None where there is nothing left to try."""

    def seen(self, execution: Execution, news: int) -> None:
        """What the execution of the last proposal was; it showed ``news`` behaviours not seen before in this round."""


Maker = Callable[[Execution, int], Strategy]
"""Makes a strategy for the program of an execution in order, which shows what events to expect, and a seed."""


class Independent:
    """A strategy whose schedules have nothing to do with each other."""

    exhaustive = False
    proven: Proven | None = None

    def __init__(self, choosers: Iterable[Chooser]) -> None:
        self._choosers = iter(choosers)

    def next(self) -> Chooser | None:
        return next(self._choosers, None)

    def seen(self, execution: Execution, news: int) -> None:
        """What an execution showed changes nothing."""
