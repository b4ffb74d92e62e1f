"""Liveness, consistency, hygiene: how the target behaves, and what it says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.history import Failure, Farewell, Remains, RowKind, Sleep, Spin
from crosswire.fuzzer.core.stacks import Place
from crosswire.fuzzer.targets.policy import Limits

from .story import NOBODY, Story, circumstances, kinds, managed, served

SOMEWHERE = Place("Hub.send", "hub.py", 7)
KEY_ERROR = Failure("KeyError: 'u1'", SOMEWHERE, "KeyError")

# -- liveness ------------------------------


def test_what_never_finishes_is_said_once_for_each_place() -> None:
    story = managed("u0")
    numbers = [story.begin("emit", None, "u0", to="u0") for _ in range(3)]
    places = (SOMEWHERE, Place("Hub.send", "hub.py", 9), Place("Hub.lock", "hub.py", 2))
    for number, place in zip(numbers, places, strict=True):
        story.mark(RowKind.STUCK, place, None, number)
    assert kinds(story) == ["Stuck", "Stuck"]
    assert list(circumstances(story)) == ["Hub.send", "Hub.lock"]
    assert "operation 1 (emit u0 -> u0) never finished" in story.judged()[0].message


def test_where_nothing_of_the_targets_waits_the_loop_does() -> None:
    story = managed("u0")
    story.mark(RowKind.STUCK, Place(), None, story.begin("emit", None, "u0", to="u0"))
    assert "waits in the event loop" in story.judged()[0].message


def test_a_busy_loop_is_a_livelock_and_a_period_is_none() -> None:
    assert kinds(managed("u0").mark(RowKind.SPINNING, Spin.BUSY)) == ["Spinning"]
    story = managed("u0").mark(RowKind.SPINNING, Spin.PERIOD)
    assert kinds(story) == []
    assert story.excused() == ["periodic"]


# -- consistency ------------------------------


def test_the_registry_has_who_is_up() -> None:
    story = managed("u0").rest()
    assert kinds(story.mark(RowKind.REGISTRY, ())) == ["MissingEntry"]
    assert list(circumstances(story)) == [""]
    assert kinds(managed("u0").rest().mark(RowKind.REGISTRY, ("c0",))) == []


def test_the_registry_need_not_have_who_is_perhaps_up() -> None:
    story = managed()
    story.begin("connect", "c0", "u0")
    assert kinds(story.mark(RowKind.REGISTRY, ())) == []
    story = managed("u0")
    story.begin("disconnect", "c0")
    assert kinds(story.mark(RowKind.REGISTRY, ())) == []
    assert kinds(managed("u0").closed("c0").mark(RowKind.REGISTRY, ())) == []


def test_who_was_given_up_and_left_open_is_told_apart() -> None:
    story = managed("u0").stall("c0").wait(9.0).resume("c0").mark(RowKind.REGISTRY, ())
    assert kinds(story) == []
    story.rest().mark(RowKind.REGISTRY, ())
    assert kinds(story) == ["MissingEntry"]
    assert list(circumstances(story)) == [", given up and left open"]
    assert kinds(story, slow="forgotten") == []
    assert story.excused(slow="forgotten") == ["forgotten"]


@pytest.mark.parametrize(("how", "said"), [("disconnect", "left"), ("abort", "left"), ("log_out", "log_out")])
def test_the_registry_has_nobody_who_is_gone(how: Any, said: str) -> None:
    story = managed("u0", "u1")
    story.done(how, "c0")
    story.mark(RowKind.REGISTRY, ("c0", "c1")).mark(RowKind.REGISTRY, ("c0", "c1"))
    assert kinds(story) == ["GhostEntry"]
    assert list(circumstances(story)) == [said]
    story = managed("u0")
    story.done(how, "c0")
    assert kinds(story.mark(RowKind.REGISTRY, ("c0",))) == ["LeakedEntry"]


def test_the_registry_may_have_who_is_perhaps_gone() -> None:
    story = managed("u0")
    leaving = story.begin("disconnect", "c0")
    story.mark(RowKind.REGISTRY, ("c0",))
    assert kinds(story.end(leaving)) == []
    story = managed("u0")
    story.end(story.begin("log_out", "c0"), KEY_ERROR, RowKind.RAISED)
    assert kinds(story.mark(RowKind.REGISTRY, ("c0",))) == []


def test_without_log_out_the_connection_is_still_the_users() -> None:
    story = managed("u0", "u1")
    story.done("log_out", "c0")
    story.mark(RowKind.REGISTRY, ("c0", "c1")).mark(RowKind.ACTIVE, ("u0", "u1"))
    assert kinds(story) == ["GhostEntry", "WrongAnswer"]
    assert kinds(story, logs_out=False) == []
    assert story.excused(logs_out=False) == ["kept_open", "kept_open"]
    story = managed("u0", "u1")
    story.done("expire", "c0")
    assert kinds(story.mark(RowKind.REGISTRY, ("c0", "c1")), logs_out=False) == ["GhostEntry"]


def test_an_answer_is_right() -> None:
    for active, want in ((("u0",), []), ((), ["WrongAnswer"]), (("u0", "u1"), ["WrongAnswer"])):
        story = managed("u0")
        story.done("emit", None, "u0", to="u1")
        assert kinds(story.mark(RowKind.ACTIVE, active)) == want
    story = managed("u0", "u1").mark(RowKind.ACTIVE, ("u1",))
    assert list(circumstances(story)) == ["is not"]


def test_an_answer_about_who_comes_or_goes_is_either() -> None:
    story = managed()
    story.begin("connect", "c0", "u0")
    assert kinds(story.mark(RowKind.ACTIVE, ("u0",)).mark(RowKind.ACTIVE, ())) == []
    story = managed("u0")
    story.begin("disconnect", "c0")
    assert kinds(story.mark(RowKind.ACTIVE, ("u0",)).mark(RowKind.ACTIVE, ())) == []


def test_a_foreign_login_says_nothing_of_whom_it_asked_to_be() -> None:
    story = managed()
    story.connect("c0", "u0", token="u1", said=None)
    assert kinds(story.mark(RowKind.ACTIVE, ()).mark(RowKind.ACTIVE, ("u0", "u1"))) == []


def test_after_a_crossed_login_answers_are_not_counted_again() -> None:
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    story.done("authenticate", "c0", said="u1")
    assert kinds(story.mark(RowKind.ACTIVE, ("u1",))) == ["WrongIdentity"]


def test_one_who_is_up_is_enough() -> None:
    story = managed("u0", "u0")
    story.leave("c0").mark(RowKind.ACTIVE, ("u0",))
    assert kinds(story) == []
    assert kinds(story.mark(RowKind.ACTIVE, ())) == ["WrongAnswer"]


def test_a_clean_up_ends_every_login_of_its_user() -> None:
    story = managed("u0", "u1").closed("c0")
    story.done("clean_up", None, "u0")
    story.mark(RowKind.REGISTRY, ("c0", "c1"))
    assert kinds(story) == ["GhostEntry"]
    assert list(circumstances(story)) == ["clean_up"]


@pytest.mark.parametrize("kind", ["sweep", "pause"])
def test_time_that_passes_may_end_an_idle_login(kind: Any) -> None:
    for idle, want in ((60.0, []), (None, ["MissingEntry"]), (600.0, [] if kind == "sweep" else ["MissingEntry"])):
        story = managed("u0", idle=idle)
        story.done(kind, seconds=40.0 if kind == "pause" else None)
        assert kinds(story.rest().mark(RowKind.REGISTRY, ())) == want
    story = managed("u0", session=60.0)
    story.done(kind, seconds=40.0 if kind == "pause" else None)
    assert kinds(story.rest().mark(RowKind.REGISTRY, ())) == []


@pytest.mark.parametrize(
    ("pauses", "spoken_to", "want"), [(2, False, ["MissingEntry"]), (3, False, []), (3, True, ["MissingEntry"])]
)
def test_silence_adds_up(pauses: int, spoken_to: bool, want: list[str]) -> None:
    """Pauses of which none is long by itself end who is silent in all of them, not who is sent something meanwhile."""
    story = managed("u0", idle=100.0)
    for number in range(pauses):
        if spoken_to and number == 1:
            story.hears("c0", story.done("emit", None, "u0", to="u0"))
        story.done("pause", seconds=40.0)
        story.wait(40.0).rest()
    assert kinds(story.mark(RowKind.REGISTRY, ())) == want


# -- hygiene ------------------------------


def test_exceptions_are_handled() -> None:
    story = managed().mark(RowKind.UNHANDLED, KEY_ERROR)
    assert kinds(story) == ["UnhandledError"]
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
    assert kinds(story) == (["UnhandledError"] if broken else [])


def test_the_loops_thread_is_left_alone() -> None:
    story = managed().mark(RowKind.BLOCKED, Sleep(SOMEWHERE, 0.5))
    assert kinds(story) == ["BlockedLoop"]
    assert list(circumstances(story)) == ["Hub.send"]
    assert "stood still for 0.5 s" in story.judged()[0].message


def outlived(remains: Remains, emptied: float = 0.0) -> Story:
    return managed().mark(RowKind.EMPTIED).wait(emptied).mark(RowKind.LEFT, remains)


TASK = Remains("task Hub.watch", SOMEWHERE, "Hub.watch", True, "c0")


def test_nothing_outlives_the_shut_down() -> None:
    assert kinds(outlived(TASK)) == ["LeftBehind"]
    assert list(circumstances(outlived(TASK))) == ["Hub.watch"]
    assert "it waits in Hub.send (hub.py:7)" in outlived(TASK).judged()[0].message
    assert "waits" not in outlived(TASK._replace(place=Place())).judged()[0].message


def test_what_the_programs_end_cancels_is_not_left_behind() -> None:
    assert kinds(outlived(TASK._replace(of=None))) == []
    assert outlived(TASK._replace(of=None)).excused() == ["run_cancels"]
    connection = Remains("connection c0", SOMEWHERE, "connection", False, None)
    assert kinds(outlived(connection)) == ["LeftBehind"]


def test_a_task_may_outlive_its_client_for_the_declared_grace() -> None:
    assert kinds(outlived(TASK, 3.0), grace=5.0) == []
    assert outlived(TASK, 3.0).excused(grace=5.0) == ["within_grace"]
    assert kinds(outlived(TASK, 5.0), grace=5.0) == ["LeftBehind"]
    assert kinds(outlived(TASK, 9.0), grace=5.0) == ["LeftBehind"]
    assert "grace" in outlived(TASK).judged()[0].message
    assert kinds(outlived(Remains("connection c0", SOMEWHERE, "connection", False, "c0")), grace=5.0) == ["LeftBehind"]


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


# -- availability ------------------------------


def refused(story: Story, *, said: Any = False, kind: RowKind = RowKind.RETURNED) -> Story:
    return story.end(story.begin("connect", "c9", "u9"), said, kind).rest()


@pytest.mark.parametrize("moment", ["before", "while", "after"])
def test_a_busy_machine_is_nobodys_fault(moment: str) -> None:
    want = [] if moment == "while" else ["Refused"]
    story = managed()
    if moment == "before":
        story.mark(RowKind.BUSY, 0.2)
    login = story.begin("connect", "c0", "u0")
    if moment == "while":
        story.mark(RowKind.BUSY, 0.2)
    story.end(login, False)
    if moment == "after":
        story.mark(RowKind.BUSY, 0.2)
    assert kinds(story) == want
    story = served("u0")
    if moment == "while":
        story.mark(RowKind.BUSY, 0.2)
    story.closed("c0")
    if moment == "after":
        story.mark(RowKind.BUSY, 0.2)
    assert kinds(story) == ([] if moment == "while" else ["Dropped"])


def test_users_are_let_in() -> None:
    assert kinds(refused(managed("u0"))) == ["Refused"]
    assert list(circumstances(refused(managed("u0")))) == ["it reported failure"]
    assert kinds(refused(managed("u0"), said=KEY_ERROR, kind=RowKind.RAISED)) == ["Refused"]
    assert kinds(refused(managed("u0"), said=None)) == []
    assert kinds(refused(managed("u0"), said=None, kind=RowKind.CANCELLED)) == []


def test_what_the_server_said_is_the_circumstance() -> None:
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    story.closed("c1", "HTTP 503").end(login, False)
    assert list(circumstances(story)) == ["HTTP 503"]
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    story.end(login, False).closed("c1", "closed with 1000")
    assert list(circumstances(story)) == ["it reported failure"]


def test_what_a_manager_closed_is_no_reason() -> None:
    story = managed("u0")
    login = story.begin("connect", "c1", "u1")
    story.closed("c1", "1008").end(login, False)
    assert list(circumstances(story)) == ["it reported failure"]


def test_whose_bytes_were_late_may_be_hung_up_on() -> None:
    for key, want in ((("bytes", "c0"), []), (("bytes", "c1"), ["Dropped"])):
        story = served("u0", "u1").mark(RowKind.CLOCK, (key,)).closed("c0")
        assert kinds(story) == want


def test_bad_tokens_are_refused_with_reason() -> None:
    for token in ("invalid", "u1"):
        story = managed()
        story.connect("c0", "u0", token=token, said=False)
        assert kinds(story) == []


def test_a_login_in_two_steps_is_refused_by_none() -> None:
    for said, want in ((None, ["Refused"]), (False, ["Refused"]), ("u0", [])):
        story = managed(two_steps=True)
        story.done("connect", "c0", "u0")
        story.done("authenticate", "c0", said=said)
        assert kinds(story) == want
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    story.done("authenticate", "c0", said="u0")
    story.done("authenticate", "c0", said=None)
    assert kinds(story) == []


def test_who_left_was_not_refused() -> None:
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    leaving = story.begin("abort", "c1")
    story.mark(RowKind.GONE, "abort", "c1", leaving).end(login, False).end(leaving, NOBODY)
    assert kinds(story) == []
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    story.end(login, False)
    assert kinds(story.leave("c1")) == ["Refused"]


def test_after_a_cancellation_or_a_shut_down_nothing_is_available() -> None:
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.done("cancel", "c0", detail=login)
    assert kinds(refused(story.end(login))) == []
    story = managed("u0")
    story.done("shut_down")
    assert kinds(refused(story)) == []


@pytest.mark.parametrize(("policy", "users"), [({"per_user": 2}, ("u9", "u9")), ({"connections": 2}, ("u0", "u9"))])
def test_beyond_the_limits_users_may_be_refused(policy: dict[str, Any], users: tuple[str, ...]) -> None:
    name = "user_limit" if "per_user" in policy else "server_limit"
    assert kinds(refused(managed(*users)), **policy) == []
    assert refused(managed(*users)).excused(**policy) == [name]
    assert kinds(refused(managed(users[0])), **policy) == ["Refused"]
    assert "per_user" in refused(managed("u9")).judged()[0].message
    gone = managed(*users)
    gone.leave("c0")
    assert kinds(refused(gone), **policy) == ["Refused"]
    assert kinds(refused(managed(*users).closed("c0")), **policy) == ["Refused"]
    leaving = managed(*users)
    number = leaving.begin("disconnect", "c0")
    assert kinds(refused(leaving).end(number), **policy) == []
    later = refused(managed(users[0]))
    later.connect("c1", users[1], said=None)
    assert kinds(later, **policy) == ["Refused"]


def late_login(silence: float, asks: float = 0.0) -> Story:
    """A client connects, says nothing for a while, and is then refused a login that takes some time."""
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    login = story.wait(silence).begin("authenticate", "c0")
    return story.wait(asks).end(login, False)


@pytest.mark.parametrize(("policy", "name"), [({"session": 1.0}, "session_over"), ({"idle": 1.0}, "silent")])
def test_who_has_waited_for_too_long_may_be_refused_a_login(policy: dict[str, Any], name: str) -> None:
    for silence, asks in ((1.0, 0.0), (0.0, 1.0)):
        assert kinds(late_login(silence, asks)) == ["Refused"]
        assert kinds(late_login(silence, asks), **policy) == []
        assert late_login(silence, asks).excused(**policy) == [name]
    assert kinds(late_login(0.4, 0.5), **policy) == ["Refused"]


def test_after_a_cancellation_a_server_may_hang_up() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c1", "u1", to="u9")
    story.done("cancel", "c1", detail=number)
    assert kinds(story.end(number, NOBODY).closed("c0")) == []


def test_a_refusal_counts_the_users_other_connections() -> None:
    assert (
        "with 0 other connections of that user and a limit of 2" in refused(managed("u0")).judged(per_user=2)[0].message
    )
    assert "a limit" not in refused(managed("u9")).judged()[0].message


def test_others_of_other_users_do_not_count() -> None:
    assert kinds(refused(managed("u0", "u0")), per_user=2) == ["Refused"]


@pytest.mark.parametrize("kind", ["clean_up", "sweep", "expire"])
def test_what_the_server_ends_meanwhile_may_be_refused(kind: Any) -> None:
    story = managed("u0")
    login = story.begin("connect", "c9", "u9")
    ending = story.begin(kind, "c0" if kind == "expire" else None, "u9" if kind == "clean_up" else None)
    story.end(login, False).end(ending).rest()
    assert kinds(story) == []
    assert story.excused() == ["ended_by_server"]
    story = managed("u0").closed("c0")
    story.done(kind, "c0" if kind == "expire" else None, "u0" if kind == "clean_up" else None)
    assert kinds(refused(story)) == ["Refused"]


def test_who_does_not_read_may_be_given_up() -> None:
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.stall("c0").end(login, False)
    assert kinds(story) == []
    assert story.excused() == ["did_not_read"]
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.stall("c0").resume("c0").end(login, False)
    assert kinds(story) == []
    story = managed()
    login = story.begin("connect", "c0", "u0")
    assert kinds(story.end(login, False).stall("c0")) == ["Refused"]


def test_who_waits_for_something_of_its_own_may_be_refused() -> None:
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.mark(RowKind.CLOCK, (("latency", "db", login),)).end(login, False)
    assert kinds(story) == []
    assert story.excused() == ["waits_for_itself"]


def test_a_server_does_not_hang_up_on_who_did_nothing_wrong() -> None:
    assert kinds(served("u0").closed("c0")) == ["Dropped"]
    assert list(circumstances(served("u0").closed("c0"))) == ["closed with 1000"]
    assert kinds(managed("u0").closed("c0")) == []
    assert "c1 had left before" in served("u0", "u1").leave("c1").closed("c0").judged()[0].message
    assert "left before" not in served("u0", "u1").closed("c0").leave("c1").judged()[0].message


def test_a_server_may_hang_up_on_who_leaves_or_was_slow() -> None:
    story = served("u0")
    leaving = story.begin("disconnect", "c0")
    assert kinds(story.closed("c0").end(leaving, NOBODY)) == []
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    assert kinds(story.closed("c1").end(login, "u1")) == []
    story = served("u0", "u1")
    number = story.begin("emit", "c1", "u1", to="u0")
    story.send("c0", number).wait(5.0)
    story.receive("c0").end(number, NOBODY).closed("c0")
    assert "Dropped" not in kinds(story)
    story = served("u0")
    story.done("shut_down")
    assert kinds(story.closed("c0")) == []


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ({"session": 1.0}, "session_over"),
        ({"session": 9.0}, None),
        ({"idle": 1.0}, "silent"),
        ({"idle": 9.0}, None),
        ({}, None),
    ],
)
def test_sessions_and_idle_clients_may_be_ended(policy: dict[str, Any], name: str | None) -> None:
    story = served("u0").wait(1.0).closed("c0")
    assert kinds(story, **policy) == ([] if name else ["Dropped"])
    assert story.excused(**policy) == ([name] if name else [])


@pytest.mark.parametrize("came_in", [True, False])
def test_who_has_spoken_lately_is_not_idle(came_in: bool) -> None:
    """What it said may still be on its way: then the server has heard nothing."""
    story = served("u0").wait(0.9)
    story.done("emit", "c0", "u0", to="u9", said=NOBODY)
    if came_in:
        story.rest()
    story.wait(0.9).closed("c0")
    assert kinds(story, idle=1.0) == (["Dropped"] if came_in else [])
    assert kinds(story, session=1.0) == []


@pytest.mark.parametrize(("second_asks", "excused"), [("meanwhile", True), ("before", False), ("after", False)])
def test_of_two_who_log_in_at_once_either_may_be_the_newcomer(second_asks: str, excused: bool) -> None:
    """An older one is closed for a newcomer: which of the two that is, the server decides."""
    story = served("u0") if second_asks == "before" else served()
    name = "c0" if second_asks == "before" else "c1"
    number = story.begin("connect", "c5", "u0", token="valid")
    if second_asks == "meanwhile":
        other = story.begin("connect", "c1", "u0", token="valid")
        story.end(other, "u0")
    story.closed("c5", "closed with 4002: taken over").end(number, False)
    if second_asks == "after":
        story.connect(name, "u0")
    assert kinds(story, per_user=1, at_limit="close") == ([] if excused else ["Refused"])
    assert story.excused(per_user=1, at_limit="close") == (["overtaken"] if excused else [])
    assert kinds(story, per_user=1, at_limit="refuse") == (["Refused"] if second_asks == "after" else [])


def test_what_is_said_after_does_not_count() -> None:
    story = served("u0").wait(1.5).closed("c0")
    story.begin("emit", "c0", "u0", to="u9")
    assert kinds(story, idle=1.0) == []


def test_what_others_say_does_not_count() -> None:
    story = served("u0", "u1").wait(1.5)
    story.begin("emit", "c1", "u1", to="u9")
    assert kinds(story.closed("c0"), idle=1.0, delay=9.0) == []


def test_who_lapsed_later_was_dropped_for_nothing() -> None:
    story = served("u0", "u1", delay=9.0)
    number = story.begin("emit", "c1", "u1", to="u0")
    story.send("c0", number).wait(9.0).receive("c0").closed("c0").end(number, NOBODY)
    assert "Dropped" not in kinds(story, delay=9.0)


def test_whoever_was_quiet_for_long_may_have_missed_a_heartbeat() -> None:
    assert kinds(served("u0").wait(1.5).closed("c0")) == []
    assert served("u0").wait(1.5).closed("c0").excused() == ["quiet_for_long"]
    assert kinds(served("u0").wait(1.5).closed("c0"), delay=2.0) == ["Dropped"]


MALFORMED = Farewell.of(1003, "malformed")


@pytest.mark.parametrize(
    ("why", "excused"),
    [
        *((Farewell.of(code), True) for code in (1002, 1003, 1007, 1008, 1009, 4000, 4001, 4999)),
        *((Farewell.of(code), False) for code in (1000, 1001, 1006, 1011, 1013, 3000, 3999, 5000)),
        (MALFORMED, True),
        (Farewell("the connection was dropped"), False),
        (Farewell("closed with 1003: said the server"), False),
    ],
)
def test_an_action_may_be_answered_by_hanging_up(why: Farewell, excused: bool) -> None:
    story = served("u0", "u1")
    action = story.begin("act", "c0", "u0", name="nonsense")
    story.closed("c0", why).end(action, NOBODY).rest()
    assert kinds(story) == ([] if excused else ["Dropped"])
    assert story.excused() == (["action_refused"] if excused else [])


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        (("act",), []),
        (("act", "answered"), []),
        (("act", "emit"), []),
        (("act", "stall"), []),
        (("emit", "act"), []),
        (("emit",), ["Dropped"]),
        (("act of another",), ["Dropped"]),
        (("act", "answered", "emit"), ["Dropped"]),
        (("act", "answered", "rest"), ["Dropped"]),
        (("act", "rest", "emit"), ["Dropped"]),
    ],
)
def test_only_an_action_that_may_be_what_is_answered_excuses_it(steps: tuple[str, ...], want: list[str]) -> None:
    story = served("u0", "u1", "u2")
    under_way: list[int] = []
    for step in steps:
        if step == "act":
            under_way.append(story.begin("act", "c0", "u0", name="nonsense"))
        elif step == "act of another":
            under_way.append(story.begin("act", "c1", "u1", name="nonsense"))
        elif step == "emit":
            under_way.append(story.begin("emit", "c0", "u0", to="u9"))
        elif step == "stall":
            story.done("stall", "c0")
        elif step == "answered":
            story.end(under_way.pop())
        elif step == "rest":
            for number in under_way:
                story.end(number, NOBODY)
            under_way.clear()
            story.rest()
    story.closed("c0", MALFORMED)
    for number in under_way:
        story.end(number, NOBODY)
    assert [kind for kind in kinds(story) if kind == "Dropped"] == want


NEWEST: dict[str, Any] = {"at_limit": "close"}
EITHER: dict[str, Any] = {"at_limit": "either"}


def test_older_connections_may_be_closed_for_newer_ones() -> None:
    for at_limit in (NEWEST, EITHER):
        assert kinds(served("u0", "u0").closed("c0"), per_user=1, **at_limit) == []
        assert kinds(served("u0", "u0").leave("c1").closed("c0"), per_user=1, **at_limit) == []
        assert kinds(served("u0", "u1").closed("c0"), per_user=1, **at_limit) == ["Dropped"]
        assert kinds(served("u0", "u1").closed("c0"), connections=1, **at_limit) == []
        assert kinds(served("u0", "u0").closed("c0"), per_user=2, **at_limit) == ["Dropped"]
    assert served("u0", "u0").closed("c0").excused(per_user=1, **NEWEST) == ["user_made_room"]
    assert served("u0", "u1").closed("c0").excused(connections=1, **NEWEST) == ["server_made_room"]


def test_where_newcomers_are_refused_older_connections_stay() -> None:
    assert kinds(served("u0", "u0").closed("c0"), per_user=1) == ["Dropped"]
    assert kinds(served("u0", "u1").closed("c0"), connections=1) == ["Dropped"]
    said = served("u0", "u0").closed("c0").judged(per_user=1)[0].message
    assert "(allowed if declared: at_limit" in said
    undeclared = served("u0", "u0").closed("c0").judged()[0].message
    assert undeclared.endswith("(allowed if declared: per_user, at_limit, connections)")


def test_a_newcomer_may_be_refused_at_second_thought() -> None:
    assert kinds(served("u0", "u0").closed("c1"), per_user=1) == []
    assert kinds(served("u0", "u0", "u0").closed("c2"), per_user=2) == []
    assert kinds(served("u0", "u0").closed("c1"), per_user=2) == ["Dropped"]
    assert kinds(served("u1", "u0").closed("c1"), per_user=1) == ["Dropped"]
    assert kinds(served("u1", "u0").closed("c1"), connections=1) == []
    story = served("u0").leave("c0").rest()
    story.connect("c1", "u0")
    assert kinds(story.closed("c1"), per_user=1) == ["Dropped"]


@pytest.mark.parametrize("rested", [False, True])
def test_a_place_is_free_once_the_server_has_put_things_away(rested: bool) -> None:
    """What a client sees of an end, its own or another's, comes before; whoever is called directly has returned."""

    def asks(story: Story) -> bool:
        if rested:
            story.rest()
        return "Refused" in kinds(refused(story), per_user=1)

    def in_a_hurry(noticed: bool) -> Story:
        story = served()
        login = story.begin("connect", "c0", "u9")
        leaving = story.begin("disconnect", "c0")
        story.mark(RowKind.GONE, "disconnect", "c0", leaving).end(login, None, RowKind.CANCELLED)
        return story.end(leaving) if noticed else story

    assert asks(served("u9").leave("c0")) == asks(served("u9").closed("c0")) == asks(in_a_hurry(True)) == rested
    assert asks(managed("u9").leave("c0"))
    assert not asks(in_a_hurry(False))


