"""What a user is told when an application cannot be fuzzed as it was named: the reason, not the symptom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import crosswire

HEAD = """
import asyncio
from fastapi import APIRouter, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from crosswire.fuzzer.targets import JsonWire

seen = []

async def chat(ws):
    await ws.accept()
    seen.append(ws)
    try:
        while True:
            text = await ws.receive_text()
            for other in list(seen):
                await other.send_text(text)
    except WebSocketDisconnect:
        seen.remove(ws)

text = JsonWire(path="/live/{user}", to_user=None, to_all="{event}")
"""

ROUTED = """
router = APIRouter(prefix="/live")

@router.websocket("/rooms/{user}")
async def room(ws: WebSocket, user: str):
    await chat(ws)

app = FastAPI()
app.include_router(router)
app.mount("/deep", app=FastAPI())
"""

NUMBERED = """
app = FastAPI()

@app.websocket("/live/{user_id}")
async def room(ws: WebSocket, user_id: int):
    await chat(ws)
"""

RAISES = """
app = FastAPI()

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    raise LookupError("no such table: users")
"""

REFUSES = """
app = FastAPI()

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    raise WebSocketException(1008, "the token has no signature")
"""

CLOSES = """
app = FastAPI()

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    await ws.accept()
    await ws.close(4003, "who are you?")

wire = JsonWire(path="/live/{user}", to_user=None, to_all="{event}", ready={"type": "welcome"})
"""

ANSWERS = """
app = FastAPI()

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    await ws.accept()
    async for text in ws.iter_text():
        await ws.send_text(text)
"""

SCRIPT = """
async def serve():
    ...

def main():
    print("called")
    asyncio.run(serve())

def begin():
    raise SystemExit("called")

def make():
    import socket
    socket.create_connection(("127.0.0.1", 1))
"""

GIVES_UP = """
import sys

async def serve():
    sys.exit(3)
"""

WAITS = """
app = FastAPI()

async def enter(name):
    raise LookupError("no such user")

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    await ws.accept()
    entering = asyncio.create_task(enter(await ws.receive_text()))
    await ws.receive_text()

greeted = JsonWire(path="/live/{user}", first=["hello"], ready={"type": "ready"}, to_user=None, to_all="{event}")
"""

MOUNTED = """
import socketio

sio = socketio.AsyncServer(async_mode="asgi")
moved = FastAPI()
moved.mount("/live", socketio.ASGIApp(sio))
none = FastAPI()
"""

CANNOT_END = """
from aiohttp import web

async def live(request):
    return web.Response(status=302)

async def fails(app):
    raise LookupError("what ending raises")

def app():
    made = web.Application()
    made.add_routes([web.get("/live", live)])
    made.on_shutdown.append(fails)
    return made
"""

MISREAD = """
app = FastAPI()

@app.websocket("/{user}")
async def echo(ws: WebSocket, user: str):
    await ws.accept()
    while True:
        await ws.send_text(await ws.receive_text())

class Mine(JsonWire):
    def read(self, frame, login):
        raise LookupError("no such kind")

misread = Mine(path="/{user}", to_user=None, to_all={"text": "{event}"})
"""

ANSWERED = """
import logging
import sys
from crosswire.fuzzer.targets import Http

app = FastAPI()
log = logging.getLogger("rooms.login")

@app.post("/login")
async def login():
    try:
        raise LookupError("no such column: users.nick")
    except LookupError as error:
        log.exception("login failed")
        print("nobody is let in", error, file=sys.stderr)
    return {"code": 1, "msg": "failed"}

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    await ws.close()

before = JsonWire(path="/live/{user}", before=Http("POST", "/login"), to_user=None, to_all="{event}")
"""

ANNOUNCED = """
app = FastAPI()
here = []

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    await ws.accept()
    here.append(ws)
    try:
        for other in list(here):
            await other.send_json({"event": "login", "nick": user})
        while True:
            text = await ws.receive_text()
            for other in list(here):
                await other.send_text(text)
    except WebSocketDisconnect:
        here.remove(ws)

