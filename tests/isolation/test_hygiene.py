"""Hygiene: what goes wrong unheard, and what is left behind."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import Failure, Remains, RowKind, Sleep
from crosswire.fuzzer.core.stacks import Place

from .story import KEY_ERROR, SOMEWHERE, Story, circumstances, kinds, managed


def test_exceptions_are_handled() -> None:
    story = managed().mark(RowKind.UNHANDLED, KEY_ERROR)
    assert kinds(story) == ["UnhandledException"]
    assert list(circumstances(story)) == ["KeyError in Hub.send"]
    assert story.judged()[0].message == "nobody handled KeyError: 'u1', raised in Hub.send (hub.py:7)"
    story = managed().mark(RowKind.UNHANDLED, KEY_ERROR._replace(place=Place()))
    assert "raised in the event loop" in story.judged()[0].message


def test_coroutines_are_awaited() -> None:
    story = managed().mark(RowKind.UNHANDLED, Failure("RuntimeWarning: ...", SOMEWHERE, "never awaited"))
    assert list(circumstances(story)) == ["never awaited Hub.send"]
    assert story.judged()[0].message == "nobody awaited Hub.send (hub.py:7)"


@pytest.mark.parametrize(("kind", "broken"), [("clean_up", True), ("shut_down", True), ("emit", False)])
def test_what_the_server_does_by_itself_does_not_raise(kind: Any, broken: bool) -> None:
    story = managed()
    number = story.begin(kind, None, "u0" if kind != "shut_down" else None, to="u0" if kind == "emit" else None)
    story.end(number, KEY_ERROR, RowKind.RAISED)
    assert kinds(story) == (["UnhandledException"] if broken else [])


@pytest.mark.parametrize(
    ("before", "broken"),
    [
        ("", True),
        ("log_out c0 u0", False),
        ("log_out c1 u1", True),
        ("expire c0 u0", False),
        ("clean_up - u0", False),
        ("clean_up - u1", True),
        ("sweep - u0", False),
        ("emit - u0", True),
        ("closed c0 u0", False),
        ("closed c1 u1", True),
    ],
)
def test_who_says_that_a_client_has_left_has_nobody_to_tell(before: str, broken: bool) -> None:
    story = managed("u0", "u1", idle=1.0)
    if before:
        kind, name, user = before.split()
        connection = None if name == "-" else name
        if kind == "closed":
            story.closed(name)
        else:
            story.end(story.begin(kind, connection, user, to="u1" if kind == "emit" else None))  # type: ignore[arg-type]
    number = story.begin("disconnect", "c0", "u0")
    story.row(RowKind.UNHANDLED, number, "c0", KEY_ERROR)
    story.end(number, KEY_ERROR, RowKind.RAISED)
    assert [kind for kind in kinds(story) if kind == "UnhandledException"] == (["UnhandledException"] if broken else [])
    assert ("ended_before" in story.excused()) is not broken


def test_who_was_never_let_in_may_be_unknown_when_it_leaves() -> None:
    for said, broken in ((False, False), ("own", True)):
        story = managed(two_steps=True)
        story.end(story.begin("connect", "c0", "u0"))
        story.end(story.begin("authenticate", "c0", "u0"), "u0" if said == "own" else said)
        number = story.begin("disconnect", "c0", "u0")
        story.row(RowKind.UNHANDLED, number, "c0", KEY_ERROR)
        story.end(number, KEY_ERROR, RowKind.RAISED)
        assert ("UnhandledException" in kinds(story)) is broken


def test_what_would_end_the_process_is_no_answer_to_a_client_that_is_unknown() -> None:
    story = managed("u0")
    story.end(story.begin("log_out", "c0", "u0"))
    number = story.begin("disconnect", "c0", "u0")
    story.row(RowKind.UNHANDLED, number, None, KEY_ERROR._replace(error="SystemExit"))
    assert "UnhandledException" in kinds(story.end(number, KEY_ERROR, RowKind.RAISED))


def test_the_loops_thread_is_left_alone() -> None:
    story = managed().mark(RowKind.BLOCKED, Sleep(SOMEWHERE, 0.5))
    assert kinds(story) == ["BlockedLoop"]
    assert list(circumstances(story)) == ["Hub.send"]
    assert "stood still for 0.5 s" in story.judged()[0].message


def outlived(remains: Remains, emptied: float = 0.0) -> Story:
    return managed().mark(RowKind.EMPTIED).wait(emptied).mark(RowKind.LEFT, remains)


TASK = Remains("task Hub.watch", SOMEWHERE, "Hub.watch", True, "c0")


def test_nothing_outlives_the_shut_down() -> None:
    assert kinds(outlived(TASK)) == ["LeakedTask"]
    assert list(circumstances(outlived(TASK))) == ["Hub.watch"]
    assert "it waits in Hub.send (hub.py:7)" in outlived(TASK).judged()[0].message
    assert "waits" not in outlived(TASK._replace(place=Place())).judged()[0].message


def test_what_the_programs_end_cancels_is_not_left_behind() -> None:
    assert kinds(outlived(TASK._replace(of=None))) == []
    assert outlived(TASK._replace(of=None)).excused() == ["run_cancels"]
    connection = Remains("connection c0", SOMEWHERE, "connection", False, None)
    assert kinds(outlived(connection)) == ["LeakedTask"]


def test_a_task_may_outlive_its_client_for_the_declared_grace() -> None:
    assert kinds(outlived(TASK, 3.0), grace=5.0) == []
    assert outlived(TASK, 3.0).excused(grace=5.0) == ["within_grace"]
    assert kinds(outlived(TASK, 5.0), grace=5.0) == ["LeakedTask"]
    assert kinds(outlived(TASK, 9.0), grace=5.0) == ["LeakedTask"]
    assert "grace" in outlived(TASK).judged()[0].message
    assert kinds(outlived(Remains("connection c0", SOMEWHERE, "connection", False, "c0")), grace=5.0) == ["LeakedTask"]


def test_a_clean_up_closes_what_was_up() -> None:
    story = managed("u0", "u1")
    story.done("clean_up", None, "u0")
    assert kinds(story.rest()) == ["LeftOpen"]
    story = managed("u0", "u1")
    cleaning = story.begin("clean_up", None, "u0")
    assert kinds(story.closed("c0").end(cleaning).rest()) == []
    story = managed("u0", "u1")
    story.done("clean_up", None, "u0")
    assert kinds(story.closed("c0").rest()) == []
    assert kinds(story) == []


def test_a_clean_up_that_failed_or_has_not_rested_is_not_judged() -> None:
    story = managed("u0").rest()
    story.done("clean_up", None, "u0")
    assert kinds(story) == []
    for said in (False,):
        story = managed("u0")
        story.done("clean_up", None, "u0", said=said)
        assert kinds(story.rest()) == []


def test_a_clean_up_need_not_close_who_came_meanwhile_or_went_before() -> None:
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.done("clean_up", None, "u0")
    assert kinds(story.end(login).rest()) == []
    story = managed("u0")
    story.leave("c0")
    story.done("clean_up", None, "u0")
    assert kinds(story.rest()) == []
    story = managed()
    story.connect("c0", "u0", token="u1", said=None)
    story.done("clean_up", None, "u1")
    assert kinds(story.rest()) == []


def test_what_ended_inside_a_clean_up_is_not_left_open() -> None:
    story = managed("u0")
    cleaning = story.begin("clean_up", None, "u0")
    story.done("log_out", "c0")
    assert kinds(story.end(cleaning).rest()) == []
    assert story.excused() == ["ended_meanwhile"]
    story = managed("u0")
    cleaning = story.begin("clean_up", None, "u0")
    story.end(cleaning)
    story.done("log_out", "c0")
    assert kinds(story.rest()) == ["LeftOpen"]
