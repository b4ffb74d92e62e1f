"""A server that says when a log-out is done is held to it, where it declares so."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets import JsonWire, Policy, application
from crosswire.fuzzer.targets.wire import WireError

from ..applications import office
from ..schedules import kinds_under

OFFICE = JsonWire(
    path="/",
    first=[{"type": "login", "token": "{token}"}],
    ready={"type": "welcome"},
    user="user",
    logs_in_again=True,
    logout={"type": "logout"},
    logged_out={"type": "bye"},
    to_user={"type": "memo", "to": "{to}", "text": "{event}"},
)

LEAVES_MEANWHILE = Program(
    (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("settle"),
        Operation("emit", "c0", "u0", "u1"),
        Operation("log_out", "c1"),
    )
)

COMES_AS_ANOTHER = Program((*LEAVES_MEANWHILE.operations[:-1], Operation("authenticate", "c1", "u2", token="valid")))


@pytest.mark.parametrize(
    ("program", "name", "declared", "found"),
    [
        (LEAVES_MEANWHILE, "looks_early", {"logs_out": True}, {"LateDelivery"}),
        (LEAVES_MEANWHILE, "looks_early", {}, set()),
        (LEAVES_MEANWHILE, "looks_late", {"logs_out": True}, set()),
        (COMES_AS_ANOTHER, "looks_early", {"logs_out": True}, {"CrossUserLeak"}),
        (COMES_AS_ANOTHER, "looks_early", {}, set()),
        (COMES_AS_ANOTHER, "looks_late", {"logs_out": True}, set()),
    ],
)
def test_a_server_that_says_who_has_logged_out_is_held_to_it(
    program: Program, name: str, declared: dict[str, Any], found: set[str]
) -> None:
    worker = Worker(application(f"{office.__name__}:{name}", wire=OFFICE, policy=Policy(**declared)))
    assert kinds_under(worker, 60, program) == found


def test_a_wire_says_what_answers_a_log_out_only_where_there_is_one() -> None:
    with pytest.raises(WireError, match="say logout="):
        JsonWire(logged_out={"type": "bye"})
