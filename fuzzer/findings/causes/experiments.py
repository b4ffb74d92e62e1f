"""Experiments on a finding: events the other way round, and operations said in another way that promises the same.

The idea of flipping what a failure depends on, one thing at a time, is delta debugging's (Zeller, "Isolating
cause-effect chains", FSE 2002); of flipping orders of events, AITIA's (Jeong et al., "Diagnosing kernel concurrency
failures with AITIA", EuroSys 2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from ...core.program import BARRIERS, Kind, Operation, Program
from ...core.source import Line
from ...engine.execution import Execution, Worker
from ...engine.schedule import BESIDES, Guided, Visible
from ...search import RandomWalk
from ...world import Chooser, InOrder
from ...world.external import Key
from ..finding import Finding, digest
from .spectrum import PLAINER, Budget, signatures
from .trace import Trace, traced
from .windows import Window, between_events, in_flight, not_in

__all__ = ("Change", "Flip", "Strength", "changes", "flips", "prevents", "shows_one_by_one", "turned")

REACH = 4
"""How far an event is moved at most, where no neighbouring pair decides."""

EQUAL: tuple[Kind, ...] = ("emit_to_thread", "abort", "log_out")
"""Operations whose plainer form promises the same."""

SILENCED = ("OfflineLoss", "HeadOfLineBlocking")
"""After a pause the model asks for less: that these are gone then says nothing about the target."""

UNDER_WAY: tuple[Kind, ...] = ("cancel", "flood", "stall", "unstall")
"""What is about operations that are under way, or holds them up: these cannot come to their ends before it."""

PAUSE = 2.0
"""Virtual seconds between two operations within which whatever is under way comes to its end."""


class Strength(IntEnum):
    """What was gone in the changed execution: this finding, everything of its class, or whatever was wrong."""

    FINDING = 0
    CLASS = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class Flip:
    """Two events whose order decides: ``apart`` where it helps that the first is handled to its end before the second.

    ``cured`` are the signatures that showed before and do not after.
    """

    earlier: Key
    later: Key
    apart: bool
    strength: Strength
    windows: tuple[Window, ...]
    cured: frozenset[str]

    @property
    def starts(self) -> int:
        """How many of the two are no more than that an operation begins."""
        return (self.earlier[0] == "start") + (self.later[0] == "start")

    @property
    def timed(self) -> bool:
        """Whether one of the two is that time passes."""
        return not BESIDES.isdisjoint((self.earlier, self.later))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one operation that promises the same, and after which the finding is gone.

    ``at`` is the operation's place in the program; ``pause`` that there was one before it, else what it was said as.
    ``spared`` are the lines that no longer run; ``windows`` are those that there are no more after
    a pause.
    """

    at: int
    before: Operation | None
    said: Operation
    instead: Operation | None
    strength: Strength
    spared: tuple[Line, ...]
    cured: frozenset[str]
    windows: tuple[Window, ...] = ()

    @property
    def starts(self) -> int:
        """As for a flip: it is all about the beginning of one operation."""
        return 1

    @property
    def key(self) -> str:
        """Which sort of change it is."""
        if self.instead is None:
            assert self.before is not None
            return f"a pause between {self.before.kind} and {self.said.kind}"
        if self.instead.kind == self.said.kind:
            return "the user's own token"
        return f"{self.instead.kind} instead of {self.said.kind}"


def _strength(finding: Finding, left: dict[str, str]) -> Strength:
    if not left:
        return Strength.ALL
    return Strength.FINDING if finding.violation.kind in left.values() else Strength.CLASS


def flips(worker: Worker, finding: Finding, before: frozenset[str], trace: Trace, budget: Budget) -> list[Flip]:
    """The pairs of events that decide; neighbours, and pairs further apart only where no neighbours do.

    ``before`` are the signatures that the finding's own execution shows.
    """
    execution = finding.execution
    program, order = execution.program, list(execution.visible)
    signature = finding.violation.signature(worker.target.name)
    found: list[Flip] = []
    for apart in range(1, REACH + 1):
        for first in range(len(order) - apart):
            one, two = order[first][0], order[first + apart][0]
            for handled, changed in enumerate(turned(order, first, first + apart)):
                if budget.spent:
                    return found
                other = worker.run(program, Guided(changed))
                budget.executions += 1
                if other.blocked is not None or not _realised(other, changed, first, first + apart, handled == 1):
                    continue
                left = signatures(worker, other)
                if signature not in left:
                    clock = bool({one, two} & BESIDES)
                    last = finding.violation.evidence[-1]
                    windows = between_events(trace, first + 1, first + apart + 1, clock, last)
                    strength = _strength(finding, left)
                    found.append(Flip(one, two, handled == 1, strength, windows, before - frozenset(left)))
                    break
        if found:
            break
    return found


