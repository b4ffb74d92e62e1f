"""What a name stands for, how it is reached, and a file to begin with: as a user types it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crosswire.fuzzer import application
from crosswire.fuzzer.targets.places import UnknownTargetError
from tests.command import crosswire

CHAT = """
import asyncio, functools
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
seen = []

@app.websocket("/rooms/{user}")
async def room(websocket: WebSocket, user: str):
    await websocket.accept()
    seen.append(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            for other in list(seen):
                await other.send_text(text)
    except WebSocketDisconnect:
        seen.remove(websocket)

def create_app():
    return app

async def handler(websocket):
    async for message in websocket:
        await websocket.send(message)

async def main():
    from websockets.asyncio.server import serve
    async with serve(handler, "localhost", 9000):
        await asyncio.Future()

async def asgi(scope, receive, send):
    raise RuntimeError("no")

number = 3
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "chat.py").write_text(CHAT)
    return tmp_path


DESCRIBE = """
import sys
from crosswire.fuzzer.targets.resolve import resolve
for name in sys.argv[1:]:
    print(resolve(name).description)
"""


def test_it_finds_out_what_a_name_stands_for(project: Path) -> None:
    names = ["app", "app?via=uvicorn&wire=text", "create_app", "handler", "main", "asgi?wire=socketio"]
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, *(f"chat:{name}" for name in names)],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "an ASGI application (FastAPI), called directly; clients speak text at /rooms/{user}",
        "an ASGI application (FastAPI), behind uvicorn; clients speak text at /rooms/{user}",
        "a factory of an ASGI application (FastAPI), called directly; clients speak text at /rooms/{user}",
        "a handler for websockets.serve; clients speak JSON at /ws?token={token}",
        "a coroutine that starts a server; clients speak JSON at /ws?token={token}",
        "an ASGI application, called directly; clients speak Socket.IO at /socket.io/",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chat:nothing"], "module 'chat' has no 'nothing'"),
        (["chat:number"], "number is a int, which is neither an ASGI or aiohttp application"),
        (["chat:app", "--via", "nginx"], "unknown via 'nginx'; it is one of direct, uvicorn"),
        (["chat:handler", "--via", "uvicorn"], "only an ASGI application can be put behind uvicorn"),
        (["chat:app", "--wire", "morse"], "unknown wire 'morse': name one of json, text, socketio, or module:name"),
        (["chat:app", "--wire", "chat:seen"], "chat:seen is no wire"),
        (["chat:app?speed=fast"], "unknown option 'speed'"),
        (["isolated", "--wire", "text"], "--wire and --via are for applications"),
        (["chat:asgi"], "connect of a single user"),
        (["chat:app", "--wire", "json"], "arrives on c1: it sent"),
    ],
)
def test_what_cannot_be_fuzzed_is_said_in_a_line(project: Path, arguments: list[str], message: str) -> None:
    if arguments == ["chat:app", "--wire", "json"]:
        (project / "chat.py").write_text(CHAT.replace("await other.send_text(text)", "pass"))
    if arguments == ["chat:asgi"]:
        message = "turned away"
    done = crosswire("run", *arguments, "--max-executions", "5", cwd=project, expect=2)
    assert done.stderr.splitlines()[-1].startswith("crosswire: ")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_modules_that_cannot_be_executed_twice_are_run_all_the_same(project: Path) -> None:
    (project / "once.py").write_text("import sys\nassert not hasattr(sys, '_once')\nsys._once = 1\n" + CHAT)
    crosswire("run", "once:app", "--wire", "text", "--max-executions", "2", cwd=project, expect=0)


def test_a_file_to_begin_with_runs_as_it_is(project: Path) -> None:
    done = crosswire("init", "chat:app", "--wire", "text", cwd=project, expect=0)
    assert "crosswire run crosswire_target:target" in done.stdout
    crosswire("run", "crosswire_target:target", "--max-executions", "2", cwd=project, expect=0)
    assert "exists" in crosswire("init", "chat:app", cwd=project, expect=2).stderr
    crosswire("init", "--out", "manager.py", cwd=project, expect=0)
    said = crosswire("run", "manager:Manager", "--max-executions", "5", cwd=project, expect=2)
    assert "connect of a single user fails with NotImplementedError" in said.stderr
    crosswire("init", "chat:app", "--wire", "socketio", "--out", "rooms.py", cwd=project, expect=0)
    compile((project / "rooms.py").read_text(), "rooms.py", "exec")


def test_what_came_of_confirming_a_finding_is_told_from_the_command_line(project: Path) -> None:
    (project / "chat.py").write_text(CHAT.replace("list(seen)", "seen"))
    done = crosswire("run", "chat:app", "--wire", "text", "--max-executions", "80", cwd=project, expect=1)
    assert re.search(r"^  confirmed on stock asyncio \(uvicorn", done.stdout, re.MULTILINE)


FRESH = """
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.targets.fresh import FreshModule
for _ in range(3):
    fresh = FreshModule("chat")
    first, second = fresh.again(), fresh.again()
    assert first is not second and first.seen is not second.seen
    first.seen.append(1)
    assert not second.seen and not fresh.again().seen
"""


def test_a_module_is_fresh_however_often_it_was_taken_up(project: Path) -> None:
    subprocess.run([sys.executable, "-c", FRESH], cwd=project, check=True)


READS_ITSELF = """
import functools, inspect

def endpoint(number):
    return number

def wrapping(function):
    @functools.wraps(function)
    def wrapper(number):
        return function(number)
    return wrapper

class Endpoint:
    pass

made = [lambda number: -number for _ in range(2)]
sources = [inspect.getsourcelines(object) for object in (endpoint, wrapping(endpoint), Endpoint, *made)]
"""

READ = """
import inspect
from crosswire.fuzzer.targets.fresh import FreshModule
import reads
real, read = inspect.getsourcelines, reads.sources
fresh = FreshModule("reads")
for _ in range(3):
    assert fresh.again().sources == read, (fresh.again().sources, read)
    assert inspect.getsourcelines is real
    fresh.again().sources[0][0].clear()  # whoever asked may do with the answer what they like
"""


def test_a_module_that_reads_its_own_source_reads_the_same(project: Path) -> None:
    (project / "reads.py").write_text(READS_ITSELF)
    subprocess.run([sys.executable, "-c", READ], cwd=project, check=True)


def test_settings_of_an_application_are_arguments() -> None:
    with pytest.raises(UnknownTargetError, match=r"arguments: application\('chat:app', port='8000', via='uvicorn'\)"):
        application("chat:app?port=8000&via=uvicorn")
