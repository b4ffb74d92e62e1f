"""What a scheduling strategy is: it proposes schedules for one program, and may learn from what they showed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ..execution import Execution
from ..world.external import Chooser

__all__ = ("Independent", "Maker", "Strategy")


class Strategy(Protocol):
    """Proposes the schedules of one program, one after the other."""

    def next(self) -> Chooser | None:
        """Who decides in the next execution; None where there is nothing left to try."""

    def seen(self, execution: Execution, news: int) -> None:
        """What the execution of the last proposal was; it showed ``news`` behaviours not seen before in this round."""


Maker = Callable[[Execution, int], Strategy]
"""Makes a strategy for the program of an execution in order, which shows what events to expect, and a seed."""


class Independent:
    """A strategy whose schedules have nothing to do with each other."""

    def __init__(self, choosers: Iterable[Chooser]) -> None:
        self._choosers = iter(choosers)

    def next(self) -> Chooser | None:
        return next(self._choosers, None)

    def seen(self, execution: Execution, news: int) -> None:
        """What an execution showed changes nothing."""
