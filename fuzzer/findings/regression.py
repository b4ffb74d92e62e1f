"""Replays a counterexample: does its violation still show?

That is a question of the promise, the class of the violation and its circumstance, never of the names of functions: a
loop that moved into a helper is no repair.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...models.isolation.violations import Violation
from ..core.handshake import Sent
from ..core.renames import said_then
from ..engine.execution import Execution, Worker
from ..engine.schedule import Guided, Recorded, Visible
from ..search import RandomWalk
from ..targets.resolve import resolve_on
from ..world import Chooser
from .causes import Cause, Story
from .causes.experiments import turned
from .counterexample import Counterexample
from .finding import Finding, judged, kept_circumstance

__all__ = ("OTHERS", "Replayed", "is_shown_by", "replayed", "shown_by")

NEXT = 100
"""Pairs of neighbouring events, at most, that are tried the other way round."""

OTHERS = 1000
"""Other schedules tried before a violation is called gone."""

KEPT = 2
"""The recorded schedule and the recorded order of events, which are tried however short the time is."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What replaying gave: the execution and the violation it shows, or None; ``how`` it was reached, or why not.

    ``others`` are what the recorded schedule shows instead; ``cause`` and
    ``story`` are known where somebody asked for them, and so are the ``frames`` that clients were sent.
    """

    execution: Execution
    violation: Violation | None
    how: str
    others: tuple[Violation, ...] = ()
    cause: Cause | None = None
    story: Story | None = None
    frames: tuple[Sent, ...] = ()


def is_shown_by(counterexample: Counterexample, violation: Violation, execution: Execution) -> bool:
    """Return whether a violation is the one a counterexample is of."""
    if violation.signature(counterexample.target) == counterexample.signature:
        return True
    if (violation.promise, violation.kind) != (counterexample.promise, counterexample.violation):
        return False
    kept = counterexample.circumstance
    return kept is None or said_then(kept) == said_then(kept_circumstance(violation, execution.history))


def shown_by(counterexample: Counterexample, worker: Worker) -> list[Finding]:
    """Return all that a counterexample shows, replayed just as recorded."""
    execution = worker.replay(counterexample.to_program(), counterexample.to_schedule())
    return [Finding(violation, execution) for violation in judged(worker, execution).violations]


def _around(order: list[Visible]) -> Iterator[list[Visible]]:
    """The orders in which two neighbouring events come the other way round, or one is handled to its end first."""
    for first in range(min(len(order) - 1, NEXT)):
        yield from turned(order, first, first + 1)


def replayed(
    counterexample: Counterexample, worker: Worker | None = None, over: Callable[[], bool] = lambda: False
) -> Replayed:
    """Replay as recorded; where that shows nothing, by the order of events, in orders next to it, and at random.

    How many iterations asyncio takes for the same thing differs between Pythons, and with it the numbers of decisions.
    ``worker`` runs the target that the file names, where one is at hand; ``over`` is asked before each of the other
    schedules whether the time is up.  Raises `UnknownTargetError` and `TargetError`.
    """
    worker = worker if worker is not None else Worker(resolve_on(counterexample.target, counterexample.backend))
    program = counterexample.to_program()
    recorded = Recorded(counterexample.to_schedule())
    choosers: Iterator[tuple[str, Chooser]] = itertools.chain(
        [("as recorded", recorded), ("following the recorded order of events", Guided(counterexample.to_order()))],
        (("in an order next to the recorded one", Guided(order)) for order in _around(counterexample.to_order())),
        (("under another schedule than recorded", RandomWalk(seed)) for seed in range(OTHERS)),
    )
    first: Execution | None = None
    others: tuple[Violation, ...] = ()
    tried = 0
    with worker.session():
        for how, chooser in choosers:
            if tried >= KEPT and over():
                break
            tried += 1
            execution = worker.run(program, chooser)
            violations = judged(worker, execution).violations
            for violation in violations:
                if is_shown_by(counterexample, violation, execution):
                    return Replayed(execution, violation, how)
            if first is None:
                first, others = execution, violations
            if execution.blocked is not None:  # each schedule costs as much, and shows as little
                break
    assert first is not None
    return Replayed(first, None, f"neither as recorded nor under {max(tried - KEPT, 0)} other schedules", others)
