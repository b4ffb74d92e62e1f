"""Whose schedule is the next: strategies take turns, or the portfolio shares out, once some have begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..engine.execution import Execution
from ..world.external import Chooser
from . import ARMS, LEAD, STRATEGIES
from .portfolio import PORTFOLIO, Portfolio
from .strategy import Proven

__all__ = ("Turns",)


class Turns:
    """The strategies of one program; ``orderly`` is its execution in order, ``portfolio`` what was learned before."""

    def __init__(self, strategies: Sequence[str], orderly: Execution, seed: int, portfolio: Portfolio) -> None:
        self._portfolio = portfolio if PORTFOLIO in strategies else None
        names = strategies if self._portfolio is None else ARMS
        self._proposers = {name: STRATEGIES[name](orderly, seed) for name in names}
        self.exhaustive = all(strategy.exhaustive for strategy in self._proposers.values())
        """Whether nothing is left out, and there is an end."""
        self._left = deque(self._proposers)
        self._lead = deque(LEAD if self._portfolio is not None else ())
        self.name = ""
        """Whose schedule the last one was; none yet, where empty."""

    @property
    def proven(self) -> Proven | None:
        """What the strategy of the last schedule has tried to the end by now."""
        return self._proposers[self.name].proven

    def next(self) -> Chooser | None:
        """Who decides in the next execution; None where no strategy has any schedule left."""
        while self._left:
            self.name = self._whose()
            chooser = self._proposers[self.name].next()
            if chooser is not None:
                self._left.rotate(-1)
                return chooser
            self._left.remove(self.name)
        return None

    def _whose(self) -> str:
        while self._lead:
            name = self._lead.popleft()
            if name in self._left:
                return name
        return self._portfolio.choose(self._left) if self._portfolio is not None else self._left[0]

    def seen(self, execution: Execution, news: int) -> None:
        """What the execution of the last schedule was; it showed ``news`` behaviours not seen before."""
        self._proposers[self.name].seen(execution, news)
        if self._portfolio is not None:
            self._portfolio.learn(self.name, news)
