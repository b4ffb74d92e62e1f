"""What a program shows, and why."""

from __future__ import annotations

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes import Cause, cause_of
from crosswire.fuzzer.findings.finding import Finding, judged
from crosswire.fuzzer.targets.adapter import Adapter, Target
from crosswire.fuzzer.world import Chooser, InOrder

__all__ = ("explained", "of")


def explained(target: Target, *operations: Operation, chooser: Chooser | None = None) -> dict[str, tuple[str, Cause]]:
    """Signature -> kind and cause of each violation that a program shows."""
    worker = Worker(target)
    told: dict[str, tuple[str, Cause]] = {}
    with worker.session():
        shown = judged(worker, worker.run(Program(operations), chooser or InOrder()))
        for violation in shown.violations:
            cause = cause_of(worker, Finding(violation, shown.execution))
            assert cause is not None
            told[violation.signature(target.name)] = violation.kind, cause
    return told


def of(adapter: type[Adapter]) -> Target:
    return Target(adapter.__name__, adapter, adapter)
