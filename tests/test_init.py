"""What ``init`` writes runs as it is: routes and handlers are read, and what they tell is tried first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.cli.starting import write_beginning
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.targets.routes import events_of, websocket_routes
from tests.command import crosswire

HEAD = """
import json
from collections import defaultdict
from typing import Annotated
from uuid import UUID
from fastapi import APIRouter, Depends, FastAPI, Query, WebSocket, WebSocketDisconnect, WebSocketException

online = defaultdict(list)
app = FastAPI()

async def tell(peers, frame):
    for peer in list(peers):
        try:
            await peer.send_json(frame)
        except (RuntimeError, WebSocketDisconnect):
            pass
"""

TO_USER = """
router = APIRouter(prefix="/live")

@router.websocket("/{user_id}")
async def chat(ws: WebSocket, user_id: int):
    await ws.accept()
    online[user_id].append(ws)
    try:
        await ws.send_json({"event": "welcome", "user_id": user_id})
        while True:
            data = await ws.receive_json()
            if data["action"] == "typing":
                continue
            if data["action"] == "send":
                await tell(online[int(data["recipient"])], {"event": "message", "content": data["content"]})
    except WebSocketDisconnect:
        pass
    finally:
        online[user_id].remove(ws)

app.include_router(router, prefix="/api")
"""

BY_QUERY = """
def current_user(token: Annotated[str, Query()]) -> str:
    if not token.startswith("token-"):
        raise WebSocketException(1008)
    return token.removeprefix("token-")

@app.websocket("/ws")
async def chat(ws: WebSocket, user: Annotated[str, Depends(current_user)]):
    await ws.accept()
    online[user].append(ws)
    try:
        async for text in ws.iter_text():
            message = json.loads(text)
            match message.get("kind"):
                case "direct":
                    await tell(online[message["to"]], {"body": message["body"]})
    finally:
        online[user].remove(ws)
"""

BY_HEADER = """
@app.websocket("/ws")
async def chat(ws: WebSocket):
    user = ws.headers.get("authorization", "").removeprefix("Bearer token-")
    if not user:
        await ws.close(1008)
        return
    await ws.accept()
    await serve(ws, user)

async def serve(ws, user):
    online[user].append(ws)
    try:
        while True:
            text = await ws.receive_text()
            for peers in list(online.values()):
                for peer in list(peers):
                    try:
                        await peer.send_text(text)
                    except (RuntimeError, WebSocketDisconnect):
                        pass
    except WebSocketDisconnect:
        pass
    finally:
        online[user].remove(ws)
"""


IN_ROOMS = """
class Manager:
    def __init__(self):
        self.rooms = defaultdict(list)

    async def say(self, room, said):
        await tell(self.rooms[room], {"from": said["author"], "body": said["content"]})

manager = Manager()

@app.websocket("/rooms/{room_id}")
async def chat(ws: WebSocket, room_id: int):
    await ws.accept()
    manager.rooms[room_id].append(ws)
    try:
        while True:
            data = await ws.receive_json()
            if data["type"] == "typing":
                continue
            await manager.say(room_id, data)
    except WebSocketDisconnect:
        pass
    finally:
        manager.rooms[room_id].remove(ws)
"""


NAMES_WHOSE = BY_HEADER.replace(
    "            for peers",
    """            said = json.loads(text)
            text = f"{said['user']}: {said['text']}"
            for peers""",
)


VALIDATED = """
from typing import Literal
from pydantic import BaseModel

class Typing(BaseModel):
    type: Literal["typing"]
    seconds: int

class Direct(BaseModel):
    type: Literal["direct"]
    receiver_id: int
    message: str
    urgent: bool = False

people = {}

@app.websocket("/ws")
async def live(ws: WebSocket, user_id: int):
    await ws.accept()
    people.setdefault(user_id, []).append(ws)
    try:
        while True:
            payload = json.loads(await ws.receive_text())
            if payload["type"] == "direct":
                said = Direct.model_validate(payload)
                for one in people.get(said.receiver_id, []):
                    await one.send_json({"from": user_id, "message": said.message})
    except WebSocketDisconnect:
        people[user_id].remove(ws)
