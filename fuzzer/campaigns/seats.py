"""A seat: where rounds of one target are run, one at a time, in a process that is replaced where it ends.

A round that ended its process is run again with more care, which tells what ended it.  It is the same on this machine
and on a cluster's: what a round gives (`Ran`) does not tell where it was run.
"""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from ..core.choices import Way
from ..core.program import Kind, Program
from ..engine.alone import CAN_FORK
from ..engine.execution import TargetError
from ..findings.finding import Finding
from ..targets.resolve import resolve
from .audience import for_audience
from .child import Care, Child, awaited
from .endings import LIVES, NOT_AGAIN
from .messages import Line
from .rounds import Batch, Plan, run_round
from .versions import Versions, versions_here
from .watched import Suspects, Trace, WatchedWorker

__all__ = ("Ran", "RoundsJob", "Seat", "Seats")

ROUND = 8
"""Processes that one round may cost before what is left of it is passed over."""


@dataclass(frozen=True, slots=True)
class RoundsJob:
    """Run the rounds whose numbers are sent, one after the other."""

    target: str
    plan: Plan
    way: Way
    """How executions are kept apart, as it was proven."""
    reaches: Kind | None
    """Whom what clients say is for, where nobody said it, as it was found out."""
    patience: float
    tells_versions: bool = False
    """Whether the process tells its versions first: every source file is read for them."""
    careful: bool = False
    avoided: frozenset[Program] = frozenset()

    def run(self, line: Line) -> None:
        target = for_audience(resolve(self.target), self.reaches)
        worker = WatchedWorker(target, line, self.patience, self.careful, self.avoided)
        worker.target.state.way = self.way
        worker.samples = CAN_FORK
        if self.tells_versions:
            line.tell(versions_here(self.target))
        with worker.session():
            if CAN_FORK:
                worker.stand_by()
            line.begun()
            while (number := line.asked()) is not None:
                assert isinstance(number, int)
                began = time.perf_counter()
                batches = self._batches(worker, number)
                line.tell(_Round(batches, worker.target.state.notes, time.perf_counter() - began))
                worker.careful = False  # the round that went wrong has gone well

    def _batches(self, worker: WatchedWorker, number: int) -> list[Batch]:
        """A round's batches, as far as they can count: how much the rounds before it had, is not known here."""
        most, before = self.plan.executions, 0
        batches: list[Batch] = []

        def over(more: int) -> bool:
            return most is not None and before + more >= most

        with closing(run_round(worker, self.plan, number, over)) as run:
            for batch in run:
                batches.append(batch)
                before += len(batch.executions)
                if over(0):
                    break
        return batches


@dataclass(frozen=True, slots=True)
class _Round:
    """The batches of a round, what there is to say of how executions are kept apart, and the seconds it took."""

    batches: list[Batch]
    notes: list[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Ran:
    """A round that was run: its batches, what there is to say, and what it took.

    ``seconds`` are those of the process that ran it to its end; ``cost`` counts the processes that ended in it
    (`Ending.cost`), the last of them as ``ending`` says.
    """

    number: int
    batches: list[Batch]
    notes: list[str]
    seconds: float = 0.0
    cost: int = 0
    ending: str = ""


class Seat:
    """Runs rounds one at a time; ``avoided`` are programs known to end a process, to which it adds.

    Close it, or its process stays.
    """

    def __init__(self, job: RoundsJob, care: Care, avoided: set[Program]) -> None:
        self.number: int | None = None
        self.versions: Versions | None = None
        """Of the process that sits here, once it has said so; only where the job is to tell them."""
        self._job, self._care, self._avoided = job, care, avoided
        self._ended: list[Finding] = []
        self._suspects = Suspects()
        self._ends = self._lives = self._cost = 0
        self._ending = ""
        self.child = self._made(careful=False)
        self._trace = Trace()

    def begin(self, number: int) -> None:
        """Have a round run."""
        self.number = number
        self.child.ask(number)

    def hear(self) -> Ran | None:
        """Return the round where it has come to its end, without waiting; raises `TargetError` and what it raised."""
        ran = None
        for message in self.child.hear():
            if isinstance(message, Versions):
                self.versions = message
            elif not self._trace.hear(message) and isinstance(message, _Round):
                notes = message.notes
                if self._ends and not self._ended:
                    notes, self._cost = [*notes, f"{self._ending}; {NOT_AGAIN}"], 0
                ran = self._left(message.batches, notes, message.seconds)
        done, ending = self.child.done, self.child.ending
        if done is not None:
            raise done.error or TargetError(f"{self._job.target}: a worker process failed: {done.gist}")
        if ending is None:
            return ran
        finding = self._suspects.accused(self._trace, ending)
        self._ends += 1
        self._lives += finding is not None or not ending.foreign
        self._cost += ending.cost
        self._ending = str(ending)
        if finding is not None:
            self._ended.append(finding)
            self._avoided.add(finding.execution.program)
        if self.number is not None and (self._lives > ROUND or self._cost >= LIVES):
            note = f"{self._ends} processes ended in one round, what is left of it is passed over; {ending}"
            ran = self._left([], [note])
        elif self.number is None and self._cost >= LIVES:
            raise TargetError(f"{self._job.target}: in process after process, while it was taken up, {ending}")
        self._replace(careful=self.number is not None)
        if self.number is not None:
            self.child.ask(self.number)
        return ran

    def _left(self, batches: list[Batch], notes: list[str], seconds: float = 0.0) -> Ran | None:
        """End the round that is run here; None where none is."""
        if self.number is None:
            return None
        batches = [*map(self._shown, self._ended), *batches]
        ran = Ran(self.number, batches, notes, seconds, self._cost, self._ending)
        self.number, self._ended, self._ends, self._lives, self._cost = None, [], 0, 0, 0
        return ran

    def _made(self, careful: bool) -> Child:
        return Child(replace(self._job, careful=careful, avoided=frozenset(self._avoided)), self._care, daemon=True)

    def _replace(self, careful: bool) -> None:
        self.child.close()
        self.child, self._trace = self._made(careful), Trace()

    def _shown(self, finding: Finding) -> Batch:
        """A batch of the one execution that ended its process."""
        signature = finding.violation.signature(self._job.target)
        batch = Batch(finding.execution.program)
        if finding.violation.promise in self._job.plan.promises:
            batch.findings[signature] = finding
        batch.executions.append(("written", tuple(batch.findings)))
        return batch

    def close(self) -> None:
        """End the process; what it has in hand is dropped."""
        with suppress(OSError):
            self.child.close()


class Seats:
    """So many seats on this machine."""

    def __init__(self, job: RoundsJob, care: Care, number: int) -> None:
        avoided: set[Program] = set()
        self._seats: list[Seat] = []
        try:
            for _ in range(number):
                self._seats.append(Seat(job, care, avoided))
        except BaseException:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        """How many rounds are run at a time."""
        return len(self._seats)

    def take(self, number: int) -> bool:
        """Run a round, if one of the seats is free."""
        for seat in self._seats:
            if seat.number is None:
                seat.begin(number)
                return True
        return False

    def hear(self) -> list[Ran]:
        """Return the rounds that have come to their end, waiting a little for one; raises as `Seat.hear` does."""
        awaited([seat.child for seat in self._seats])
        return [ran for seat in self._seats if (ran := seat.hear()) is not None]

    def close(self) -> None:
        """End the processes."""
        for seat in self._seats:
            seat.close()
