"""Findings that only a lying simulation shows are not confirmed: what confirms them shares nothing with it.

Each lie is told by a part of the world in memory, of a target that keeps its promises, and goes on being told while the
finding is confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.clients.asgi import AsgiLink, ClientGoneError
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.targets.websocket import ClientDisconnectedError, FakeWebSocket
from crosswire.fuzzer.world import InOrder
from crosswire.fuzzer.world.flow import Flow

ENOUGH = 120.0
"""Real seconds for a confirmation where the machine may be busy; the number of attempts ends it long before."""

ATTEMPTS = 5

Lie = Callable[[pytest.MonkeyPatch], None]


class Careful(Adapter):
    """A manager that keeps its promises: it passes events on to whoever is there."""

    def __init__(self) -> None:
        self.clients: list[Client] = []

    async def connect(self, client: Client) -> None:
        self.clients.append(client)

    async def emit(self, event: Event) -> bool:
        reached = False
        for client in list(self.clients):
            if client.user == event.to and client in self.clients:
                try:
                    await client.websocket.send_json(event.payload)
                    reached = True
                except ConnectionError:
                    continue
        return reached

    async def disconnect(self, client: Client) -> None:
        self.clients.remove(client)


MANAGER = Target("careful", Careful, Careful)

TALK = Program(
    (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("connect", "c2", "u2"),
        Operation("settle"),
        Operation("emit", user="u1", to="u0"),
        Operation("emit", user="u1", to="u0"),
    )
)

APPLICATION = """
import json
from crosswire.fuzzer.targets import JsonWire

wire = JsonWire(path="/{user}")
PEERS = {}

