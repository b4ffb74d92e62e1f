"""How many executions until the first failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = ("Survival", "kaplan_meier")


@dataclass(frozen=True, slots=True)
class Survival:
    """A step function: after ``executions[i]`` executions the share ``surviving[i]`` has not failed yet.

    All arrays have one entry for each distinct number of executions at which something failed, after a first entry for
    0.  ``low`` and ``high`` bound the share; ``at_risk`` is how many campaigns were still watched just before.
    """

    executions: npt.NDArray[np.float64]
    surviving: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    at_risk: npt.NDArray[np.int64]

    @property
    def median(self) -> float | None:
        """Executions after which half have failed; None where fewer than half did."""
        below = np.flatnonzero(self.surviving <= 0.5)
        return float(self.executions[below[0]]) if len(below) else None


def kaplan_meier(executions: Sequence[int], failed: Sequence[bool], confidence: float = 0.95) -> Survival:
    """The product-limit estimate of E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations",
    JASA 53 (1958), with Greenwood's variance on the log-log scale (Kalbfleisch and Prentice, 1980).

    ``executions[i]`` is when campaign i first failed, or, where ``failed[i]`` is false, when one stopped watching it.
    Raises `ValueError` where the two differ in length or nothing is given.
    """
    if len(executions) != len(failed) or not len(executions):
        raise ValueError("one entry for each campaign is needed, and one campaign at least")
    times = np.asarray(executions, dtype=np.float64)
    events = np.asarray(failed, dtype=bool)
    distinct = np.unique(times[events])
    at_risk = np.array([np.count_nonzero(times >= t) for t in distinct], dtype=np.int64)
    deaths = np.array([np.count_nonzero((times == t) & events) for t in distinct], dtype=np.int64)
    surviving = np.cumprod(1 - deaths / at_risk) if len(distinct) else np.array([])
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        spread = z * np.sqrt(greenwood) / np.log(surviving)
        low, high = surviving ** np.exp(-spread), surviving ** np.exp(spread)
    inside = (surviving > 0) & (surviving < 1)
    low, high = np.where(inside, low, surviving), np.where(inside, high, surviving)
    return Survival(
        np.concatenate([[0.0], distinct]),
        np.concatenate([[1.0], surviving]),
        np.concatenate([[1.0], low]),
        np.concatenate([[1.0], high]),
        np.concatenate([[len(times)], at_risk]).astype(np.int64),
    )
