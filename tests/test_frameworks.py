"""Every framework of the documentation's table is found out, spoken to and fuzzed, as its users write it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve
from tests.command import PATIENCE

ROOT = Path(__file__).parent.parent

PLACE = "tests.applications.frameworks"
WIRES = f"{PLACE}.wires"

TARGETS = {
    "fastapi": ("on_fastapi:app?wire=text", "an ASGI application (FastAPI), called directly"),
    "fastapi, uvicorn": ("on_fastapi:app?wire=text&via=uvicorn", "an ASGI application (FastAPI), behind uvicorn"),
    "starlette": ("on_starlette:app?wire=text", "an ASGI application (Starlette), called directly"),
    "litestar": ("on_litestar:app?wire=text", "an ASGI application (Litestar), called directly"),
    "quart": ("on_quart:app?wire=text", "an ASGI application (Quart), called directly"),
    "sanic": ("on_sanic:app?wire=text", "a Sanic application, behind its own server"),
    "blacksheep": ("on_blacksheep:app?wire=text", "an ASGI application (Application), called directly"),
    "channels": ("on_channels:app?wire=text", "an ASGI application (ProtocolTypeRouter), called directly"),
    "channels, sync": ("on_channels:sync?wire=text", "an ASGI application (ProtocolTypeRouter), called directly"),
    "aiohttp": ("on_aiohttp:create_app?wire=text", "a factory of an aiohttp application, behind its own server"),
    "aiohttp, AppRunner": (f"on_aiohttp:main?wire={WIRES}:live", "a coroutine that starts a server"),
    "aiohttp, SockSite": (f"on_aiohttp:by_socket?wire={WIRES}:live", "a coroutine that starts a server"),
    "tornado": ("on_tornado:app?wire=text", "a Tornado application, behind its own server"),
    "tornado, main": (f"on_tornado:main?wire={WIRES}:live", "a coroutine that starts a server"),
    "websockets": ("on_websockets:handler?wire=text", "a handler for websockets.serve"),
    "websockets, path": ("on_websockets:with_path?wire=text", "a handler for websockets.serve"),
    "websockets, main": ("on_websockets:main?wire=text", "a coroutine that starts a server"),
    "socketio": ("on_socketio:asgi", "an ASGI application (ASGIApp), called directly"),
    "socketio, aiohttp": ("on_socketio:on_aiohttp", "a factory of an aiohttp application, behind its own server"),
    "socketio, tornado": ("on_socketio:on_tornado", "a coroutine that starts a server"),
    "uvicorn": (f"on_servers:uvicorn?wire={WIRES}:rooms", "a coroutine that starts a server"),
    "hypercorn": (f"on_servers:hypercorn?wire={WIRES}:rooms", "a coroutine that starts a server"),
    "daphne": (f"on_servers:daphne?wire={WIRES}:rooms", "a coroutine that starts a server"),
    "aiosqlite": ("on_aiosqlite:app?wire=text", "an ASGI application (FastAPI), called directly"),
    "sqlalchemy, aiosqlite": ("on_sqlalchemy:app?wire=text", "an ASGI application (FastAPI), called directly"),
    "databases, aiosqlite": ("on_databases:app?wire=text", "an ASGI application (FastAPI), called directly"),
    "tortoise, aiosqlite": ("on_tortoise:app?wire=text", "an ASGI application (FastAPI), called directly"),
}
"""By what the table calls them."""


PROGRAM = Program(
    (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("settle"),
        Operation("broadcast", "c0", "u0"),
        Operation("broadcast", "c1", "u1"),
        Operation("disconnect", "c0"),
    )
)


NEVER_ENDS = {"hypercorn"} if sys.version_info >= (3, 12, 1) else set()
"""Servers whose shut-down waits for clients that stay, over real sockets too, since ``Server.wait_closed`` does."""


def check(name: str) -> None:
    """Take a row's application up, fuzz it, and run the same program twice; raises AssertionError."""
    place, title = TARGETS[name]
    target = resolve(f"{PLACE}.{place}")
    assert target.description.startswith(f"{title}; clients speak"), target.description
    tally = Campaign(
        target, Plan(executions=10 if name == "daphne" else 15 if "aiosqlite" in name else 25, seed=3)
    ).run()
    messages = [found.finding.violation.message for found in tally.found.values()]
    if name in NEVER_ENDS:
        assert all("(shut_down) never finished" in message for message in messages), messages
    else:
        assert not messages
    assert not tally.doubtful, tally.doubtful
    worker = Worker(target)
    with worker.session():
        first, again = ([worker.run(PROGRAM, RandomWalk(seed)).history for seed in range(6)] for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", TARGETS)
def test_a_chat_without_a_fault_runs_and_nothing_is_reported(name: str) -> None:
    """In a process of its own, as its users have it: twenty frameworks in one are nobody's."""
    for module in re.split(r"\W+", name.partition(",")[0]):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    code = f"from tests.test_frameworks import check; check({name!r})"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr


PAGE = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")


def test_the_table_has_what_is_tested() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", PAGE.partition("## Services")[0], re.MULTILINE)
    assert [row for row in rows if row not in ("framework", "---")] == list(TARGETS)
