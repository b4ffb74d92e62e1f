"""Of what was found, how much shows behind a real server too, how soon, and with which backlog?

    python -m benchmarks.confirmations [--executions 4000] [--seconds 10] [--json FILE] [NAME ...]

Tried are the published counterexamples of the bundled managers, each behind a server of `websockets`, and what a short
campaign finds in each example, behind the server it is written for.  NAME: managers or examples, all unless named.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.engine.execution import Execution
from crosswire.fuzzer.findings.confirm import SECONDS, Confirmation, confirm
from crosswire.fuzzer.findings.counterexample import load
from crosswire.fuzzer.findings.regression import replayed
from crosswire.fuzzer.targets import Target
from crosswire.fuzzer.targets.resolve import resolve

from .examples import EXAMPLES
from .report import arguments, machine, middle, table, write

__all__ = ("Confirmed", "confirmations")

BASELINE = Path(__file__).parent.parent / "results/baseline/counterexamples"


@dataclass(slots=True)
class Confirmed:
    """What became of a target's findings."""

    name: str
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    backlogs: list[int] = field(default_factory=list)
    """for each finding that took one, the largest, in bytes"""
    refused: list[str] = field(default_factory=list)

    def add(self, signature: str, said: Confirmation, seconds: float) -> None:
        self.verdicts[said.verdict] += 1
        self.seconds.append(seconds)
        if said.backlog:
            self.backlogs.append(max(size for _, size in said.backlog))
        if said.verdict != "confirmed":
            self.refused.append(f"{signature}: {said}")

    def row(self) -> list[object]:
        tried = sum(self.verdicts.values())
        largest = f"{max(self.backlogs):,}" if self.backlogs else "-"
        time_taken = f"{middle(self.seconds):.2f}" if self.seconds else "-"
        each = [self.verdicts[verdict] for verdict in ("confirmed", "not confirmed", "not confirmable")]
        return [self.name, tried, *each, len(self.backlogs), largest, time_taken]


def confirmations(name: str, executions: int, seconds: float) -> Confirmed:
    """Confirm everything that is known of a target, or what a short campaign finds in it."""
    result = Confirmed(name)
    for target, signature, execution in _found(name, executions):
        began = time.perf_counter()
        said = confirm(target, execution, signature, seconds)
        result.add(f"{name} {signature}", said, time.perf_counter() - began)
    return result


def _found(name: str, executions: int) -> Iterator[tuple[Target, str, Execution]]:
    if name in EXAMPLES:
        target = resolve(EXAMPLES[name].target())
        campaign = Campaign(target, Plan(seed=1, executions=executions))
        campaign.run()
        for signature, found in campaign.tally.found.items():
            yield target, signature, found.finding.execution
        return
    for path in sorted(BASELINE.glob(f"{name}-[A-Z]*.json")):
        counterexample = load(path)
        outcome = replayed(counterexample)
        if outcome.violation is not None:
            yield resolve(counterexample.target), counterexample.signature, outcome.execution


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table, and what was not confirmed."""
    parser, rest = arguments(__doc__, argv)
    managers = sorted({load(path).target for path in BASELINE.glob("*.json")})
    parser.add_argument("names", nargs="*", metavar="NAME", default=[*managers, *EXAMPLES])
    parser.add_argument("--executions", type=int, default=4_000)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(rest)
    executions = min(options.executions, 500) if options.quick else options.executions
    results = [confirmations(name, executions, options.seconds) for name in options.names]
    every = Confirmed("all")
    for one in results:
        every.verdicts += one.verdicts
        every.seconds += one.seconds
        every.backlogs += one.backlogs
    headings = (
        "target", "findings", "confirmed", "not confirmed", "not confirmable", "backlog", "bytes, most", "s (median)"
    )  # fmt: skip
    print(f"Confirmed behind a real server, {machine()}\n")
    print(table(headings, [one.row() for one in [*results, every]]))
    for line in (line for one in results for line in one.refused):
        print(f"\n{line}")
    figures = {one.name: {"verdicts": dict(one.verdicts), "seconds": one.seconds} for one in results}
    write(options.json, {"confirmations": figures})


if __name__ == "__main__":
    main()
