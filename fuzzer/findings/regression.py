"""Replays a counterexample: does its violation still show?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from ...models.isolation.violations import Violation
from ..engine.execution import Execution, Worker
from ..engine.schedule import Guided, Recorded
from ..search import RandomWalk
from ..targets.resolve import resolve
from ..world import Chooser
from .counterexample import Counterexample
from .finding import judged

__all__ = ("OTHERS", "Replayed", "replayed")

OTHERS = 1000
"""Other schedules tried before a violation is called gone."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What replaying gave: the execution and the violation it shows, or None; ``how`` it was reached, or why not."""

    execution: Execution
    violation: Violation | None
    how: str


def replayed(counterexample: Counterexample) -> Replayed:
    """Replay as recorded; where that shows nothing, by the order of events, and then under other schedules.

    How many iterations asyncio takes for the same thing differs between Pythons, and with it the numbers of decisions.
    Raises `UnknownTargetError` and `TargetError`.
    """
    worker = Worker(resolve(counterexample.target))
    program = counterexample.to_program()
    recorded = Recorded(counterexample.to_schedule())
    choosers: Iterator[tuple[str, Chooser]] = itertools.chain(
        [("as recorded", recorded), ("following the recorded order of events", Guided(counterexample.to_order()))],
        (("under another schedule than recorded", RandomWalk(seed)) for seed in range(OTHERS)),
    )
    first: Execution | None = None
    with worker.session():
        for how, chooser in choosers:
            execution = worker.run(program, chooser)
            first = first or execution
            for violation in judged(worker, execution).violations:
                if violation.signature(worker.target.name) == counterexample.signature:
                    return Replayed(execution, violation, how)
    assert first is not None
    return Replayed(first, None, f"neither as recorded nor under {OTHERS} other schedules")
