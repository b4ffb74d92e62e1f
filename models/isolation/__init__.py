"""The reference model of user isolation: what a correct server may show, and must.

`judge` is a pure function of a target's policy, a program and a history.  Operations are intervals: what overlaps *may*
be seen, and never *must*.  Each promise is a check: an obligation, and named excuses.  `withheld` says what looked like
a breach and was not judged one, and why.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import History
from ...fuzzer.core.program import Program
from ...fuzzer.targets.adapter import Target
from . import (
    availability,
    consistency,
    content,
    duplicate,
    failure,
    hearing,
    hygiene,
    independence,
    liveness,
    login,
    loss,
    offline,
    order,
)
from .exercise import OCCASIONS, PARTS, exercised, impossible
from .index import HistoryIndex
from .verdicts import Breach, Check
from .violations import Violation

__all__ = ("CHECKS", "OCCASIONS", "PARTS", "exercised", "impossible", "judge", "withheld")

CHECKS: tuple[Check, ...] = (
    *hearing.CHECKS,
    *content.CHECKS,
    *login.CHECKS,
    *loss.CHECKS,
    *failure.CHECKS,
    *duplicate.CHECKS,
    *offline.CHECKS,
    *order.CHECKS,
    *independence.CHECKS,
    *liveness.CHECKS,
    *consistency.CHECKS,
    *hygiene.CHECKS,
    *availability.CHECKS,
)


def judge(target: Target, program: Program, history: History) -> list[Violation]:
    """Every violation in a history, in the order of the promises; an empty list for what a correct server may show."""
    index = HistoryIndex(target, target.traits.policy, program, history)
    return [violation for check in CHECKS for violation in check.violations(index)]


def withheld(target: Target, program: Program, history: History) -> Iterator[tuple[Breach, str]]:
    """What looks like a breach and is excused, with the name of the excuse."""
    index = HistoryIndex(target, target.traits.policy, program, history)
    for check in CHECKS:
        yield from check.withheld(index)
