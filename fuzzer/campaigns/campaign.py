"""Many executions of one target under a budget: what was counted, and what was found.

A seed names a finite, ordered sequence of executions: rounds of generated programs, each explored under the same
number of schedules.  A budget only says where in that sequence to stop, and the number of processes only how soon
that place is reached: batches are counted in order.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain

from ...models.isolation import impossible
from ...models.isolation.violations import Deadlock
from ..engine.execution import TargetError, Worker
from ..findings.finding import Finding, soundness_doubt
from ..findings.minimise import minimise
from ..findings.tally import Cell, Found, Tally
from ..targets.adapter import Target
from ..targets.traits import WireTraits
from .audience import find_audience
from .child import Care
from .cluster import Cluster
from .events import BugFound, BugUpdated, CampaignEvent, Finished, Noted, Phase, Progressed, Started
from .finishing import ENOUGH, Finishing
from .pool import Pool, Runners
from .preflight import preflight
from .proof import prove
from .rounds import Batch, Plan, run_round
from .seats import RoundsJob, Seats
from .versions import versions_here
from .watched import execution_patience

__all__ = ("Campaign", "Plan")

SMALL = 5
"""Operations of a counterexample that is small enough not to look for a smaller one of the same signature."""

DOUBTS = 50
"""After so many dismissals a signature is not looked at again in this campaign."""

SHRINKING = 1 / 3
"""Share of a budget in seconds that making counterexamples small may take; one takes at most half of what is left."""


PROVING = 1 / 20
"""Share of a budget in seconds after which as few executions as possible are compared with others alone."""

CONFIRMING = 1 / 4
"""Share of a budget in seconds that is kept for confirming, at most."""

WORTH_IT = 0.05
"""Seconds without which making a finding small is not begun."""

AT_LEAST = 1 / 10
"""The part of what is kept for causes and confirmations that making a finding small may still take."""

CAUSES = 1 / 10
"""Share of a budget in seconds that looking for causes may take, at most."""

CAUSE_MANAGER, CAUSE_APPLICATION = 0.15, 0.6
"""Seconds that the cause of one finding takes."""

CONFIRMING_MANAGER, CONFIRMING_APPLICATION = 0.5, 1.0
"""Seconds that confirming one bug takes."""


class Campaign:
    """The campaign of one target.  `events` is the campaign; `run` is for those who only want its figures."""

    def __init__(
        self,
        target: Target,
        plan: Plan,
        *,
        workers: int = 1,
        cluster: str | None = None,
        confirming: bool = False,
        explaining: bool = True,
        tally: Tally | None = None,
        worker: Worker | None = None,
        care: Care | None = None,
    ) -> None:
        self.target = target
        self._worker = worker if worker is not None else Worker(target)
        self._care = care if care is not None else Care()
        self.plan = plan
        self.confirming = confirming
        self.explaining = explaining
        self.tally = tally if tally is not None else Tally(target.name)
        self._workers, self._cluster = workers, cluster
        self._by_strategy: Counter[str] = Counter(dict.fromkeys(plan.strategies, 0))
        self._began = 0.0
        self._shrinking = 0.0
        self._stopped = False
        self._told = 0

    def run(self) -> Tally:
        """Fuzz until the budget is used up; raises `TargetError` where the target cannot be fuzzed."""
        for _ in self.events():
            pass
        return self.tally

    def stop(self) -> None:
        """End after the current execution, as if the budget were used up."""
        self._stopped = True

    def events(self) -> Generator[CampaignEvent, None, None]:
        """Fuzz until the budget is used up, telling what happens; raises `TargetError`.

        Close the iterator where it is not run to its end.
        """
        tally = self.tally
        self._began = time.perf_counter() - tally.seconds
        for (strategy, _, _), times in tally.cells.items():
            self._by_strategy[strategy] += times
        tally.impossible, tally.backend = impossible(self.target), self.target.backend
        yield Started(tally)
        worker = self._worker
        try:
            with worker.session():
                yield Progressed(tally, Phase.STARTING)
                prove(worker, self.plan.executions, lambda: self._spent(PROVING))
                told = find_audience(worker)
                if told is not None:
                    yield Noted(f"{self.target.name}: {told}")
                self.target = worker.target
                plain = preflight(worker, self.plan.promises)
                fresh = [plain] if plain is not None and not tally.programs else []  # one that goes on has counted it
                for batch in chain(fresh, self._batches(worker)):
                    yield from self._notes()
                    if batch is None:
                        yield Progressed(tally, Phase.SEARCHING)
                        continue
                    yield from self._count(worker, batch)
                    if self._over():
                        break
                yield from self._notes()
                finishing = Finishing(worker, tally, self._left, lambda: self._stopped, self._usual)
                if self.explaining:
                    yield from finishing.explain(self._for_causes())
            if self.confirming:
                yield from finishing.confirm()
            yield from finishing.use_what_is_left(confirming=self.confirming, explaining=self.explaining)
        finally:
            worker.close()
            tally.seconds = time.perf_counter() - self._began
        yield Finished(tally)

    def _notes(self) -> Iterator[Noted]:
        """Tell what there is to say, and was not told yet, of how executions are kept apart."""
        notes = self.target.state.notes
        while self._told < len(notes):
            self._told += 1
            yield Noted(f"{self.target.name}: {notes[self._told - 1]}")

    def _left(self) -> float | None:
        """Return the seconds that are left of a budget in seconds."""
        if self.plan.seconds is None:
            return None
        return self._began + self.plan.seconds - time.perf_counter()

    def _for_causes(self) -> float | None:
        """Return the seconds that looking for causes may take."""
        seconds, left = self.plan.seconds, self._left()
        if seconds is None or left is None:
            return None
        return max(min(seconds * CAUSES, left - self._confirming_takes()), 0.0)

    def _batches(self, worker: Worker) -> Iterator[Batch | None]:
        """Yield the batches of round after round, in order, until the budget is used up; None after each round."""
        if self._workers == 1 and self._cluster is None:
            while not self._over():
                with closing(run_round(worker, self.plan, self.tally.rounds, self._over)) as batches:
                    yield from batches
                if not self._over():
                    self.tally.rounds += 1
                    yield None
            return
        with closing(Pool(self.target, self._runners(), self.tally.rounds)) as pool:
            while not (self._over() or pool.given_up):
                yield from pool.next_round(self._over, worker.alive)
                if not self._over():
                    self.tally.rounds += 1
                    yield None

    def _runners(self) -> Runners:
        """Those who run the rounds: processes here, or a cluster's workers."""
        target, care = self.target, self._care
        reaches = target.traits.reaches if isinstance(target.traits, WireTraits) else None
        job = RoundsJob(target.name, self.plan, target.state.way, reaches, execution_patience(care))
        if self._cluster is None:
            return Seats(job, care, self._workers)
        here, alive = versions_here(target.name), self._worker.alive
        return Cluster(self._cluster, self._workers, job, care, here, target.state.note, alive)

    def _over(self, more: int = 0) -> bool:
        """Return whether the budget ends here, ``more`` executions after those counted."""
        plan = self.plan
        return (
            self._stopped
            or (plan.first and bool(self.tally.found))
            or (plan.executions is not None and self.tally.executions + more >= plan.executions)
            or (plan.seconds is not None and time.perf_counter() - self._began >= plan.seconds - self._reserved())
        )

    def _spent(self, share: float) -> bool:
        """Return whether so much of a budget in seconds is used up."""
        return self.plan.seconds is not None and time.perf_counter() - self._began >= self.plan.seconds * share

    @property
    def _usual(self) -> float:
        """Seconds that confirming one bug of this target takes."""
        return CONFIRMING_APPLICATION if self.target.traits.by_wire else CONFIRMING_MANAGER

    def _reserved(self) -> float:
        """Return the seconds of the budget that causes and confirmations of what was found so far will need."""
        needed = self._confirming_takes()
        if self.explaining:
            needed += self._takes(CAUSE_APPLICATION if self.target.traits.by_wire else CAUSE_MANAGER, CAUSES)
        return needed

    def _confirming_takes(self) -> float:
        """Return the seconds that are kept for confirming what was found so far."""
        return self._takes(self._usual, CONFIRMING) if self.confirming else 0.0

    def _takes(self, each: float, share: float) -> float:
        """Return the seconds of that share of the budget that what was found so far will need, ``each`` so many.

        There is more than enough for the first of it: on a machine with other work it takes longer than it usually
        does.
        """
        findings = len(self.tally.found)
        if self.plan.seconds is None or not findings:
            return 0.0
        return min(each * (ENOUGH + findings - 1), self.plan.seconds * share)

    def _count(self, worker: Worker, batch: Batch) -> Iterator[CampaignEvent]:
        """Take one program's executions in."""
        tally, limit = self.tally, self.plan.executions
        tally.programs += 1
        tally.exercised.update(batch.exercised)
        if batch.proven is not None and batch.proven.delays:
            tally.proven[batch.proven.delays] += 1
        again: dict[str, None] = {}
        before = frozenset(tally.found)
        users, length = len(batch.program.users), len(batch.program)
        shown: set[str] = set()
        counted_before = tally.executions
        for strategy, signatures in batch.executions:
            shown.update(signatures)
            tally.executions += 1
            self._by_strategy[strategy] += 1
            cell = (strategy, users, length)
            tally.cells[cell] += 1
            if signatures:
                yield from self._note(worker, batch, cell, signatures, again)
            if self._stopped or (limit is not None and tally.executions >= limit):
                break
        counted = tally.executions - counted_before
        tally.reached.update(line for line, at in batch.reached.items() if at <= counted)
        for signature in shown & before:
            tally.found[signature].programs += 1
        for signature in again:
            yield from self._again(worker, tally.found[signature], batch.findings[signature])
        tally.seconds = time.perf_counter() - self._began
        yield Progressed(tally, Phase.SEARCHING)

    def _note(
        self, worker: Worker, batch: Batch, cell: Cell, signatures: tuple[str, ...], again: dict[str, None]
    ) -> Iterator[CampaignEvent]:
        found = self.tally.found
        promises: dict[str, None] = {}
        stuck_as_known = any(s in found and isinstance(batch.findings[s].violation, Deadlock) for s in signatures)
        for signature in signatures:
            violation = batch.findings[signature].violation
            if signature in found:
                known = found[signature]
                known.times += 1
                if known.times.bit_count() == 1:
                    again[signature] = None
            elif stuck_as_known and isinstance(violation, Deadlock):
                pass  # one deadlock holds up many; what waits behind a known one is its consequence
            else:
                yield from self._new(worker, signature, batch.findings[signature])
                if signature not in found:
                    continue
                stuck_as_known = stuck_as_known or isinstance(violation, Deadlock)
            if signature in found:
                found[signature].first_by.setdefault(cell[0], self._by_strategy[cell[0]])
            promises[violation.promise] = None
        for promise in promises:
            self.tally.broken[promise] += 1
            self.tally.broken_cells[promise, cell] += 1

    def _new(self, worker: Worker, signature: str, finding: Finding) -> Iterator[CampaignEvent]:
        """Minimise and keep a bug not seen before, unless it should not be believed."""
        tally = self.tally
        if tally.doubts[signature] >= DOUBTS:
            return
        doubt = soundness_doubt(worker, finding) if not finding.fatal else None
        if doubt is not None:
            tally.doubts[signature] += 1
            tally.doubtful[signature] = doubt
            return
        at = time.perf_counter() - self._began
        if finding.fatal:  # to try smaller ones would end this process too
            tally.found[signature] = found = Found(finding, signature, tally.executions, at, minimal=False)
            yield BugFound(tally, found)
            return
        tally.found[signature] = found = Found(finding, signature, tally.executions, at, minimal=False)
        yield Progressed(tally, Phase.SHRINKING)
        try:
            found.finding, found.minimal = self._minimised(worker, finding)
        except TargetError:  # the target starts no more; what it did before is known all the same
            yield BugFound(tally, found)
            raise
        yield BugFound(tally, found)

    def _again(self, worker: Worker, known: Found, finding: Finding) -> Iterator[CampaignEvent]:
        """See whether this occurrence of a known bug shrinks to something smaller."""
        size = len(known.finding.execution.program)
        if size > SMALL and not finding.fatal and soundness_doubt(worker, finding) is None:
            yield Progressed(self.tally, Phase.SHRINKING)
            small, minimal = self._minimised(worker, finding)
            if len(small.execution.program) < size:
                known.finding, known.minimal = small, minimal
                known.confirmation, known.cause = None, None
                yield BugUpdated(self.tally, known)

    def _minimised(self, worker: Worker, finding: Finding) -> tuple[Finding, bool]:
        """Return a finding made as small as the time allows, and whether it is minimal."""
        began = time.perf_counter()
        allowed = None
        if self.plan.seconds is not None:
            allowed = max(self.plan.seconds * SHRINKING - self._shrinking, 0.0) / 2
            left, reserved = self._began + self.plan.seconds - began, self._reserved()
            allowed = min(allowed, max(left - reserved, min(reserved * AT_LEAST, left)))
            if allowed < WORTH_IT:  # to find out that there is no time takes an execution, which may be a long one
                return finding, False
        minimised = minimise(
            worker, finding, over=lambda: allowed is not None and time.perf_counter() - began >= allowed
        )
        self._shrinking += time.perf_counter() - began
        return minimised
