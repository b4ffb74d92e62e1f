"""How fast the engine is, as ratios within one run.

    python -m benchmarks.speed [--json FILE]

* A lost-update program with 2 and with 20 tasks: executions/s in the world against ``asyncio.run`` of the same program.
* A campaign on the reference manager, generation by Hypothesis and judging included, against the engine alone (the
  executions of the campaign's own programs, under schedules of the same strategies, without generation or judging).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from crosswire.fuzzer.campaign import Campaign, Plan
from crosswire.fuzzer.execution import Worker
from crosswire.fuzzer.explore import digest
from crosswire.fuzzer.rounds import Batch, run_round
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import WorldLoop
from crosswire.models.targets import TARGETS

__all__ = ("campaign_share", "lost_update", "micro")

ROUNDS = 7


def lost_update(tasks: int) -> Callable[[], Coroutine[Any, Any, int]]:
    """Each task reads a counter, yields, and writes it back plus one."""

    async def main() -> int:
        value = 0

        async def increment() -> None:
            nonlocal value
            seen = value
            await asyncio.sleep(0)
            value = seen + 1

        await asyncio.gather(*(increment() for _ in range(tasks)))
        return value

    return main


def per_second(run: Callable[[], object], times: int) -> float:
    """How often ``run`` ran in a second."""
    began = time.perf_counter()
    for _ in range(times):
        run()
    return times / (time.perf_counter() - began)


def micro(tasks: int, times: int) -> dict[str, float]:
    """Executions/s of stock asyncio and of the world, in turns; medians."""
    main = lost_update(tasks)
    loop = WorldLoop()
    stock, world = [], []
    with loop.entropy:
        for _ in range(ROUNDS):
            stock.append(per_second(lambda: asyncio.run(main()), times))
            world.append(per_second(lambda: loop.run_coroutine(main()), times))
    ratio = statistics.median(ours / theirs for ours, theirs in zip(world, stock, strict=True))
    return {"asyncio.run": statistics.median(stock), "world": statistics.median(world), "ratio": ratio}


def campaign_share(executions: int) -> dict[str, float]:
    """Executions/s of a campaign on the reference manager, and of the engine alone on the same programs."""
    target = TARGETS["reference"]
    plan = Plan(executions=executions, seed=1)
    campaign = Campaign(target, plan).run()
    worker = Worker(target)
    batches: list[Batch] = []

    def keep(batch: Batch) -> bool:
        batches.append(batch)
        return len(batches) < campaign.programs

    with worker.session():
        for number in range(campaign.rounds + 1):
            run_round(worker, replace(plan, schedules=0), number, keep, lambda more: False)
        programs = [batch.program for batch in batches[: campaign.programs]]
        began = time.perf_counter()
        for program in programs:
            base = digest(program) << 16
            for number in range(plan.schedules):
                worker.run(program, RandomWalk(base + number))
        engine = len(programs) * plan.schedules / (time.perf_counter() - began)
    whole = campaign.executions / campaign.seconds
    return {"engine": engine, "campaign": whole, "ratio": whole / engine}


def main() -> None:
    """Print the figures, and write them as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    options = parser.parse_args()
    result = {
        "python": platform.python_version(),
        "2 tasks": micro(2, 1500),
        "20 tasks": micro(20, 600),
        "campaign": campaign_share(20_000),
    }
    print(f"CPython {result['python']}; executions/s, medians of {ROUNDS} rounds in turns")
    for name in ("2 tasks", "20 tasks"):
        row = result[name]
        assert isinstance(row, dict)
        print(
            f"lost update, {name:8}  asyncio.run {row['asyncio.run']:>8,.0f}  world {row['world']:>8,.0f}  "
            f"ratio {row['ratio']:.2f}"
        )
    row = result["campaign"]
    assert isinstance(row, dict)
    print(
        f"reference manager      engine {row['engine']:>13,.0f}  campaign {row['campaign']:>5,.0f}  "
        f"ratio {row['ratio']:.2f}"
    )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
