"""Consistency: what the target says of who is there."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind

from .story import KEY_ERROR, Story, circumstances, kinds, managed


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
    assert kinds(story) == ["StaleEntry"]
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
    assert kinds(story) == ["StaleEntry", "WrongAnswer"]
    assert kinds(story, logs_out=False) == []
    assert story.excused(logs_out=False) == ["kept_open", "kept_open"]
    story = managed("u0", "u1")
    story.done("expire", "c0")
    assert kinds(story.mark(RowKind.REGISTRY, ("c0", "c1")), logs_out=False) == ["StaleEntry"]


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
    assert kinds(story) == ["StaleEntry"]
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


def test_whatever_a_farewell_returns_who_has_gone_is_gone() -> None:
    story = managed("u0", "u1")
    number = story.begin("disconnect", "c1")
    story.row(RowKind.GONE, number, "c1", "disconnect")
    story.end(number, False).rest().mark(RowKind.REGISTRY, ("c0", "c1"))
    assert kinds(story) == ["StaleEntry"]


def late(story: Story, name: str) -> Story:
    """A heartbeat of a connection is under way for too long."""
    return story.mark(RowKind.CLOCK, (("pong", 0, name),)).wait(5.0).rest()


@pytest.mark.parametrize(
    ("beat", "told", "active", "want"),
    [
        ("", "c1", ("u0",), []),
        ("", "c1", ("u1",), ["WrongAnswer"]),
        ("", "c1", ("u0", "u2"), ["WrongAnswer"]),
        ("c1", "c1", ("u1", "u2"), []),
        ("", None, ("u0",), ["WrongAnswer"]),
    ],
)
def test_who_is_told_need_not_be_told_of_itself(
    beat: str, told: str | None, active: tuple[str, ...], want: list[str]
) -> None:
    story = managed("u0", "u1")
    story.done("emit", None, "u0", to="u2")
    if beat:
        late(story, beat)
    assert kinds(story.rest().mark(RowKind.ACTIVE, active, told)) == want


def test_one_tab_that_was_in_time_is_enough_to_be_there() -> None:
    for beat in ("c1", "c2"):
        story = late(managed("u0", "u1", "u1"), beat)
        assert kinds(story.mark(RowKind.ACTIVE, ("u0",))) == ["WrongAnswer"]


def test_a_doubt_after_an_end_leaves_it_open_who_is_there() -> None:
    story = managed("u0", "u1", idle=10.0)
    story.done("log_out", "c1")
    assert kinds(story.rest().mark(RowKind.ACTIVE, ("u0", "u1"))) == ["WrongAnswer"]
    story = managed("u0", "u1", idle=10.0)
    story.done("log_out", "c1")
    story.done("sweep")
    assert kinds(story.rest().mark(RowKind.ACTIVE, ("u0", "u1"))) == []


def test_a_tab_that_hears_nothing_any_more_is_told_of_nobody() -> None:
    for active, of in (("u0", "u1"), "gone"), ((), "there"):
        story = managed("u0", "u1", "u0")  # c2 is the newer tab of u0
        if of == "gone":
            story.leave("c1")
        story.mark(RowKind.ACTIVE, active, "c0")
        assert kinds(story) == ["WrongAnswer"]
        assert kinds(story, one_tab=True) == []
        assert story.excused(one_tab=True) == ["told_another_tab"]


def test_the_newest_tab_is_told_what_is_so() -> None:
    story = managed("u0", "u1", "u0").leave("c1").mark(RowKind.ACTIVE, ("u0", "u1"), "c2")
    assert kinds(story, one_tab=True) == ["WrongAnswer"]
    story = managed("u0", "u1").leave("c1").mark(RowKind.ACTIVE, ("u0", "u1"))
    assert kinds(story, one_tab=True) == ["WrongAnswer"], "the target's own answer is no tab's"


def test_a_user_of_whom_only_an_older_tab_is_left_may_be_taken_for_gone() -> None:
    story = managed("u0", "u0", "u1").leave("c1").mark(RowKind.ACTIVE, ("u1",), "c2")
    assert kinds(story) == ["WrongAnswer"]
    assert kinds(story, one_tab=True) == []
    story = managed("u0", "u0", "u1").leave("c0").mark(RowKind.ACTIVE, ("u1",), "c2")
    assert kinds(story, one_tab=True) == ["WrongAnswer"], "the newest is there"
