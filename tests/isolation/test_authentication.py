"""Authentication: a connection is who its token says, and nothing comes or goes outside its login."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.targets.adapter import Client

from .story import NOBODY, Plain, Story, circumstances, kinds, managed, served


class LogsOut(Plain):
    def log_out(self, client: Client) -> Any: ...


def emitted(story: Story, name: str, to: str = "u1") -> Story:
    """u0 emits, and a connection is sent it."""
    number = story.begin("emit", "c0" if story.target.traits.by_wire else None, "u0", to=to)
    return story.hears(name, number).end(number, NOBODY if story.target.traits.by_wire else None)


# -- before, and after ------------------------------


def test_nothing_before_a_login_is_asked_for() -> None:
    story = managed(two_steps=True)
    story.done("connect", "c1", "u1")
    assert kinds(emitted(story, "c1")) == ["EarlyDelivery"]
    assert list(circumstances(story)) == ["before it asked to log in"]


def test_while_a_login_is_under_way_its_events_may_come() -> None:
    story = managed(two_steps=True)
    story.done("connect", "c1", "u1")
    login = story.begin("authenticate", "c1")
    emitted(story, "c1")
    assert kinds(story.end(login, "u1").rest()) == []


def test_nothing_after_a_login_was_refused() -> None:
    story = served("u0")
    story.connect("c1", "u1", said=False)
    assert next(circumstances(emitted(story, "c1"))) == "after its login had failed"
    assert kinds(story) == ["EarlyDelivery", "Refused"]


def test_nothing_while_a_login_is_pending_that_a_bad_token_cannot_win() -> None:
    story = served("u0")
    login = story.begin("connect", "c1", "u1", token="invalid")
    emitted(story, "c1")
    story.end(login, False).rest()
    assert kinds(story) == ["EarlyDelivery"]
    assert list(circumstances(story)) == ["while its login was pending, which failed"]


def test_a_good_token_that_is_refused_in_the_end_may_have_heard_meanwhile() -> None:
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    emitted(story, "c1")
    assert "EarlyDelivery" not in kinds(story.end(login, False).rest())


@pytest.mark.parametrize("how", ["log_out", "expire"])
@pytest.mark.parametrize("order", ["emitted before", "emitted after"])
def test_nothing_after_a_login_has_ended(how: Any, order: str) -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1") if order == "emitted before" else -1
    story.done(how, "c1")
    if number < 0:
        number = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", number).end(number).rest()
    if how == "log_out" and order == "emitted before":  # it has none of its own: as for one whose socket is closed
        assert kinds(story) == []
        assert story.excused() == ["would_be_closed"]
        assert kinds(story, logs_out=True) == ["LateDelivery"]
        assert list(circumstances(story, logs_out=True)) == [f"after {how}, {order}"]
        story.target = replace(story.target, traits=LogsOut)
    assert kinds(story) == ["LateDelivery"]
    assert list(circumstances(story)) == [f"after {how}, {order}"]


@pytest.mark.parametrize("order", ["emitted before", "emitted after"])
@pytest.mark.parametrize("said", [None, NOBODY])
@pytest.mark.parametrize("rested", [False, True])
def test_what_comes_after_an_answer_to_a_log_out_may_have_been_on_its_way(order: str, said: Any, rested: bool) -> None:
    """Once everything has come to rest it was not."""
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1") if order == "emitted before" else -1
    story.done("log_out", "c1", said=said)
    if number < 0:
        number = story.begin("emit", "c0", "u0", to="u1")
    if rested:
        story.rest()
    story.hears("c1", number).end(number, NOBODY).rest()
    excused = order == "emitted before" and said is None and not rested
    assert kinds(story) == ([] if excused else ["LateDelivery"])
    assert story.excused() == (["in_its_queue"] if excused else [])
    assert kinds(story, logs_out=True) == ["LateDelivery"]


def test_while_a_log_out_is_under_way_events_may_still_come() -> None:
    story = managed("u0", "u1")
    leaving = story.begin("log_out", "c1")
    emitted(story, "c1")
    assert kinds(story.end(leaving).rest()) == []


@pytest.mark.parametrize("kind", [RowKind.RAISED, RowKind.CANCELLED])
def test_nobody_can_say_what_became_of_a_log_out_that_failed(kind: RowKind) -> None:
    story = managed("u0", "u1")
    leaving = story.begin("log_out", "c1")
    story.end(leaving, None, kind)
    assert kinds(emitted(story, "c1").rest()) == []


def test_nothing_after_a_clean_up() -> None:
    story = managed("u0", "u1")
    story.closed("c1")
    story.done("clean_up", None, "u1")
    assert kinds(emitted(story, "c1").rest()) == ["LateDelivery"]
    story = managed("u0", "u1")
    story.closed("c0")
    story.done("clean_up", None, "u0")
    assert kinds(emitted(story, "c1").rest()) == []


def test_a_login_that_overlaps_a_clean_up_may_have_survived_it() -> None:
    story = managed("u0")
    login = story.begin("connect", "c1", "u1")
    cleaning = story.begin("clean_up", None, "u1")
    story.end(login).end(cleaning)
    assert kinds(emitted(story, "c1").rest()) == []


def test_it_ends_with_the_later_of_what_ends_it() -> None:
    story = managed("u0", "u1")
    cleaning = story.begin("clean_up", None, "u1")
    story.done("log_out", "c1")
    emitted(story, "c1")
    story.closed("c1").end(cleaning).rest()
    assert kinds(story) == []
    assert story.excused() == ["still_ending"]
    story = managed("u0", "u1")
    cleaning = story.begin("clean_up", None, "u0")
    story.done("log_out", "c1")
    emitted(story, "c1")
    story.closed("c0").end(cleaning).rest()
    assert kinds(story) == ["LateDelivery"]


def test_a_clean_up_that_began_later_excuses_nothing() -> None:
    story = managed("u0", "u1")
    story.done("log_out", "c1")
    cleaning = story.begin("clean_up", None, "u1")
    emitted(story, "c1")
    assert kinds(story.end(cleaning).rest()) == ["LateDelivery"]


def test_a_clean_up_that_was_over_before_excuses_nothing() -> None:
    story = managed("u0", "u1")
    leaving = story.begin("log_out", "c1")
    cleaning = story.begin("clean_up", None, "u1")
    story.closed("c1").end(cleaning).end(leaving)
    assert kinds(emitted(story, "c1").rest()) == ["LateDelivery"]


def test_without_log_out_a_socket_stays_logged_in() -> None:
    story = managed("u0", "u1")
    story.done("log_out", "c1")
    emitted(story, "c1").rest()
    assert kinds(story, logs_out=False) == []
    assert story.excused(logs_out=False) == ["no_log_out"]
    assert "allowed if declared: logs_out" in story.judged()[0].message
    story = managed("u0", "u1")
    story.done("expire", "c1")
    assert kinds(emitted(story, "c1").rest(), logs_out=False) == ["LateDelivery"]


# -- who speaks ------------------------------


def test_who_was_refused_is_not_heard() -> None:
    story = served("u1")
    story.connect("c1", "u0", token="invalid", said=False)
    number = story.begin("emit", "c1", "u0", to="u1")
    story.hears("c0", number).end(number, NOBODY).rest()
    assert kinds(story) == ["UnauthenticatedEvent"]
    assert list(circumstances(story)) == ["emit, refused"]


def test_who_was_refused_is_not_owed_anything() -> None:
    story = served("u1")
    story.connect("c1", "u0", token="invalid", said=False)
    number = story.begin("emit", "c1", "u0", to="u1")
    story.end(number, NOBODY).rest()
    assert kinds(story) == []
    assert story.excused() == ["emitter_perhaps_out"]


def test_who_was_refused_may_be_answered() -> None:
    story = served("u1")
    story.connect("c1", "u0", token="invalid", said=False)
    number = story.begin("emit", "c1", "u0", to="u1")
    story.hears("c1", number).end(number, NOBODY).rest()
    assert kinds(story) == []


def test_who_has_logged_out_is_not_heard() -> None:
    story = served("u0", "u1")
    story.done("log_out", "c0", said=NOBODY)
    number = story.begin("broadcast", "c0", "u0")
    story.send("c1", number).end(number, NOBODY).rest()
    assert kinds(story) == ["UnauthenticatedEvent"]
    assert list(circumstances(story)) == ["broadcast, logged out"]
    assert kinds(story, logs_out=False) == []


def test_what_was_said_while_logging_out_may_be_heard() -> None:
    story = served("u0", "u1")
    leaving = story.begin("log_out", "c0")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c1", number).end(leaving, NOBODY).end(number, NOBODY).rest()
    assert kinds(story) == []


def test_what_was_said_while_logging_in_may_be_heard() -> None:
    story = served("u1")
    login = story.begin("connect", "c1", "u0")
    number = story.begin("emit", "c1", "u0", to="u1")
    story.hears("c0", number).end(login, "u0").end(number, NOBODY).rest()
    assert kinds(story) == []


def test_what_the_application_itself_says_is_nobodys() -> None:
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", number).end(number).rest()) == []


# -- tokens ------------------------------


def test_a_bad_token_is_refused() -> None:
    for said, want in ((False, []), (None, []), ("u0", ["BadTokenAccepted"])):
        story = managed(two_steps=True)
        story.done("connect", "c0", "u0")
        story.done("authenticate", "c0", token="expired", said=said)
        assert kinds(story) == want
    story = served()
    story.connect("c0", "u0", token="invalid", said=None)
    assert kinds(story) == ["BadTokenAccepted"]
    assert list(circumstances(story)) == ["invalid"]


def test_a_login_comes_out_as_whom_the_token_says() -> None:
    for said, want in (("u0", []), ("u1", ["WrongIdentity"]), (NOBODY, [])):
        story = managed(two_steps=True)
        story.done("connect", "c0", "u0")
        story.done("authenticate", "c0", said=said)
        assert kinds(story) == want
    story = served()
    story.connect("c0", "u0", token="u1", said="u0")
    assert kinds(story) == ["WrongIdentity"]


def test_what_a_plain_connect_returns_is_no_identity() -> None:
    story = managed()
    story.connect("c0", "u0", said="welcome")
    assert kinds(story) == []


def test_a_second_login_on_a_connection_is_not_judged() -> None:
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    story.done("authenticate", "c0", said="u0")
    story.done("authenticate", "c0", said="u9")
    assert kinds(story) == []
