"""Socket.IO's acknowledgements answer what clients say, and its wire calls users as the application does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Http, Login, SocketIOWire, application, integer_users
from crosswire.fuzzer.targets.own import Action
from crosswire.fuzzer.targets.wire import Outgoing, WireError

from ..applications.acknowledged import signed
from ..schedules import kinds_under
from ..searching import kinds_found

ACK = SocketIOWire.ACK

WIRE = SocketIOWire(
    auth=None,
    first=[("hello", "{token}", "web")],
    ready=(ACK, {"ok": True}),
    user="id",
    users=integer_users,
    token=signed,
    authenticates=True,
    to_user=None,
    rooms=["7", "8"],
    join=("join", "{room}"),
    joined=(ACK, {"ok": True}),
    leave=("leave", "{room}"),
    to_room=("say", "{room}", "{event}"),
    rejected=(ACK, {"ok": False}),
    sender="by",
    actions={"whoami": Action(("whoami",), answer={ACK: {"ok": True}}, user="id")},
)


def rows(name: str, *operations: Operation, wire: SocketIOWire = WIRE) -> list[tuple[Any, ...]]:
    worker = Worker(application(f"tests.applications.acknowledged:{name}", wire=wire))
    with worker.session():
        history = worker.run(Program(operations), RandomWalk(1)).history
    return [(str(row.kind), row.operation, row.connection, row.detail) for row in history]


COME = tuple(Operation("connect", f"c{number}", f"u{number}") for number in range(2))
SETTLE = Operation("settle")


def test_logins_joins_actions_and_what_is_said_are_acknowledged() -> None:
    acting = Operation("act", "c1", "u1", name="whoami")
    told = rows("app", *COME, SETTLE, Operation("join", "c0", "u0", room="7"), SETTLE,
                Operation("emit_to_room", "c0", "u0", room="7"), Operation("emit_to_room", "c1", "u1", room="8"),
                acting, SETTLE)  # fmt: skip
    ended = {row[1]: row[3] for row in told if row[0] == "returned"}
    assert ended[0] == "u0" and ended[1] == "u1", "who the server takes them for"
    assert ended[3] is None and ended[5] is None
    assert ended[6] is False, "who is not in the room is turned down"
    assert ended[7] == "u1"


def test_a_bad_token_is_refused_by_the_acknowledgement() -> None:
    bad = Operation("connect", "c0", "u0", token="invalid")
    assert ("returned", 0, "c0", False) in rows("app", bad, SETTLE)
    worker = Worker(application("tests.applications.acknowledged:lets_in", wire=WIRE))
    assert kinds_under(worker, 3, Program((bad, SETTLE))) == {"BadTokenAccepted"}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("app", set()),
        ("hasty", {"LostEvent"}),
        ("misnames", {"WrongIdentity"}),
        ("tells_all", {"CrossUserLeak"}),
    ],
)
def test_what_acknowledgements_say_is_heeded(name: str, kinds: set[str]) -> None:
    told = kinds_found(application(f"tests.applications.acknowledged:{name}", wire=WIRE), 150, 1, kinds)
    assert told >= kinds and bool(told) == bool(kinds)


def test_without_any_declared_nobody_asks() -> None:
    wire = SocketIOWire(join=("join", "{room}"), rooms=["a"])
    login = Login("c0", "u0", "token-u0", "u0", None)
    assert wire.join_room(login, "a") == ['42["join", "a"]']
    assert wire.emit(Outgoing("cw-e3", "u1", login)) == '42["message", {"to": "u1", "text": "cw-e3"}]'
    asking = replace(wire, joined=ACK)
    assert asking.emit(Outgoing("cw-e3", "u1", login)) == '42300["message", {"to": "u1", "text": "cw-e3"}]'
    assert asking.read("4398[]", login).joined == "a"
    assert asking.read('43300[{"ok":true}]', login).done == "e3"
    assert replace(asking, namespace="/chat").read("43/chat,300[]", login).done == "e3"


def test_the_handshake_carries_what_is_said() -> None:
    wire = SocketIOWire(path="/socket.io/?as={user}", headers={"Cookie": "session={token}"}, users=integer_users)
    request = wire.request(Login("c0", "u0", "token-u0", "u0", None))
    assert request.path == "/socket.io/?as=1&EIO=4&transport=websocket"
    assert request.headers == (("Cookie", "session=token-u0"),)


def test_what_is_said_may_be_a_request() -> None:
    post = Http("POST", "/say", json={"text": "{event}"})
    assert SocketIOWire(to_all=post).broadcast(Outgoing("cw-e1", None, Login("c0", "u0", "t", "u0", None))) is post


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"to_user": {"to": "{to}"}}, "to_user={'to': '{to}'}: it is an event, its name first"),
        ({"first": ["hello"]}, "it lists events"),
        ({"placed": "matched"}, "it is an event and what its argument contains"),
        ({"placed": ("matched", {})}, "says which room"),
        ({"ready": {"type": "ready"}}, "it is an event and what its argument contains"),
    ],
)
def test_what_cannot_be_meant_is_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(WireError) as told:
        SocketIOWire(**fields)
    assert message in str(told.value) and "\n" not in str(told.value)