def _realised(other: Execution, wanted: list[Visible], first: int, second: int, apart: bool) -> bool:
    """Whether the events came as they were asked to, up to the two that matter: what follows is the target's doing."""
    until = second + 1 if apart else first + 2
    came = list(other.visible)[:until]
    asked = wanted[:until]
    return [key for key, _ in came] == [key for key, _ in asked] and (not apart or not came[-1][1])


def turned(order: list[Visible], first: int, second: int) -> Iterator[list[Visible]]:
    """The later event handled before the earlier one, or the earlier one to its end before the later comes."""
    (one, busy_one), (two, busy_two) = order[first], order[second]
    yield [*order[:first], (two, busy_one), (one, busy_two), *order[first + 1 : second], *order[second + 1 :]]
    if busy_two:
        yield [*order[:second], (two, False), *order[second + 1 :]]


def _met(
    finding: Finding, trace: Trace, paused: Execution, path: Trace, before: Sequence[Operation]
) -> tuple[Window, ...]:
    """The windows that there are no more after a pause; where there are none, those in which what follows began."""
    last = finding.violation.evidence[-1]
    found = dict.fromkeys(not_in(trace, path, last))
    for number in range(len(Program(tuple(before)).expanded), len(finding.execution.program.expanded)):
        event, later = _began(finding.execution, number), _began(paused, number + 1)
        if not found and event is not None and later is not None:
            found.update(dict.fromkeys(in_flight(trace, event, path.waits.get(later, {}).values(), last)))
    return tuple(found)


def _began(execution: Execution, number: int) -> int | None:
    """With which event an operation began."""
    return next((at for at, (key, _) in enumerate(execution.visible, 1) if key == ("start", number)), None)


def shows_one_by_one(worker: Worker, finding: Finding, budget: Budget) -> bool:
    """Whether it shows where each operation has come to its end before the next begins: then no order decides."""
    steps: list[Operation] = []
    for step in finding.execution.program.operations:
        if step.kind in UNDER_WAY or budget.spent:
            return False
        if steps and step.kind not in BARRIERS and steps[-1].kind not in BARRIERS:
            steps.append(Operation("settle"))
        steps.append(step)
    return _shows(worker, finding, Program(tuple(steps)), InOrder(), budget)


def _shows(worker: Worker, finding: Finding, program: Program, chooser: Chooser, budget: Budget) -> bool:
    """Whether another execution shows it."""
    budget.executions += 1
    execution = worker.run(program, chooser)
    shown = signatures(worker, execution) if execution.blocked is None else {}
    return finding.violation.signature(worker.target.name) in shown


def _paused(program: Program, at: int) -> Program:
    """A program with a pause before one of its operations."""
    steps = program.operations
    return Program((*steps[:at], Operation("pause", seconds=PAUSE), *steps[at:]))


def prevents(worker: Worker, finding: Finding, change: Change, budget: Budget, tries: int) -> bool:
    """Whether, after a pause, the finding does not come back in another order of events either."""
    program = _paused(finding.execution.program, change.at)
    seed = digest(program)
    for turn in range(tries):
        if budget.spent:
            return turn > 0
        if _shows(worker, finding, program, RandomWalk(seed + turn), budget):
            return False
    return True


def changes(worker: Worker, finding: Finding, before: frozenset[str], trace: Trace, budget: Budget) -> list[Change]:
    """What may be said in another way without the finding: a plainer operation, or a pause before one; best first.

    ``before`` are the signatures that the finding's own execution shows.
    """
    execution = finding.execution
    program, signature = execution.program, finding.violation.signature(worker.target.name)
    steps, found = program.operations, []
    others: list[tuple[int, Operation | None, Program]] = []
    for at, step in enumerate(steps):
        if step.kind in EQUAL and not (step.kind == "log_out" and finding.violation.kind == "LateDelivery"):
            plainer = replace(step, kind=PLAINER[step.kind], thread=None)
            others.append((at, plainer, Program((*steps[:at], plainer, *steps[at + 1 :]))))
        if step.token not in (None, "valid", "invalid", "expired"):
            plainer = replace(step, token="valid")
            others.append((at, plainer, Program((*steps[:at], plainer, *steps[at + 1 :]))))
        if at and finding.violation.kind not in SILENCED:
            others.append((at, None, _paused(program, at)))
    for at, instead, other in others:
        if budget.spent:
            break
        changed, path = traced(worker, other, Guided(execution.visible))
        budget.executions += 1
        if changed.blocked is not None:
            continue
        left = signatures(worker, changed)
        if signature not in left:
            spared = tuple(sorted(trace.lines() - path.lines()))
            cured = before - frozenset(left)
            previous = steps[at - 1] if at else None
            met = () if instead is not None else _met(finding, trace, changed, path, steps[:at])
            found.append(Change(at, previous, steps[at], instead, _strength(finding, left), spared, cured, met))
    return sorted(found, key=lambda change: -change.strength)
