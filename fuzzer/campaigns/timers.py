"""After which times might a target behave in another way?  Asked of the target: what timers it sets, what it declares.

Bugs of long time sit just before and just after a deadline: of an idle limit, a heartbeat, a retry.  Deadlines are
there to be seen: whatever a target does later, it asks the loop for.  So a short program is executed once, in order,
the delays of all timers are noted, and pauses are drawn from around them.  That depends on the target alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from ...strategies.machine import MOMENTS
from ...strategies.openings import LONG_LOOK, deserted, rehearsal
from ..core.history import RowKind
from ..core.program import Program
from ..engine.execution import Worker
from ..world import InOrder

__all__ = ("moments", "night")

BESIDE = 0.05
"""Seconds before and after a deadline that are just before and just after it."""

SHORTEST, LONGEST = 0.1, 90_000.0
"""Seconds of the delays that count: what is shorter passes anyway, and nobody stays for more than a day."""

MOST = 12
"""Different delays that are kept, evenly over those there are."""

TICKS = 5_000
"""A pause in which timers would go off more often than this takes too long to execute."""

NIGHT_TICKS = 10_000
"""The same of the one pause in which nobody is there: the usual servers look around every 20 s."""

BEYOND = 1.2
"""How far beyond an idle limit a user stays who is not idle."""

_known: WeakKeyDictionary[Worker, tuple[float, ...]] = WeakKeyDictionary()

_nights: WeakKeyDictionary[Worker, bool] = WeakKeyDictionary()


def moments(worker: Worker, users: int) -> tuple[float, ...]:
    """Pauses worth making, in seconds: beside the target's own deadlines, and beyond the usual ones."""
    known = _known.get(worker)
    if known is None:
        known = _known[worker] = _moments(worker, users)
    return known


def night(worker: Worker) -> float | None:
    """How long it may take until the next client comes, in seconds; None where nobody can wait for a day."""
    known = _nights.get(worker)
    if known is None:
        known = _nights[worker] = _ticks(worker, deserted(worker.target))[1] * LONGEST <= NIGHT_TICKS
    return LONGEST if known else None


def _moments(worker: Worker, users: int) -> tuple[float, ...]:
    policy = worker.target.traits.policy
    declared = [limit for limit in (policy.idle, policy.session, policy.kept_for) if limit is not None]
    program = rehearsal(worker.target, users)
    if program is None:
        return MOMENTS
    delays, rate = _ticks(worker, program)
    longest = min(LONGEST, TICKS / rate) if rate else LONGEST
    own = _spread({round(delay, 2) for delay in delays if SHORTEST <= delay <= LONGEST} - set(declared))
    beside = [moment for delay in (*declared, *own) for moment in (max(delay - BESIDE, delay / 2), delay + BESIDE)]
    beyond = [delay * BEYOND for delay in declared]
    return tuple(moment for moment in (*beyond, *beside, *MOMENTS) if moment <= longest)


def _ticks(worker: Worker, program: Program) -> tuple[list[float], float]:
    """The delays of all timers that are set in a program, and how many a second in the pause that it ends with."""
    timers: list[tuple[float, float]] = []
    worker.loop.timers_set = timers
    try:
        execution = worker.run(program, InOrder())
    finally:
        worker.loop.timers_set = None
    looked = max((row.time for row in execution.history if row.kind == RowKind.REST), default=0.0) - LONG_LOOK
    return [delay for _, delay in timers], sum(since >= looked for since, _ in timers) / LONG_LOOK


def _spread(delays: Iterable[float]) -> list[float]:
    """At most so many of them, evenly."""
    ordered = sorted(delays)
    step = max(1, -(-len(ordered) // MOST))
    return ordered[::step]
