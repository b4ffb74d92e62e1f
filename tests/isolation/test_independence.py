"""Independence: who does not read delays nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.world.network import DIALLED

from .story import NOBODY, Story, circumstances, kinds, managed, served


def held(
    seconds: float = 5.0,
    *,
    stalled: str = "c1",
    waited_out: bool = False,
    operation: Any = "emit",
    key: tuple[str | int, ...] | None = None,
    leaves: bool = False,
) -> Story:
    """A client stalls while an operation of u2's is under way: an emit to u0, or a connect; c0 leaves meanwhile."""
    story = managed("u0", "u1")
    story.stall(stalled)
    number = story.begin("emit", None, "u2", to="u0") if operation == "emit" else story.begin("connect", "c2", "u2")
    if key is not None:
        own = number if key[-1] == "own" else key[-1]
        story.mark(RowKind.CLOCK, ((*key[:-1], own),))
    story.wait(seconds).resume(stalled, waited_out=waited_out)
    if leaves:
        story.leave("c0")
    if operation == "emit":
        story.hears("c0", number)
    return story.end(number).rest()


def test_nobody_is_held_up_for_longer_than_the_delay() -> None:
    assert kinds(held()) == ["HeadOfLineBlocking"]
    assert kinds(held(0.5)) == []
    assert kinds(held(), delay=9.0) == []
    assert list(circumstances(held())) == ["emit"]
    assert list(circumstances(held(operation="connect"))) == ["connection"]
    assert "took 5 s while c1 was not reading; the limit is 1 s" in held().judged()[0].message


def test_nobody_is_to_blame_where_nobody_stalls() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u2", to="u0")
    assert kinds(story.wait(9.0).hears("c0", number).end(number).rest()) == []
    story = managed("u0", "u1").stall("c1").wait(9.0).resume("c1")
    number = story.begin("emit", None, "u2", to="u0")
    assert kinds(story.wait(9.0).hears("c0", number).end(number).rest()) == []
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u2", to="u0")
    story.wait(9.0).hears("c0", number).end(number).stall("c1").resume("c1").rest()
    assert kinds(story) == []


def test_whoever_is_spoken_to_is_waited_for() -> None:
    story = held(stalled="c0")
    assert kinds(story) == []


def test_a_room_is_waited_for_by_whoever_speaks_in_it() -> None:
    for member, want in (("c1", []), ("c0", ["HeadOfLineBlocking"])):
        story = managed("u0", "u1")
        story.done("join", member, room="a")
        story.stall("c1")
        number = story.begin("emit_to_room", None, "u2", room="a")
        story.wait(5.0)
        if member == "c0":
            story.hears("c0", number)
        story.resume("c1").end(number).rest()
        assert kinds(story) == want


def test_a_stall_that_everything_waited_out_needs_no_clock() -> None:
    assert kinds(held(0.0, waited_out=True)) == ["HeadOfLineBlocking"]
    assert "ended only once c1 read again; the limit is 1 s" in held(0.0, waited_out=True).judged()[0].message
    assert "only once" not in held().judged()[0].message
    assert kinds(held(0.0)) == []


def test_what_began_before_or_ended_within_a_stall_was_not_held_up_by_it() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u2", to="u0")
    story.stall("c1").resume("c1", waited_out=True).hears("c0", number).end(number).rest()
    assert kinds(story) == []
    story = managed("u0", "u1").stall("c1")
    number = story.begin("emit", None, "u2", to="u0")
    story.hears("c0", number).end(number).resume("c1", waited_out=True).rest()
    assert kinds(story) == []


def test_operations_of_the_server_wait_for_whom_they_like() -> None:
    story = managed("u0", "u1").stall("c1")
    number = story.begin("clean_up", None, "u2")
    assert kinds(story.wait(9.0).resume("c1").end(number).rest()) == []


