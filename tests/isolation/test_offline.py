"""Offline delivery: what is kept for an absent user arrives on the next connection, once and in order."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind

from .story import Story, circumstances, kinds, managed, served


def kept(**policy: Any) -> tuple[Story, int]:
    """u0 emits to u1, who is not there."""
    story = managed("u0", kept="next", **policy)
    number = story.done("emit", None, "u0", to="u1")
    story.rest()
    return story, number


def comes(story: Story, name: str, *events: int) -> Story:
    login = story.begin("connect", name, "u1")
    for event in events:
        story.hears(name, event)
    return story.end(login).rest()


def test_what_was_kept_arrives() -> None:
    story, number = kept()
    assert kinds(comes(story, "c1", number)) == []
    story, number = kept()
    assert kinds(comes(story, "c1")) == ["OfflineLoss"]
    assert list(circumstances(story)) == [""]
    assert kinds(story, kept="no") == []


def test_it_need_not_arrive_before_the_user_is_back_for_certain() -> None:
    story, _ = kept()
    story.begin("connect", "c1", "u1")
    assert kinds(story.rest()) == []
    story, _ = kept()
    story.connect("c1", "u1", said=None)
    assert kinds(story.leave("c1").rest()) == []
    story, _ = kept()
    story.connect("c1", "u1", said=None)
    assert kinds(story.closed("c1").rest()) == []


def test_the_step_from_replay_to_subscription_is_no_gap() -> None:
    story = managed("u0", kept="next")
    login = story.begin("connect", "c1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.end(number).end(login).rest()
    assert kinds(story) == ["OfflineLoss"]
    assert list(circumstances(story)) == ["between replay and subscription"]
    story = managed("u0", kept="next")
    login = story.begin("connect", "c1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c1", number).end(number).end(login).rest()) == []


def test_a_stall_puts_the_replay_off() -> None:
    story, number = kept()
    story.stall("c1")
    login = story.begin("connect", "c1", "u1")
    story.end(login).stall("c1").wait(9.0).rest()
    assert kinds(story) == ["OfflineLoss"]
    story, number = kept()
    login = story.begin("connect", "c1", "u1")
    story.end(login).stall("c1").wait(9.0).rest().resume("c1").hears("c1", number).rest()
    assert kinds(story) == []


def test_a_replay_that_was_cut_off_is_taken_up_again() -> None:
    story, _ = kept()
    login = story.begin("connect", "c1", "u1")
    story.end(login).stall("c1").wait(9.0).resume("c1").rest()
    assert kinds(story) == ["OfflineLoss"]


@pytest.mark.parametrize(("there", "away", "owed"), [(True, 4.0, True), (True, 5.0, False), (False, 1.0, False)])
def test_what_is_kept_for_a_while_is_owed_to_who_was_there_and_is_back_in_time(
    there: bool, away: float, owed: bool
) -> None:
    story = managed("u0", kept="next", kept_for=5.0)
    if there:
        story.connect("c1", "u1")
        story.rest().leave("c1").rest()
    story.done("emit", None, "u0", to="u1")
    story.wait(away).rest()
    assert kinds(comes(story, "c2")) == (["OfflineLoss"] if owed else [])
    assert ("kept_too_long" in story.excused(kept="next", kept_for=5.0)) == (not owed)
    assert kinds(story, kept_for=None) == ["OfflineLoss"]


@pytest.mark.parametrize(("away", "owed"), [(4.9, True), (5.0, False)])
def test_who_logs_out_has_left(away: float, owed: bool) -> None:
    story = managed("u0", kept="next", kept_for=5.0)
    story.connect("c1", "u1")
    story.rest().done("log_out", "c1")
    story.rest().done("emit", None, "u0", to="u1")
    story.wait(away).rest()
    assert kinds(comes(story, "c2")) == (["OfflineLoss"] if owed else [])


def test_who_asks_in_time_and_is_let_in_too_late_is_owed_nothing_that_was_kept() -> None:
    story = managed("u0", kept="next", kept_for=5.0)
    story.connect("c1", "u1")
    story.rest().leave("c1").rest()
    story.done("emit", None, "u0", to="u1")
    login = story.wait(4.9).begin("connect", "c2", "u1")
    assert kinds(story.wait(0.3).end(login).rest()) == []


def test_an_answer_that_quotes_what_is_kept_reached_nobody_it_is_kept_for() -> None:
    def quoted_to_the_sender() -> tuple[Story, int]:
        story = served("u0", kept="next")
        number = story.begin("emit", "c0", "u0", to="u1")
        return story.hears("c0", number).end(number).rest(), number

    story, number = quoted_to_the_sender()
    assert kinds(comes(story, "c1", number)) == []
    story, _ = quoted_to_the_sender()
    assert kinds(comes(story, "c1")) == ["OfflineLoss"]
    story, number = quoted_to_the_sender()
    assert kinds(comes(comes(story, "c1", number), "c2", number)) == ["OfflineDuplicate"]


# -- excuses ------------------------------


def test_what_was_cancelled_need_not_be_kept() -> None:
    story = managed("u0", kept="next")
    number = story.begin("emit", None, "u0", to="u1")
    story.done("cancel", None, "u0", detail=number)
    assert kinds(comes(story.end(number), "c1")) == []


def test_what_was_given_to_a_client_that_left_is_gone() -> None:
    story, number = kept()
    story.connect("c1", "u1", said=None)
    story.send("c1", number).leave("c1")
    assert kinds(comes(story, "c2")) == []
    assert story.excused() == ["lost_on_the_way"]


def test_what_was_owed_live_to_somebody_slow_need_not_be_kept() -> None:
    story = managed("u0", kept="next")
    login = story.begin("connect", "c1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.end(login).stall("c1").wait(9.0).resume("c1").end(number).rest()
    assert kinds(story) == []
    assert story.excused() == ["live_and_slow"]


def test_whose_heartbeat_was_late_need_not_have_it() -> None:
    story, _ = kept()
    comes(story, "c1")
    story.mark(RowKind.CLOCK, (("pong", "c1"),)).wait(9.0).rest()
    assert kinds(story) == ["OfflineLoss"]  # it was owed before
    story, _ = kept()
    login = story.begin("connect", "c1", "u1")
    story.mark(RowKind.CLOCK, (("pong", "c1"),)).wait(9.0)
    assert kinds(story.end(login).rest()) == []


def test_another_connection_may_have_taken_the_replay_along() -> None:
    story, _ = kept()
    other = story.begin("connect", "c1", "u1")
    story.begin("connect", "c2", "u1")
    story.end(other).rest()
    assert kinds(story) == []
    assert story.excused() == ["perhaps_somebody_there"]


def cancelled(*, sent: bool = False, ends: bool = True) -> Story:
    """u1 comes, and the login is cancelled while the mailbox is handed over; then u1 comes again, to nothing."""
    story, number = kept()
    login = story.begin("connect", "c1", "u1")
    if sent:
        story.send("c1", number, during=login)
    story.begin("cancel", "c1", detail=login)
    if ends:
        story.end(login, None, RowKind.CANCELLED).row(RowKind.GONE, login, "c1", "cancelled")
    return comes(story, "c2")


def test_a_login_that_was_cancelled_has_taken_nothing_along_that_it_was_not_sent() -> None:
    assert kinds(cancelled()) == ["OfflineLoss"]
    assert kinds(cancelled(sent=True)) == []
    assert cancelled(sent=True).excused() == ["lost_on_the_way"]
    assert "OfflineLoss" not in kinds(cancelled(ends=False)), "it may be handing over still"


@pytest.mark.parametrize("kind", ["clean_up", "pause", "sweep", "shut_down"])
def test_what_was_kept_may_be_wiped(kind: Any) -> None:
    story, _ = kept()
    story.done(kind, None, "u1" if kind == "clean_up" else None)
    assert kinds(comes(story, "c1")) == []
    assert story.excused() == ["wiped"]


def test_what_comes_after_wipes_nothing() -> None:
    story, _ = kept()
    comes(story, "c1")
    story.closed("c1")
    story.done("pause")
    assert kinds(story) == ["OfflineLoss"]


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ({"may_refuse": True}, "refused_honestly"),
        ({"rate": (0, 5.0)}, "beyond_rate"),
        ({"delivery": "at most once"}, "at_most_once"),
    ],
)
def test_declarations_excuse_what_was_not_kept(policy: dict[str, Any], name: str) -> None:
    story = managed("u0", kept="next")
    story.done("emit", None, "u0", to="u1", said=False)
    comes(story.rest(), "c1")
    assert kinds(story) == ["OfflineLoss"]
    assert kinds(story, **policy) == []
    assert story.excused(**policy) == [name]


def test_a_mailbox_may_be_full() -> None:
    def waiting(*others: str) -> Story:
        story, _ = kept()
        numbers = [story.done("emit", None, "u0", to=to) for to in others]
        return comes(story, "c1", *(n for n, to in zip(numbers, others, strict=True) if to == "u1"))

    assert kinds(waiting("u1", "u1"), backlog=2) == []
    assert waiting("u1", "u1").excused(backlog=2) == ["mailbox_full"]
    assert kinds(waiting("u1"), backlog=2) == ["OfflineLoss"]
    assert kinds(waiting("u1", "u2", "u3"), backlog=2) == ["OfflineLoss"]
    assert "backlog" in waiting("u1").judged()[0].message
    story = waiting("u1")
    story.done("emit", None, "u0", to="u1")  # only now
    assert kinds(story, backlog=2) == ["OfflineLoss"]


def test_an_emit_that_raised_keeps_nothing() -> None:
    story = managed("u0", kept="next")
    number = story.begin("emit", None, "u0", to="u1")
    story.end(number, None, story.rows[0].kind.RAISED)
    assert kinds(comes(story, "c1")) == []


# -- once ------------------------------


def test_kept_events_go_to_one_connection() -> None:
    story, number = kept()
    comes(comes(story, "c1", number), "c2", number)
    assert kinds(story) == ["OfflineDuplicate"]
    assert kinds(story, kept="each") == []
    assert story.excused(kept="each") == ["kept_for_each"]
    assert kinds(story, delivery="at least once") == []
    assert "kept" in story.judged()[0].message


def test_whoever_left_may_not_have_read_it() -> None:
    story, number = kept()
    comes(story, "c1", number).leave("c1")
    assert kinds(comes(story, "c2", number)) == []


def test_twice_on_one_connection_is_twice() -> None:
    story, number = kept()
    comes(story, "c1", number, number)
    assert kinds(story) == ["OfflineDuplicate"]
    assert list(circumstances(story)) == ["emit"]


def test_live_events_go_to_all() -> None:
    story = managed("u0", "u1", "u1", kept="next")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", number).hears("c2", number).end(number).rest()
    assert kinds(story) == []


def test_who_may_still_have_been_there_was_not_absent() -> None:
    story = managed("u0", "u1", kept="next")
    leaving = story.begin("disconnect", "c1")
    number = story.begin("emit", None, "u0", to="u1")
    story.end(number).end(leaving)
    comes(comes(story, "c2", number), "c3", number)
    assert kinds(story) == []
