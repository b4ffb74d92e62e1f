"""A run: known counterexamples first, then a campaign on each target, everything written to the store as it goes."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any

import msgspec

from ..core.errors import CrosswireError
from ..engine.execution import TargetError, Worker
from ..findings.counterexample import Counterexample, CounterexampleError, load, of_finding, parsed, path_for, save
from ..findings.finding import Finding
from ..findings.regression import replayed, shown_by
from ..findings.tally import Found, Tally
from ..store import CampaignRow, Store, StoreError
from ..targets.adapter import Target
from ..targets.resolve import UnknownTargetError
from .campaign import Campaign
from .child import Care
from .events import BugFound, BugUpdated, CampaignEvent, Finished, Noted, Progressed
from .plans import plan_data
from .replays import replayed_apart, shown_apart
from .rounds import Plan
from .standing import Known, Standing
from .summary import RunSummary
from .supervisor import Supervisor

__all__ = ("Run",)

FLUSH = 0.8
"""Real seconds between two writes of the counts."""


class Run:
    """One `crosswire run`: iterate over its `events`, then ask for its `summary`.

    A target that is given by its name is never taken up here, but in processes of its own, watched with ``care``;
    nothing that it does can end the run.  One that is given as an object is fuzzed in this process.
    """

    def __init__(
        self,
        store: Store,
        targets: Sequence[Target] | Sequence[str],
        plan: Plan,
        *,
        profile: str | None = None,
        workers: int = 1,
        cluster: str | None = None,
        regressions: bool = False,
        confirm_findings: bool = False,
        explain_findings: bool = True,
        resume: CampaignRow | None = None,
        care: Care | None = None,
    ) -> None:
        self.store = store
        self.plan = plan
        self._workers, self._cluster = workers, cluster
        self._regressions = regressions
        self._confirm = confirm_findings
        self._explain = explain_findings
        self._resume = resume
        self._profile = profile
        self._known = Known(store.failures())
        self._before: dict[str, Counterexample] = {}
        """signature -> what an earlier run has kept of it, where this one finds it too"""
        self._written = 0.0
        self._trouble: str | None = None
        self.id: int | None = None
        self._notes: list[str] = []
        self._care = care if care is not None else Care()
        self._targets = [Standing(target, Tally(_name(target))) for target in targets]
        self._current = self._targets[0]

    @property
    def tallies(self) -> list[Tally]:
        """What was counted, in order of the targets."""
        return [target.tally for target in self._targets]

    @property
    def troubles(self) -> list[CrosswireError]:
        """Why targets could not be fuzzed, or not to the end."""
        return [target.trouble for target in self._targets if target.trouble is not None]

    def go(self) -> None:
        """Run to the end without listening; raises as `events` does."""
        for _ in self.events():
            pass

    def events(self) -> Generator[CampaignEvent, None, None]:
        """Do it all, telling what happens; raises `StoreError`.  Targets that cannot be fuzzed are in `troubles`.

        Where it is broken off, by an exception at the place that listens say, everything is written first.
        """
        if self._resume is not None:
            self.id = self._resume.id
            self.store.resume(self.id)
        else:
            names = [target.tally.target for target in self._targets]
            self.id = self.store.begin(self._profile, self.plan.seed, plan_data(self.plan, names))
        others = [r.id for r in self.store.campaigns() if r.status == "running" and r.id != self.id]
        if others:
            yield Noted(f"campaign {', '.join(map(str, others))} is running on this store too; both are recorded")
        status = "failed"
        try:
            if self._regressions:
                for target in self._targets:
                    yield from self._replay_known(target)
            for target in self._targets:
                self._current = target
                try:
                    yield from self._fuzz(target)
                except (TargetError, UnknownTargetError) as error:
                    target.trouble = error
                    if len(self._targets) > 1:
                        yield Noted(f"{error}; the other targets go on")
            status = "finished" if not self.troubles else "failed"
        except (KeyboardInterrupt, GeneratorExit):
            status = "interrupted"
            raise
        finally:
            self._flush(last=True)
            if self._trouble is None:
                self.store.end(self.id, status)
        yield from self._told()
        if self._trouble is not None:
            raise StoreError(f"{self._trouble}; the last counts, and counterexamples named above, are not saved")

    def _fuzz(self, target: Standing) -> Iterator[CampaignEvent]:
        if self._resume is not None:
            assert self.id is not None
            done = self.store.restore(self.id, target.tally)
            self._restore_found(target)
            if done:
                return
        self._before.clear()
        with closing(self._campaign(target)) as events:
            for event in events:
                match event:
                    case BugFound(found=found) | BugUpdated(found=found):
                        target.unsaved.append(found)
                        self._flush()
                    case Progressed() if time.perf_counter() - self._written >= FLUSH:
                        self._flush()
                    case Finished():
                        self._keep_smaller(target)
                        self._flush(done=True)
                yield from self._told()
                yield event

    def _campaign(self, target: Standing) -> Generator[CampaignEvent, None, None]:
        """The target's campaign: in a process of its own, or in this one."""
        given = target.target
        how: dict[str, Any] = {
            "workers": self._workers,
            "cluster": self._cluster,
            "confirming": self._confirm,
            "explaining": self._explain,
            "tally": target.tally,
            "care": self._care,
        }
        if isinstance(given, str):
            return Supervisor(given, self.plan, **how).events()
        return Campaign(given, self.plan, **how).events()

    def _restore_found(self, target: Standing) -> None:
        """Take up the bugs a broken-off campaign had found, by replaying their counterexamples."""
        assert self.id is not None
        name = target.tally.target
        rows = {row.signature: row for row in self.store.failures()}
        for seen in self.store.sightings(self.id):
            row = rows.get(seen.signature)
            if row is None or row.target != name:
                continue
            counterexample = parsed(row.counterexample, f"{self.store.folder}: {row.signature}")
            finding = self._showing(target, counterexample, seen.signature)
            if finding is not None:
                target.tally.found[seen.signature] = Found(
                    finding, seen.signature, seen.at_execution, seen.at_seconds, seen.times, programs=seen.programs
                )
                target.paths[seen.signature] = self.store.counterexamples / row.file

    def _keep_smaller(self, target: Standing) -> None:
        """Keep what an earlier run had found where it is smaller, and shows the same still."""
        for signature, before in self._before.items():
            found = target.tally.found[signature]
            if len(before.to_program().expanded) >= len(found.finding.execution.program.expanded):
                continue
            finding = self._showing(target, before, signature)
            if finding is not None:
                found.finding = finding
                target.unsaved.append(found)

    def _showing(self, target: Standing, counterexample: Counterexample, signature: str) -> Finding | None:
        """The finding of that signature, where a counterexample still shows it as recorded."""
        given = target.target
        shown = (
            shown_apart(counterexample, self._care)
            if isinstance(given, str)
            else shown_by(counterexample, Worker(given))
        )
        return next((one for one in shown if one.violation.signature(target.tally.target) == signature), None)

    # -- known counterexamples ------------------------------

    def _replay_known(self, target: Standing) -> Iterator[CampaignEvent]:
        name = target.tally.target
        for path in sorted(self.store.counterexamples.glob("*.json")):
            try:
                known = load(path)
            except CounterexampleError as error:
                yield Noted(str(error))
                continue
            if known.target != name or known.promise not in self.plan.promises:
                continue
            given = target.target
            outcome = replayed_apart(known, self._care, self._explain) if isinstance(given, str) else replayed(known)
            shows = outcome.violation is not None
            self.store.replayed(known.signature, shows)
            target.paths[known.signature] = path
            if shows:
                target.still[known.signature] = known
                if outcome.cause is not None:
                    target.causes[known.signature] = outcome.cause
            else:
                target.gone.append(known.signature)

    # -- writing as it goes ------------------------------

    def _told(self) -> Iterator[Noted]:
        """Yield what writing had to say."""
        notes, self._notes = self._notes, []
        yield from map(Noted, notes)

    def _flush(self, done: bool = False, last: bool = False) -> None:
        """Write what is not written yet; what fails now is tried again with the next writing."""
        assert self.id is not None
        target, tally = self._current, self._current.tally
        try:
            while target.unsaved:
                found = target.unsaved[0]
                counterexample = of_finding(tally.target, found.signature, found.finding, tally.backend)
                if found.signature not in target.paths:
                    with suppress(CounterexampleError):
                        kept = path_for(tally.target, found.signature, self.store.counterexamples)
                        self._before[found.signature] = load(kept)
                path = save(counterexample, self.store.counterexamples)
                target.paths[found.signature] = path
                self.store.failure(self.id, tally.target, found, path)
                del target.unsaved[0]
            if tally.executions:
                self.store.record(self.id, tally, done)
            if done or last:
                for symptoms in self._known.together(target):
                    if len(symptoms) > 1:
                        self.store.together(symptoms)
            self._trouble = None
        except (OSError, StoreError) as error:
            trouble = " ".join(str(error).split())
            if self._trouble is None:
                self._notes.append(f"{trouble}; fuzzing goes on, and writing is tried again")
            self._trouble = trouble
            if last:
                for found in target.unsaved:
                    text = msgspec.json.encode(of_finding(tally.target, found.signature, found.finding, tally.backend))
                    self._notes.append(f"not saved: {text.decode()}")
        self._written = time.perf_counter()

    # -- the end ------------------------------

    def summary(self) -> RunSummary:
        """What there is to say of the run so far."""
        return RunSummary(
            self.plan.seed, self.plan.users, [self._known.summary(target, self.plan) for target in self._targets]
        )


def _name(target: Target | str) -> str:
    return target if isinstance(target, str) else target.name