@pytest.mark.parametrize("left", [False, True])
def test_a_login_that_the_target_breaks_off_itself_is_over(left: bool) -> None:
    """Where its client is on its way out, nobody can say so before that has returned."""
    story = managed()
    login = story.begin("connect", "c0", "u0")
    if left:
        story.mark(RowKind.GONE, "disconnect", "c0", story.begin("disconnect", "c0"))
    story.end(login, None, RowKind.CANCELLED)
    assert kinds(story.rest().mark(RowKind.REGISTRY, ("c0",))) == ([] if left else ["LeakedEntry"])


def test_where_older_connections_are_closed_newcomers_are_let_in() -> None:
    story = managed("u0")
    story.connect("c1", "u0", said=False)
    assert kinds(story, per_user=1) == kinds(story, per_user=1, **EITHER) == []
    assert kinds(story, per_user=1, **NEWEST) == kinds(story, connections=1, **NEWEST) == ["Refused"]


def test_no_user_has_more_connections_at_rest_than_are_declared() -> None:
    for at_limit in ({}, NEWEST, EITHER):
        assert kinds(served("u0", "u0", "u0").rest(), per_user=2, **at_limit) == ["OverLimit"]
        assert kinds(served("u0", "u0", "u1").rest(), per_user=2, **at_limit) == []
    assert kinds(served("u0", "u0", "u0").rest()) == kinds(served("u0", "u0", "u0"), per_user=2) == []
    found = served("u0", "u0", "u0").rest().rest().judged(per_user=2)[0]
    assert found.message == "u0 has 3 connections at rest, though 2 are allowed (per_user=2)"
    assert found.evidence == (1, 3, 5, 6) and found.circumstance == "logged in one after the other"
    story = served()
    first, second = story.begin("connect", "c0", "u0"), story.begin("connect", "c1", "u0")
    found = story.end(first, "u0").end(second, "u0").rest().judged(per_user=1)[0]
    assert found.circumstance == "logged in at once"


