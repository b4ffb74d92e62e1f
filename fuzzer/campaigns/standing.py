"""Where a run stands with a target: which findings are symptoms of one bug, which are known, and what to say of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ...models.isolation import OCCASIONS, PARTS
from ..core.choices import PROMISES
from ..core.errors import CrosswireError
from ..core.program import Program
from ..findings.causes import Cause, Reason, bugs_of, counterfactual, joined, perhaps, places_in_words, why
from ..findings.counterexample import Counterexample
from ..findings.tally import Found, Tally
from ..store import FailureRow
from ..targets.adapter import Target
from .rounds import Plan
from .summary import BugSummary, CauseSummary, FailureSummary, ReachSummary, Status, TargetSummary

__all__ = ("Known", "Standing")

PLACES = 3
"""Places of a cause that a run names."""


@dataclass(slots=True)
class Standing:
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


class Known:
    """What a store knew before a run: its findings, and the bugs that they are symptoms of."""

    def __init__(self, failures: Iterable[FailureRow]) -> None:
        failures = list(failures)
        self._gone_since = {row.signature: row.gone_since for row in failures}
        self._bug = {row.signature: row.bug for row in failures}

    def status(self, signature: str) -> Status:
        """Whether a bug is new to the store, known, or back after it was gone."""
        if signature not in self._gone_since:
            return "new"
        return "known" if self._gone_since[signature] is None else "back"

    def _causes(self, target: Standing) -> dict[str, Cause | None]:
        """The findings that show now, by signature, with what their cause is in the source as it is now."""
        causes: dict[str, Cause | None] = {s: found.cause for s, found in target.tally.found.items()}
        for signature in target.still:
            causes[signature] = causes.get(signature) or target.causes.get(signature)
        return causes

    def together(self, target: Standing, *, guessing: bool = False) -> list[list[str]]:
        """The signatures of each bug: together now, or known to be.

        A bug is known by its counterexamples, whose causes are looked for anew: whatever was renamed or moved in
        between, they are where they are together.  When ``guessing``, what no cause is known of is put where it most
        likely belongs: that is said for now, and not kept.
        """
        causes = self._causes(target)
        findings = {s: found.finding for s, found in target.tally.found.items()} if guessing else None
        it = target.target if isinstance(target.target, Target) else None
        ties = [(group[0], other) for group in bugs_of(causes, findings, it) for other in group[1:]]
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

    def _bugs(self, target: Standing, found: list[FailureSummary]) -> list[BugSummary]:
        causes, groups = self._causes(target), self.together(target, guessing=True)
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
            slow = kinds[group[0]] == "HeadOfLineBlocking"  # of another symptom, it is no reason for the first
            explained = min(
                known, key=lambda pair: (pair[1].reason is Reason.HELD_UP and not slow, pair[1].weak), default=None
            )
            alike = [
                other
                for members, other in zip(groups, names, strict=True)
                if other != name and perhaps(causes, group, members)
            ]
            summary = _cause_summary(*explained, programs) if explained is not None else None
            violation = ", ".join(dict.fromkeys(kinds[signature] for signature in group))
            bugs.append(BugSummary(name, status, violation, group, summary, alike))
        return bugs

    def summary(self, target: Standing, plan: Plan) -> TargetSummary:
        """What there is to say of a target so far."""
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
            {p: times for p in PROMISES if p in plan.promises and (times := tally.exercised[p])},
            _unexercised(tally, plan.promises),
            ReachSummary.of(tally.reached, tally.target),
            plan.seconds is not None and tally.programs > 0 and tally.rounds == 0,
        )


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


def _unexercised(tally: Tally, promises: Collection[str]) -> dict[str, str]:
    """Return the promises that no program could have broken, and why; and parts of promises that nothing demands."""
    if not tally.programs:
        return {}
    return {
        promise: tally.impossible.get(promise) or f"there was no program in which {OCCASIONS[promise].words}"
        for promise in PROMISES
        if promise in promises and not tally.exercised[promise]
    } | {part: why for part, why in tally.impossible.items() if PARTS.get(part) in promises}
