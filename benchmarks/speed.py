"""How fast the engine is: against the floor and stock asyncio, as programs grow, and over a million executions.

    python -m benchmarks.speed [--json FILE] [--plots FOLDER] [--executions 1000000]

* Steps/s of tasks that only yield, and executions/s of a lost update: coroutines stepped by hand, a loop that can do
  nothing but run C tasks (`floors`), the world, and ``asyncio.run``.
* Time for each step against the number of steps; time for each external event against the number that are pending.
* Resident memory while executions go by.
* A campaign on the reference manager, generation by Hypothesis and judging included, against the engine alone (the
  executions of the campaign's own programs, under random walks, without generation or judging).

All but the campaign's seconds are the processor's, so that what else the machine does matters less.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import closing
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.rounds import Batch, run_round
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import digest
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import Chooser, InOrder, WorldLoop, latency
from crosswire.models.managers.targets import TARGETS

from .floors import TaskLoop, by_hand
from .kernels import Pause, lost_update, run_all
from .report import arguments, in_turns, machine, middle, per_second, table, write

__all__ = ("campaign_memory", "campaign_share", "executions", "memory", "pending", "steps", "steps_growing")

ROUNDS = 7

Rates = dict[str, list[float]]


async def a_turn(name: str = "") -> None:
    """Give the others a turn."""
    await asyncio.sleep(0)


async def yields(times: int) -> None:
    """Yield so many times."""
    for _ in range(times):
        await asyncio.sleep(0)


async def all_yield(tasks: int, times: int) -> None:
    """So many tasks, each of which yields so many times."""
    await asyncio.gather(*[yields(times) for _ in range(tasks)])


def steps(tasks: int, total: int, rounds: int = ROUNDS) -> Rates:
    """Steps/s of ``tasks`` tasks that yield ``total`` times in all."""
    times = total // tasks
    floor, world = TaskLoop(), WorldLoop()

    def rate(run: Callable[[], object]) -> Callable[[], float]:
        return lambda: tasks * times * per_second(run, 1)

    with world.entropy:
        return in_turns(
            {
                "by hand": rate(lambda: by_hand([yields(times) for _ in range(tasks)])),
                "C tasks only": rate(lambda: floor.run(all_yield(tasks, times))),
                "world": rate(lambda: world.run_coroutine(all_yield(tasks, times))),
                "asyncio.run": rate(lambda: asyncio.run(all_yield(tasks, times))),
            },
            rounds,
        )


def executions(tasks: int, times: int, rounds: int = ROUNDS) -> Rates:
    """Executions/s of a lost update; ``world, explored`` decides on backend answers by a random walk instead."""
    floor, world = TaskLoop(), WorldLoop()
    seeds = count()

    def update(pause: Pause) -> Coroutine[Any, Any, None]:
        return run_all(lost_update(pause, False, tasks))

    def rate(run: Callable[[], object]) -> Callable[[], float]:
        return lambda: per_second(run, times)

    def hand() -> None:
        by_hand([worker() for worker in lost_update(a_turn, False, tasks).workers])

    with world.entropy:
        return in_turns(
            {
                "by hand": rate(hand),
                "C tasks only": rate(lambda: floor.run(update(a_turn))),
                "world": rate(lambda: world.run_coroutine(update(a_turn))),
                "world, explored": rate(lambda: world.run_coroutine(update(latency), RandomWalk(next(seeds)))),
                "asyncio.run": rate(lambda: asyncio.run(update(a_turn))),
            },
            rounds,
        )


def steps_growing(sizes: tuple[int, ...], rounds: int = ROUNDS) -> dict[int, float]:
    """Nanoseconds for each step of two tasks, by the number of steps."""
    world = WorldLoop()
    with world.entropy:
        taken = in_turns(
            {
                str(size): lambda size=size: (
                    1e9
                    / size
                    / per_second(  # type: ignore[misc]
                        lambda: world.run_coroutine(all_yield(2, size // 2)), max(1, 20_000 // size)
                    )
                )
                for size in sizes
            },
            rounds,
        )
    return {int(size): middle(values) for size, values in taken.items()}


def pending(sizes: tuple[int, ...], walk: bool, rounds: int = ROUNDS) -> dict[int, float]:
    """Nanoseconds for each external event, by the number that are pending at once, with a timer running.

    ``walk``: they become visible by a random walk, rather than in order.
    """
    world = WorldLoop()

    async def calls(size: int) -> None:
        timer = asyncio.get_running_loop().call_later(3600, int)
        await asyncio.gather(*[latency(f"b{number}") for number in range(size)])
        timer.cancel()

    def one(size: int) -> float:
        choosers: list[Chooser] = [RandomWalk(seed) if walk else InOrder() for seed in range(max(1, 1000 // size))]
        began = time.process_time()
        for chooser in choosers:
            world.run_coroutine(calls(size), chooser)
        return 1e9 * (time.process_time() - began) / (size * len(choosers))

    with world.entropy:
        taken = in_turns({str(size): lambda size=size: one(size) for size in sizes}, rounds)  # type: ignore[misc]
    return {int(size): middle(values) for size, values in taken.items()}


def resident() -> float:
    """MiB of memory this process holds now; where the system does not say, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return pages * resource.getpagesize() / 2**20