def test_whoever_is_turned_away_gone_or_perhaps_given_up_is_not_over_the_limit() -> None:
    """Closed by the server, vanished without its having noticed, logged out, refused, slow, or with another's token."""
    closed, left = served("u0", "u0").closed("c0"), served("u0", "u0").leave("c0", "abort")
    out, unsure = served("u0", "u0"), served("u0", "u0")
    out.done("log_out", "c0")
    unsure.begin("log_out", "c0")
    slow = served("u0", "u0").stall("c0").wait(2.0).resume("c0", waited_out=True).rest()
    turned_away, others_token, still = served("u0"), served("u0"), served("u0")
    turned_away.connect("c1", "u0", said=False)
    others_token.connect("c1", "u0", token="u1")
    still.begin("connect", "c1", "u0")
    for story in (closed, left, out, unsure, slow, turned_away, others_token, still):
        assert "OverLimit" not in kinds(story.rest(), per_user=1, **NEWEST)
    disturbed = served("u0", "u0")
    disturbed.done("shut_down")
    assert kinds(disturbed.rest(), per_user=1) == []


def test_limits_say_how_many_are_served_and_not_that_there_are_no_more() -> None:
    story = served("u0", "u0", "u0").rest()
    traits = replace(story.target.traits, limits=Limits(connections_per_user=2))  # type: ignore[type-var]
    story.target = replace(story.target, traits=traits)
    assert kinds(story) == []


