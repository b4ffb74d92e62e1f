"""What happened when in an execution: whose operations overlapped, who was there; and a campaign's first executions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count

from crosswire.fuzzer.campaigns.rounds import Plan, run_round
from crosswire.fuzzer.core.history import Content, Outcome, RowKind
from crosswire.fuzzer.core.program import EMITS, Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.engine.schedule import Schedule
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world import Chooser

__all__ = ("NEVER", "SPEAKING", "Life", "Span", "Story", "first_executions", "told")

NEVER = 1 << 60

SPEAKING = EMITS | {"act"}

ENDINGS = (RowKind.RETURNED, RowKind.RAISED, RowKind.CANCELLED)

LOGGING_IN = frozenset({"connect", "authenticate"})


@dataclass(slots=True)
class Span:
    """One operation as it went: rows from its invocation to its last effect, both included."""

    number: int
    op: Operation
    speaker: str | None
    """The user who acts."""
    began: int
    ended: int = NEVER
    outcome: RowKind | None = None
    refused: bool = False

    def overlaps(self, other: Span) -> bool:
        return self.began < other.ended and other.began < self.ended

    def during(self, row: int) -> bool:
        return self.began < row < self.ended

    @property
    def users(self) -> set[str]:
        """Everybody concerned by name."""
        return {name for name in (self.speaker, self.op.to) if name is not None}


@dataclass(slots=True)
class Life:
    """One connection: when it was asked for, logged in, and over."""

    user: str
    token: str
    asked: int
    up: int = NEVER
    over: int = NEVER
    left: int = NEVER
    """When the client left, where it did."""

    def there(self, row: int) -> bool:
        return self.up < row < self.over


@dataclass(slots=True)
class Story:
    """What situations are decided on: the program, and what of it happened when."""

    target: Target
    program: Program
    spans: dict[int, Span] = field(default_factory=dict)
    lives: dict[str, Life] = field(default_factory=dict)
    rests: list[int] = field(default_factory=list)
    stalls: list[tuple[int, int, str]] = field(default_factory=list)
    cancelled: list[tuple[int, int]] = field(default_factory=list)
    """(row, number of the operation that was cancelled)"""

    @property
    def speeches(self) -> list[Span]:
        return [span for span in self.spans.values() if span.op.kind in SPEAKING]

    @property
    def logins(self) -> list[Span]:
        """The steps by which clients log in."""
        step = "authenticate" if self.target.offers("authenticate") else "connect"
        return [span for span in self.spans.values() if span.op.kind == step]

    def of(self, *kinds: str) -> list[Span]:
        return [span for span in self.spans.values() if span.op.kind in kinds]


def told(target: Target, execution: Execution) -> Story:
    """The story of an execution."""
    program = execution.program
    story = Story(target, program)
    operations = program.expanded
    stalled: dict[str, int] = {}
    last = 0
    for last, row in enumerate(execution.history):
        number, name = row.operation, row.connection
        mine = number is not None and number < len(operations)
        life = story.lives.get(name or "")
        if row.kind == RowKind.INVOKED and mine and number is not None:
            op = operations[number]
            if op.kind == "connect":
                life = story.lives[name or ""] = Life(op.user or "", op.token or "valid", last)
            elif op.kind == "authenticate" and life is not None:
                life.token = op.token or "valid"
            if op.kind == "cancel" and isinstance(row.detail, int):
                story.cancelled.append((last, row.detail))
            story.spans[number] = Span(number, op, op.user or (life.user if life is not None else None), last)
        elif row.kind in ENDINGS and number in story.spans:
            span = story.spans[number]
            span.outcome = row.kind
            nobody = span.op.kind == "authenticate" and row.detail is None and row.kind == RowKind.RETURNED
            span.refused = nobody or (row.outcome is Outcome.FAIL and row.kind != RowKind.CANCELLED)
            if not (target.traits.by_wire and span.op.kind in SPEAKING):  # else nobody knows but by what arrives
                span.ended = last
            if life is not None:
                if span.op.kind in LOGGING_IN and span.refused:
                    life.over = min(life.over, last)
                elif span in story.logins:
                    life.up = min(life.up, last)
                elif span.op.kind == "log_out":
                    life.over = min(life.over, last)
        elif isinstance(row.detail, Content):
            for mention in row.detail.mentions:
                span = story.spans[mention.event.number]
                if target.traits.by_wire or span.ended < last:
                    span.ended = last
        elif row.kind == RowKind.REST:
            story.rests.append(last)
        elif life is None or name is None:
            continue
        elif row.kind in (RowKind.GONE, RowKind.CLOSED):
            life.over = min(life.over, last)
            if row.kind == RowKind.GONE and mine:
                life.left = last
        elif row.kind == RowKind.STALLED:
            stalled[name] = last
        elif row.kind == RowKind.RESUMED and name in stalled:
            story.stalls.append((stalled.pop(name), last, name))
    story.stalls += [(since, last, name) for name, since in stalled.items()]
    return story


class _Watched(Worker):
    """Keeps the executions that explore programs, and not what is executed again to see how firm something is."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.seen: list[Execution] = []
        self._replaying = False

    def run(self, program: Program, chooser: Chooser) -> Execution:
        execution = super().run(program, chooser)
        if not self._replaying:
            self.seen.append(execution)
        return execution

    def replay(self, program: Program, schedule: Schedule) -> Execution:
        self._replaying = True
        try:
            return super().replay(program, schedule)
        finally:
            self._replaying = False


def first_executions(target: Target, plan: Plan, most: int) -> Iterator[Execution]:
    """The first executions of a campaign."""
    worker = _Watched(target)
    with worker.session():
        for number in count():
            with closing(run_round(worker, plan, number, lambda more: False)) as batches:
                for _ in batches:
                    yield from worker.seen[:most]
                    most -= len(worker.seen)
                    if most <= 0:
                        return
                    worker.seen.clear()
