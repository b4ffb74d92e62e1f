"""A run: known counterexamples first, then a campaign on each target, everything written to the store as it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from ..engine.execution import Worker
from ..findings.confirm import confirm
from ..findings.counterexample import Counterexample, CounterexampleError, load, of_finding, save
from ..findings.finding import Finding, judged
from ..findings.regression import replayed
from ..store import CampaignRow, Store, StoreError
from ..targets.adapter import Target
from .campaign import Campaign, Found, Plan
from .summary import FailureSummary, RunSummary, Status, TargetSummary

__all__ = ("Run", "last_unfinished", "planned")

FLUSH = 0.8
"""Real seconds between two writes of the counts."""


@dataclass(slots=True)
class _Target:
    """Where a run stands with one target."""

    campaign: Campaign
    paths: dict[str, Path] = field(default_factory=dict)
    still: dict[str, Counterexample] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    unsaved: list[Found] = field(default_factory=list)


class Run:
    """One `crosswire run`.  Use as ``run = Run(...); run.go(); run.summary()``."""

    def __init__(
        self,
        store: Store,
        targets: Sequence[Target],
        plan: Plan,
        *,
        profile: str | None = None,
        workers: int = 1,
        regressions: bool = False,
        confirm_findings: bool = False,
        resume: CampaignRow | None = None,
        on_progress: Callable[[Campaign], None] | None = None,
        on_target: Callable[[Campaign], None] | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.store = store
        self.plan = plan
        self._on_progress = on_progress
        self._on_target = on_target
        self._on_note = on_note
        self._regressions = regressions
        self._confirm = confirm_findings
        self._resume = resume
        self._profile = profile
        self._before = {row.signature: row.gone_since for row in store.failures()}
        self._written = 0.0
        self._trouble: str | None = None
        self.id: int | None = None
        self._targets = [
            _Target(Campaign(target, plan, workers=workers, on_progress=self._progress, on_found=self._found))
            for target in targets
        ]
        self._current = self._targets[0]

    @property
    def campaigns(self) -> list[Campaign]:
        """The campaigns, in order of their targets."""
        return [target.campaign for target in self._targets]

    @property
    def path_of(self) -> dict[str, Path]:
        """signature -> the counterexample file saved for it."""
        return {signature: path for target in self._targets for signature, path in target.paths.items()}

    def go(self) -> None:
        """Do it all; raises `TargetError`, `StoreError`, and `KeyboardInterrupt` with everything written."""
        if self._resume is not None:
            self.id = self._resume.id
            self.store.resume(self.id)
        else:
            names = [target.campaign.target.name for target in self._targets]
            self.id = self.store.begin(self._profile, self.plan.seed, _plan_data(self.plan, names))
        others = [r.id for r in self.store.campaigns() if r.status == "running" and r.id != self.id]
        if others:
            self._note(f"campaign {', '.join(map(str, others))} is running on this store too; both are recorded")
        status = "failed"
        try:
            if self._regressions:
                for target in self._targets:
                    self._replay_known(target)
            for target in self._targets:
                self._current = target
                self._fuzz(target)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self._flush(self._current.campaign, last=True)
            if self._trouble is None:
                self.store.end(self.id, status)
        if self._trouble is not None:
            raise StoreError(f"{self._trouble}; the last counts, and counterexamples named above, are not saved")

    def _fuzz(self, target: _Target) -> None:
        campaign = target.campaign
        if self._resume is not None:
            assert self.id is not None
            if self.store.restore(self.id, campaign):
                self._restore_found(target)
                return
            self._restore_found(target)
        campaign.run()
        self._flush(campaign, done=True)
        if self._on_target is not None:
            self._on_target(campaign)

    def _restore_found(self, target: _Target) -> None:
        """Take up the bugs a broken-off campaign had found, by replaying their counterexamples."""
        assert self.id is not None
        campaign = target.campaign
        rows = {row.signature: row for row in self.store.failures()}
        worker = Worker(campaign.target)
        for seen in self.store.sightings(self.id):
            row = rows.get(seen.signature)
            if row is None or row.target != campaign.target.name:
                continue
            counterexample = msgspec.json.decode(row.counterexample, type=Counterexample)
            execution = worker.replay(counterexample.to_program(), counterexample.to_schedule())
            for violation in judged(worker, execution).violations:
                if violation.signature(campaign.target.name) == seen.signature:
                    campaign.found[seen.signature] = Found(
                        Finding(violation, execution), seen.signature, seen.at_execution, seen.at_seconds, seen.times
                    )
                    target.paths[seen.signature] = self.store.counterexamples / row.file
                    break

    # -- known counterexamples ------------------------------

    def _replay_known(self, target: _Target) -> None:
        name = target.campaign.target.name
        for path in sorted(self.store.counterexamples.glob("*.json")):
            try:
                known = load(path)
            except CounterexampleError as error:
                self._note(str(error))
                continue
            if known.target != name or known.promise not in self.plan.promises:
                continue
            shows = replayed(known).violation is not None
            self.store.replayed(known.signature, shows)
            target.paths[known.signature] = path
            if shows:
                target.still[known.signature] = known
            else:
                target.gone.append(known.signature)

    # -- writing as it goes ------------------------------

    def _progress(self, campaign: Campaign) -> None:
        if time.perf_counter() - self._written >= FLUSH:
            self._flush(campaign)
        if self._on_progress is not None:
            self._on_progress(campaign)

    def _found(self, campaign: Campaign, found: Found) -> None:
        self._current.unsaved.append(found)
        self._flush(campaign)

    def _flush(self, campaign: Campaign, done: bool = False, last: bool = False) -> None:
        """Write what is not written yet; what fails now is tried again with the next writing."""
        assert self.id is not None
        target = self._current
        try:
            while target.unsaved:
                found = target.unsaved[0]
                counterexample = of_finding(campaign.target.name, found.signature, found.finding)
                path = save(counterexample, self.store.counterexamples)
                target.paths[found.signature] = path
                self.store.failure(self.id, campaign, found, path)
                del target.unsaved[0]
            if campaign.executions:
                self.store.record(self.id, campaign, done)
            self._trouble = None
        except (OSError, StoreError) as error:
            trouble = " ".join(str(error).split())
            if self._trouble is None:
                self._note(f"{trouble}; fuzzing goes on, and writing is tried again")
            self._trouble = trouble
            if last:
                for found in target.unsaved:
                    text = msgspec.json.encode(of_finding(campaign.target.name, found.signature, found.finding))
                    self._note(f"not saved: {text.decode()}")
        self._written = time.perf_counter()

    def _note(self, text: str) -> None:
        if self._on_note is not None:
            self._on_note(text)

    # -- the end ------------------------------

    def status(self, signature: str) -> Status:
        """Whether a bug is new to the store, known, or back after it was gone."""
        if signature not in self._before:
            return "new"
        return "known" if self._before[signature] is None else "back"

    def summary(self) -> RunSummary:
        """What there is to say of the run so far."""
        return RunSummary(self.plan.seed, self.plan.users, [self._summary(target) for target in self._targets])

    def _summary(self, target: _Target) -> TargetSummary:
        campaign = target.campaign
        bugs = []
        for found in campaign.found.values():
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
                    confirmation=(str(confirm(campaign.target, execution, found.signature)) if self._confirm else None),
                )
            )
        for signature, known in target.still.items():
            if signature not in campaign.found:
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
        gone = [signature for signature in target.gone if signature not in campaign.found]
        return TargetSummary(
            campaign.target.name,
            campaign.executions,
            campaign.programs,
            dict(campaign.broken),
            bugs,
            gone,
            dict(sorted(campaign.proven.items())),
        )


def _plan_data(plan: Plan, targets: Sequence[str]) -> dict[str, object]:
    return {
        "targets": list(targets),
        "executions": plan.executions,
        "seconds": plan.seconds,
        "users": plan.users,
        "steps": plan.steps,
        "schedules": plan.schedules,
        "strategies": list(plan.strategies),
        "promises": sorted(plan.promises),
    }


def planned(row: CampaignRow) -> tuple[list[str], Plan]:
    """The targets and the plan a stored campaign had."""
    data = json.loads(row.plan)
    targets = data.pop("targets")
    data["strategies"] = tuple(data["strategies"])
    data["promises"] = frozenset(data["promises"])
    return targets, replace(Plan(seed=row.seed), **data)


def last_unfinished(store: Store, profile: str | None) -> CampaignRow | None:
    """The latest campaign that was killed, interrupted or failed."""
    rows = [r for r in store.campaigns() if r.status in ("killed", "interrupted", "failed") and r.profile == profile]
    return rows[-1] if rows else None
