"""Liveness: everything that was begun comes to an end, and the world to rest."""

from __future__ import annotations

from crosswire.fuzzer.core.history import RowKind, Spin
from crosswire.fuzzer.core.stacks import Place

from .story import SOMEWHERE, circumstances, kinds, managed


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