anybody = JsonWire(
    path="/live/{user}", ready={"event": "login", "nick": "{user}"}, user="nick", to_user=None, to_all="{event}"
)
"""

SAID = [
    (ANNOUNCED, "app --wire app:anybody", "each would take the other's for its own; ready={"),
    (
        ANSWERED,
        "app --wire app:before",
        "meanwhile rooms.login logged: login failed (LookupError: no such column: users.nick); printed: nobody is let "
        'in no such column: users.nick; POST /login was answered HTTP 200: {"code":1,"msg":"failed"}',
    ),
    (
        WAITS,
        "app --wire app:greeted",
        "the login of the first client is never answered, because the application raised LookupError: no such user, in "
        "enter (app.py:",
    ),
    (MOUNTED, "moved", "since Starlette 0.33 must then begin with that of the mount: /live/socket.io/"),
    (MOUNTED, "none", "no route for WebSocket connections is found in the application"),
    (CANNOT_END, "app --wire text", "the first client is turned away: HTTP 302; does the wire"),
    (ROUTED, "app --wire app:text", "there is no route for /live/u0; the application has /live/rooms/{user}"),
    (NUMBERED, "app --wire app:text", "HTTP 403: path user_id: Input should be a valid integer"),
    (NUMBERED, "app --wire app:text", "the route is /live/{user_id} (user_id an integer): say users=integer_users"),
    (
        RAISES,
        "app --wire app:text",
        "because the application raised LookupError: no such table: users, in room (app.py:",
    ),
    (REFUSES, "app --wire app:text", "the first client is turned away: HTTP 403: the token has no signature"),
    (REFUSES, "app --wire app:text --via uvicorn", "the first client is turned away: HTTP 403"),
    (CLOSES, "app", "the first client is turned away: closed with 4003: who are you?"),
    (CLOSES, "app --via uvicorn", "the first client is turned away: closed with 4003: who are you?"),
    (
        ANSWERS,
        "app --wire app:text",
        "only c0 itself heard it; where a server answers the sender alone, it is an action for the sender",
    ),
    (SCRIPT, "main", "main is a plain function that calls asyncio.run(), so it was not called; name app:serve instead"),
    (SCRIPT, "begin", "calling begin() failed with SystemExit: called, in begin (app.py:"),
    (SCRIPT, "make", "calling make() failed with OutsideWorldError: the target called socket."),
    (
        MISREAD,
        "app --wire app:misread",
        """the wire's read of '{"text": "cw-e4"}' failed: LookupError: no such kind, in Mine.read (app.py:""",
    ),
    (
        MISREAD,
        "app --wire app:misread --via uvicorn",
        """the wire's read of '{"text": "cw-e4"}' failed: LookupError: no such kind, in Mine.read (app.py:""",
    ),
    (GIVES_UP, "serve", "starting it failed: SystemExit: 3, in serve (app.py:"),
]


@pytest.mark.parametrize(("source", "arguments", "message"), SAID)
def test_the_reason_is_said_in_a_line(tmp_path: Path, source: str, arguments: str, message: str) -> None:
    (tmp_path / "app.py").write_text(HEAD + source)
    name, *options = arguments.split()
    done = crosswire("run", f"app:{name}", *options, "--max-executions", "5", cwd=tmp_path, expect=2)
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and "called\n" not in done.stdout


def test_an_option_that_would_change_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAD + ROUTED)
    (tmp_path / "fuzz.py").write_text(
        "from crosswire.fuzzer.targets import application\ntarget = application('app:app')"
    )
    done = crosswire("run", "fuzz:target", "--wire", "text", cwd=tmp_path, expect=2)
    assert "would change nothing" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("via", "said"),
    [("uvicorn", "behind uvicorn"), ("direct", "called directly"), ("uvikorn", "unknown via 'uvikorn'")],
)
def test_an_application_of_a_fuzz_file_is_reached_as_the_command_says(tmp_path: Path, via: str, said: str) -> None:
    (tmp_path / "app.py").write_text(HEAD + ROUTED)
    (tmp_path / "fuzz.py").write_text(
        "from crosswire.fuzzer.targets import JsonWire, application\n"
        "wire = JsonWire(path='/live/rooms/{user}', to_user=None, to_all='{event}')\n"
        "target = application('app:app', wire=wire, via='uvicorn-wsproto')"
    )
    options = ("--max-executions", "3", "--no-confirm", "--no-cause")
    done = crosswire("run", "fuzz:target", "--via", via, *options, cwd=tmp_path, expect=2 if via == "uvikorn" else 0)
    assert said in done.stderr
    assert not done.stdout or f"fuzz:target?via={via}" in done.stdout


@pytest.mark.parametrize(
    ("path", "advice"),
    [("/live/{user}", "say users=integer_users"), ("/live/{room}", "say what it wants there (rooms=")],
)
def test_what_a_route_wants_in_a_place_is_said_by_what_stands_there(tmp_path: Path, path: str, advice: str) -> None:
    source = "app = FastAPI()\n\n@app.websocket('/live/{number:int}')\nasync def room(ws: WebSocket, number: int):\n"
    wire = f"wire = JsonWire(path={path!r}, to_user=None, to_room='{{event}}', rooms=['red', 'blue'])"
    (tmp_path / "app.py").write_text(f"{HEAD}{source}    await chat(ws)\n\n{wire}\n")
    done = crosswire("run", "app:app", "--max-executions", "5", cwd=tmp_path, expect=2)
    assert advice in done.stderr.splitlines()[-1]


