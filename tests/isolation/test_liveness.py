"""Liveness: everything that was begun comes to an end, and the world to rest."""

from __future__ import annotations

from crosswire.fuzzer.core.history import RowKind, Spin
from crosswire.fuzzer.core.stacks import Place

from .story import SOMEWHERE, circumstances, kinds, managed, served


def test_what_never_finishes_is_said_once_for_each_place() -> None:
    story = managed("u0")
    numbers = [story.begin("emit", None, "u0", to="u0") for _ in range(3)]
    places = (SOMEWHERE, Place("Hub.send", "hub.py", 9), Place("Hub.lock", "hub.py", 2))
    for number, place in zip(numbers, places, strict=True):
        story.mark(RowKind.STUCK, place, None, number)
    assert kinds(story) == ["Deadlock", "Deadlock"]
    assert list(circumstances(story)) == ["Hub.send", "Hub.lock"]
    assert "operation 1 (emit u0 -> u0) never finished" in story.judged()[0].message


def test_where_nothing_of_the_targets_waits_the_loop_does() -> None:
    story = managed("u0")
    story.mark(RowKind.STUCK, Place(), None, story.begin("emit", None, "u0", to="u0"))
    assert "waits in the event loop" in story.judged()[0].message


def test_a_busy_loop_is_a_livelock_and_a_period_is_none() -> None:
    assert kinds(managed("u0").mark(RowKind.SPINNING, Spin.BUSY)) == ["Livelock"]
    story = managed("u0").mark(RowKind.SPINNING, Spin.PERIOD)
    assert kinds(story) == []
    assert story.excused() == ["periodic"]


def test_a_login_that_is_answered_to_the_newer_tab_is_no_deadlock_where_one_tab_hears() -> None:
    for make, want in ((served, []), (managed, ["Deadlock"])):
        story = make()
        waits = story.begin("connect", "c0", "u0")
        story.done("connect", "c1", "u0", said="u0")
        story.mark(RowKind.STUCK, SOMEWHERE, "c0", waits)
        assert kinds(story) == ["Deadlock"]
        assert kinds(story, one_tab=True) == want, "what a manager does not end hangs"
        story = make()
        story.done("connect", "c1", "u0", said="u0")
        waits = story.begin("connect", "c0", "u0")
        story.mark(RowKind.STUCK, SOMEWHERE, "c0", waits)
        assert kinds(story, one_tab=True) == ["Deadlock"], "it is the newest"


def test_of_two_tabs_that_come_at_once_either_is_the_newest() -> None:
    story = served()
    first, second = (story.begin("connect", f"c{number}", "u0") for number in range(2))
    story.end(first, "u0").mark(RowKind.STUCK, SOMEWHERE, "c1", second)
    assert kinds(story) == ["Deadlock"]
    assert kinds(story, one_tab=True) == []
    assert story.excused(one_tab=True) == ["answered_elsewhere"]