def in_line(speaks: str, *, seconds: float = 0.0, over: bool = False, how: Any = "log_out") -> Story:
    """c0 has spoken to everybody, of whom c1 stalls; then c0 or c2 logs out, which takes as long as the stall."""
    story = served("u0", "u1", "u2").stall("c1")
    words = story.begin("broadcast", "c0", "u0")
    if over:
        story.end(words)
    leaving = story.begin(how, speaks)
    story.wait(seconds).resume("c1", waited_out=True).hears("c1", words).end(leaving)
    return story.rest() if over else story.end(words, NOBODY).rest()


def test_who_stands_in_line_behind_words_for_the_one_who_stalls_is_not_held_up() -> None:
    assert "HeadOfLineBlocking" not in kinds(in_line("c0"))
    assert "HeadOfLineBlocking" in kinds(in_line("c2"))
    assert "HeadOfLineBlocking" in kinds(in_line("c0", over=True))
    assert "HeadOfLineBlocking" not in kinds(in_line("c0", seconds=5.0))
    assert "HeadOfLineBlocking" in kinds(in_line("c2", seconds=5.0))


def test_an_audience_that_is_never_served_in_turn_is_never_held_up() -> None:
    assert "HeadOfLineBlocking" not in kinds(in_line("c0"), in_turn=False), "no clock says that this took too long"
    assert "HeadOfLineBlocking" in kinds(in_line("c0", seconds=5.0), in_turn=False)
    assert "HeadOfLineBlocking" not in kinds(in_line("c0", seconds=1.0), in_turn=False)


@pytest.mark.parametrize("how", ["disconnect", "abort"])
def test_nobody_waits_for_a_farewell(how: Any) -> None:
    assert "HeadOfLineBlocking" not in kinds(in_line("c2", how=how))
    assert "HeadOfLineBlocking" not in kinds(in_line("c2", how=how, seconds=5.0)), "however long it takes"


@pytest.mark.parametrize(("to", "held_up"), [("everybody", False), ("u1", False), ("u3", True)])
def test_an_audience_may_be_served_in_turn(to: str, held_up: bool) -> None:
    story = served("u0", "u1", "u1", "u3").stall("c1")
    kind: Any = "broadcast" if to == "everybody" else "emit"
    number = story.begin(kind, "c0", "u0", to=None if to == "everybody" else to)
    heard = ["c3"] if to == "u3" else ["c2", "c1"] + (["c3"] if to == "everybody" else [])
    story.resume("c1", waited_out=True)
    for name in heard:
        story.hears(name, number)
    assert ("HeadOfLineBlocking" in kinds(story.end(number, NOBODY).rest())) == held_up


# -- where nobody answers ------------------------------


def late(seconds: float, *, name: str = "c1", stalled: str = "c2", waited_out: bool = False) -> Story:
    story = served("u0", "u1", "u2").stall(stalled)
    number = story.begin("emit", "c0", "u0", to="u1" if name == "c1" else "u0")
    story.wait(seconds)
    if waited_out:
        story.resume(stalled, waited_out=True).hears(name, number)
    else:
        story.hears(name, number).resume(stalled)
    return story.end(number, NOBODY).rest()


def test_an_event_arrives_in_time() -> None:
    assert kinds(late(5.0)) == ["HeadOfLineBlocking"]
    assert list(circumstances(late(5.0))) == ["emit, late"]
    assert kinds(late(0.5)) == []
    assert kinds(late(0.0, waited_out=True)) == ["HeadOfLineBlocking"]
    assert kinds(late(5.0, stalled="c1")) == []
    assert kinds(late(5.0, stalled="c0")) == []


