"""Executions a second of a lost update on trio: its own `trio.run`, and the world that steps it, taken in turns.

    python -m benchmarks.trio [--tasks 2] [--executions 500] [--rounds 7]

What counts is the ratio.  `trio.run` is measured before any class hashes by number, as a user's program runs it.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from importlib import import_module
from typing import Any

from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import InOrder, latency

from .report import middle

__all__ = ("main",)

Pause = Callable[[str], Awaitable[None]]


def lost_update(pause: Pause, tasks: int) -> Callable[[], Awaitable[int]]:
    """The program: each task reads, pauses, and writes what it read and one more."""
    trio: Any = import_module("trio")

    async def main() -> int:
        value = 0

        async def add(name: str) -> None:
            nonlocal value
            seen = value
            await pause(name)
            value = seen + 1

        async with trio.open_nursery() as nursery:
            for number in range(tasks):
                nursery.start_soon(add, f"w{number}")
        return value

    return main


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2)
    parser.add_argument("--executions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    trio: Any = import_module("trio")
    world: Any = import_module("crosswire.fuzzer.world.trio_world").make()
    seeds = iter(range(options.executions * options.rounds))

    async def turn(name: str) -> None:
        await trio.lowlevel.checkpoint()

    def execute(chooser: Any) -> None:
        world.chooser = chooser
        program = lost_update(latency, options.tasks)
        world.run_world(copy_context(), lambda: world.spawn(copy_context(), "main", program))
        world.reset()

    ways: dict[str, Callable[[], object]] = {
        "trio.run": lambda: trio.run(lost_update(turn, options.tasks)),
        "world, in order": lambda: execute(InOrder()),
        "world, explored": lambda: execute(RandomWalk(next(seeds))),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with world.entropy:
        for _ in range(options.rounds):
            for name, run in ways.items():
                gc.collect()
                gc.disable()
                began = time.process_time()
                for _ in range(options.executions):
                    run()
                rates[name].append(options.executions / (time.process_time() - began))
                gc.enable()
    world.rest()
    plain = middle(rates["trio.run"])
    for name, measured in rates.items():
        rate = middle(measured)
        print(f"{name:20} {rate:>9,.0f}/s {rate / plain:>6.2f} times trio.run")


if __name__ == "__main__":
    main()
