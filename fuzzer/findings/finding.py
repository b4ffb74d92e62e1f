"""Findings: executions as the model judges them, and whether a violation that was seen can be believed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from ...models.isolation import judge
from ...models.isolation.violations import BlocksLoop, EatsMemory, HeadOfLineBlocking, KillsProcess, Violation
from ..core.history import Failure, History, Kept, Remains, Row, RowKind, Sleep, usable
from ..core.program import Operation, Program
from ..core.stacks import Place
from ..core.text import cut
from ..engine.execution import Execution, Worker
from ..engine.schedule import Guided
from ..search import Proven
from ..targets.adapter import Target
from .doubts import of_replay

__all__ = ("Finding", "Judged", "digest", "judged", "kept_circumstance", "soundness_doubt")


@dataclass(frozen=True, slots=True)
class Judged:
    """An execution, what the model says of it, and what its strategy has tried to the end with it.

    ``news`` counts the behaviours it was the first to show.
    """

    execution: Execution
    violations: tuple[Violation, ...]
    strategy: str
    proven: Proven | None = None
    news: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation with the execution that shows it; ``fatal`` where that ended the process, and left no history."""

    violation: Violation
    execution: Execution
    fatal: bool = False

    def beside(self, target: Target) -> frozenset[str]:
        """The signatures of what else its execution shows."""
        if self.fatal or self.execution.blocked is not None:
            return frozenset()
        shown = judge(target, self.execution.program, self.execution.history)
        return frozenset(one.signature(target.name) for one in shown) - {self.violation.signature(target.name)}


LONGEST = 5000
"""Characters of a circumstance that are kept in files."""

ENDINGS = (BlocksLoop, EatsMemory, KillsProcess)
"""What is told by how a process or an execution ended: there is nothing to it but its class."""


def kept_circumstance(violation: Violation, history: History) -> str:
    """Return a violation's circumstance without the names of the target's functions: what a refactoring leaves."""
    if isinstance(violation, ENDINGS):
        return ""
    kept = violation.circumstance
    for name in sorted(_functions(history), key=len, reverse=True):
        kept = kept.replace(name, "*")
    return cut(kept, LONGEST)


def _functions(history: History) -> set[str]:
    """The names of the target's functions and tasks that a history mentions."""
    names = set()
    for row in history:
        match row.detail:
            case Place() as place:
                names.add(place.function)
            case Failure(place=place) | Sleep(place=place):
                names.add(place.function)
            case Remains(place=place, name=name):
                names |= {place.function, name}
            case Kept(path=path):
                names.add(path)
    return names - {""}


def digest(program: Program) -> int:
    """A number for a program that is the same in every process."""
    text = "\n".join(repr(operation) for operation in program.operations)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


def judged(worker: Worker, execution: Execution, strategy: str = "") -> Judged:
    """Apply the model to an execution.

    Of one that was broken off since the target kept the thread only that can be said: what had not happened yet may
    have been about to.
    """
    kept = execution.blocked
    if kept is None:
        return Judged(execution, tuple(judge(worker.target, execution.program, execution.history)), strategy)
    spent = f"waited there for more than {kept.seconds:g} s" if kept.waiting else f"took more than {kept.seconds:g} s"
    message = f"the target never gave the event loop's thread back: it {spent}, in {kept.place}"
    violation = BlocksLoop(message, kept.place.function, (max(len(execution.history) - 1, 0),))
    return Judged(execution, (violation,), strategy)


ENDS = (RowKind.RETURNED, RowKind.RAISED, RowKind.CANCELLED)
"""However an operation ends, it has taken its time."""


def soundness_doubt(worker: Worker, finding: Finding) -> str | None:
    """Why a finding should not be believed, or None.

    It must show again under its own schedule, byte for byte.  An operation said to be held up by a stalled client is
    executed once more with nobody stalling: where it is as slow then, nobody held it up.
    """
    execution = finding.execution
    worker.target.state.put_back(thorough=True)  # else libraries' objects are all looked at now and then only
    again = _patiently(worker, execution)
    if execution.blocked is not None and again.blocked is None:
        return "it takes its time, and gives the event loop's thread back in the end"
    doubt = of_replay(execution.program.expanded, execution.history, again.history)
    if doubt is not None:
        return str(doubt)
    if isinstance(finding.violation, HeadOfLineBlocking):
        calm = Program(tuple(_calm(operation) for operation in execution.program.operations))
        control = worker.run(calm, Guided(execution.visible))
        first, last = finding.violation.evidence[0], finding.violation.evidence[-1]
        began = _place(control.history, execution.history[first])
        ended = _place(control.history, execution.history[last])
        took = usable(execution.history, first, last)
        # A stall that was waited out has no length: then it must only be that nothing is left undone without it.
        if (
            began is None
            or ended is None
            or (took > worker.target.traits.policy.holds_up and usable(control.history, began, ended) >= took)
        ):
            return "the operation takes as long when nobody stalls"
    return None


def _place(history: History, like: Row) -> int | None:
    """Return the number of the row that says of the same operation what a row of another history does, or None."""
    kinds = ENDS if like.kind in ENDS else (like.kind,)
    return next(
        (
            at
            for at, row in enumerate(history)
            if row.kind in kinds and (row.operation, row.connection) == (like.operation, like.connection)
        ),
        None,
    )


def _patiently(worker: Worker, execution: Execution) -> Execution:
    """Replay with all the patience there is, however little a worker has become used to."""
    before, worker.patience = worker.patience, worker.longest_patience
    try:
        return worker.replay(execution.program, execution.schedule)
    finally:
        worker.patience = before


def _calm(operation: Operation) -> Operation:
    return replace(operation, kind="unstall") if operation.kind == "stall" else operation
