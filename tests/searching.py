"""What a search shows of a target, without what a campaign does besides: no minimising, no confirming, no causes."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from itertools import count

from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.campaigns.rounds import Batch, Plan, run_round
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import soundness_doubt
from crosswire.fuzzer.targets.adapter import Target

__all__ = ("kinds_found",)


def kinds_found(target: Target, executions: int, seed: int, wanted: Collection[str] = ()) -> set[str]:
    """The kinds of violations that so many executions show, or fewer, if any, by which those ``wanted`` are seen.

    A campaign would doubt none of them.
    """
    worker, kinds, done = Worker(target), set[str](), 0

    def over(more: int) -> bool:
        return done + more >= executions

    def take(batch: Batch) -> bool:
        nonlocal done
        done += len(batch.executions)
        for finding in batch.findings.values():
            if finding.violation.kind not in kinds:
                assert soundness_doubt(worker, finding) is None
                kinds.add(finding.violation.kind)
        return over(0) or (bool(wanted) and kinds.issuperset(wanted))

    with worker.session():
        first = preflight(worker)
        if first is not None and take(first):
            return kinds
        for number in count():
            with closing(run_round(worker, Plan(seed=seed), number, over)) as batches:
                if any(map(take, batches)):
                    break
    return kinds
