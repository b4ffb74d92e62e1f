"""The reference model of user isolation: what a correct server may show, and must.

`judge` reads one history and names every broken promise.  Operations are intervals: what overlaps a connect or a
disconnect *may* be seen by that connection and never *must*; a connection that reads more slowly than the target's
limits, or whose operations were cancelled, is owed nothing; what nobody may ever see is a violation wherever it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...fuzzer.core.history import History
from ...fuzzer.core.program import Program
from ...fuzzer.targets.adapter import Target
from .conduct import availability, consistency, dropped, hygiene, independence, liveness
from .delivery import authentication, duplicates, isolation, loss, offline, order
from .facts import Facts, gather
from .violations import Violation

__all__ = ("judge",)


def judge(target: Target, program: Program, history: History) -> list[Violation]:
    """Every violation in a history, in the order of the promises; an empty list for what a correct server may show."""
    facts = gather(target, program, history)
    return [violation for check in CHECKS for violation in check(facts)]


CHECKS: tuple[Callable[[Facts], Iterator[Violation]], ...] = (
    isolation,
    authentication,
    loss,
    duplicates,
    offline,
    order,
    independence,
    liveness,
    consistency,
    hygiene,
    availability,
    dropped,
)
