"""Do two campaigns differ?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, lgamma

__all__ = ("Difference", "adjusted", "differences", "fisher_exact")


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell of two campaigns: times of executions before and after; ``p`` adjusted for the number of cells."""

    cell: tuple[str, str]
    before: tuple[int, int]
    after: tuple[int, int]
    p: float


def fisher_exact(times: int, executions: int, other_times: int, other_executions: int) -> float:
    """The two-sided p-value of R. A. Fisher's exact test, *The Design of Experiments* (1935), for two shares.

    The probability, given the margins, of a table no likelier than the one observed.
    """
    total, successes = executions + other_executions, times + other_times

    def log_choose(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    def log_probability(k: int) -> float:
        return log_choose(executions, k) + log_choose(other_executions, successes - k) - log_choose(total, successes)

    observed = log_probability(times)
    first, last = max(0, successes - other_executions), min(executions, successes)
    likely = [log_probability(k) for k in range(first, last + 1)]
    return min(1.0, sum(exp(value) for value in likely if value <= observed + 1e-7))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """P-values for many tests at once: Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", JRSS B 57
    (1995)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    result = [1.0] * len(p_values)
    smallest = 1.0
    for rank, index in zip(range(len(order), 0, -1), order, strict=True):
        smallest = min(smallest, p_values[index] * len(order) / rank)
        result[index] = smallest
    return result


def differences(
    before: Mapping[tuple[str, str], tuple[int, int]], after: Mapping[tuple[str, str], tuple[int, int]]
) -> list[Difference]:
    """Compare the cells both have, each (times, executions); the likeliest difference first."""
    cells = [cell for cell in before if cell in after]
    raw = [fisher_exact(*before[cell], *after[cell]) for cell in cells]
    found = [Difference(cell, before[cell], after[cell], p) for cell, p in zip(cells, adjusted(raw), strict=True)]
    return sorted(found, key=lambda difference: (difference.p, difference.cell))