"""


@pytest.fixture
def chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the application goes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("chat", "chat_fuzz"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path / "chat.py"


def check_beginning(chat: Path, source: str, written: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is written for an application has all this in it, and runs."""
    chat.write_text(source)
    write_beginning("chat:app", None, Path("chat_fuzz.py"))
    assert "look it over, then: crosswire run chat_fuzz:target" in capsys.readouterr().out
    text = Path("chat_fuzz.py").read_text()
    assert all(line in text for line in written), text
    worker = Worker(resolve("chat_fuzz:target"))
    with worker.session():
        assert preflight(worker) is None


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (
            TO_USER,
            [
                'path="/api/live/{user}"',
                "users=integer_users",
                'ready={"event": "welcome"}',
                'user="user_id"',
                'to_user={"action": "send", "recipient": "{to}", "content": "{event}"}',
            ],
        ),
        (BY_QUERY, ['path="/ws?token={token}"', 'to_user={"kind": "direct", "to": "{to}", "body": "{event}"}']),
        (BY_HEADER, ['path="/ws"', 'headers={"Authorization": "Bearer {token}"}', 'to_all="{event}"']),
        (
            IN_ROOMS,
            [
                'path="/rooms/{room}?token={token}"',
                'rooms=["1", "2"]',
                'to_room={"type": "message", "author": "x", "content": "{event}"}',
                "    # users=",
            ],
        ),
        (
            VALIDATED,
            [
                'path="/ws?user_id={user}"',
                "users=integer_users",
                'to_user={"type": "direct", "receiver_id": "{to}", "message": "{event}"}',
            ],
        ),
    ],
    ids=[
        "numbers and kinds",
        "a token in the query",
        "a token in a header",
        "rooms, and what a method asks for",
        "a number in the query, and what a model asks for",
    ],
)
def test_routes_and_handlers_are_read_and_what_is_written_runs(
    chat: Path, source: str, written: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    check_beginning(chat, HEAD + source, written, capsys)


def test_what_is_said_to_one_and_heard_by_all_is_for_all(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key of a message that is called as a user is may be whose it is."""
    chat.write_text(HEAD + NAMES_WHOSE)
    write_beginning("chat:app", None, Path("chat_fuzz.py"))
    assert "look it over" in capsys.readouterr().out
    text = Path("chat_fuzz.py").read_text()
    assert "to_user=None," in text and 'to_all={"user": "{user}", "text": "{event}"}' in text, text


def test_what_nobody_could_guess_is_said(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat.write_text(HEAD + BY_HEADER.replace('"authorization"', '"x-secret"'))
    write_beginning("chat:app", None, Path("chat_fuzz.py"))
    assert "as it is, the first client is turned away" in capsys.readouterr().out
    compile(Path("chat_fuzz.py").read_text(), "chat_fuzz.py", "exec")


def test_a_room_in_which_nothing_arrives_is_no_wire(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat.write_text(HEAD + IN_ROOMS.replace("await manager.say(room_id, data)", "pass"))
    write_beginning("chat:app", None, Path("chat_fuzz.py"))
    assert "as it is, nothing of what c0 sends arrives on c1" in capsys.readouterr().out


POSTED = """
from pydantic import BaseModel

class Note(BaseModel):
    message: str
    urgent: bool = False

async def push(user_id, note):
    await tell(online[user_id], {{"note": note}})

@app.post("/users/{{user_id}}/notes")
async def post(user_id: int, {argument}):
    {before}
    await push(user_id, {text})
    return {{}}

@app.websocket("/live/{{user_id}}")
async def live(ws: WebSocket, user_id: int):
    await ws.accept()
    online[user_id].append(ws)
    try:
        while True:
            await ws.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        online[user_id].remove(ws)
"""


@pytest.mark.parametrize(
    ("argument", "before", "text", "asked"),
    [
        ("note: Note", "", "note.message", '"/users/{to}/notes", json={"message": "{event}"})'),
        ("text: str", "", "text", '"/users/{to}/notes?text={event}")'),
        ("request: Request", "data = await request.json()", 'data["body"]', 'notes", json={"body": "{event}"})'),
        ("content: Annotated[str, Form()]", "", "content", '"/users/{to}/notes", form={"content": "{event}"})'),
    ],
    ids=["a model", "a query", "JSON", "a form"],
)
def test_what_clients_only_listen_to_is_posted(
    chat: Path, argument: str, before: str, text: str, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = HEAD + "from fastapi import Form, Request\n" + POSTED.format(argument=argument, before=before, text=text)
    wanted = ["to_user=Http(" + '"POST", ', asked, "to_all=None", "users=integer_users"]
    check_beginning(chat, source, wanted, capsys)


SOCKETIO = """
import socketio
from fastapi import FastAPI

sio = socketio.AsyncServer(async_mode="asgi")

@sio.event
async def connect(sid, environ):
    pass

@sio.event
async def message(sid, said):
    await sio.emit("said", said)

app = FastAPI()
app.mount("{mount}", socketio.ASGIApp(sio, socketio_path="{path}"))
"""


@pytest.mark.parametrize(("mount", "path"), [("/", "socket.io"), ("/live", "live/io"), ("/socket.io", "socket.io")])
def test_a_mounted_socketio_is_found_and_shown_what_its_handler_takes(
    chat: Path, mount: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chat.write_text(SOCKETIO.format(mount=mount, path=path))
    write_beginning("chat:app", None, Path("chat_fuzz.py"))
    assert f"clients speak Socket.IO at /{path}/" in capsys.readouterr().out
    assert "auth=None," in Path("chat_fuzz.py").read_text()
    text = Path("chat_fuzz.py").read_text().replace('("message", {"to": "{to}", "text": "{event}"})', "None")
    Path("chat_fuzz.py").write_text(text.replace("to_all=None", 'to_all=("message", {"text": "{event}"})'))
    worker = Worker(resolve("chat_fuzz:target"))
    with worker.session():
        assert preflight(worker) is None


BY_ROOMS = """
import socketio

sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio)

async def tell(room, data):
    await sio.emit("said", data, room=room)

@sio.on("enter")
async def entered(sid, data):
    await sio.enter_room(sid, data["channel"])
    return {"ok": True}

@sio.on("part")
async def parted(sid, channel):
    await sio.leave_room(sid, channel)

@sio.event
async def typing(sid): ...

@sio.event
async def say(sid, data):
    if data["channel"] not in sio.rooms(sid):
        return {"ok": False}
    await tell(data["channel"], data)
    return {"ok": True}
"""

BY_NAME = """
import asyncio
import socketio

sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio)