async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError
    user = scope["path"][1:]
    await receive()
    await send({"type": "websocket.accept"})
    PEERS.setdefault(user, []).append(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            data = json.loads(message["text"])
            for peer in list(PEERS.get(data["to"], ())):
                try:
                    await peer({"type": "websocket.send", "text": json.dumps({"text": data["text"]})})
                except (OSError, RuntimeError):
                    pass
    finally:
        PEERS[user].remove(send)

async def only_once(scope, receive, send):
    '''A new connection of a user closes the one before, from its own task.'''
    if scope["type"] != "websocket":
        raise NotImplementedError
    user = scope["path"][1:]
    await receive()
    await send({"type": "websocket.accept"})
    mine = PEERS.setdefault(user, [])
    for peer in mine:
        await peer({"type": "websocket.close", "code": 4001})
    mine[:] = [send]
    while (await receive())["type"] == "websocket.receive":
        pass

async def handler(websocket):
    user = websocket.request.path[1:]
    PEERS.setdefault(user, []).append(websocket.send)
    try:
        async for text in websocket:
            data = json.loads(text)
            for send in list(PEERS.get(data["to"], ())):
                try:
                    await send(json.dumps({"text": data["text"]}))
                except Exception:
                    pass
    finally:
        PEERS[user].remove(websocket.send)
"""

SPEAK = Program(
    (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("settle"),
        Operation("emit", "c1", "u1", "u0"),
        Operation("settle"),
        Operation("emit", "c1", "u1", "u0"),
    )
)

TWICE = Program((Operation("connect", "c0", "u0"), Operation("settle"), Operation("connect", "c1", "u0")))


# -- what the websockets of managers may lie about ------------------------------


def loses_a_frame(lying: pytest.MonkeyPatch) -> None:
    def arrive(self: FakeWebSocket) -> None:
        self._head = None
        if self._frames:
            self._frames.popleft()[2].set_result(None)
            self._advance()

    lying.setattr(FakeWebSocket, "_arrive", arrive)


def brings_a_frame_to_somebody_else(lying: pytest.MonkeyPatch) -> None:
    truly = FakeWebSocket._send

    async def send(self: FakeWebSocket, data: Any) -> None:
        self.name = "c2"
        await truly(self, data)

    lying.setattr(FakeWebSocket, "_send", send)


def brings_a_frame_twice(lying: pytest.MonkeyPatch) -> None:
    truly = FakeWebSocket._send

    async def send(self: FakeWebSocket, data: Any) -> None:
        await truly(self, data)
        await truly(self, data)

    lying.setattr(FakeWebSocket, "_send", send)


def never_says_that_a_frame_was_sent(lying: pytest.MonkeyPatch) -> None:
    def arrive(self: FakeWebSocket) -> None:
        self._head = None
        if self._frames:
            content, number, _ = self._frames.popleft()
            self._recorder.record(RowKind.RECEIVED, number, self.name, content)

    lying.setattr(FakeWebSocket, "_arrive", arrive)


def raises_although_the_frame_arrives(lying: pytest.MonkeyPatch) -> None:
    def arrive(self: FakeWebSocket) -> None:
        self._head = None
        if self._frames:
            content, number, sent = self._frames.popleft()
            self._recorder.record(RowKind.RECEIVED, number, self.name, content)
            sent.set_exception(ClientDisconnectedError("so they say"))

    lying.setattr(FakeWebSocket, "_arrive", arrive)


def sends_what_was_sent_before(lying: pytest.MonkeyPatch) -> None:
    async def send_json(self: FakeWebSocket, data: Any, mode: str = "text") -> None:
        await self._send({**data, "event_id": "cw-e4"})

    lying.setattr(FakeWebSocket, "send_json", send_json)


# -- what links to applications may lie about ------------------------------


def never_wakes_receive(lying: pytest.MonkeyPatch) -> None:
    lying.setattr(AsgiLink, "_disconnected", lambda self, code: None)


def delivers_nothing(lying: pytest.MonkeyPatch) -> None:
    async def deliver(self: AsgiLink, frame: Any) -> None:
        await asyncio.sleep(0)

    lying.setattr(AsgiLink, "_deliver", deliver)


def delivers_twice(lying: pytest.MonkeyPatch) -> None:
    truly = AsgiLink._deliver

    async def deliver(self: AsgiLink, frame: Any) -> None:
        await truly(self, frame)
        await truly(self, frame)

    lying.setattr(AsgiLink, "_deliver", deliver)


def calls_a_client_gone_that_is_there(lying: pytest.MonkeyPatch) -> None:
    async def deliver(self: AsgiLink, frame: Any) -> None:
        raise ClientGoneError("so they say")

    lying.setattr(AsgiLink, "_deliver", deliver)


def forgets_what_was_sent(lying: pytest.MonkeyPatch) -> None:
    """Bytes of the client that never reach the server, once it has shaken hands."""
    truly = Flow.push
    seen: set[int] = set()

    def push(self: Flow, piece: bytes) -> None:
        if self.key[0] != "bytes" or id(self) not in seen or not piece:
            seen.add(id(self))
            truly(self, piece)

    lying.setattr(Flow, "push", push)


def brings_bytes_twice(lying: pytest.MonkeyPatch) -> None:
    """What a server writes of an event reaches the client once more."""
    truly = Flow.push

    def push(self: Flow, piece: bytes) -> None:
        truly(self, piece)
        if self.key[0] == "frame" and b"cw-e" in piece:
            truly(self, piece)

    lying.setattr(Flow, "push", push)


MANAGERS: list[tuple[Lie, str]] = [
    (loses_a_frame, "LostEvent"),
    (brings_a_frame_to_somebody_else, "CrossUserLeak"),
    (brings_a_frame_twice, "DuplicateEvent"),
    (never_says_that_a_frame_was_sent, "Deadlock"),
    (raises_although_the_frame_arrives, "FalseFailure"),
    (sends_what_was_sent_before, "DuplicateEvent"),
]

APPLICATIONS: list[tuple[str, Program, Lie, str]] = [
    ("only_once", TWICE, never_wakes_receive, "LeakedTask"),
    ("app", SPEAK, delivers_nothing, "LostEvent"),
    ("app", SPEAK, delivers_twice, "DuplicateEvent"),
    ("app", SPEAK, calls_a_client_gone_that_is_there, "LostEvent"),
    ("handler", SPEAK, forgets_what_was_sent, "LostEvent"),
    ("handler", SPEAK, brings_bytes_twice, "DuplicateEvent"),
]


def found(target: Target, program: Program, kind: str) -> tuple[Execution, str]:
    """The execution in order, and the signature of the violation of this kind that it shows."""
    worker = Worker(target)
    with worker.session():
        result = judged(worker, worker.run(program, InOrder()))
    violation = next((one for one in result.violations if one.kind == kind), None)
    assert violation is not None, [one.message for one in result.violations]
    return result.execution, violation.signature(target.name)


@pytest.mark.parametrize(("lie", "kind"), MANAGERS)
def test_a_lie_about_a_manager_is_refused(lie: Lie, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lie(monkeypatch)
    execution, signature = found(MANAGER, TALK, kind)
    said = confirm(MANAGER, execution, signature, ENOUGH, ATTEMPTS)
    assert said.verdict == "not confirmed", said
    assert "over real sockets" in said.detail


@pytest.mark.parametrize(("name", "program", "lie", "kind"), APPLICATIONS)
def test_a_lie_about_an_application_is_refused(
    name: str, program: Program, lie: Lie, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "honest_server.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    target = resolve(f"honest_server:{name}")
    lie(monkeypatch)
    execution, signature = found(target, program, kind)
    said = confirm(target, execution, signature, ENOUGH, ATTEMPTS)
    assert said.verdict == "not confirmed", said
    assert "over real sockets" in said.detail


def test_the_targets_keep_their_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "honest_server.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for target, program in (
        (MANAGER, TALK),
        (resolve("honest_server:app"), SPEAK),
        (resolve("honest_server:handler"), SPEAK),
    ):
        worker = Worker(target)
        with worker.session():
            assert judged(worker, worker.run(program, InOrder())).violations == ()
