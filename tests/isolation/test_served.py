"""What drivers record of applications: errors and whose they are, rooms, policies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.core.history import Content, Farewell, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import JsonWire, Limits, Policy, application
from crosswire.fuzzer.targets.json_wire import TEXT
from tests.applications import strict

from ..schedules import kinds_under
from ..searching import kinds_found

SETTLE = Operation("settle")
EVERYBODY = JsonWire(path="/{user}", to_user=None, to_all="{event}")


def connect(number: int, user: str, **fields: Any) -> Operation:
    return Operation("connect", f"c{number}", user, **fields)


def say(number: int, user: str) -> Operation:
    return Operation("broadcast", f"c{number}", user)


TALK = (
    connect(0, "u0"),
    connect(1, "u1"),
    SETTLE,
    say(0, "u0"),
    say(1, "u1"),
    SETTLE,
    Operation("abort", "c1"),
    SETTLE,
)
LEAVES = (connect(0, "u0"), connect(1, "u1"), SETTLE, say(0, "u0"), Operation("disconnect", "c1"), say(0, "u0"), SETTLE)


def verdicts(name: str, operations: tuple[Operation, ...], wire: JsonWire = EVERYBODY, **policy: Any) -> set[str]:
    """What the model says over some schedules."""
    declared = Policy(**policy) if policy else None
    worker = Worker(application(f"tests.isolation.chats:{name}", wire=wire, policy=declared))
    return kinds_under(worker, 12, Program(operations))


@pytest.mark.parametrize("program", [TALK, LEAVES], ids=["talk", "leaves"])
@pytest.mark.parametrize("name", ["plain", "lets_go", "logs"])
def test_a_client_that_leaves_and_an_error_that_is_logged_are_handled(
    name: str, program: tuple[Operation, ...]
) -> None:
    assert verdicts(name, program) == set()


def test_who_takes_leave_is_no_exception_to_a_server_and_who_vanishes_may_be_one() -> None:
    at_once = (connect(0, "u0"), Operation("disconnect", "c0"), SETTLE)
    assert "UnhandledException" in verdicts("never_lets_go", LEAVES)
    assert "UnhandledException" in verdicts("never_lets_go", TALK)  # in the end who is left takes leave
    assert verdicts("never_lets_go", (*TALK[:-2], Operation("abort", "c0"), *TALK[-2:])) == set()
    assert verdicts("never_lets_go", at_once) == set()  # before anybody could know that it was logged in


@pytest.mark.parametrize("name", ["database_down", "fails"])
def test_errors_that_are_no_clients_are_not(name: str) -> None:
    assert "UnhandledException" in verdicts(name, TALK)


@pytest.mark.parametrize("via", [None, "uvicorn"])
def test_an_application_may_end_with_its_client_and_not_ask_again(via: str | None) -> None:
    for name, want in (("ends", set()), ("asks_again", {"UnhandledException"} if via is None else None)):
        worker = Worker(application(f"tests.isolation.chats:{name}", wire=TEXT, via=via))
        with worker.session():
            found = {
                v.kind for v in judged(worker, worker.run(Program(LEAVES[:2] + LEAVES[4:]), RandomWalk(1))).violations
            }
        if want is not None:
            assert (found & {"UnhandledException"}) == want


# -- policies ------------------------------


def test_tasks_may_outlive_their_client_for_the_declared_grace() -> None:
    assert "LeakedTask" in verdicts("lingers", TALK)
    assert verdicts("lingers", TALK, grace=30.0) == set()
    assert "LeakedTask" in verdicts("lingers", TALK, grace=1.0)


def test_newer_connections_may_close_older_ones_where_declared() -> None:
    program = (connect(0, "u0"), SETTLE, connect(1, "u0"), SETTLE)
    assert verdicts("newest_wins", program) == {"Dropped"}
    assert verdicts("newest_wins", program, per_user=1, at_limit="close") == set()
    assert verdicts("newest_wins", program, per_user=1) == {"Dropped"}
    assert verdicts("newest_wins", program, per_user=2, at_limit="close") == {"Dropped"}


def test_who_comes_too_often_may_be_turned_away_where_declared() -> None:
    program = (connect(0, "u0"), SETTLE, connect(1, "u1"), SETTLE, connect(2, "u0"), SETTLE)
    later = (*program[:4], Operation("pause", seconds=61.0), *program[4:])
    assert verdicts("two_a_minute", program) == {"Refused"}
    assert verdicts("two_a_minute", program, attempts=(2, 60.0)) == set()
    assert verdicts("two_a_minute", program, attempts=(3, 60.0)) == {"Refused"}
    assert verdicts("two_a_minute", later) == set()
    assert verdicts("two_for_ever", later, attempts=(2, 60.0)) == {"Refused"}


def test_beyond_a_rate_nobody_is_heard_where_declared() -> None:
    program = (connect(0, "u0"), connect(1, "u1"), SETTLE, *(say(0, "u0") for _ in range(4)), SETTLE)
    assert verdicts("three_only", program) == {"LostEvent"}
    assert verdicts("three_only", program, rate=(3, 60.0)) == set()
    assert verdicts("three_only", program, rate=(4, 60.0)) == {"LostEvent"}


def test_limits_and_policy_say_the_same() -> None:
    target = application(
        "tests.isolation.chats:plain", wire=EVERYBODY, limits=Limits(delay=3.0, connections_per_user=2)
    )
    assert target.traits.policy == Policy(delay=3.0, per_user=2, at_limit="either", rest=30.0)
    target = application("tests.isolation.chats:plain", wire=EVERYBODY, offline_delivery=True)
    assert target.traits.policy == Policy(rest=15.0, kept="each")
    assert target.traits.offline_delivery


# -- rooms ------------------------------

IN_TAVERNS = JsonWire(
    path="/{user}",
    to_user=None,
    rooms=["oak", "elm"],
    join="ENTER {room}",
    leave="EXIT {room}",
    to_room="SHOUT {event}",
)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("tavern", set()), ("tavern_drops", {"LostEvent"}), ("tavern_tells_all", {"CrossUserLeak"})],
)
def test_what_names_no_room_is_for_the_one_that_its_speaker_is_in(name: str, kinds: set[str]) -> None:
    target = application(f"tests.isolation.chats:{name}", wire=IN_TAVERNS, policy=Policy(one_room=True))
    told = kinds_found(target, 250, 1, kinds)
    assert told >= kinds and bool(told) == bool(kinds)


BY_PATH = JsonWire(path="/hall/{room}", to_user=None, to_room="{event}")
BY_FRAMES = JsonWire(
    path="/{user}",
    to_user=None,
    join={"join": "{room}"},
    leave={"leave": "{room}"},
    joined={"joined": "{room}"},
    to_room={"room": "{room}", "text": "{event}"},
)
SILENT = JsonWire(
    path="/{user}",
    to_user=None,
    join={"join": "{room}"},
    leave={"leave": "{room}"},
    to_room={"room": "{room}", "text": "{event}"},
)

HALLS = (
    connect(0, "u0", room="a"),
    connect(1, "u1", room="a"),
    connect(2, "u2", room="b"),
    SETTLE,
    Operation("emit_to_room", "c0", "u0", room="a"),
    Operation("emit_to_room", "c2", "u2", room="b"),
    SETTLE,
)


def room(kind: Any, number: int, name: str) -> Operation:
    return Operation(kind, f"c{number}", f"u{number}" if kind == "emit_to_room" else None, room=name)


COME = (connect(0, "u0"), connect(1, "u1"), connect(2, "u2"), SETTLE, room("join", 0, "a"), room("join", 1, "a"))

MEMBERS = (
    *COME,
    room("join", 1, "b"),
    SETTLE,
    room("emit_to_room", 0, "a"),
    room("leave", 1, "a"),
    SETTLE,
    room("emit_to_room", 0, "a"),
    room("join", 2, "b"),
    room("emit_to_room", 1, "b"),
    SETTLE,
)


def test_rooms_by_the_path() -> None:
    assert BY_PATH.rooms_at_connect
    assert verdicts("halls", HALLS, BY_PATH) == set()
    assert verdicts("one_hall", HALLS, BY_PATH) == {"CrossUserLeak"}


def test_rooms_by_frames() -> None:
    assert verdicts("joined", MEMBERS, BY_FRAMES) == set()
    assert verdicts("joined_silently", MEMBERS, SILENT) == set()
    assert verdicts("joined_by_nobody", MEMBERS, BY_FRAMES) == {"CrossUserLeak"}


BACK = (
    *COME,
    SETTLE,
    room("leave", 1, "a"),
    room("join", 1, "a"),
    SETTLE,
    room("emit_to_room", 0, "a"),
    room("emit_to_room", 1, "a"),
    SETTLE,
)


def test_who_leaves_and_is_back_at_once_is_in() -> None:
    """Frames of one connection are in order, whether the server answers them or not."""
    assert verdicts("joined", BACK, BY_FRAMES) == verdicts("joined_silently", BACK, SILENT) == set()
    assert verdicts("left_late", BACK, BY_FRAMES) == verdicts("left_late", BACK, SILENT) == {"LostEvent"}
    once_more = (*BACK[:-3], room("leave", 1, "a"), SETTLE, *BACK[-3:-2], SETTLE)
    assert verdicts("joined", once_more, BY_FRAMES) == set()
    assert verdicts("joined_by_nobody", once_more, BY_FRAMES) == {"CrossUserLeak"}, "it has left for good"


def test_a_server_that_should_confirm_and_does_not_owes_nothing() -> None:
    assert verdicts("joined_silently", MEMBERS, BY_FRAMES) == set()


def test_rooms_of_users_are_fixed_by_the_wire() -> None:
    by_user = JsonWire(path="/hall/a", to_user=None, to_room="{event}", rooms={"u0": ["a"], "u1": ["a"]})
    program = tuple(op for op in HALLS if op.connection != "c2")
    assert verdicts("halls", program, by_user) == set()
    strangers = JsonWire(path="/hall/a", to_user=None, to_room="{event}", rooms={"u0": ["a"], "u1": ["b"]})
    assert verdicts("halls", program, strangers) == {"CrossUserLeak"}


def test_what_a_wire_offers_of_rooms() -> None:
    kinds = ("join", "leave", "emit_to_room", "log_out")
    assert [BY_FRAMES.offers(kind) for kind in kinds] == [True, True, True, False]
    assert [BY_PATH.offers(kind) for kind in kinds] == [False, False, True, False]
    signs_off = JsonWire(leave={"type": "logout"})
    assert [signs_off.offers(kind) for kind in kinds] == [False, False, False, True]
    both = JsonWire(leave={"leave": "{room}"}, logout={"type": "logout"})
    assert [both.offers(kind) for kind in kinds] == [False, True, False, True]


# -- hanging up ------------------------------


@pytest.mark.parametrize(
    ("wire", "said", "want"),
    [
        (strict.chat, Operation("act", "c0", "u0", name="nonsense"), set()),
        (strict.chat, Operation("emit", "c0", "u0", "u1"), set()),
        (strict.misread, Operation("emit", "c0", "u0", "u1"), {"Dropped"}),
    ],
    ids=["an action", "an event", "an event that is misread"],
)
def test_a_server_may_hang_up_on_an_action_and_not_on_an_event(wire: JsonWire, said: Operation, want: set[str]) -> None:
    worker = Worker(application("tests.applications.strict:handler", wire=wire))
    program = Program((connect(0, "u0"), connect(1, "u1"), SETTLE, Operation("emit", "c1", "u1", "u0"), said))
    with worker.session():
        runs = [judged(worker, worker.run(program, RandomWalk(seed))) for seed in range(20)]
    assert {violation.kind for run in runs for violation in run.violations} - {"LostEvent"} == want
    hung_up = {row.detail for run in runs for row in run.execution.history if row.kind == RowKind.CLOSED}
    assert {why.code for why in hung_up if isinstance(why, Farewell)} == ({1003} if want or said.name else set())


@pytest.mark.parametrize(("name", "want"), [("handler", set()), ("mistakes_who_asked", {"CrossUserLeak"})])
def test_who_writes_to_somebody_absent_may_be_told_so_and_nobody_else(name: str, want: set[str]) -> None:
    worker = Worker(application(f"tests.applications.strict:{name}", wire=strict.chat))
    program = Program((connect(0, "u0"), connect(1, "u1"), SETTLE, Operation("emit", "c0", "u0", "u2")))
    assert kinds_under(worker, 10, program) == want


RETELLS = """
import asyncio
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
here, last = {}, {}