def test_who_need_not_hear_may_hear_late() -> None:
    assert kinds(late(5.0, name="c0")) == []
    story = served("u0", "u2").stall("c1")
    login = story.begin("connect", "c2", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.wait(5.0).hears("c2", number).resume("c1").end(login, "u1").end(number, NOBODY).rest()
    assert "emit, late" not in circumstances(story)


# -- time that was nobody's ------------------------------


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        (("latency", "db", "own"), False),
        (("latency", "db", -1), False),
        (("latency", "db", 99), False),
        (("job", 1, "own"), False),
        (("frame", "c0"), False),
        (("frame", "c1"), True),
        (("bytes", f"{DIALLED}redis"), False),
        (("bytes", "c1"), True),
        (("notice", 0), False),
        (("start", "own"), True),
    ],
)
def test_time_that_passed_before_something_else_that_was_on_its_way_is_no_delay(
    key: tuple[str | int, ...], counts: bool
) -> None:
    assert kinds(held(key=key)) == (["HeadOfLineBlocking"] if counts else [])


def test_one_of_several_that_were_on_their_way_is_enough() -> None:
    story = managed("u0", "u1").stall("c1")
    number = story.begin("emit", None, "u2", to="u0")
    story.mark(RowKind.CLOCK, (("start", 7), ("latency", "db", 99), ("frame", "c1")))
    assert kinds(story.wait(5.0).resume("c1").hears("c0", number).end(number).rest()) == []


def test_only_the_time_in_which_a_client_did_not_read_is_its_doing() -> None:
    """Before and after the stall it took long of itself: a frame of a client that reads may take its time."""
    for before, stalled, after in ((5.0, 0.5, 5.0), (5.0, 0.0, 0.0), (0.0, 0.0, 5.0), (0.0, 5.0, 0.0)):
        story = managed("u0", "u1")
        number = story.begin("emit", None, "u2", to="u0")
        story.wait(before).stall("c1").wait(stalled).resume("c1").wait(after).hears("c0", number).end(number).rest()
        assert kinds(story) == (["HeadOfLineBlocking"] if stalled > 1 else [])


def test_a_machine_that_is_busy_again_and_again_holds_nobody_up() -> None:
    story = managed("u0", "u1").stall("c1")
    number = story.begin("emit", None, "u2", to="u0")
    for _ in range(20):
        story.mark(RowKind.BUSY, 0.25).wait(0.25)
    story.resume("c1").hears("c0", number).end(number).rest()
    assert kinds(story) == []


def test_the_longest_of_several_stalls_counts() -> None:
    story = managed("u0", "u1", "u3").stall("c2").wait(0.1).resume("c2")
    number = story.begin("emit", None, "u2", to="u0")
    story.stall("c2").wait(0.5).resume("c2").stall("c1").wait(5.0).resume("c1").hears("c0", number).end(number).rest()
    assert kinds(story) == ["HeadOfLineBlocking"]
    assert "took 5 s while c1 was not reading" in story.judged()[0].message


# -- excuses ------------------------------


@pytest.mark.parametrize(
    ("key", "itself"),
    [
        (("latency", "db", "own"), True),
        (("latency", "db", -1), True),
        (("latency", "db", 99), False),
        (("job", 1, "own"), True),
        (("begin", 1, "own"), True),
        (("frame", "c0"), True),
        (("frame", "c1"), False),
        (("bytes", "c0"), True),
        (("bytes", f"{DIALLED}redis"), True),
        (("bytes", "c1"), False),
        (("lost", "c0"), True),
        (("connect", "c0"), True),
        (("pong", "c0"), True),
        (("notice", 0), True),
        (("start", "own"), False),
    ],
)
def test_who_waits_for_something_of_its_own_is_held_up_by_nobody(key: tuple[str | int, ...], itself: bool) -> None:
    story = held(0.0, waited_out=True, key=key)
    assert kinds(story) == ([] if itself else ["HeadOfLineBlocking"])
    assert story.excused() == (["waits_for_itself"] if itself else [])


