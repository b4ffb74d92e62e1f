"""Live servers with a bug each are found out, their repaired twins are not accused, whatever happens to them."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from benchmarks.servers import connections, free_port, handler, running, uvicorn
from crosswire.fuzzer.stress.run import Result, stress
from crosswire.fuzzer.targets import JsonWire

from .live import chat, kinds, settings_for, stressed

CHAT = "examples.wires:websockets_chat"

ROOMS = JsonWire(
    path="/ws?token={token}",
    ready={"type": "ready"},
    user="user",
    to_user=None,
    join={"type": "join", "room": "{room}"},
    joined={"type": "joined", "room": "{room}"},
    leave={"type": "leave", "room": "{room}"},
    to_room={"type": "say", "room": "{room}", "text": "{event}"},
)

BUGS = {
    "fastapi_chat": ({"Dropped", "LostEvent"}, "examples.wires:fastapi_chat"),
    "websockets_chat": ({"Dropped"}, CHAT),
    "leak": ({"CrossUserLeak"}, CHAT),
    "loss": ({"LostEvent"}, CHAT),
}
"""server -> what one of it must be found, and how it is spoken to"""


def command(name: str, port: int) -> list[str]:
    if name.startswith("fastapi"):
        return uvicorn(f"examples.{name}:app", port)
    return handler(f"examples.{name}:handler", port) if name.startswith("websockets") else chat(name, port)


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found(name: str, tmp_path: Path) -> None:
    wanted, wire = BUGS[name]
    port = free_port()
    found: set[str] = set()
    with running(command(name, port), port):
        for seed in range(3):  # how busy the machine is decides, too
            result = stress(settings_for(port, wire, tmp_path, seed=seed, first=True))
            found |= kinds(result)
            if found & wanted:
                break
    assert found & wanted, found
    assert result.code == 1
    assert result.files[0].exists()


@pytest.mark.parametrize("name", BUGS)
def test_the_repaired_twin_is_not_accused(name: str, tmp_path: Path) -> None:
    port = free_port()
    result = stressed(command(f"{name}_repaired", port), port, BUGS[name][1], tmp_path)
    assert not result.broken, [one.proven for one in result.broken.values()]
    assert result.code == 0
    assert result.figures.heard and result.figures.owed and result.rested
    assert not result.files


# -- correct servers in trouble ------------------------------


def unaccused(result: Result) -> None:
    assert not result.broken, [one.proven for one in result.broken.values()]
    assert result.figures.heard


def test_a_server_that_is_frozen_for_a_while_is_not_accused(tmp_path: Path) -> None:
    port = free_port()
    with running(chat("loss_repaired", port), port) as process:

        def freeze() -> None:
            while connections(port) < 10 and not over.is_set():  # before the round there is one, to see who answers
                time.sleep(0.02)
            time.sleep(0.4)
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(1.3)
            os.kill(process.pid, signal.SIGCONT)

        over = threading.Event()
        thread = threading.Thread(target=freeze)
        thread.start()
        result = stress(settings_for(port, CHAT, tmp_path, seconds=1.5))
        over.set()
        thread.join()
    unaccused(result)
    assert result.figures.away, "it is told that the server did not answer"
    late = result.figures.delivery.percentile(75)
    assert late is not None and late > 0.3, "what was to be said meanwhile counts from when it was to be said"


def test_a_server_that_delivers_late_is_not_accused_where_the_declared_time_allows_it(tmp_path: Path) -> None:
    port = free_port()
    unaccused(stressed(chat("late", port), port, CHAT, tmp_path, within=1.5))


def test_a_server_that_is_asked_for_too_much_is_not_accused(tmp_path: Path) -> None:
    port = free_port()
    result = stressed(
        command("fastapi_chat_repaired", port), port, BUGS["fastapi_chat"][1], tmp_path, rate=1500.0, clients=40
    )
    unaccused(result)


def test_on_trio_it_is_the_same(tmp_path: Path) -> None:
    port = free_port()
    with running(chat("leak", port), port):
        result = stress(settings_for(port, CHAT, tmp_path, backend="trio", seconds=0.6))
    assert "CrossUserLeak" in kinds(result)


@pytest.mark.parametrize("wire", ["BY_JSON", "BY_FORM"])
def test_logins_over_http_and_events_by_post_work_as_in_the_world(wire: str, tmp_path: Path) -> None:
    port = free_port()
    command = uvicorn("tests.stress.servers.shop:app", port)
    result = stressed(command, port, f"tests.test_logins:{wire}", tmp_path, clients=10, rate=100.0, seconds=0.8)
    unaccused(result)
    assert result.figures.owed and result.figures.connects >= 10
    assert not [what for what in result.figures.errors if what.startswith(("no ", "closed with 1011"))]


def test_rooms_are_joined_and_heard(tmp_path: Path) -> None:
    port = free_port()
    command = handler("tests.applications.logins:handler", port)
    result = stressed(command, port, "tests.stress.test_live:ROOMS", tmp_path, clients=10, rate=100.0, seconds=0.8)
    unaccused(result)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")
def test_a_server_in_another_language_is_judged_by_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    unaccused(stressed(["node", "tests/stress/servers/chat.js", str(port)], port, CHAT, tmp_path, seconds=0.8))
    for bug, kind in {"leak": "CrossUserLeak", "loss": "LostEvent"}.items():
        other = free_port()
        monkeypatch.setenv("BUG", bug)
        command = ["node", "tests/stress/servers/chat.js", str(other)]
        assert kind in kinds(stressed(command, other, CHAT, tmp_path, seconds=3.0))