def in_room(*others: str) -> Story:
    """c0 enters the room "a" on connecting, and so do others of other users; then comes one more."""
    story = served()
    for number, room in enumerate(("a", *others)):
        story.connect(f"c{number}", f"u{number}", room=room)
    return story


@pytest.mark.parametrize(("others", "full"), [(("a",), True), (("b",), False), ((), False)])
def test_a_room_may_be_full(others: tuple[str, ...], full: bool) -> None:
    story = in_room(*others)
    story.connect("c9", "u9", room="a", said=False)
    assert kinds(story) == ["Refused"]
    assert kinds(story, per_room=2) == ([] if full else ["Refused"])
    assert story.excused(per_room=2) == (["room_limit"] if full else [])
    assert kinds(story, per_room=2, **NEWEST) == ["Refused"]
    assert "per_room" in in_room("a").closed("c0").judged()[0].message
    assert kinds(in_room(*others).closed("c0"), per_room=1) == ["Dropped"]
    assert kinds(in_room(*others).closed("c0"), per_room=1, **NEWEST) == ([] if full else ["Dropped"])


@pytest.mark.parametrize(("others", "full"), [(("a",), True), (("b",), False)])
def test_who_is_not_let_into_a_full_room_is_owed_nothing_there(others: tuple[str, ...], full: bool) -> None:
    story = in_room(*others)
    number = story.begin("emit_to_room", "c0", "u0", room="a")
    story.connect("c9", "u9", room="a")
    again = story.begin("emit_to_room", "c0", "u0", room="a")
    for name in ("c1",) if full else ():
        story.hears(name, number).hears(name, again)
    story.end(number, NOBODY).end(again, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]
    assert kinds(story, per_room=2) == ([] if full else ["LostEvent"])
    assert story.excused(per_room=2) == (["room_full"] if full else [])


