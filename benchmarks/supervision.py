"""What supervision costs: campaigns in a process of their own, as commands run them, against the same in one process.

    python -m benchmarks.supervision [--executions 6000] [--rounds 7] [--targets reference degraded]

The two take turns, so that what else the machine does meets both; each runs the same programs under the same
schedules.  Told are executions for each second of processor time (the parent's and its children's) and for each real
second, both from the start of the campaign to its end, and the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

from crosswire.fuzzer.campaigns.beginning import fork_from_here
from crosswire.fuzzer.campaigns.campaign import Campaign
from crosswire.fuzzer.campaigns.child import Care
from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.campaigns.supervisor import Supervisor
from crosswire.fuzzer.findings.tally import Tally
from crosswire.fuzzer.targets.resolve import resolve

from .report import machine, middle, table

__all__ = ("Rate", "cost")


@dataclass(frozen=True, slots=True)
class Rate:
    """Executions for each second of processor time, and for each real second."""

    processor: float
    real: float


KINDS: dict[str, Callable[[Rate], float]] = {
    "processor time": lambda rate: rate.processor,
    "real time": lambda rate: rate.real,
}


def _processor() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _rate(campaign: Callable[[], int]) -> Rate:
    began, used = time.perf_counter(), _processor()
    executions = campaign()
    return Rate(executions / (_processor() - used), executions / (time.perf_counter() - began))


def cost(target: str, executions: int, rounds: int, seed: int = 1) -> list[tuple[Rate, Rate]]:
    """In turns: the rate of a supervised campaign, and of one that nobody watches."""

    def supervised() -> int:
        tally = Tally(target)
        for _ in Supervisor(target, plan, tally=tally, care=Care()).events():
            pass
        return tally.executions

    def unwatched() -> int:
        pid = os.fork()
        if not pid:
            Campaign(resolve(target), plan).run()
            os._exit(0)
        os.waitpid(pid, 0)
        return executions

    plan = Plan(executions=executions, seed=seed)
    pairs = []
    for number in range(rounds):
        if number % 2:
            second, first = _rate(unwatched), _rate(supervised)
        else:
            first, second = _rate(supervised), _rate(unwatched)
        pairs.append((first, second))
    return pairs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--executions", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--targets", nargs="*", default=["reference", "degraded"])
    options = parser.parse_args()
    fork_from_here()
    rows = []
    for target in options.targets:
        pairs = cost(target, options.executions, options.rounds)
        for title, of in KINDS.items():
            ours, theirs = ([of(pair[side]) for pair in pairs] for side in (0, 1))
            ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
            spread = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
            rows.append(
                [target, title, f"{middle(ours):,.0f}", f"{middle(theirs):,.0f}", f"{middle(ratios):.3f}", spread]
            )
    print(f"{machine()}; {options.executions:,} executions, {options.rounds} rounds in turns\n")
    print(table(["target", "executions for each second of", "supervised", "unwatched", "ratio", "of the rounds"], rows))


if __name__ == "__main__":
    main()