class Live(socketio.AsyncNamespace):
    async def on_register(self, sid, data):
        await asyncio.sleep(0.01)
        await self.enter_room(sid, data["username"])
        await self.emit("registered", {"as": data["username"]}, to=sid)

    async def on_direct(self, sid, to, body):
        await self.emit("direct", {"body": body}, room=to)

sio.register_namespace(Live("/live"))
"""


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (
            BY_ROOMS,
            [
                'join=("enter", {"channel": "{room}"})',
                'joined=(SocketIOWire.ACK, {"ok": True})',
                'leave=("part", "{room}")',
                'to_room=("say", {"channel": "{room}", "text": "{event}"})',
                'rejected=(SocketIOWire.ACK, {"ok": False})',
                "to_user=None,",
            ],
        ),
        (
            BY_NAME,
            [
                'namespace="/live"',
                'first=[("register", {"username": "{user}"})]',
                'ready="registered"',
                'to_user=("direct", "{to}", "{event}")',
            ],
        ),
    ],
    ids=["rooms and acknowledgements", "a namespace, and a login by an event"],
)
def test_events_and_their_handlers_are_read_and_what_is_written_runs(
    chat: Path, source: str, written: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    check_beginning(chat, source, written, capsys)


ATTACHED = """
import socketio

sio = socketio.AsyncServer(async_mode="{mode}")

@sio.event
async def say(sid, data): ...

