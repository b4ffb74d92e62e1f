"""Live stress: what a message costs a client, how much is held, and what is told of a server that stands still.

    python -m benchmarks.stress_cost [--json FILE] [--quick] [--connections 50 1000] [--locust FILE] [--artillery FILE]

**Cost**: clients in a closed loop against one echo server, each saying the next thing when it has heard the last; ours
write a history and read frames by a wire meanwhile, a bare `websockets` client does nothing else.  Processor time of
the client's process for a message, all in turns.  locust (with websocket-client) and artillery are measured where they
are installed: the time of two runs of different lengths, the one less the other, so that no start is counted.

**Held**: `crosswire stress` with as many connections as said, everything judged; events received a second, and how
much of one core it took while there was traffic.

**Standing still**: a server is frozen in the middle of each round.  What was to be said meanwhile is late by as long as
it had to wait, as arithmetic has it; a client that waits for each answer before it says more hardly sees it
(coordinated omission: Tene, How not to measure latency, 2013).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random

import anyio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from crosswire.fuzzer.core.history import Content
from crosswire.fuzzer.core.program import Operation
from crosswire.fuzzer.stress.address import look_up
from crosswire.fuzzer.stress.crowd import Crowd, Track
from crosswire.fuzzer.stress.figures import Histogram
from crosswire.fuzzer.stress.hub import Hub
from crosswire.fuzzer.stress.round import Plan, little_garbage
from crosswire.fuzzer.stress.run import Result, Settings, stress
from crosswire.fuzzer.stress.traffic import Load
from crosswire.fuzzer.stress.traits import live_target
from crosswire.fuzzer.targets.policy import Policy, policy_of
from examples.wires import websockets_chat

from .report import arguments, in_turns, machine, middle, spread, table, write
from .servers import HERE, connections, free_port, handler, running
from .stress_peers import SAID, Tool, artillery, between, locust

__all__ = ("CLIENTS", "cost", "frozen", "held", "main")


# -- servers ------------------------------


async def echo(websocket: ServerConnection) -> None:
    """Say back what is said."""
    async for frame in websocket:
        await websocket.send(frame)


async def serve_echo(port: int) -> None:
    async with serve(echo, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


# -- what a message costs ------------------------------


async def bare(port: int, connections: int, seconds: float) -> int:
    """Messages that `websockets`' own client got back."""
    counts, ends = [0] * connections, time.perf_counter() + seconds

    async def one(number: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/ws", compression=None, ping_interval=None) as websocket:
            while time.perf_counter() < ends:
                await websocket.send(SAID)
                await websocket.recv()
                counts[number] += 1

    await asyncio.gather(*map(one, range(connections)))
    return sum(counts)


class Closed(Crowd):
    """Clients each of which says the next thing when it has heard the last."""

    ends = 0.0
    heard_in_all = 0
    lane = Track()

    def _arrived(self, now: float, connection: str, content: Content) -> None:
        super()._arrived(now, connection, content)
        if not self.ending:
            self.heard_in_all += 1
            if now < self.ends:
                self.speak(connection)

    def speak(self, name: str) -> None:
        user = self.clients[name].login.user
        self.do(Operation("emit", name, user, user), self.lane)


async def ours(port: int, connections: int, seconds: float) -> int:
    """Messages that our clients got back, each with its rows in a history."""
    spot = look_up(f"ws://127.0.0.1:{port}", None)
    hub = Hub()
    target = live_target("echo", websockets_chat, policy_of(Policy()))
    crowd = Closed(target, hub, spot.address, time.perf_counter(), 1_000_000, 0, Random(0))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hub.run)
        for number in range(connections):
            crowd.arrive(f"u{number}")
        while len(crowd.open_links()) < connections:
            await anyio.sleep(0.01)
        crowd.ends = time.perf_counter() + seconds
        for client, _ in crowd.open_links():
            crowd.speak(client.login.connection)
        await anyio.sleep(seconds + 0.1)
        tasks.cancel_scope.cancel()
    crowd.shut()
    hub.close()
    return crowd.heard_in_all


