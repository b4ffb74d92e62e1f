"""A run: known counterexamples first, then a campaign on each target, everything written to the store as it goes."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...models.isolation import OCCASIONS
from ..core.choices import PROMISES
from ..core.errors import CrosswireError
from ..core.program import Program
from ..engine.execution import TargetError, Worker
from ..findings.causes import Cause, bugs_of, counterfactual, joined, perhaps, places_in_words, why
from ..findings.counterexample import Counterexample, CounterexampleError, load, of_finding, parsed, save
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
from .summary import BugSummary, CauseSummary, FailureSummary, ReachSummary, RunSummary, Status, TargetSummary
from .supervisor import Supervisor

__all__ = ("Run",)

FLUSH = 0.8
"""Real seconds between two writes of the counts."""


@dataclass(slots=True)
class _Target:
    """Where a run stands with one target."""

    target: Target | str
    tally: Tally
    paths: dict[str, Path] = field(default_factory=dict)
    still: dict[str, Counterexample] = field(default_factory=dict)
    causes: dict[str, Cause] = field(default_factory=dict)
    """Of counterexamples that were replayed and still show: their causes in the source as it is now."""
    gone: list[str] = field(default_factory=list)
    unsaved: list[Found] = field(default_factory=list)
    trouble: CrosswireError | None = None


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
        known = store.failures()
        self._before = {row.signature: row.gone_since for row in known}
        self._bug = {row.signature: row.bug for row in known}
        self._written = 0.0
        self._trouble: str | None = None
        self.id: int | None = None
        self._notes: list[str] = []
        self._care = care if care is not None else Care()
        self._targets = [_Target(target, Tally(_name(target))) for target in targets]
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

    def _fuzz(self, target: _Target) -> Iterator[CampaignEvent]:
        if self._resume is not None:
            assert self.id is not None
            done = self.store.restore(self.id, target.tally)
            self._restore_found(target)
            if done:
                return
        with closing(self._campaign(target)) as events:
            for event in events:
                match event:
                    case BugFound(found=found) | BugUpdated(found=found):
                        target.unsaved.append(found)
                        self._flush()
                    case Progressed() if time.perf_counter() - self._written >= FLUSH:
                        self._flush()
                    case Finished():
                        self._flush(done=True)
                yield from self._told()
                yield event

    def _campaign(self, target: _Target) -> Generator[CampaignEvent, None, None]:
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

    def _restore_found(self, target: _Target) -> None:
        """Take up the bugs a broken-off campaign had found, by replaying their counterexamples."""
        assert self.id is not None
        name = target.tally.target
        rows = {row.signature: row for row in self.store.failures()}
        for seen in self.store.sightings(self.id):
            row = rows.get(seen.signature)
            if row is None or row.target != name:
                continue
            counterexample = parsed(row.counterexample, f"{self.store.folder}: {row.signature}")
            for finding in self._shown(target.target, counterexample):
                if finding.violation.signature(name) == seen.signature:
                    target.tally.found[seen.signature] = Found(
                        finding, seen.signature, seen.at_execution, seen.at_seconds, seen.times, programs=seen.programs
                    )
                    target.paths[seen.signature] = self.store.counterexamples / row.file
                    break

    def _shown(self, target: Target | str, counterexample: Counterexample) -> list[Finding]:
        """What a counterexample shows as recorded."""
        if isinstance(target, str):
            return shown_apart(counterexample, self._care)
        return shown_by(counterexample, Worker(target))

    # -- known counterexamples ------------------------------

    def _replay_known(self, target: _Target) -> Iterator[CampaignEvent]:
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
                path = save(counterexample, self.store.counterexamples)
                target.paths[found.signature] = path
                self.store.failure(self.id, tally.target, found, path)
                del target.unsaved[0]
            if tally.executions:
                self.store.record(self.id, tally, done)
            if done or last:
                for symptoms in self._together(target):
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

    def status(self, signature: str) -> Status:
        """Whether a bug is new to the store, known, or back after it was gone."""
        if signature not in self._before:
            return "new"
        return "known" if self._before[signature] is None else "back"

    def summary(self) -> RunSummary:
        """What there is to say of the run so far."""
        return RunSummary(self.plan.seed, self.plan.users, [self._summary(target) for target in self._targets])

    def _causes(self, target: _Target) -> dict[str, Cause | None]:
        """The findings that show now, by signature, with what their cause is in the source as it is now."""
        causes: dict[str, Cause | None] = {s: found.cause for s, found in target.tally.found.items()}
        for signature in target.still:
            causes[signature] = causes.get(signature) or target.causes.get(signature)
        return causes

    def _together(self, target: _Target) -> list[list[str]]:
        """The signatures of each bug: together now, or known to be.

        A bug is known by its counterexamples, whose causes are looked for anew: whatever was renamed or moved in
        between, they are where they are together.
        """
        causes = self._causes(target)
        ties = [(group[0], other) for group in bugs_of(causes) for other in group[1:]]
        first: dict[str, str] = {}
        for signature in causes:
            if signature in self._bug:
                ties.append((first.setdefault(self._bug[signature], signature), signature))
        return joined(list(causes), ties)

    def _bug_status(self, symptoms: Mapping[str, str]) -> Status:
        """A bug is known for the promises that its known symptoms break: one that breaks another is news.

        ``symptoms``: signature -> promise.
        """
        known = {promise for signature, promise in symptoms.items() if self.status(signature) == "known"}
        more = {self.status(signature) for signature, promise in symptoms.items() if promise not in known}
        return "known" if not more else "back" if "back" in more else "new"

    def _bugs(self, target: _Target, found: list[FailureSummary]) -> list[BugSummary]:
        causes, groups = self._causes(target), self._together(target)
        promises = {failure.signature: failure.promise for failure in found}
        kinds = {failure.signature: failure.violation for failure in found}
        deviations = {failure.signature: (failure.deviations, len(failure.operations)) for failure in found}
        programs = {s: f.finding.execution.program for s, f in target.tally.found.items()}
        programs |= {s: known.to_program() for s, known in target.still.items() if s not in programs}
        groups = [sorted(group, key=lambda s: deviations[s]) for group in groups]
        names = [next((self._bug[s] for s in group if s in self._bug), group[0]) for group in groups]
        bugs = []
        for group, name in zip(groups, names, strict=True):
            status = self._bug_status({s: promises[s] for s in group})
            known = [(s, cause) for s in group if (cause := causes[s]) is not None]
            explained = min(known, key=lambda pair: pair[1].weak, default=None)
            alike = [
                other
                for members, other in zip(groups, names, strict=True)
                if other != name and perhaps(causes, group, members)
            ]
            summary = _cause_summary(*explained, programs) if explained is not None else None
            violation = ", ".join(dict.fromkeys(kinds[signature] for signature in group))
            bugs.append(BugSummary(name, status, violation, group, summary, alike))
        return bugs

    def _summary(self, target: _Target) -> TargetSummary:
        tally = target.tally
        bugs: list[FailureSummary] = []
        for found in tally.found.values():
            execution, violation = found.finding.execution, found.finding.violation
            bugs.append(
                FailureSummary(
                    signature=found.signature,
                    status=self.status(found.signature),
                    promise=violation.promise,
                    violation=violation.kind,
                    message=violation.message,
                    operations=[str(operation) for operation in execution.program.operations],
                    deviations=len(execution.schedule),
                    times=found.times,
                    first_at=found.at_execution,
                    file=str(target.paths[found.signature]) if found.signature in target.paths else None,
                    confirmation=str(found.confirmation) if found.confirmation is not None else None,
                    certain=found.confirmation is None or found.confirmation.verdict != "not confirmed",
                    confirmed=found.confirmation is not None and found.confirmation.verdict == "confirmed",
                    minimal=found.minimal,
                )
            )
        for signature, known in target.still.items():
            if signature not in tally.found:
                bugs.append(
                    FailureSummary(
                        signature=signature,
                        status=self.status(signature),
                        promise=known.promise,
                        violation=known.violation,
                        message=known.message,
                        operations=[str(operation) for operation in known.program],
                        deviations=len(known.schedule),
                        times=0,
                        first_at=None,
                        file=str(target.paths[signature]),
                    )
                )
        gone = [signature for signature in target.gone if signature not in tally.found]
        by_bug = self._bugs(target, bugs)
        bug_of = {signature: bug.bug for bug in by_bug for signature in bug.symptoms}
        bugs = [msgspec.structs.replace(failure, bug=bug_of[failure.signature]) for failure in bugs]
        there = set(bug_of.values())
        gone_bugs = dict.fromkeys(bug for s in gone if (bug := self._bug.get(s, s)) not in there)
        return TargetSummary(
            tally.target,
            tally.executions,
            tally.programs,
            dict(tally.broken),
            bugs,
            gone,
            dict(sorted(tally.proven.items())),
            _doubts(tally),
            by_bug,
            list(gone_bugs),
            {promise: times for promise in PROMISES if (times := tally.exercised[promise])},
            self._unexercised(tally),
            ReachSummary.of(tally.reached),
            self.plan.seconds is not None and tally.programs > 0 and tally.rounds == 0,
        )

    def _unexercised(self, tally: Tally) -> dict[str, str]:
        """The promises that no program could have broken, and why."""
        return {
            promise: tally.impossible.get(promise) or f"there was no program in which {OCCASIONS[promise].words}"
            for promise in PROMISES
            if tally.programs and promise in self.plan.promises and not tally.exercised[promise]
        }


PLACES = 3
"""Places of a cause that a run names."""


def _cause_summary(signature: str, cause: Cause, programs: Mapping[str, Program]) -> CauseSummary:
    places = list(places_in_words(cause.places, PLACES))
    said = counterfactual(cause, programs[signature])
    return CauseSummary(cause.reason.value, why(cause), places, said, cause.executions)


def _doubts(tally: Tally) -> dict[str, int]:
    """Return how often something was not believed, by the reason."""
    reasons: dict[str, int] = {}
    for signature, times in tally.doubts.items():
        reason = tally.doubtful[signature]
        reasons[reason] = reasons.get(reason, 0) + times
    return reasons


def _name(target: Target | str) -> str:
    return target if isinstance(target, str) else target.name
