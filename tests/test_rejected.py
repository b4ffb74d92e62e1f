"""What a server turns down is not lost, where the wire says how it says so and the policy that it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer import Action, Http
from crosswire.fuzzer.core.history import Outcome, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.targets import JsonWire, Policy, application
from crosswire.fuzzer.world import InOrder

from .applications import aside, progress, turns
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


@pytest.mark.parametrize(("name", "found"), [("refuses", set()), ("refuses_and_delivers", {"FalseFailure"})])
def test_a_refusal_that_quotes_what_was_refused_is_no_delivery_of_it(name: str, found: set[str]) -> None:
    wire = JsonWire(path="/{user}", to_user={"to": "{to}", "text": "{event}"}, rejected={"type": "refused"})
    talking = Worker(application(f"{aside.__name__}:{name}", wire=wire, policy=Policy(may_refuse=True)))
    to_oneself, to_another = Operation("emit", "c0", "u0", "u0"), Operation("emit", "c1", "u1", "u0")
    assert kinds_under(talking, 10, Program((*HERE, to_oneself, to_another, to_oneself))) == found


JOB = Operation("act", "c0", "u0", "u1", name="job")
NOTICE = Operation("emit", "c0", "u0", "u1")
MIDDLE = Program((HERE[0], JOB, HERE[1], JOB, NOTICE, NOTICE))


@pytest.mark.parametrize(
    ("retells", "found"), [([{"kind": "progress"}], set()), ([], {"DuplicateEvent", "OutOfOrder"})]
)
def test_of_what_is_told_in_steps_a_later_one_may_be_the_first_that_is_heard(
    retells: list[Mapping[str, Any]], found: set[str]
) -> None:
    """Declared so it comes in no order; what is told once keeps its own beside it."""
    wire = JsonWire(
        path="/feed/{user}",
        to_user=Http("POST", "/notify/{to}", json={"text": "{event}"}),
        actions={"job": Action(Http("POST", "/jobs/{to}", json={"name": "{event}"}), audience="user")},
        retells=retells,
    )
    assert kinds_under(Worker(application(f"{progress.__name__}:app", wire=wire)), 40, MIDDLE) == found


def test_what_the_speaker_was_sent_instead_is_told_with_what_to_declare() -> None:
    def said(rejected: Mapping[str, Any] | None) -> set[str]:
        playing = worker("in_turns", rejected, may_refuse=False)
        with playing.session():
            result = judged(playing, playing.run(moves("u0", "u0", settled=True), InOrder()))
        return {violation.message for violation in result.violations}

    (hinted,), (plain,) = said(None), said(ERROR)
    assert "; c0 was sent <error> meanwhile: where that refuses it, say so (rejected=, may_refuse=True)" in hinted
    assert "rejected=" not in plain


def test_what_comes_again_is_told_with_what_to_declare() -> None:
    wire = JsonWire(
        path="/feed/{user}",
        to_user=None,
        actions={"job": Action(Http("POST", "/jobs/{to}", json={"name": "{event}"}), audience="user")},
    )
    for retells, hinted in (([], True), ([{"kind": "nothing"}], False)):
        telling = Worker(application(f"{progress.__name__}:app", wire=replace(wire, retells=retells)))
        with telling.session():
            result = judged(telling, telling.run(Program((*HERE, JOB)), InOrder()))
        assert ["retells=" in violation.message for violation in result.violations] == [hinted]