def _marks(total: int, samples: int) -> list[int]:
    """After how many executions to look: a tenth of a step in, and then every step."""
    return [total // samples // 10, *(total * n // samples for n in range(1, samples + 1))]


def memory(total: int, samples: int = 20) -> dict[int, float]:
    """MiB resident after so many executions of a lost update by random walks, the first sample a tenth of a step in."""
    world = WorldLoop()
    held: dict[int, float] = {}
    done = 0
    with world.entropy:
        for mark in _marks(total, samples):
            while done < mark:
                world.run_coroutine(run_all(lost_update(latency, False, 2)), RandomWalk(done))
                done += 1
            gc.collect()
            held[done] = resident()
    return held


def campaign_memory(total: int, samples: int = 20) -> dict[int, float]:
    """MiB resident after so many executions of a campaign's rounds on the reference manager, or a few more."""
    worker = Worker(TARGETS["reference"])
    held: dict[int, float] = {}
    marks = iter(_marks(total, samples))
    mark, done = next(marks), 0
    with worker.session(), closing(_batches(worker, Plan(seed=2))) as batches:
        for batch in batches:
            done += len(batch.executions)
            if done >= mark:
                held[done] = resident()
                mark = next((later for later in marks if later > done), total + 1)
            if done >= total:
                break
    return held


def _batches(worker: Worker, plan: Plan) -> Generator[Batch, None, None]:
    """The batches of one round after the other."""
    for number in count():
        yield from run_round(worker, plan, number, lambda more: False)


def campaign_share(executions: int) -> dict[str, float]:
    """Executions/s of a campaign on the reference manager, and of the engine alone on the same programs."""
    target = TARGETS["reference"]
    plan = Plan(executions=executions, seed=1)
    campaign = Campaign(target, plan).run()
    worker = Worker(target)
    with worker.session(), closing(_batches(worker, replace(plan, schedules=0))) as batches:
        programs = [batch.program for batch in islice(batches, campaign.programs)]
        began = time.perf_counter()
        for program in programs:
            base = digest(program) << 16
            for number in range(plan.schedules):
                worker.run(program, RandomWalk(base + number))
        engine = len(programs) * plan.schedules / (time.perf_counter() - began)
    whole = campaign.executions / campaign.seconds
    return {"engine": engine, "campaign": whole, "ratio": whole / engine}


def _against(rates: Rates, other: str) -> str:
    """The world's rate against another's, as the median of the rounds' ratios."""
    return f"{middle([ours / theirs for ours, theirs in zip(rates['world'], rates[other], strict=True)]):.2f}"


def main(argv: list[str] | None = None) -> None:
    """Print the tables."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("--executions", type=int, default=1_000_000, help="for the measurement of memory")
    options = parser.parse_args(given)
    rounds, scale, total = (2, 20, 2_000) if options.quick else (ROUNDS, 1, options.executions)
    stepped = {f"{n} tasks": steps(n, 20_000 // scale, rounds) for n in (2, 20, 200)}
    executed = {f"{n} tasks": executions(n, times // scale, rounds) for n, times in ((2, 2000), (20, 400))}
    sizes = (100, 1000, 10_000)
    grown = steps_growing(sizes, rounds)
    crowds = {
        walk: pending((10, 30, 100, 300, 1000), walk == "random walk", rounds) for walk in ("in order", "random walk")
    }
    held, longer = memory(total), campaign_memory(total // 5)
    share = campaign_share(20_000 // scale)

    print(f"{machine()}; medians of {rounds} rounds in turns\n")
    for title, taken in (("steps/s", stepped), ("executions/s, lost update", executed)):
        names = list(next(iter(taken.values())))
        rows = [
            [
                size,
                *(f"{middle(rates[name]):,.0f}" for name in names),
                _against(rates, "C tasks only"),
                _against(rates, "asyncio.run"),
            ]
            for size, rates in taken.items()
        ]
        print(table([title, *names, "world / C tasks", "world / asyncio"], rows), "\n")
    print(
        table(["steps of two tasks", *map(str, grown)], [["ns for each", *(f"{ns:,.0f}" for ns in grown.values())]]),
        "\n",
    )
    rows = [[walk, *(f"{ns:,.0f}" for ns in by_size.values())] for walk, by_size in crowds.items()]
    print(table(["ns for each of so many pending events", *map(str, crowds["in order"])], rows), "\n")
    for title, sampled in (("executions of a lost update", held), ("executions of a campaign", longer)):
        marks = sorted(sampled)[:: max(1, len(sampled) // 4)]
        print(table([title, *(f"{mark:,}" for mark in marks)], [["MiB", *(f"{sampled[m]:.1f}" for m in marks)]]), "\n")
    rows = [["reference manager", f"{share['engine']:,.0f}", f"{share['campaign']:,.0f}", f"{share['ratio']:.2f}"]]
    print(table(["executions/s", "engine alone", "whole campaign", "ratio"], rows))
    figures = {
        "steps": stepped,
        "executions": executed,
        "steps growing": grown,
        "pending": crowds,
        "memory": held,
        "memory of a campaign": longer,
        "campaign": share,
    }
    write(options.json, figures)
    if options.plots:
        from .plots import draw_speed

        draw_speed(figures, options.plots)


if __name__ == "__main__":
    main()
