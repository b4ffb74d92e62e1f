"""Real servers for tests, each a process of its own on a loopback port, and the settings to stress them with."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.servers import free_port
from crosswire.fuzzer.stress.address import look_up, wire_for
from crosswire.fuzzer.stress.round import Plan
from crosswire.fuzzer.stress.run import Result, Settings, stress
from crosswire.fuzzer.stress.traffic import Load
from crosswire.fuzzer.stress.traits import live_target
from crosswire.fuzzer.targets.policy import Policy, policy_of

__all__ = (
    "ROOT",
    "chat",
    "connections",
    "free_port",
    "handler",
    "kinds",
    "listening",
    "served",
    "settings_for",
    "stressed",
    "uvicorn",
)

ROOT = Path(__file__).parents[2]

PATIENCE = 60
"""Real seconds that a server may take to start on a loaded machine."""


def listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def connections(port: int) -> int:
    """How many connections to a port of this machine are established."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def chat(name: str, port: int) -> list[str]:
    """The command that serves one of `chats`."""
    return [sys.executable, "-m", "tests.stress.servers.serve", f"tests.stress.servers.chats:{name}", str(port)]


def handler(place: str, port: int) -> list[str]:
    return [sys.executable, "-m", "tests.stress.servers.serve", place, str(port)]


def uvicorn(application: str, port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--log-level", "critical"]


@contextmanager
def served(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens, for as long as this lasts."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + PATIENCE
        while not listening(port):
            assert process.poll() is None and time.monotonic() < ends, f"{command} does not listen"
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def settings_for(port: int, wire: str, folder: Path, **said: Any) -> Settings:
    """A short run: one round, with a declared time of a second."""
    url = f"{said.pop('scheme', 'ws')}://127.0.0.1:{port}"
    spot = look_up(url, None, said.pop("insecure", False))
    spoken = wire_for(wire, spot, url)
    load = Load(clients=said.pop("clients", 30), rate=said.pop("rate", 300.0))
    plan = Plan(load, seconds=said.pop("seconds", 1.0), within=said.pop("within", 0.6), seed=said.pop("seed", 1))
    target = live_target(url, spoken, policy_of(Policy()))
    run = {"seconds": plan.seconds, **said}
    return Settings(url, spot, spoken, wire, target, plan, results=folder, **run)


def stressed(command: list[str], port: int, wire: str, folder: Path, **said: Any) -> Result:
    """Serve, stress, and give the result."""
    with served(command, port):
        return stress(settings_for(port, wire, folder, **said))


def kinds(result: Result) -> set[str]:
    return {one.proven.violation.kind for one in result.broken.values()}
