"""Rooms that are joined and left over HTTP; tasks that a framework begins for its handlers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crosswire.fuzzer import Action, Http, JsonWire, application
from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.wire import WireError
from crosswire.fuzzer.world import InOrder

from ..schedules import kinds_under
from ..searching import kinds_found

WIRE = JsonWire(
    path="/hear/{user}",
    to_user=None,
    rooms=["red", "blue"],
    join=Http("POST", "/rooms/{room}/{user}"),
    leave=Http("DELETE", "/rooms/{room}/{user}"),
    to_room={"room": "{room}", "text": "{event}"},
)
SETTLE = Operation("settle")
COME = tuple(Operation("connect", f"c{number}", f"u{number}") for number in range(2))


def clubhouse(**wire: object) -> Target:
    return application("tests.applications.clubhouse:app", wire=replace(WIRE, **wire))  # type: ignore[arg-type]


def heard(target: Target, *operations: Operation) -> dict[int | None, list[str | None]]:
    """Operation -> who heard of it."""
    worker, told = Worker(target), dict[int | None, list[str | None]]()
    with worker.session():
        for row in worker.run(Program(operations), InOrder()).history:
            if row.kind == "received":
                told.setdefault(row.operation, []).append(row.connection)
    return told


def join(number: int, room: str, kind: str = "join") -> Operation:
    return Operation(kind, f"c{number}", room=room)  # type: ignore[arg-type]


def test_who_joins_by_a_request_hears_what_is_said_there() -> None:
    say = Operation("emit_to_room", "c0", "u0", room="red")
    told = heard(clubhouse(), *COME, SETTLE, join(0, "red"), join(1, "red"), SETTLE, say, SETTLE)
    assert set(told.popitem()[1]) == {"c0", "c1"}
    left = heard(
        clubhouse(), *COME, join(0, "red"), join(1, "red"), SETTLE, join(1, "red", "leave"), SETTLE, say, SETTLE
    )
    assert set(left.popitem()[1]) == {"c0"}


def test_a_server_of_such_rooms_is_not_accused_and_is_found_out_where_it_is_wrong() -> None:
    assert not kinds_found(clubhouse(), 60, 1)
    out, said = join(1, "red", "leave"), Operation("emit_to_room", "c0", "u0", room="red")
    program = Program((*COME, join(0, "red"), join(1, "red"), SETTLE, out, SETTLE, said, SETTLE))
    assert kinds_under(Worker(clubhouse()), 3, program) == set()
    deaf = clubhouse(leave=Http("DELETE", "/rooms/{room}/nobody"))
    assert kinds_under(Worker(deaf), 3, program) == {"CrossUserLeak"}, "who has left is still told"


def test_a_room_that_nobody_is_let_into_is_said_to_be() -> None:
    worker = Worker(clubhouse(rooms=["green", "grey"]))
    with worker.session(), pytest.raises(TargetError, match=r"c0 is not let into green: POST /rooms/\{room\}/\{user\}"):
        preflight(worker)


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ({"leave": Http("DELETE", "/me")}, "names a {room}"),
        ({"joined": {"in": "red"}}, "its answer does"),
        ({"ask": Http("POST", "/ask")}, "goes over the connection"),
    ],
)
def test_what_cannot_be_a_request_is_refused(wire: dict[str, object], said: str) -> None:
    with pytest.raises(WireError, match=said):
        clubhouse(**wire)


def test_a_server_of_actions_alone_is_looked_at() -> None:
    ring = Action({"ring": True}, answer={"rung": True})
    wire = JsonWire(path="/bell/{user}", to_user=None, actions={"ring": ring})
    worker = Worker(application("tests.applications.bells:app", wire=wire))
    rings = tuple(Operation("act", f"c{number}", f"u{number}", name="ring") for number in range(2))
    leaving = Operation("abort", "c1")
    assert "Dropped" in kinds_under(worker, 40, Program((*COME, SETTLE, *rings[:1], leaving, SETTLE)))
    assert kinds_under(worker, 5, Program((*COME, SETTLE, *rings, SETTLE))) == set()


def test_a_task_that_a_handler_has_sanic_begin_runs() -> None:
    target = application("tests.applications.pumped:app", wire=JsonWire(path="/live", to_user=None, to_all="{event}"))
    told = heard(target, *COME, SETTLE, Operation("broadcast", "c0", "u0"), SETTLE)
    assert set(told.popitem()[1]) == {"c0", "c1"}