def test_a_route_behind_an_included_router_is_found(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAD + ROUTED)
    done = crosswire("run", "app:app", "--wire", "text", "--max-executions", "3", cwd=tmp_path, expect=0)
    assert "clients speak text at /live/rooms/{user}" in done.stderr


def test_users_are_numbers_where_the_route_takes_numbers(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAD + NUMBERED)
    crosswire("run", "app:app", "--wire", "text", "--max-executions", "3", cwd=tmp_path, expect=0)


OLDER = """
peers = []

async def handler(socket, path):
    assert path == "/", path
    peers.append(socket)
    try:
        async for text in socket:
            for peer in peers:
                await peer.send(text)
    finally:
        peers.remove(socket)

wire = JsonWire(path="/", to_user=None, to_all="{event}")
"""


def test_a_handler_that_asks_for_the_path_is_given_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAD + OLDER)
    crosswire("run", "app:handler", "--max-executions", "3", cwd=tmp_path, expect=0)


FULL = """
import os

def make():
    starts = os.open("starts", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(starts, b".")
    full = os.fstat(starts).st_size > 400
    os.close(starts)
    if full:
        raise RuntimeError("the disk is full")
    app = FastAPI()
    @app.websocket("/live/{user}")
    async def room(ws: WebSocket, user: str):
        await ws.accept()
        seen.append(ws)
        try:
            async for text in ws.iter_text():
                for other in seen[:2]:  # nobody thought of a third
                    await other.send_text(text)
        finally:
            seen.remove(ws)
    return app
"""


def test_what_was_found_is_told_although_a_later_start_fails(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HEAD + FULL)
    done = crosswire(
        "run",
        "app:make?state=modules",
        "--wire",
        "app:text",
        "--max-executions",
        "5000",
        cwd=tmp_path,
        expect=1,
    )
    assert "RuntimeError: the disk is full, in make (app.py:" in done.stderr.splitlines()[-1]
    assert "went well, the last with: connect" in done.stderr
    assert "LostEvent" in done.stdout


def test_an_answer_that_is_told_to_everybody_is_awaited_by_name(tmp_path: Path) -> None:
    named = ANNOUNCED.replace('"nick": "{user}"}, user="nick"', '"nick": "{identity}"}')
    assert named != ANNOUNCED
    tmp_path.joinpath("app.py").write_text(HEAD + named)
    done = crosswire("run", "app:app", "--wire", "app:anybody", "--max-executions", "5", cwd=tmp_path, expect=0)
    assert "No promise broken" in done.stdout


WAKES_ONE = """
app = FastAPI()
inboxes = {}
changed = asyncio.Condition()

async def deliver(ws, user):
    told = 0
    while True:
        async with changed:
            await changed.wait_for(lambda: len(inboxes.get(user, ())) > told)
            found = inboxes[user][told:]
        told += len(found)
        for text in found:
            await ws.send_json({"text": text})

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    await ws.accept()
    delivering = asyncio.create_task(deliver(ws, user))
    try:
        while True:
            said = await ws.receive_json()
            async with changed:
                inboxes.setdefault(said["to"], []).append(said["text"])
                changed.notify()
    except WebSocketDisconnect:
        delivering.cancel()

mail = JsonWire(path="/live/{user}", to_user={"to": "{to}", "text": "{event}"})
"""

TO_THE_HOST = """
app = FastAPI()
here = []

@app.websocket("/live/{user}")
async def room(ws: WebSocket, user: str):
    await ws.accept()
    here.append(ws)
    try:
        while True:
            await here[0].send_text(await ws.receive_text())
    except WebSocketDisconnect:
        here.remove(ws)

mail = JsonWire(path="/live/{user}", to_user={"to": "{to}", "text": "{event}"})
"""


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (WAKES_ONE, 1, "app:app?wire=app:mail: LostEvent (no loss)"),
        (TO_THE_HOST, 2, "nothing of what c0 sends arrives on c1"),
    ],
)
def test_what_arrives_when_it_is_said_again_is_lost_and_not_misread(
    tmp_path: Path, source: str, code: int, said: str
) -> None:
    tmp_path.joinpath("app.py").write_text(HEAD + source)
    options = ("--max-executions", "1", "--no-confirm", "--no-cause")
    done = crosswire("run", "app:app", "--wire", "app:mail", *options, cwd=tmp_path, expect=code)
    assert said in done.stdout + done.stderr
