"""Live stress: what a message costs a client, and which live servers are found out or accused.

    python -m benchmarks.stress [--json FILE] [--quick] [--seeds 3] [--seconds 10]

**Cost**: clients in a closed loop against one echo server, each saying the next thing when it has heard the last; ours
write a history and read frames by a wire meanwhile, a bare `websockets` client does nothing else.  Processor time of
the client's process for a message, both in turns.

**Found**: servers with a bug each, and their repaired twins, as processes of their own, a fresh one for each seed; how
many events were said until the first evidence, and by which proof.
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
from pathlib import Path
from random import Random

import anyio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from crosswire.fuzzer.core.history import Detail, RowKind
from crosswire.fuzzer.core.program import Operation
from crosswire.fuzzer.stress.address import look_up, wire_for
from crosswire.fuzzer.stress.crowd import Crowd, Track
from crosswire.fuzzer.stress.hub import Hub
from crosswire.fuzzer.stress.round import Plan
from crosswire.fuzzer.stress.run import Settings, stress
from crosswire.fuzzer.stress.traffic import Load
from crosswire.fuzzer.stress.traits import live_target
from crosswire.fuzzer.targets import JsonWire
from crosswire.fuzzer.targets.policy import Policy, policy_of

from .report import arguments, in_turns, machine, middle, spread, table, write

__all__ = ("CLIENTS", "SERVERS", "cost", "found", "free_port", "main")

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

    def record(self, kind: RowKind, number: int | None, connection: str | None, detail: Detail) -> None:
        super().record(kind, number, connection, detail)
        if kind is RowKind.RECEIVED and connection is not None and not self.ending:
            self.heard_in_all += 1
            if time.perf_counter() < self.ends:
                self.speak(connection)

    def speak(self, name: str) -> None:
        user = self.clients[name].login.user
        self.do(Operation("emit", name, user, user), Track())


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


def found(name: str, seeds: int, seconds: float) -> list[dict[str, object]]:
    """What each seed says of a server, a fresh one for each."""
    told: list[dict[str, object]] = []
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
        earliest = min(result.broken.values(), key=lambda one: one.said, default=None)
        told.append(
            {
                "kinds": sorted({one.proven.violation.kind for one in result.broken.values()}),
                "events": earliest.said if earliest is not None else None,
                "grade": earliest.proven.grade.value if earliest is not None else "",
                "heard": result.figures.heard,
                "owed": result.figures.owed,
                "rested": result.rested,
            }
        )
    return told


def main(argv: Sequence[str] | None = None) -> None:
    parser, rest = arguments(__doc__, argv)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
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
    judged = {name: found(name, seeds, 4.0 if options.quick else options.seconds) for name in SERVERS}
    lines = []
    for name, told in judged.items():
        accused = sum(bool(one["kinds"]) for one in told)
        kinds = sorted({str(kind) for one in told for kind in one["kinds"]})  # type: ignore[attr-defined]
        events = ", ".join(str(one["events"]) for one in told if one["events"] is not None)
        heard = sum(int(str(one["heard"])) for one in told)
        lines.append((name, ", ".join(kinds) or "-", f"{accused}/{len(told)}", events or "-", f"{heard:,}"))
    print(table(("server", "found", "seeds", "events until", "events heard"), lines, left=2))
    write(options.json, {"cost_us": costs, "found": judged})


if __name__ == "__main__":
    main()
