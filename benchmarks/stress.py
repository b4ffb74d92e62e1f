"""Live stress: what a message costs a client, and which live servers are found out or accused.

    python -m benchmarks.stress [--json FILE] [--quick] [--seeds 3] [--seconds 10]

**Cost**: clients in a closed loop against one echo server, each saying the next thing when it has heard the last; ours
write a history and read frames by a wire meanwhile, a bare `websockets` client does nothing else.  Processor time of
the client's process for a message, both in turns.

**Found**: servers with a bug each, and their repaired twins, as processes of their own, a fresh one for each seed; how
many events were said until the first evidence, and by which proof.

**Reproduced**: what was found is looked for in the deterministic world, beginning with the live history cut down; as a
control, `--controls` campaigns begin with random programs of the same machine, and may do as many executions: how many
of them find something of the same cause, and after how many (the median of those)?
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import anyio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from crosswire.fuzzer.campaigns.campaign import Campaign
from crosswire.fuzzer.campaigns.campaign import Plan as Campaigns
from crosswire.fuzzer.core.history import Content
from crosswire.fuzzer.core.program import Operation
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes import bugs_of
from crosswire.fuzzer.stress.address import look_up, wire_for
from crosswire.fuzzer.stress.crowd import Crowd, Track
from crosswire.fuzzer.stress.hub import Hub
from crosswire.fuzzer.stress.reproduce import reproduce, target_for
from crosswire.fuzzer.stress.round import Plan, little_garbage
from crosswire.fuzzer.stress.run import Result, Settings, stress
from crosswire.fuzzer.stress.traffic import Load
from crosswire.fuzzer.stress.traits import live_target
from crosswire.fuzzer.targets import JsonWire
from crosswire.fuzzer.targets.policy import Policy, policy_of
from crosswire.fuzzer.targets.resolve import resolve

from .report import arguments, in_turns, machine, middle, spread, table, write

__all__ = ("CLIENTS", "SERVERS", "Lookup", "cost", "found", "free_port", "looked_for", "main")

DIRECT = JsonWire(path="/ws/{user}", to_user={"to": "{to}", "text": "{event}"})

HERE = Path(__file__).parents[1]

CHAT, TEXT = "examples.wires:websockets_chat", "examples.wires:fastapi_chat"

SERVERS = {
    "examples.fastapi_chat:app": TEXT,
    "examples.fastapi_chat_repaired:app": TEXT,
    "examples.websockets_chat:handler": CHAT,
    "examples.websockets_chat_repaired:handler": CHAT,
    "tests.stress.servers.chats:leak": CHAT,
    "tests.stress.servers.chats:leak_repaired": CHAT,
    "tests.stress.servers.chats:loss": CHAT,
    "tests.stress.servers.chats:loss_repaired": CHAT,
}
"""server -> how it is spoken to"""


# -- servers ------------------------------


async def echo(websocket: ServerConnection) -> None:
    """Say back what is said."""
    async for frame in websocket:
        await websocket.send(frame)


async def serve_echo(port: int) -> None:
    async with serve(echo, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[None]:
    """A server that listens, for as long as this lasts."""
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                sys.exit(f"{command} does not run")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


# -- what a message costs ------------------------------


async def bare(port: int, connections: int, seconds: float) -> int:
    """Messages that `websockets`' own client got back."""
    text, counts, ends = '{"to": "u1", "text": "cw-e12345"}', [0] * connections, time.perf_counter() + seconds

    async def one(number: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/ws", compression=None, ping_interval=None) as websocket:
            while time.perf_counter() < ends:
                await websocket.send(text)
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
    target = live_target("echo", DIRECT, policy_of(Policy()))
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
    began, wall = time.process_time(), time.perf_counter()
    if name == CLIENTS[0]:
        messages = asyncio.run(bare(port, connections, seconds))
    else:
        with little_garbage():  # as in every round
            messages = anyio.run(ours, port, connections, seconds, backend=name.rpartition(" ")[2])
    took = time.process_time() - began
    print(json.dumps({"messages": messages, "processor": took, "seconds": time.perf_counter() - wall}))


def cost(connections: int, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Microseconds of processor time for a message, for each client, in turns."""
    port = free_port()

    def measured(name: str) -> float:
        command = [sys.executable, "-m", "benchmarks.stress", "--client", name, "--port", str(port)]
        command += ["--connections", str(connections), "--seconds", str(seconds)]
        told = json.loads(subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout)
        return float(told["processor"]) / max(int(told["messages"]), 1) * 1e6

    with running([sys.executable, "-m", "benchmarks.stress", "--echo", "--port", str(port)], port):
        return in_turns({name: lambda name=name: measured(name) for name in CLIENTS}, rounds)  # type: ignore[misc]


# -- what is found ------------------------------


@dataclass(frozen=True, slots=True)
class Lookup:
    """What came of one live violation in the world, and of campaigns that begin with random programs instead."""

    kind: str
    live: int
    """Operations of the live history."""
    minimal: int | None
    """Of the counterexample; None where the kind did not show."""
    executions: int
    controls: int
    without: tuple[int, ...]
    """Campaigns that found something of the same cause in as many executions: after how many."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one seed says of a server: the kinds of violations, and after how many events the first of them showed."""

    kinds: tuple[str, ...]
    events: int | None
    heard: int
    owed: int
    rested: int
    lookup: Lookup | None


def found(name: str, seeds: int, seconds: float, controls: int = 0) -> list[Told]:
    """What each seed says of a server, a fresh one for each; with what comes of it in the world, and of controls."""
    told = []
    for seed in range(seeds):
        port = free_port()
        uvicorn = ["-m", "uvicorn", name, "--port", str(port), "--log-level", "critical"]
        own = ["-m", "tests.stress.servers.serve", name, str(port)]
        url = f"ws://127.0.0.1:{port}"
        spot = look_up(url, None)
        wire = wire_for(SERVERS[name], spot, url)
        target = live_target(url, wire, policy_of(Policy()))
        plan = Plan(Load(clients=50, rate=200.0), seconds=min(4.0, seconds), seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                url,
                spot,
                wire,
                SERVERS[name],
                target,
                plan,
                seconds,
                first="repaired" not in name,
                results=Path(folder),
            )
            with running([sys.executable, *(uvicorn if name.endswith(":app") else own)], port):
                result = stress(settings)
            lookup = looked_for(name, result, Path(folder), seed, controls) if controls else None
        earliest = min(result.broken.values(), key=lambda one: one.said, default=None)
        kinds = tuple(sorted({one.proven.violation.kind for one in result.broken.values()}))
        events = earliest.said if earliest is not None else None
        told.append(Told(kinds, events, result.figures.heard, result.figures.owed, result.rested, lookup))
    return told


# -- from live to minimal, and a control ------------------------------


def looked_for(name: str, result: Result, folder: Path, seed: int, controls: int) -> Lookup | None:
    """Look for what was seen first of a live server in the world, and let campaigns look for it without its history."""
    one = min(result.broken.values(), key=lambda one: one.said, default=None)
    if one is None:
        return None
    place, kind = target_for(name, SERVERS[name]), one.proven.violation.kind
    attempt = reproduce(Worker(resolve(place)), one.played, one.proven, folder, seed)
    live = next((found for found in attempt.found if found.same), None)
    without: list[int] = []
    for number in range(controls if live is not None else 0):
        plan = Campaigns(seed=seed * controls + number, executions=attempt.executions)
        tally = Campaign(resolve(place), plan).run()
        causes = {signature: found.cause for signature, found in tally.found.items()}
        assert live is not None
        alike = {live.finding.violation.signature(place)}
        alike |= {one for group in bugs_of({"live": live.cause, **causes}) if "live" in group for one in group}
        firsts = [found.at_execution for signature, found in tally.found.items() if signature in alike]
        without += sorted(firsts)[:1]
    minimal = len(live.finding.execution.program) if live is not None else None
    return Lookup(kind, attempt.operations, minimal, attempt.executions, controls, tuple(without))


def main(argv: Sequence[str] | None = None) -> None:
    parser, rest = arguments(__doc__, argv)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--controls", type=int, default=5, help="campaigns for each violation that was looked for")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--echo", action="store_true", help="be the echo server")
    parser.add_argument("--client", choices=CLIENTS, help="be one of the clients")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(rest)
    if options.echo:
        asyncio.run(serve_echo(options.port))
        return
    if options.client:
        client(options.client, options.port, options.connections, options.seconds)
        return
    seconds, rounds, seeds = (1.0, 1, 1) if options.quick else (3.0, 5, options.seeds)
    costs = cost(options.connections, seconds, rounds)
    base = middle(costs[CLIENTS[0]])
    print(machine())
    rows = [
        (name, *(f"{value:.1f}" for value in (middle(each), *spread(each))), f"{middle(each) / base:.2f}")
        for name, each in costs.items()
    ]
    print(table(("us of processor time a message", "median", "from", "to", "against bare"), rows))
    controls = {name: 0 if "repaired" in name else 1 if options.quick else options.controls for name in SERVERS}
    length = 4.0 if options.quick else options.seconds
    judged = {name: found(name, seeds, length, controls[name]) for name in SERVERS}
    lines = []
    for name, told in judged.items():
        kinds = sorted({kind for one in told for kind in one.kinds})
        events = ", ".join(str(one.events) for one in told if one.events is not None)
        heard = sum(one.heard for one in told)
        accused = sum(bool(one.kinds) for one in told)
        lines.append((name, ", ".join(kinds) or "-", f"{accused}/{len(told)}", events or "-", f"{heard:,}"))
    print(table(("server", "found", "seeds", "events until", "events heard"), lines, left=2))
    helped = []
    for name, told in judged.items():
        lookups = [one.lookup for one in told if one.lookup is not None]
        if lookups:
            found_there = [one for one in lookups if one.minimal is not None]
            cells = ((one.kind, f"{one.live:,}", f"{one.executions:,}", one.minimal or "-") for one in lookups)
            kinds_of, live, executions, minimal = (", ".join(map(str, cell)) for cell in zip(*cells, strict=True))
            shares = f"{len(found_there)}/{len(lookups)}", _share(found_there)
            helped.append((name, kinds_of, live, minimal, executions, *shares))
    headings = ("server", "looked for", "operations live", "minimal", "executions", "found", "random programs")
    print(table(headings, helped, left=2))
    write(options.json, {"cost_us": costs, "found": {name: list(map(asdict, told)) for name, told in judged.items()}})


def _share(lookups: Sequence[Lookup]) -> str:
    """How many campaigns found it, and after how many executions half of those did."""
    after = [executions for one in lookups for executions in one.without]
    told = f"{len(after)}/{sum(one.controls for one in lookups)}"
    return f"{told}, after {middle(after):,.0f}" if after else told


if __name__ == "__main__":
    main()
