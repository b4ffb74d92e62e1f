"""What a server turns down is not lost, where the wire says how it says so and the policy that it may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from crosswire.fuzzer.core.history import Outcome, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.targets import JsonWire, Policy, application
from crosswire.fuzzer.world import InOrder

from .applications import turns
from .schedules import kinds_under

ERROR = {"type": "error"}
HERE = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1"), Operation("settle"))


def worker(name: str, rejected: Mapping[str, Any] | None = ERROR, *, may_refuse: bool = True) -> Worker:
    wire = JsonWire(path="/{user}", to_user=None, to_all={"move": "{event}"}, rejected=rejected)
    return Worker(application(f"{turns.__name__}:{name}", wire=wire, policy=Policy(may_refuse=may_refuse)))


def moves(*users: str, settled: bool = False) -> Program:
    operations = []
    for user in users:
        operations.append(Operation("broadcast", f"c{user[1:]}", user))
        if settled:
            operations.append(Operation("settle"))
    return Program((*HERE, *operations))


def ends(execution: Execution) -> list[tuple[RowKind, object]]:
    """How each move ended."""
    moved = [number for number, op in enumerate(execution.program.expanded) if op.kind == "broadcast"]
    over = (RowKind.RETURNED, RowKind.CANCELLED)
    return [(row.kind, row.detail) for row in execution.history if row.kind in over and row.operation in moved]


PLAIN = moves("u0", "u0", "u1", settled=True)
AT_ONCE = moves("u0", "u0", "u1", "u1", "u0")


@pytest.mark.parametrize(
    ("name", "rejected", "may_refuse", "found"),
    [
        ("in_turns", ERROR, True, set()),
        ("in_turns", ERROR, False, {"LostEvent"}),
        ("in_turns", None, True, {"LostEvent"}),
        ("quotes", ERROR, True, set()),
        ("forgets", ERROR, True, {"LostEvent"}),
    ],
)
def test_what_is_turned_down_is_not_lost_where_that_is_declared(
    name: str, rejected: Mapping[str, Any] | None, may_refuse: bool, found: set[str]
) -> None:
    playing = worker(name, rejected, may_refuse=may_refuse)
    assert kinds_under(playing, 30, PLAIN, moves("u0", "u1", "u0", "u1", settled=True), AT_ONCE) == found


def test_of_several_things_under_way_nobody_knows_which_was_meant() -> None:
    playing = worker("in_turns")
    with playing.session():
        settled, together = playing.run(PLAIN, InOrder()), playing.run(moves("u0", "u0"), InOrder())
    assert (RowKind.RETURNED, False) in ends(settled)
    assert ends(together) == [(RowKind.CANCELLED, Outcome.INDETERMINATE)] * 2
    playing = worker("quotes")
    with playing.session():
        assert ends(playing.run(moves("u0", "u0"), InOrder())) == [
            (RowKind.RETURNED, False),
            (RowKind.RETURNED, Outcome.INDETERMINATE),
        ]
