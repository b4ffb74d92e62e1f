"""How often: a share of executions, with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

from ..core.choices import PROMISES
from ..store import CountRow

__all__ = ("By", "Frequency", "shares_by", "shares_by_promise", "wilson")

By = Literal["users", "length", "strategy"]
"""What executions can be told apart by, besides their target."""

LENGTHS = (2, 4, 8, 16, 32, 64)
"""Where ranges of program lengths end: operations."""


@dataclass(frozen=True, slots=True)
class Frequency:
    """A share between 0 and 1, and the interval that covers the true one with the confidence asked for."""

    times: int
    executions: int
    share: float
    low: float
    high: float


def wilson(times: int, executions: int, confidence: float = 0.95) -> Frequency:
    """The score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).

    Good for shares near 0 and for few executions, where the textbook's normal interval is not.  Without executions
    nothing is known: 0 to 1.  Raises `ValueError` unless 0 <= times <= executions.
    """
    if not 0 <= times <= executions:
        raise ValueError(f"{times} of {executions} executions is no share")
    if executions == 0:
        return Frequency(0, 0, 0.0, 0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = times / executions
    centre = share + z * z / (2 * executions)
    spread = z * sqrt(share * (1 - share) / executions + z * z / (4 * executions * executions))
    scale = 1 + z * z / executions
    low = 0.0 if times == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if times == executions else min(1.0, (centre + spread) / scale)
    return Frequency(times, executions, share, low, high)


def shares_by_promise(counts: Sequence[CountRow]) -> dict[tuple[str, str], tuple[int, int]]:
    """(target, promise) -> (executions that broke it, executions), in order of target and promise."""
    executions: Counter[str] = Counter()
    broken: Counter[tuple[str, str]] = Counter()
    for count in counts:
        executions[count.target] += count.executions
        for promise, times in count.broken.items():
            broken[count.target, promise] += times
    return {(target, promise): (broken[target, promise], n) for target, n in executions.items() for promise in PROMISES}


def shares_by(counts: Sequence[CountRow], promise: str, by: By) -> dict[tuple[str, int | str], tuple[int, int]]:
    """(target, number of users, strategy, or range of lengths) -> (executions that broke the promise, executions)."""
    executions: Counter[tuple[str, int | str]] = Counter()
    broken: Counter[tuple[str, int | str]] = Counter()
    order = sorted(counts, key=lambda count: (count.target, getattr(count, by)))
    for count in order:
        cell = count.target, _range(count.length) if by == "length" else getattr(count, by)
        executions[cell] += count.executions
        broken[cell] += count.broken.get(promise, 0)
    return {cell: (broken[cell], times) for cell, times in executions.items()}


def _range(length: int) -> str:
    low = 1
    for high in LENGTHS:
        if length <= high:
            return f"{low} to {high}"
        low = high + 1
    return f"{low} or more"
