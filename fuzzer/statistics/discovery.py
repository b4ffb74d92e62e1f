"""What is still undiscovered, and what the next execution is worth: when may I stop?

Bugs are species and executions sampling units (M. Boehme, "STADS: software testing as species discovery", TOSEM 27,
2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

__all__ = ("Discovery", "discovery")


@dataclass(frozen=True, slots=True)
class Discovery:
    """``seen`` distinct bugs; ``estimate`` of how many there are for this search to find, between ``low`` and ``high``.

    ``next_new`` bounds the chance that the next execution shows a bug never seen; ``one_in`` is the same as "one in so
    many executions", None where nothing is left to expect.
    """

    seen: int
    estimate: float
    low: float
    high: float
    next_new: float

    @property
    def undiscovered(self) -> float:
        return self.estimate - self.seen

    @property
    def one_in(self) -> int | None:
        return round(1 / self.next_new) if self.next_new > 0 else None


def discovery(executions: int, seen: int, singletons: int, doubletons: int) -> Discovery:
    """Good-Turing and Chao's estimates from how many bugs were seen, seen once and seen twice.

    The chance of something new is at most about ``singletons / executions`` (I. J. Good, "The population frequencies of
    species and the estimation of population parameters", Biometrika 40, 1953).  The number of bugs is the
    bias-corrected Chao2, a lower bound where rare bugs abound, with its log-normal 95 % interval (A. Chao, "Estimating
    the population size for capture-recapture data with unequal catchability", Biometrics 43, 1987).  Raises
    `ValueError` where the counts cannot be.
    """
    if min(executions, seen, singletons, doubletons) < 0 or singletons + doubletons > seen:
        raise ValueError("of the bugs seen, some were seen once and some twice; none of the counts is negative")
    if executions == 0:
        return Discovery(0, 0.0, 0.0, 0.0, 1.0)
    shrink = (executions - 1) / executions
    q1, q2 = singletons, doubletons
    unseen = shrink * q1 * (q1 - 1) / (2 * (q2 + 1))
    variance = (
        shrink * q1 * (q1 - 1) / (2 * (q2 + 1))
        + shrink**2 * q1 * (2 * q1 - 1) ** 2 / (4 * (q2 + 1) ** 2)
        + shrink**2 * q1**2 * q2 * (q1 - 1) ** 2 / (4 * (q2 + 1) ** 4)
    )
    low = high = float(seen)
    if unseen > 0:
        factor = exp(1.96 * sqrt(log(1 + variance / unseen**2)))
        low, high = seen + unseen / factor, seen + unseen * factor
    return Discovery(seen, seen + unseen, low, high, singletons / executions)