{made}
"""


@pytest.mark.parametrize(
    ("mode", "made"),
    [
        ("aiohttp", "from aiohttp import web\napp = web.Application()\nsio.attach(app)"),
        ("sanic", "from sanic import Sanic\napp = Sanic('attached')\nsio.attach(app)"),
        (
            "tornado",
            "from tornado.web import Application\n"
            "app = Application([(r'/socket.io/', socketio.get_tornado_handler(sio))])",
        ),
    ],
)
def test_a_socketio_server_that_is_attached_to_another_framework_is_found(mode: str, made: str) -> None:
    names: dict[str, Any] = {}
    exec(ATTACHED.format(mode=mode, made=made), names)
    (route,) = websocket_routes(names["app"])
    assert (route.path, route.socketio, events_of(route.endpoint)) == ("/socket.io/", True, ["say"])


def test_a_handler_with_an_empty_closure_is_read() -> None:
    from aiohttp import web

    def make(debug: bool) -> web.Application:
        if debug:
            tracer = print

        async def handler(request: web.Request) -> web.StreamResponse:
            tracer("here")
            return web.Response()

        app = web.Application()
        app.router.add_get("/", handler)
        return app

    (route,) = websocket_routes(make(False))
    assert (route.path, route.socketio) == ("/", False)


def test_what_a_socketio_server_has_no_handler_for_is_told(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = SOCKETIO.replace("def message", "def say").replace('await sio.emit("said", said)', "pass")
    chat.write_text(silent.format(mount="/", path="socket.io"))
    write_beginning("chat:app", None, Path("chat_fuzz.py"))
    assert "as it is, the server has no event 'message'; it has \"say\"" in capsys.readouterr().out
    assert '# What the server has handlers for: "say".' in Path("chat_fuzz.py").read_text()


CIRCLES = """
import socketio

class Circles(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ, auth):
        pass

    async def on_message(self, sid, said):
        await self.emit("said", said)

sio = socketio.AsyncServer(async_mode="asgi")
sio.register_namespace(Circles("/circles"))
app = socketio.ASGIApp(sio)
"""


def test_a_namespace_that_is_a_class_is_read(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat.write_text(CIRCLES)
    write_beginning("chat:app", None, Path("chat_fuzz.py"))
    assert "clients speak Socket.IO at /socket.io/, namespace /circles" in capsys.readouterr().out
    text = Path("chat_fuzz.py").read_text()
    assert 'namespace="/circles",' in text and 'handlers for: "message".' in text and "auth=None" not in text
    Path("chat_fuzz.py").write_text(
        text.replace('("message", {"to": "{to}", "text": "{event}"})', "None").replace(
            "to_all=None", 'to_all=("message", {"text": "{event}"})'
        )
    )
    worker = Worker(resolve("chat_fuzz:target"))
    with worker.session():
        assert preflight(worker) is None


MAKES_IT = """
from aiohttp import web

here = []

async def live(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    here.append(ws)
    try:
        async for message in ws:
            for other in list(here):
                await other.send_str(message.data)
    finally:
        here.remove(ws)
    return ws

async def make() -> web.Application:
    app = web.Application()
    app.add_routes([web.get("/bye", bye), web.get("/live", live)])
    return app

async def bye(request):
    return web.Response(text="bye")
"""


@pytest.mark.parametrize("says", [" -> web.Application", ""])
def test_the_routes_of_what_a_coroutine_makes_are_read(chat: Path, says: str) -> None:
    assert " -> web.Application" in MAKES_IT
    chat.write_text(MAKES_IT.replace(" -> web.Application", says))
    target = resolve("chat:make?wire=text")
    assert target.description.startswith("a coroutine that makes an aiohttp application")
    assert target.description.endswith("clients speak text at /live?token={token}")
    worker = Worker(target)
    with worker.session():
        assert preflight(worker) is None


def test_a_main_is_never_called(tmp_path: Path) -> None:
    script = "import asyncio\n\nasync def serve(): ...\n\ndef main():\n    print('called')\n    asyncio.run(serve())\n"
    (tmp_path / "script.py").write_text(script)
    done = crosswire("init", "script:main", cwd=tmp_path, expect=2)
    assert "name script:serve instead" in done.stderr and "called\n" not in done.stdout
