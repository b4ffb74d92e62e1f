"""What is still undiscovered, and what the next program is worth: when may I stop?

Distinct violations are species and programs sampling units (M. Boehme, "STADS: software testing as species discovery",
TOSEM 27, 2018).  Executions are none: those of one program repeat each other, so that after some thousand of them
hardly anything was seen once only, whatever there still is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

__all__ = ("Discovery", "discovery", "poisson_limits")

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Discovery:
    """``seen`` distinct violations after so many ``units``; ``estimate`` of how many there are for this search to find.

    ``low`` and ``high`` bound that number: what a search ten times as long finds is to be expected between them.
    ``next_new`` bounds the chance that the next unit shows one never seen; it is never 0.
    """

    units: int
    seen: int
    estimate: float
    low: float
    high: float
    next_new: float

    @property
    def undiscovered(self) -> float:
        return self.estimate - self.seen

    @property
    def one_in(self) -> int:
        """The same as "one in so many units, at most"."""
        return max(1, int(1 / self.next_new))


LONGER = 10
"""How many times as long a search is that ``high`` speaks of."""


def poisson_limits(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """What the mean of a Poisson variable is at least, and what it is at most, where ``count`` was observed.

    Each with the confidence asked for: F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28
    (1936).  Of none it is 0 to 3.0, of one 0.05 to 4.7.
    """
    most = count + 10 + 5 * sqrt(count)

    def mean(of: int, chance: float) -> float:
        """The mean with which ``of`` or fewer are seen with that chance."""
        low, high = 0.0, most
        for _ in range(60):
            middle = (low + high) / 2
            term = total = exp(-middle)
            for number in range(1, of + 1):
                term *= middle / number
                total += term
            low, high = (middle, high) if total > chance else (low, middle)
        return high

    return (mean(count - 1, confidence) if count else 0.0), mean(count, 1 - confidence)


def discovery(units: int, seen: int, singletons: int, doubletons: int) -> Discovery:
    """Good-Turing and Chao's estimates from how many violations were seen, seen in one unit and seen in two.

    The chance of something new is about ``singletons / units`` (I. J. Good, "The population frequencies of species and
    the estimation of population parameters", Biometrika 40, 1953); what is given is that with the upper limit of the
    singletons, which is not 0 where none were seen.  The number of violations is the bias-corrected Chao2, a lower
    bound where rare ones abound (A. Chao, "Estimating the population size for capture-recapture data with unequal
    catchability", Biometrics 43, 1987).  ``high`` is the upper end of its log-normal 95 % interval, which is one point
    where nothing was seen once; or, if it is more, the estimate with the upper limit of the singletons and the lower
    one of the doubletons, as far as a search ten times as long can come.
    `python -m benchmarks.stopping` counts how often it holds.  Raises `ValueError` where the counts cannot be.
    """
    if min(units, seen, singletons, doubletons) < 0 or singletons + doubletons > seen:
        raise ValueError("of what was seen, some was seen once and some twice; none of the counts is negative")
    if units == 0:
        return Discovery(0, 0, 0.0, 0.0, float("inf"), 1.0)
    shrink = (units - 1) / units
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
    rare, twice = poisson_limits(q1)[1], poisson_limits(q2)[0]
    high = max(high, seen + min(rare * (rare - 1) / (2 * (twice + 1)), (LONGER - 1) * rare))
    return Discovery(units, seen, seen + unseen, low, high, min(1.0, rare / units))