@pytest.mark.parametrize("who", ["c0", "c1"])
def test_whoever_joins_another_room_may_have_left_the_one_before(who: str) -> None:
    def said(*joined: str) -> Story:
        story = in_room("a")
        for room in joined:
            story.done("join", who, room=room)
        number = story.begin("emit_to_room", "c0", "u0", room="a")
        return story.end(number, NOBODY).rest()

    assert kinds(said("b")) == ["LostEvent"]
    assert "one_room" in said("b").judged()[0].message and "one_room" not in said("a").judged()[0].message
    assert kinds(said("b"), one_room=True) == []
    assert said("b").excused(one_room=True) == ["moved_on"]
    for back in ((), ("a",), ("b", "a")):
        assert kinds(said(*back), one_room=True) == ["LostEvent"]
    assert kinds(said("b", "a", "b"), one_room=True) == []


def test_where_joins_are_not_answered_who_speaks_may_have_moved_on() -> None:
    story = in_room("a")
    story.connect("c9", "u9", said=NOBODY)
    for room in "ab":
        story.begin("join", "c9", room=room)
    number = story.begin("emit_to_room", "c9", "u9", room="a")
    story.end(number, NOBODY).rest()
    assert kinds(story) == ["LostEvent", "LostEvent"]
    assert kinds(story, one_room=True) == []


