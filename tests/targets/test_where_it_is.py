"""A client that leaves a room without a word which: the one that it is in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crosswire.fuzzer import JsonWire, Policy, application
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world import InOrder

from ..schedules import kinds_under
from ..searching import kinds_found

WIRE = JsonWire(
    path="/bar/{user}",
    to_user=None,
    rooms=["bar", "corner"],
    join={"do": "sit", "table": "{room}"},
    joined={"you": "sit"},
    leave={"do": "get up"},
    to_room={"do": "say", "text": "{event}"},
)
SETTLE = Operation("settle")
SAY = Operation("emit_to_room", "c1", "u1", room="bar")


def bar(name: str = "bar", wire: JsonWire = WIRE) -> Target:
    return application(f"tests.applications.tables:{name}", wire=wire, policy=Policy(one_room=True))


def moves(number: int, kind: str, room: str) -> Operation:
    return Operation(kind, f"c{number}", room=room)  # type: ignore[arg-type]


COME = (
    *(Operation("connect", f"c{number}", f"u{number}") for number in range(2)),
    SETTLE,
    moves(0, "join", "bar"),
    moves(1, "join", "bar"),
    SETTLE,
)


def told(*operations: Operation, wire: JsonWire = WIRE) -> set[str | None]:
    """Who hears what is said at the end."""
    program = Program((*COME, *operations, SETTLE, SAY, SETTLE))
    worker = Worker(bar(wire=wire))
    with worker.session():
        history = worker.run(program, InOrder()).history
    said = program.operations.index(SAY)
    return {row.connection for row in history if row.kind == "received" and row.operation == said}


def test_who_leaves_leaves_where_it_is() -> None:
    assert told() == {"c0", "c1"}
    assert told(moves(0, "leave", "bar")) == {"c1"}


def test_it_does_not_leave_a_room_in_which_it_is_not() -> None:
    assert told(moves(0, "leave", "corner")) == {"c0", "c1"}
    assert told(moves(0, "join", "corner"), moves(0, "join", "bar"), moves(0, "leave", "corner")) == {"c0", "c1"}
    assert told(moves(0, "join", "corner"), moves(0, "leave", "corner"), moves(0, "leave", "bar")) == {"c1"}


def test_such_a_server_is_not_accused() -> None:
    assert not kinds_found(bar(), 100, 1)


def test_such_a_server_that_forgets_who_has_left_is_found_out() -> None:
    program = Program((*COME, moves(0, "leave", "bar"), SETTLE, SAY, SETTLE))
    assert kinds_under(Worker(bar("forgetful_bar")), 3, program) == {"CrossUserLeak"}
    assert "CrossUserLeak" in kinds_found(bar("forgetful_bar"), 300, 1, {"CrossUserLeak"})


@pytest.mark.parametrize(
    ("wire", "leaves", "logs_out"),
    [
        (WIRE, True, False),
        (replace(WIRE, logout={"do": "pay"}), True, True),
        (replace(WIRE, leave={"do": "get up", "table": "{room}"}), True, False),
        (JsonWire(to_user="{event}", leave={"do": "go"}), False, True),
        (JsonWire(to_user="{event}", rooms={"u0": ["bar"]}, leave={"do": "go"}), False, True),
    ],
)
def test_what_a_leave_without_a_room_means(wire: JsonWire, leaves: bool, logs_out: bool) -> None:
    assert wire.offers("leave") is leaves
    assert wire.offers("log_out") is logs_out
