"""Servers as processes of their own on loopback ports, for benchmarks and tests of live servers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ("HERE", "connections", "free_port", "handler", "listening", "running", "uvicorn")

HERE = Path(__file__).parents[1]
"""Where commands are run."""

PATIENCE = 60
"""Real seconds that a server may take to start on a loaded machine."""


def handler(place: str, port: int) -> list[str]:
    """The command that serves a handler for `websockets`."""
    return [sys.executable, "-m", "tests.stress.servers.serve", place, str(port)]


def uvicorn(application: str, port: int) -> list[str]:
    """The command that serves an ASGI application."""
    return [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--log-level", "critical"]


@contextmanager
def running(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens, for as long as this lasts; with these variables besides."""
    process = subprocess.Popen(
        command,
        cwd=HERE,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ends = time.monotonic() + PATIENCE
        while not listening(port):
            assert process.poll() is None and time.monotonic() < ends, f"{command} does not listen"
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def listening(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def connections(port: int) -> int:
    """How many connections to a port of this machine are established (Linux)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
