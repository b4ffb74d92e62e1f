"""Replays, each in a process of its own: nothing that ran before has a part in them, and nothing they do reaches us."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from ..drivers import TargetError
from ..engine.execution import Execution
from ..findings.causes import cause_of, story_of
from ..findings.confirm import Confirmation, confirm
from ..findings.counterexample import Counterexample
from ..findings.finding import Finding
from ..findings.regression import Replayed, is_shown_by, replayed, shown_by
from ..targets.adapter import Target
from ..targets.resolve import resolve_on
from .child import Care, Child, awaited
from .endings import Ending
from .messages import Job, Line
from .watched import Trace, WatchedWorker, execution_patience

__all__ = ("confirmed_apart", "replayed_apart", "shown_apart")


@dataclass(frozen=True, slots=True)
class ReplayJob:
    """Replay a counterexample, and where it shows and is asked for, look for its cause."""

    counterexample: Counterexample
    patience: float
    explaining: bool = False

    def run(self, line: Line) -> None:
        worker = WatchedWorker(_target(self.counterexample), line, self.patience, careful=True)
        line.begun()
        outcome = replayed(self.counterexample, worker)
        if self.explaining and outcome.violation is not None:
            worker.careful = False
            with worker.session(), suppress(TargetError):
                finding = Finding(outcome.violation, outcome.execution)
                cause = cause_of(worker, finding)
                story = story_of(worker, finding, cause)
                outcome = replace(outcome, cause=cause, story=story, frames=tuple(worker.frames))
        line.tell(outcome)


@dataclass(frozen=True, slots=True)
class ShowJob:
    """Replay a counterexample just as recorded, and say all that it shows."""

    counterexample: Counterexample
    patience: float

    def run(self, line: Line) -> None:
        worker = WatchedWorker(_target(self.counterexample), line, self.patience, careful=True)
        line.begun()
        line.tell(shown_by(self.counterexample, worker))


@dataclass(frozen=True, slots=True)
class ConfirmJob:
    """Confirm what a counterexample shows on the library's own loop."""

    counterexample: Counterexample
    execution: Execution
    signature: str

    def run(self, line: Line) -> None:
        target = _target(self.counterexample)
        line.at_leisure()
        line.tell(confirm(target, self.execution, self.signature))


def _target(counterexample: Counterexample) -> Target:
    return resolve_on(counterexample.target, counterexample.backend)


Answer = TypeVar("Answer")


def replayed_apart(counterexample: Counterexample, care: Care, explaining: bool = False) -> Replayed:
    """Replay a counterexample in a process of its own, and look for its cause; raises as `replayed` does."""
    trace = Trace()
    answer = _answer(ReplayJob(counterexample, execution_patience(care), explaining), care, Replayed, trace)
    if isinstance(answer, Replayed):
        return answer
    finding = trace.finding(answer)
    if finding is None:
        raise TargetError(f"{counterexample.target}: while it was taken up, {answer}")
    if not is_shown_by(counterexample, finding.violation, finding.execution):
        return Replayed(finding.execution, None, "the process came to another end", (finding.violation,))
    how = "as recorded" if finding.execution.schedule == counterexample.to_schedule() else "under another schedule"
    return Replayed(finding.execution, finding.violation, how)


def shown_apart(counterexample: Counterexample, care: Care) -> list[Finding]:
    """Return what a counterexample shows as recorded, in a process of its own."""
    trace = Trace()
    answer = _answer(ShowJob(counterexample, execution_patience(care)), care, list, trace)
    if not isinstance(answer, Ending):
        return answer
    finding = trace.finding(answer)
    return [finding] if finding is not None else []


def confirmed_apart(counterexample: Counterexample, execution: Execution, signature: str, care: Care) -> Confirmation:
    """Confirm what a counterexample shows, in a process of its own."""
    answer = _answer(ConfirmJob(counterexample, execution, signature), care, Confirmation, Trace())
    return (
        Confirmation("not confirmable", str(answer), on=counterexample.backend)
        if isinstance(answer, Ending)
        else answer
    )


def _answer(job: Job, care: Care, kind: type[Answer], trace: Trace) -> Answer | Ending:
    """The job's answer, or how its process ended without one."""
    with Child(job, care) as child:
        answer: Answer | None = None
        while not child.over:
            awaited([child])
            for message in child.hear():
                if not trace.hear(message) and isinstance(message, kind):
                    answer = message
        if child.ending is not None:
            return child.ending
        assert child.done is not None
        if child.done.error is not None:
            raise child.done.error
        if answer is None:
            raise TargetError(f"it could not be done: {child.done.gist}")
        return answer