def test_what_the_clock_passed_before_or_after_excuses_nothing() -> None:
    story = managed("u0", "u1").mark(RowKind.CLOCK, (("frame", "c0"),)).wait(9.0).stall("c1")
    number = story.begin("emit", None, "u2", to="u0")
    story.wait(5.0).resume("c1").hears("c0", number).end(number).mark(RowKind.CLOCK, (("frame", "c0"),)).wait(
        9.0
    ).rest()
    assert kinds(story) == ["HeadOfLineBlocking"]


def test_how_long_a_cancellation_takes_is_the_targets_affair() -> None:
    story = managed("u0", "u1").stall("c1")
    number = story.begin("emit", None, "u2", to="u0")
    story.done("cancel", None, "u2", detail=number)
    story.wait(5.0).resume("c1").end(number, None, RowKind.CANCELLED).rest()
    assert kinds(story) == []


def test_a_tab_may_wait_for_its_own_users_others_where_declared() -> None:
    story = managed("u0", "u1").stall("c1")
    number = story.begin("connect", "c2", "u1")
    story.wait(5.0).resume("c1").end(number).rest()
    assert kinds(story) == ["HeadOfLineBlocking"]
    assert "c1, another of u1's own, was not reading" in story.judged()[0].message
    assert "allowed if declared: tabs_wait" in story.judged()[0].message
    assert kinds(story, tabs_wait=True) == []
    assert story.excused(tabs_wait=True) == ["own_tab"]
    for user, left in (("u1", []), ("u2", ["HeadOfLineBlocking"])):
        story = managed("u0", "u1").stall("c1")
        number = story.begin("emit", None, user, to="u0")
        story.wait(5.0).resume("c1").hears("c0", number).end(number, True).rest()
        assert "HeadOfLineBlocking" in kinds(story)
        assert [kind for kind in kinds(story, tabs_wait=True) if kind == "HeadOfLineBlocking"] == left
    assert kinds(held(operation="connect"), tabs_wait=True) == ["HeadOfLineBlocking"]
    assert kinds(held(), tabs_wait=True) == ["HeadOfLineBlocking"]


def test_closing_whom_one_has_given_up_takes_its_time_where_declared() -> None:
    """The client may be given up after the delay all the same."""
    story = managed("u0", "u1").stall("c1")
    number = story.begin("emit", None, "u2", to="u0")
    story.wait(5.5).resume("c1").hears("c0", number).end(number, True).rest()
    assert "HeadOfLineBlocking" in kinds(story, delay=5.0)
    assert kinds(story, delay=5.0, closing=0.5) == []
    assert "the limit is 5.4 s (delay= and closing=)" in story.judged(delay=5.0, closing=0.4)[0].message
    given_up = served("u0", "u1").stall("c1")
    given_up.send("c1", given_up.done("emit", None, "u0", to="u1", said=NOBODY))
    given_up.wait(5.0).closed("c1").rest()
    assert "Dropped" not in kinds(given_up, delay=5.0, closing=10.0)


def test_a_connection_that_was_turned_away_is_judged_as_such() -> None:
    story = served("u0", "u1").stall("c1")
    number = story.begin("connect", "c2", "u2", token="invalid")
    story.wait(5.0).resume("c1").end(number, False).rest()
    assert kinds(story) == []
    assert story.excused() == ["turned_away"]
    story = managed("u0", "u1").stall("c1")
    number = story.begin("connect", "c2", "u2")
    assert "HeadOfLineBlocking" in kinds(story.wait(5.0).resume("c1").end(number, False).rest())


def test_a_connection_that_came_late_was_held_up_and_so_was_a_log_out_that_failed() -> None:
    story = served("u0", "u1").stall("c1")
    number = story.begin("connect", "c2", "u2")
    assert kinds(story.wait(5.0).resume("c1").end(number, "u2").rest()) == ["HeadOfLineBlocking"]
    assert "another" not in story.judged()[0].message
    story = served("u0", "u1").stall("c1")
    number = story.begin("log_out", "c0")
    assert "HeadOfLineBlocking" in kinds(story.wait(5.0).resume("c1").end(number, False).rest())