CLIENTS = ("bare websockets", "crosswire, asyncio", "crosswire, trio")


def client(name: str, port: int, connections: int, seconds: float) -> None:
    """Run one client in this process, and print what it did as JSON."""
    began = time.process_time()
    if name == CLIENTS[0]:
        messages = asyncio.run(bare(port, connections, seconds))
    else:
        with little_garbage():  # as in every round
            messages = anyio.run(ours, port, connections, seconds, backend=name.rpartition(" ")[2])
    print(json.dumps({"messages": messages, "processor": time.process_time() - began}))


def _own(name: str, port: int, connections: int, seconds: float) -> float:
    """Microseconds of processor time for a message, of one of our clients."""
    command = [sys.executable, "-m", "benchmarks.stress_cost", "--client", name, "--port", str(port)]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    told = json.loads(subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout)
    return float(told["processor"]) / max(int(told["messages"]), 1) * 1e6


def cost(connections: int, seconds: float, rounds: int, tools: dict[str, Tool]) -> dict[str, list[float]]:
    """Microseconds of processor time for a message, for each client, in turns."""
    port = free_port()
    measures = {name: partial(_own, name, port, connections, seconds) for name in CLIENTS}
    measures |= {name: partial(between, tool, port, connections, seconds) for name, tool in tools.items()}
    with running([sys.executable, "-m", "benchmarks.stress_cost", "--echo", "--port", str(port)], port):
        return in_turns(measures, rounds)


# -- how much is held ------------------------------

SERVER = "examples.websockets_chat_repaired:handler"


@dataclass(frozen=True, slots=True)
class Held:
    """What a run held: connections; events to be said, said and heard in a second of traffic; the share of a core that
    the run took, comings and goings included, without what judging took."""

    connections: int
    asked: float
    said: float
    heard: float
    core: float
    judged: int
    p99: float
    found: int


def _stressed(port: int, load: Load, seconds: float, round_: float) -> Result:
    url = f"ws://127.0.0.1:{port}"
    spot = look_up(url, None)
    target = live_target(url, websockets_chat, policy_of(Policy()))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            url, spot, websockets_chat, "-", target, Plan(load, seconds=round_), seconds, results=Path(folder)
        )
        return stress(settings)


def held(connections: int, rate: float, seconds: float) -> Held:
    """Stress a chat with so many connections, to two tabs a user, and so many events said a second."""
    port = free_port()
    with running(handler(SERVER, port), port):
        result = _stressed(port, Load(clients=connections, rate=rate), seconds, 4.0)
    figures = result.figures
    p99 = figures.delivery.percentile(99) or 0.0
    core = (figures.processor - figures.judging) / result.seconds
    said, heard = figures.said / figures.seconds, figures.heard / figures.seconds
    return Held(connections, rate, said, heard, core, figures.owed, p99 * 1000, len(result.broken))


# -- a server that stands still ------------------------------


@dataclass(frozen=True, slots=True)
class Frozen:
    """Percentiles of latencies in seconds, where a server stood still for ``still`` of ``seconds``."""

    who: str
    p50: float
    p90: float
    p99: float


def frozen(still: float, seconds: float) -> list[Frozen]:
    """What arithmetic says, what a run tells, and what a client does that waits before it says more."""
    port = free_port()
    told = [Frozen("arithmetic", *(max(0.0, still - (1 - part) * seconds) for part in (0.5, 0.9, 0.99)))]
    with running(handler(SERVER, port), port) as server:
        with _standing_still(server, port, still, seconds):
            result = _stressed(port, Load(clients=40, rate=200.0, churn=0.01), seconds, seconds)
        told.append(_percentiles("crosswire", result.figures.delivery))
        with _standing_still(server, port, still, seconds):
            told.append(_percentiles("closed loop", asyncio.run(_closed_loop(port, seconds))))
    return told


