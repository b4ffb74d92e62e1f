"""From how many seeds, and how soon, is the bug of each example found?

    python -m benchmarks.examples [--seeds 5] [--executions 20000] [--via VIA] [EXAMPLE ...]

The fuzzer is told nothing but the wire.  ``--via`` puts those that are ASGI applications behind a server.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.events import BugFound
from crosswire.fuzzer.findings.tally import Found
from crosswire.fuzzer.targets.resolve import resolve

from .report import middle

__all__ = ("EXAMPLES", "Example", "hunt")


@dataclass(frozen=True, slots=True)
class Example:
    """An application in ``examples``, its wire, and what findings of its bug are called."""

    name: str
    attribute: str
    wire: str
    shows: tuple[str, ...]
    asgi: bool = True

    def target(self, *, repaired: bool = False, options: str = "") -> str:
        """The target's name as on the command line, or that of its repaired twin."""
        module = f"examples.{self.name}_repaired" if repaired else f"examples.{self.name}"
        return f"{module}:{self.attribute}?wire=examples.wires:{self.wire}{options}"


EXAMPLES = {
    example.name: example
    for example in (
        Example("fastapi_chat", "app", "fastapi_chat", ("LostEvent", "Dropped", "Refused")),
        Example(
            "websockets_chat", "handler", "websockets_chat", ("UnhandledException", "Dropped", "Refused"), asgi=False
        ),
        Example("aiohttp_chat", "create_app", "aiohttp_chat", ("Dropped", "LostEvent"), asgi=False),
        Example("socketio_rooms", "app", "socketio_rooms", ("CrossUserLeak",)),
        Example("agent_server", "app", "agent", ("WrongIdentity",)),
    )
}


def hunt(example: Example, seed: int, executions: int, options: str = "") -> Found | None:
    """Fuzz an example until its bug is found or the budget is used up."""
    campaign = Campaign(resolve(example.target(options=options)), Plan(seed=seed, executions=executions))
    with closing(campaign.events()) as events:
        for event in events:
            if isinstance(event, BugFound) and event.found.finding.violation.kind in example.shows:
                return event.found
    return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", nargs="*", default=list(EXAMPLES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--executions", type=int, default=20_000)
    parser.add_argument("--via")
    options = parser.parse_args()
    print(f"{'example':16} {'seeds':>5} {'executions':>24} {'s (median)':>11} {'operations':>11}  violations")
    for name in options.examples:
        example = EXAMPLES[name]
        via = f"&via={options.via}" if options.via and example.asgi else ""
        seeds = range(1, options.seeds + 1)
        runs = [hunt(example, seed, options.executions, via) for seed in seeds]
        seen = [found for found in runs if found is not None]
        executions = ", ".join(f"{found.at_execution}" if found is not None else "-" for found in runs)
        seconds = f"{middle([f.at_seconds for f in seen]):.1f}" if seen else "-"
        size = f"{middle([len(f.finding.execution.program) for f in seen]):g}" if seen else "-"
        kinds = ", ".join(sorted({found.finding.violation.kind for found in seen}))
        print(f"{name:16} {len(seen):>3}/{len(runs)} {executions:>24} {seconds:>11} {size:>11}  {kinds}", flush=True)


if __name__ == "__main__":
    main()