def test_a_room_is_no_line_for_those_who_are_not_in_it() -> None:
    story = served("u0", "u1", "u2")
    story.done("join", "c2", room="a")
    story.stall("c1")
    words = story.begin("emit_to_room", "c0", "u0", room="a")
    leaving = story.begin("log_out", "c0")
    story.resume("c1", waited_out=True).hears("c2", words).end(leaving).end(words, NOBODY).rest()
    assert "HeadOfLineBlocking" in kinds(story)


def test_what_comes_again_is_no_later_for_it() -> None:
    story = served("u0", "u1", "u2", delivery="at least once").stall("c2")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c1", number).wait(5.0).hears("c1", number).resume("c2").end(number, NOBODY).rest()
    assert kinds(story) == []


def test_an_agents_run_may_take_its_time() -> None:
    story = served("u0", "u1").stall("c1")
    number = story.begin("run_agent", "c0", "u0", to="u0")
    story.wait(5.0).run(number, "c0").resume("c1").end(number, NOBODY).rest()
    assert kinds(story) == []


def test_what_arrives_late_is_excused_as_what_takes_long_is() -> None:
    assert kinds(late(5.0), tabs_wait=True) == ["HeadOfLineBlocking"]
    story = served("u0", "u1", "u0").stall("c2")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.wait(5.0).hears("c1", number).resume("c2").end(number, NOBODY).rest()
    assert kinds(story) == ["HeadOfLineBlocking"]
    assert story.excused(tabs_wait=True) == ["own_tab"]
    story = served("u0", "u1", "u2").stall("c2")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.mark(RowKind.CLOCK, (("frame", "c1"),)).resume("c2", waited_out=True).hears("c1", number)
    assert story.end(number, NOBODY).rest().excused() == ["waits_for_itself"]
    story = served("u0", "u1", "u2").stall("c2")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.done("cancel", "c0", detail=number)
    story.wait(5.0).hears("c1", number).resume("c2").end(number, NOBODY).rest()
    assert "was_cancelled" in story.excused()
    assert "HeadOfLineBlocking" not in kinds(story)


def test_what_a_stall_without_an_end_took_is_said() -> None:
    assert "ended only once c1 read again" in held(0.5, waited_out=True).judged()[0].message


@pytest.mark.parametrize(
    ("policy", "excused"),
    [
        ({"connections": 2}, True),
        ({"connections": 3}, False),
        ({"per_user": 1}, False),
        ({"connections": 2, "at_limit": "refuse"}, False),
    ],
)
def test_a_newcomer_waits_for_a_place_where_declared(policy: dict[str, Any], excused: bool) -> None:
    declared = {"at_limit": "wait", **policy}
    newcomer = held(operation="connect", leaves=True)
    assert kinds(newcomer, **declared) == ([] if excused else ["HeadOfLineBlocking"])
    assert (newcomer.excused(**declared) == ["waited_for_a_place"]) == excused
    assert kinds(held(operation="connect"), **declared) == ["HeadOfLineBlocking"], "nobody has made room for it"
    assert kinds(held(), **declared) == ["HeadOfLineBlocking"], "who says something waits for no place"


@pytest.mark.parametrize(
    ("policy", "user", "found"),
    [
        ({"tabs_wait": True}, "u2", []),
        ({"tabs_wait": True}, "u3", ["HeadOfLineBlocking"]),
        ({}, "u2", ["HeadOfLineBlocking"]),
    ],
)
def test_of_two_that_do_not_read_an_own_tab_may_be_the_one(policy: dict[str, Any], user: str, found: list[str]) -> None:
    """Where tabs may wait for each other, nobody can say which of the two it was."""
    story = managed("u0", user)
    story.stall("c0").stall("c1")
    number = story.begin("connect", "c2", "u2")
    story.wait(5.0).resume("c0", waited_out=True).resume("c1", waited_out=True)
    assert kinds(story.end(number).rest(), **policy) == found
