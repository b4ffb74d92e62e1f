"""What failing executions of a program and of its neighbours do, and passing ones do not.

Suspicion is Ochiai's: of what an element takes part in, how much fails, against how much of what fails it takes part
in (Abreu, Zoeteweij and van Gemund, "On the accuracy of spectrum-based fault localization", TAICPART 2007; Wong et al.,
"A survey on software fault localization", IEEE TSE 2016).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...core.program import Kind, Operation, Program
from ...engine.execution import Execution, Worker
from ...engine.schedule import Recorded
from ...search import RandomWalk
from ...world import Chooser, InOrder
from ..finding import Finding, digest, judged
from .decisions import Way, subject, ways_like
from .trace import Element, traced

__all__ = ("EXECUTIONS", "FEWEST", "PLAINER", "Budget", "Spectrum", "shape", "signatures", "spectrum")

EXECUTIONS = 60
"""Executions of a spectrum.  With twenty, fewer findings of a bug were put together; with more, no more."""

FEWEST = 16
"""Executions of one where time is short: better for each finding than more for the first ones and none for the last."""

AGAIN = 3
"""With so many times as many executions as one in which it shows takes, it shows again in nineteen of twenty cases."""

FEW = 10
"""With fewer executions in which nothing is wrong, those in which something else is count as passing too."""

PLAINER: dict[Kind, Kind] = {
    "emit_to_thread": "emit",
    "broadcast": "emit",
    "run_agent": "emit",
    "abort": "disconnect",
    "log_out": "disconnect",
}
"""Operations, and those that say less in their place."""


Step = tuple[str | int | None, ...]
"""An operation of a `shape`: its plain kind, and who takes part, numbered as they come."""


def shape(program: Program) -> tuple[Step, ...]:
    """What a program does, whoever does it and however it is said: the same for programs that may show one thing."""
    numbers: dict[str | None, int] = {None: -1}

    def of(*names: str | None) -> tuple[int, ...]:
        return tuple(numbers.setdefault(name, len(numbers)) for name in names)

    steps: list[Step] = []
    for step in program.operations:
        if step.kind in ("settle", "stall"):
            continue
        kind = PLAINER.get(step.kind, step.kind) if step.to or step.kind != "broadcast" else step.kind
        who = of(step.to) if kind == "emit" else of(step.connection, step.user, step.room)
        steps.append((kind, *who))
    return tuple(steps)


class Budget:
    """How many executions a question has cost; `spent` says that there may be no more."""

    def __init__(self, over: Callable[[], bool] | None = None) -> None:
        self.executions = 0
        self.cut = False
        """Whether something was left out for it."""
        self._over = over

    @property
    def spent(self) -> bool:
        self.cut = self.cut or (self._over is not None and self._over())
        return self.cut


def signatures(worker: Worker, execution: Execution) -> dict[str, str]:
    """Signature -> class of what an execution violates."""
    return {v.signature(worker.target.name): v.kind for v in judged(worker, execution).violations}


def _variants(step: Operation, users: Sequence[str]) -> Iterator[Operation]:
    """An operation with one thing about it changed."""
    if step.kind == "emit_to_thread" and step.thread != step.to:
        yield replace(step, thread=step.to)
    if step.kind in PLAINER and (PLAINER[step.kind] != "emit" or step.to):
        yield replace(step, kind=PLAINER[step.kind], thread=None)
    for user in users:
        if step.kind in ("emit", "emit_to_thread", "run_agent", "connect") and user not in (step.to, step.user):
            yield replace(step, to=user) if step.to else replace(step, user=user)
    if step.token not in (None, "valid"):
        yield replace(step, token="valid")


def neighbours(program: Program) -> Iterator[Program]:
    """The programs next to a program: an operation less, changed, or before the one it follows."""
    steps = program.operations
    users = list(dict.fromkeys((*program.users, "u0", "u1")))
    for at, step in enumerate(steps):
        for other in _variants(step, users[:2]):
            yield Program((*steps[:at], other, *steps[at + 1 :]))
    for at in range(len(steps)):
        if len(steps) > 1:
            yield program.without(at)
    for at in range(len(steps) - 1):
        yield Program((*steps[:at], steps[at + 1], steps[at], *steps[at + 2 :]))


@dataclass(slots=True)
class Spectrum:
    """How often each element occurred in failing and in passing executions."""

    failing: int = 0
    passing: int = 0
    other: int = 0
    fails: Counter[Element] = field(default_factory=Counter)
    passes: Counter[Element] = field(default_factory=Counter)
    well: set[Way] = field(default_factory=set)
    """what is run, where nothing is wrong, for operations of the kind that the finding is about"""
    beside: Counter[str] = field(default_factory=Counter)
    """signature -> in how many failing executions it showed as well"""

    @property
    def executions(self) -> int:
        return self.failing + self.passing

    @property
    def until_it_shows(self) -> int:
        """In how many executions it would show again, unless it were prevented."""
        return min(math.ceil(AGAIN * (self.executions + self.other) / max(self.failing, 1)), EXECUTIONS)

    def ochiai(self, element: Element) -> float:
        """How suspicious an element is, from 0 to 1."""
        both = self.fails[element]
        return both / math.sqrt(self.failing * (both + self.passes[element])) if both else 0.0

    @property
    def always_beside(self) -> frozenset[str]:
        """The signatures of what else shows whenever it fails; nothing where it was seen to fail only once."""
        return frozenset(s for s, times in self.beside.items() if times == self.failing > 1)

    def ranked(self, *sorts: str) -> list[tuple[float, Element]]:
        """The elements of these sorts, the most suspicious first."""
        scores = ((self.ochiai(element), element) for element in self.fails if element[0] in sorts)
        return sorted(scores, key=lambda pair: (-round(pair[0], 9), pair[1]))


def spectrum(worker: Worker, finding: Finding, budget: Budget, most: int = EXECUTIONS) -> Spectrum:
    """Execute the program and its neighbours, in order and at random, so often at ``most``.

    What shows something else counts for neither.
    """
    counts = Spectrum()
    program, kind = finding.execution.program, finding.violation.kind
    signature = finding.violation.signature(worker.target.name)
    others: Counter[Element] = Counter()
    about = program.operation(subject(finding))
    around = list(neighbours(program))
    seed = digest(program)

    def choices() -> Iterator[tuple[Program, Chooser]]:
        yield program, Recorded(finding.execution.schedule)
        for other in (program, *around[: most // 2]):
            yield other, InOrder()
        for turn in range(max(0, most - min(len(around), most // 2) - 2)):
            other = program if turn % 2 == 0 or not around else around[turn // 2 % len(around)]
            yield other, RandomWalk((seed ^ digest(other)) + turn)

    for other, chooser in choices():
        if budget.spent:
            break
        execution, trace = traced(worker, other, chooser)
        budget.executions += 1
        seen = signatures(worker, execution)
        if signature in seen:
            counts.failing += 1
            counts.beside.update(seen.keys() - {signature})
            counts.fails.update(trace.elements())
        elif not seen:
            counts.passing += 1
            counts.passes.update(trace.elements())
            if about is not None:
                counts.well |= ways_like(about, trace, execution)
        elif kind not in seen.values():
            counts.other += 1
            others.update(trace.elements())
    if counts.passing < FEW:  # where something is always wrong, what is wrong in another way must do
        counts.passing += counts.other
        counts.passes.update(others)
    return counts
