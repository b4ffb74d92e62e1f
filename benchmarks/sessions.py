"""Sessions/s in the world against loopback sockets on stock asyncio, as ratios within one run.

    python -m benchmarks.sessions [--json FILE]

A session: connect, log in with the first message and be answered, one event and its answer, disconnect.  The server is
`websockets`' own on both sides; the client of the stock side is `websockets`' own too, in the same process.  A run is a
server that starts, serves `SESSIONS` sessions one after the other, and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets import JsonWire, Limits, application
from crosswire.fuzzer.world import InOrder

from .relay import handler
from .report import in_turns, middle, write

__all__ = ("compare", "loopback", "program")

ROUNDS = 7
RUNS = 6
SESSIONS = 20

WIRE = JsonWire(
    path="/",
    first=[{"login": "{user}"}],
    ready={"type": "ready"},
    user="user",
    to_user={"to": "{to}", "text": "{event}"},
)

QUICK = Limits(rest=1.0)
"""At rest after a second, before the server's first heartbeat: on loopback a session does not last that long either."""


def program(sessions: int) -> Program:
    """Sessions, one after the other."""
    operations: list[Operation] = []
    for number in range(sessions):
        name = f"c{number}"
        operations += [
            Operation("connect", name, "u0"),
            Operation("emit", name, "u0", "u1"),
            Operation("settle"),
            Operation("disconnect", name),
            Operation("settle"),
        ]
    return Program(tuple(operations))


async def loopback(sessions: int, *, compression: bool) -> None:
    """The same sessions over real sockets."""
    offered = "deflate" if compression else None
    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        for _ in range(sessions):
            async with connect(f"ws://127.0.0.1:{port}/", compression=offered, proxy=None) as client:
                await client.send(json.dumps({"login": "u0"}))
                await client.recv()
                await client.send(json.dumps({"to": "u1", "text": "cw-e1"}))
                await client.recv()


def compare(*, compression: bool, rounds: int = ROUNDS, runs: int = RUNS) -> dict[str, float]:
    """Sessions/s of both, in turns; medians."""
    worker = Worker(application("benchmarks.relay:handler", wire=WIRE, limits=QUICK, compression=compression))
    plan = program(SESSIONS)
    with worker.session():
        execution = worker.run(plan, InOrder())
    answered = sum(row.kind == "received" and row.operation is not None for row in execution.history)
    if answered != SESSIONS:
        raise RuntimeError(f"{answered} of {SESSIONS} sessions were answered in the world")

    def rate(run: Callable[[], object]) -> float:
        began = time.perf_counter()
        for _ in range(runs):
            run()
        return runs * SESSIONS / (time.perf_counter() - began)

    def in_world() -> float:
        with worker.session():
            return rate(lambda: worker.run(plan, InOrder()))

    on_loopback = partial(rate, lambda: asyncio.run(loopback(SESSIONS, compression=compression)))
    taken = in_turns({"loopback": on_loopback, "world": in_world}, rounds)
    ratio = middle([ours / theirs for ours, theirs in zip(taken["world"], taken["loopback"], strict=True)])
    return {**{name: middle(rates) for name, rates in taken.items()}, "ratio": ratio}


def main() -> None:
    """Print the figures, and write them as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    options = parser.parse_args()
    result: dict[str, Any] = {"python": platform.python_version()}
    print(f"CPython {result['python']}; sessions/s, medians of {ROUNDS} rounds in turns")
    for name, compression in (("plain", False), ("permessage-deflate", True)):
        row = result[name] = compare(compression=compression)
        print(
            f"{name:19} loopback {row['loopback']:>7,.0f}  world {row['world']:>7,.0f}  ratio {row['ratio']:.2f}",
            flush=True,
        )
    write(options.json, result)


if __name__ == "__main__":
    main()
