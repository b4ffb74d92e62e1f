"""Rounds of a campaign over several processes, given back in order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ..core.choices import Way
from ..core.program import Kind, Program
from ..engine.alone import CAN_FORK
from ..engine.execution import TargetError
from ..findings.finding import Finding
from ..targets.adapter import Target
from ..targets.resolve import resolve
from ..targets.traits import WireTraits
from .audience import for_audience
from .child import Care, Child, awaited
from .endings import GIVEN_UP, LIVES
from .messages import Line
from .rounds import Batch, Plan, run_round
from .watched import Trace, WatchedWorker, execution_patience

__all__ = ("Pool", "RoundsJob")

AHEAD = 2
"""Rounds in hand for each process, so that none of them waits while an earlier round is counted."""

ROUND = 8
"""Processes that one round may cost before what is left of it is passed over."""


@dataclass(frozen=True, slots=True)
class RoundsJob:
    """Run the rounds whose numbers are sent, one after the other."""

    target: str
    plan: Plan
    way: Way
    """How executions are kept apart, as it was proven."""
    guessed: tuple[Kind, ...]
    """Whom what clients say is for, where nobody said it, as it was found out."""
    patience: float
    careful: bool = False
    avoided: frozenset[Program] = frozenset()

    def run(self, line: Line) -> None:
        target = for_audience(resolve(self.target), self.guessed)
        worker = WatchedWorker(target, line, self.patience, self.careful, self.avoided)
        worker.target.state.way = self.way
        worker.samples = CAN_FORK
        with worker.session():
            if CAN_FORK:
                worker.stand_by()
            line.begun()
            while (number := line.asked()) is not None:
                assert isinstance(number, int)
                batches = list(run_round(worker, self.plan, number, lambda more: False))
                line.tell(_Round(batches, worker.target.state.notes))
                worker.careful = False  # the round that went wrong has gone well


@dataclass(frozen=True, slots=True)
class _Round:
    """The batches of a round, and what there is to say of how executions are kept apart."""

    batches: list[Batch]
    notes: list[str]


@dataclass(slots=True)
class _Seat:
    """A process, the round it is at, and what its earlier occupants found out by ending."""

    child: Child
    number: int | None = None
    trace: Trace = field(default_factory=Trace)
    lives: int = 0
    ended: list[Finding] = field(default_factory=list)


class Pool:
    """Processes that run the rounds of one target ahead of the campaign that counts them.

    One that ends is replaced, and its round is run again with more care, which tells what ended it.
    """

    def __init__(self, target: Target, plan: Plan, workers: int, first: int, care: Care) -> None:
        self._target, self._state, self._plan, self._care = target.name, target.state, plan, care
        self._guessed = target.traits.guessed if isinstance(target.traits, WireTraits) else ()
        self._avoided: set[Program] = set()
        self._seats: list[_Seat] = []
        self._rounds: dict[int, list[Batch]] = {}
        self._lives = LIVES
        self._due = self._next = first
        self._ahead = workers * AHEAD
        try:
            for _ in range(workers):
                self._seats.append(_Seat(self._made(careful=False)))
        except BaseException:
            self.close()
            raise

    def next_round(self, over: Callable[[], bool], alive: Callable[[], None]) -> list[Batch]:
        """The next round's batches, in order; empty where the budget ends first.  Raises `TargetError`."""
        while self._due not in self._rounds and not over() and not self.given_up:
            alive()
            for seat in self._seats:
                if seat.number is None and self._next < self._due + self._ahead:
                    seat.number, self._next = self._next, self._next + 1
                    seat.child.ask(seat.number)
            awaited([seat.child for seat in self._seats])
            for seat in self._seats:
                self._hear(seat)
        self._due += 1
        batches = self._rounds.pop(self._due - 1, [])
        if self.given_up:
            batches += [self._shown(finding) for seat in self._seats for finding in seat.ended]
        return batches

    @property
    def given_up(self) -> bool:
        """Whether so many processes have ended that there will be no more of them."""
        return self._lives <= 0

    def _made(self, careful: bool) -> Child:
        job = RoundsJob(
            self._target,
            self._plan,
            self._state.way,
            self._guessed,
            execution_patience(self._care),
            careful,
            frozenset(self._avoided),
        )
        return Child(job, self._care)

    def _hear(self, seat: _Seat) -> None:
        for message in seat.child.hear():
            if not seat.trace.hear(message) and isinstance(message, _Round) and seat.number is not None:
                self._rounds[seat.number] = [*map(self._shown, seat.ended), *message.batches]
                for note in message.notes:
                    self._state.note(note)
                seat.number, seat.ended, seat.lives = None, [], 0
        done, ending = seat.child.done, seat.child.ending
        if done is not None:
            raise done.error or TargetError(f"{self._target}: a worker process failed: {done.gist}")
        if ending is None:
            return
        finding = seat.trace.finding(ending)
        seat.lives += 1
        self._lives -= ending.cost
        if finding is not None:
            seat.ended.append(finding)
            self._avoided.add(finding.execution.program)
        if self.given_up:
            self._state.note(f"{GIVEN_UP}; the last time {ending}")
            return
        if seat.number is not None and seat.lives > ROUND:
            self._rounds[seat.number] = list(map(self._shown, seat.ended))
            self._state.note(f"{ROUND} processes ended in one round, what is left of it is passed over; {ending}")
            seat.number, seat.ended, seat.lives = None, [], 0
        self._replace(seat, careful=seat.number is not None)
        if seat.number is not None:
            seat.child.ask(seat.number)

    def _replace(self, seat: _Seat, careful: bool) -> None:
        seat.child.close()
        seat.child, seat.trace = self._made(careful), Trace()

    def _shown(self, finding: Finding) -> Batch:
        """What a program showed that ended its process."""
        signature = finding.violation.signature(self._target)
        batch = Batch(finding.execution.program)
        if finding.violation.promise in self._plan.promises:
            batch.findings[signature] = finding
        batch.executions.append(("written", tuple(batch.findings)))
        return batch

    def close(self) -> None:
        """End the processes; what they have in hand is dropped."""
        for seat in self._seats:
            with suppress(OSError):
                seat.child.close()
