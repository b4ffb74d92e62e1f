"""A state that held for a while: what is known of it, and what time alone makes doubtful."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.models.isolation.spans import NEVER, Span

from .story import kinds, managed


def test_what_overlaps_may_and_what_surely_lies_within_must() -> None:
    span = Span()
    span.begins(2)
    span.begun(4)
    span.ends(6)
    span.ended(8)
    assert [span.may(row, row) for row in range(1, 10)] == [False, False, *[True] * 5, False, False]
    assert [span.must(row, row) for row in range(1, 10)] == [*[False] * 4, True, *[False] * 4]
    assert not span.may(0, 2)
    assert not span.may(8, 9)
    assert span.may(0, 3) and span.may(7, 9)
    assert not span.must(4, 5) and not span.must(5, 6)


def test_the_first_doubt_counts_and_nothing_ends_for_certain_after_it() -> None:
    span = Span(may_from=1, sure_from=2)
    span.doubt(5)
    span.doubt(9)
    assert (span.doubtful, span.sure_until) == (5, 5)
    span.ended(7)
    assert span.may_until == NEVER
    span.ended(5)
    assert span.may_until == NEVER
    span.ended(4)
    assert span.may_until == 4


def test_a_doubt_takes_back_a_later_end_and_no_earlier_one() -> None:
    later, earlier = Span(may_from=1, may_until=9), Span(may_from=1, may_until=3)
    for span in (later, earlier):
        span.doubt(5)
    assert (later.may_until, earlier.may_until) == (NEVER, 3)


@pytest.mark.parametrize(
    ("policy", "seconds", "owed"),
    [
        ({"session": 10.0}, 10.0, False),
        ({"session": 10.0}, 9.9, True),
        ({"idle": 10.0}, 10.0, False),
        ({"idle": 10.0}, 9.9, True),
        ({"session": 100.0, "idle": 10.0}, 10.0, False),
        ({}, 1000.0, True),
    ],
)
def test_a_session_that_is_over_is_owed_nothing(policy: dict[str, Any], seconds: float, owed: bool) -> None:
    story = managed("u0", **policy).wait(seconds).rest()
    story.done("emit", None, "u1", to="u0")
    assert kinds(story.rest()) == (["LostEvent"] if owed else [])


@pytest.mark.parametrize(("seconds", "owed"), [(6.0, False), (5.0, False), (4.0, True)])
def test_a_pause_of_half_as_long_as_the_shorter_limit_may_end_a_session(seconds: float, owed: bool) -> None:
    story = managed("u0", session=100.0, idle=10.0)
    story.done("pause", seconds=seconds)
    story.done("emit", None, "u1", to="u0")
    assert kinds(story.rest()) == (["LostEvent"] if owed else [])