def _percentiles(who: str, histogram: Histogram) -> Frozen:
    return Frozen(who, *(histogram.percentile(part) or 0.0 for part in (50, 90, 99)))


@contextmanager
def _standing_still(server: subprocess.Popen[bytes], port: int, still: float, seconds: float) -> Iterator[None]:
    """Freeze a server in the middle of the traffic that begins now."""
    told = threading.Event()

    def freeze() -> None:
        while not told.wait(0.02) and connections(port) < 20:
            pass
        if not told.wait((seconds - still) / 2):
            server.send_signal(signal.SIGSTOP)
            time.sleep(still)
            server.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        yield
    finally:
        told.set()
        thread.join()


async def _closed_loop(port: int, seconds: float) -> Histogram:
    """Latencies as one measures them who says the next thing when the last is answered, fifty times a second each."""
    delays, ends = Histogram(), time.perf_counter() + seconds

    async def one(number: int) -> None:
        said = json.dumps({"to": f"v{number}", "text": "hello"})
        async with connect(f"ws://127.0.0.1:{port}/ws/v{number}", ping_interval=None) as websocket:
            while (began := time.perf_counter()) < ends:
                await websocket.send(said)
                await websocket.recv()
                delays.record(time.perf_counter() - began)
                await asyncio.sleep(0.02)

    await asyncio.gather(*map(one, range(40)))
    return delays


def main(argv: Sequence[str] | None = None) -> None:
    parser, rest = arguments(__doc__, argv)
    parser.add_argument("--connections", type=int, nargs="+", default=[50, 1000])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each client")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--locust", metavar="FILE", help="the command, in an environment that has websocket-client")
    parser.add_argument("--artillery", metavar="FILE", help="the command")
    parser.add_argument("--rates", type=float, nargs="*", default=[1000.0, 2500.0, 4000.0], help="said a second")
    parser.add_argument("--echo", action="store_true", help="be the echo server")
    parser.add_argument("--client", choices=CLIENTS, help="be one of the clients")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(rest)
    if options.echo:
        asyncio.run(serve_echo(options.port))
        return
    if options.client:
        client(options.client, options.port, options.connections[0], options.seconds)
        return
    tools: dict[str, Tool] = {}
    if options.locust:
        tools["locust"] = partial(locust, os.path.abspath(options.locust))
    if options.artillery:
        tools["artillery"] = partial(artillery, os.path.abspath(options.artillery))
    seconds, rounds = (1.0, 1) if options.quick else (options.seconds, options.rounds)
    counts = options.connections[:1] if options.quick else options.connections
    costs = {connections: cost(connections, seconds, rounds, tools) for connections in counts}
    print(machine())
    rows = [
        (connections, name, *_cells(each), f"{middle(each) / middle(one[CLIENTS[0]]):.2f}")
        for connections, one in costs.items()
        for name, each in one.items()
    ]
    headings = ("connections", "us of processor time a message", "median", "from", "to", "against bare")
    print(table(headings, rows, left=2))
    holding = [held(counts[-1], rate, 4.0 if options.quick else 12.0) for rate in options.rates]
    lines = [
        (
            f"{one.connections:,}",
            f"{one.asked:,.0f}",
            f"{one.heard:,.0f}",
            f"{one.core:.0%}",
            f"{one.p99:.0f}",
            one.found,
        )
        for one in holding
    ]
    print(table(("connections", "said a second", "heard a second", "of a core", "p99, ms", "accusations"), lines))
    stills = frozen(1.0, 4.0)
    told = [(one.who, *(f"{value * 1000:,.0f}" for value in (one.p50, one.p90, one.p99))) for one in stills]
    print(table(("still for 1 s of 4, latency in ms", "p50", "p90", "p99"), told))
    figures = {"cost_us": {str(name): one for name, one in costs.items()}}
    write(options.json, {**figures, "held": [asdict(one) for one in holding], "still": [asdict(one) for one in stills]})


def _cells(each: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{value:.1f}" for value in (middle(each), *spread(each)))


if __name__ == "__main__":
    main()
