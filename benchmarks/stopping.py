"""Does "when may I stop?" hold?  Of short campaigns, how often the interval held what ten times as long a one found.

    python -m benchmarks.stopping                         # a hundred campaigns of 80 programs, on each of some targets
    python -m benchmarks.stopping --campaigns 10 unified

Each campaign goes on to ten times its programs: the number of distinct violations then is what its interval after the
first tenth should hold, which the same figures with the execution as sampling unit are beside.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crosswire.fuzzer.campaigns.rounds import ROUND, Plan, run_round
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.statistics import Discovery, discovery
from crosswire.models.managers.targets import TARGETS

from .report import table, write

CHOSEN = ("isolated", "emergency", "singleton")

LONGER = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """One campaign: what was counted in its first tenth, by program and by execution, and what all of it found."""

    programs: tuple[int, int, int, int]
    executions: tuple[int, int, int, int]
    found: int

    @property
    def by_program(self) -> Discovery:
        return discovery(*self.programs)

    @property
    def by_execution(self) -> Discovery:
        return discovery(*self.executions)


def _counted(units: Sequence[frozenset[str]]) -> tuple[int, int, int, int]:
    """Units, violations seen, those seen in one unit and in two: what `discovery` takes."""
    seen = Counter(signature for unit in units for signature in unit)
    times = Counter(seen.values())
    return len(units), len(seen), times[1], times[2]


def campaign(worker: Worker, seed: int, rounds: int) -> Outcome:
    """Run a campaign of ten times so many rounds, without making anything small."""
    programs: list[frozenset[str]] = []
    executions: list[frozenset[str]] = []
    early: tuple[tuple[int, int, int, int], tuple[int, int, int, int]] | None = None
    over: Callable[[int], bool] = lambda _: False  # noqa: E731
    with worker.session():
        for number in range(rounds * LONGER):
            if number == rounds:
                early = _counted(programs), _counted(executions)
            for batch in run_round(worker, Plan(seed=seed), number, over):
                shown = [frozenset(signatures) for _, signatures in batch.executions]
                programs.append(frozenset().union(*shown))
                executions += shown
    assert early is not None
    return Outcome(*early, _counted(programs)[1])


def _held(outcomes: Sequence[Outcome], of: Callable[[Outcome], Discovery]) -> str:
    held = sum(of(one).seen <= one.found <= of(one).high + 1e-9 for one in outcomes)
    return f"{held} of {len(outcomes)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=CHOSEN)
    parser.add_argument("--campaigns", type=int, default=100)
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--rounds", type=int, default=2, help=f"of {ROUND} programs, in the short campaigns")
    options = parser.parse_args()
    rows = []
    figures: dict[str, object] = {}
    for name in options.targets:
        worker = Worker(TARGETS[name])
        outcomes = [campaign(worker, seed, options.rounds) for seed in range(options.campaigns)]
        figures[name] = [
            {"programs": one.programs, "executions": one.executions, "found": one.found} for one in outcomes
        ]
        middle = sorted(outcomes, key=lambda one: one.found - one.by_program.seen)[len(outcomes) // 2]
        rows.append(
            (
                name,
                f"{middle.by_program.seen} of {middle.found}",
                f"{middle.by_program.low:.1f} to {middle.by_program.high:.1f}",
                _held(outcomes, lambda one: one.by_program),
                _held(outcomes, lambda one: one.by_execution),
            )
        )
    headings = ("target", "seen after a tenth (median)", "interval", "held, by program", "held, by execution")
    print(table(headings, rows))
    write(options.json, figures)


if __name__ == "__main__":
    main()
