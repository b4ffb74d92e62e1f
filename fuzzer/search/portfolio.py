"""Divides executions among strategies by what has paid off: a portfolio.

No strategy is the best for every target, program and bug, and which one is shows only while fuzzing.  That is a bandit
problem: W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
samples", Biometrika 1933.  An execution pays where it shows a behaviour that none of its round did before, a violation
say (`behaviour.Novelty`).  For each strategy the chance of that is a Beta distribution; each time one value is drawn
from each, and the strategy of the highest makes the next schedule.  What pays changes as the new runs out, so evidence
is discounted (Raj and Kalyani, "Taming non-stationary bandits", 2017).

What was learned lasts for a round and no longer, so that a round stays the same in whichever process it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ("PORTFOLIO", "Portfolio")

PORTFOLIO = "portfolio"
"""Its name among the strategies."""

DISCOUNT = 0.98
"""What evidence is still worth one execution later: the last 50 or so count."""


class Portfolio:
    """What the strategies of a round have earned lately."""

    def __init__(self, seed: int) -> None:
        self._beta = Random(seed).betavariate
        self._paid: dict[str, float] = {}
        self._blank: dict[str, float] = {}

    def choose(self, names: Sequence[str]) -> str:
        """The strategy to make the next schedule, of these."""
        draws = [self._beta(1.0 + self._paid.get(name, 0.0), 1.0 + self._blank.get(name, 0.0)) for name in names]
        return names[draws.index(max(draws))]

    def learn(self, name: str, news: int) -> None:
        """Take the outcome of an execution in; ``news`` counts the behaviours it was the first to show."""
        for evidence in (self._paid, self._blank):
            for known in evidence:
                evidence[known] *= DISCOUNT
        evidence = self._paid if news else self._blank
        evidence[name] = evidence.get(name, 0.0) + 1.0