def test_of_two_rooms_joined_at_once_either_may_be_the_last() -> None:
    story = in_room("a")
    there, back = (story.begin("join", "c1", room=room) for room in "ba")
    story.end(back).end(there)
    number = story.begin("emit_to_room", "c0", "u0", room="a")
    story.end(number, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]
    assert kinds(story, one_room=True) == []


def spoken_in_both(*then: str, rests: bool = True, tab: bool = False, own: bool = False) -> Story:
    """c1 is in room a and goes elsewhere; then something is said in each room, and c1 is sent both."""
    story = in_room("a")
    story.connect("c8", "u1" if tab else "u8")
    story.done("join", "c8", room="b")
    for number in [story.begin("join", "c1", room=room) for room in then]:
        story.end(number)
    if rests:
        story.rest()
    for room, name in (("a", "c0"), ("b", "c1" if own else "c8")):
        number = story.begin("emit_to_room", name, room=room)
        story.hears("c1", number).end(number)
    return story.rest()


def test_who_is_in_one_room_at_a_time_is_not_sent_what_is_said_in_two() -> None:
    """Two joins at once leave open which is the last, and so in which room it is; not that it is in one."""
    leak = [one for one in spoken_in_both("b", "a").judged(one_room=True) if one.kind == "CrossUserLeak"]
    assert "though nobody is in two rooms (one_room=)" in leak[0].message
    assert "CrossUserLeak" in kinds(spoken_in_both("b"), one_room=True)


@pytest.mark.parametrize("said", [{"rests": False}, {"tab": True}, {"own": True}])
def test_what_is_heard_in_two_rooms_may_be_right(said: dict[str, bool]) -> None:
    """It was still moving; or is it the other tab's room; or what it has said itself."""
    assert "CrossUserLeak" not in kinds(spoken_in_both("b", **said), one_room=True)
    assert "CrossUserLeak" not in kinds(spoken_in_both("b"))
    assert ("other_tab_there" in spoken_in_both("b", **said).excused(one_room=True)) == ("tab" in said)


def test_whoever_stalled_may_be_hung_up_on() -> None:
    story = served("u0").stall("c0").resume("c0").closed("c0")
    assert kinds(story) == []
    assert story.excused() == ["did_not_read"]