@app.websocket("/ws/{user}")
async def chat(ws: WebSocket, user: str):
    await ws.accept()
    here.setdefault(user, []).append(ws)
    try:
        if user in last:
            await ws.send_json({"t": "conversations", "list": [last[user]]})
        while True:
            said = await ws.receive_json()
            last[said["to"]] = said["text"]
            for other in list(here.get(said["to"], ())):
                try:
                    await other.send_json({"t": "message", "text": said["text"]})
                    await other.send_json({"t": "conversations", "list": [said["text"]]})
                except (RuntimeError, WebSocketDisconnect):
                    pass
    except WebSocketDisconnect:
        pass
    finally:
        here[user].remove(ws)
"""


def test_what_is_declared_to_tell_once_more_delivers_only_what_had_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inbox_of_test.py").write_text(RETELLS)
    monkeypatch.syspath_prepend(tmp_path)
    wire = JsonWire(path="/ws/{user}", to_user={"to": "{to}", "text": "{event}"})
    telling = replace(wire, retells=[{"t": "conversations"}])
    program = Program(
        (
            Operation("connect", "c0", "u0"),
            Operation("settle"),
            Operation("emit", "c0", "u0", "u1"),
            Operation("connect", "c1", "u1"),
            Operation("settle"),
            Operation("emit", "c0", "u0", "u1"),
            Operation("settle"),
        )
    )
    kinds = []
    for spoken in (wire, telling):
        worker = Worker(application("inbox_of_test:app", wire=spoken))
        with worker.session():
            runs = [judged(worker, worker.run(program, RandomWalk(seed))) for seed in range(20)]
        kinds.append({violation.kind for run in runs for violation in run.violations})
        kept = [row.detail for run in runs for row in run.execution.history if row.kind == RowKind.RECEIVED]
        assert any(isinstance(one, Content) and one.kind == "conversations" and one.mentions for one in kept)
    assert kinds == [{"DuplicateEvent"}, set()]
