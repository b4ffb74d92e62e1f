"""Where one row, one connection or one part of a condition decides: the smallest histories on either side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer import Action, Client, Event, operation
from crosswire.fuzzer.core.history import Aim, Content, EventId, Mention, RowKind
from crosswire.fuzzer.targets import JsonWire, Target
from crosswire.fuzzer.targets.policy import Policy
from crosswire.fuzzer.targets.traits import WireTraits
from crosswire.models.isolation.records import Connection

from .story import NOBODY, WIRE, Plain, Story, circumstances, emit, kinds, managed, served


class Tells(Plain):
    @operation(audience="user")
    def tell(self, client: Client, event: Event) -> Any: ...


# -- what came instead ------------------------------


def test_a_word_on_the_same_connection_was_not_sent_to_another() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.send("c1", word="typing", during=number).receive("c1").send("c1", number).end(number, NOBODY).rest()
    assert list(circumstances(story)) == ["emit, nobody answered, nobody got it"]


def test_an_event_of_another_operation_did_not_come_instead() -> None:
    story = managed("u0", "u1")
    other = story.done("emit", None, "u0", to="u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c1", other, during=number).receive("c1").end(number).rest()
    assert kinds(story) == ["LostEvent"]


# -- what an index knows of connections ------------------------------


def test_a_joining_that_is_cancelled_ends_no_login() -> None:
    story = managed("u0", "u1")
    joining = story.begin("join", "c1", room="r0")
    cancelling = story.begin("cancel", "c1", detail=joining)
    story.end(joining, None, RowKind.CANCELLED).end(cancelling)
    assert kinds(emit(story)) == ["LostEvent"]


def test_who_is_authenticated_as_nobody_is_not_in() -> None:
    story = managed(two_steps=True)
    story.done("connect", "c1", "u1")
    story.done("authenticate", "c1", said=None)
    assert kinds(emit(story)) == ["Refused"]


def test_what_a_manager_sends_is_traffic_and_what_a_server_sends_is_none() -> None:
    for make, want in ((managed, ["LostEvent"]), (served, [])):
        story = make("u0", "u1", idle=10.0, delay=100.0)
        story.wait(8.0)
        over = "c0" if story.target.traits.by_wire else None
        early = story.begin("emit", over, "u0", to="u1")
        story.send("c1", early).end(early, NOBODY if over else None)
        story.wait(4.0).rest()
        late = story.begin("emit", over, "u0", to="u1")
        story.receive("c1").end(late, NOBODY if over else None).rest()
        assert kinds(story) == want


def test_what_arrives_at_who_has_gone_is_nothing() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c1", number).leave("c1").receive("c1").end(number).rest()
    assert kinds(story) == []


def test_a_visitor_who_was_sent_nothing_took_nothing_along_where_sends_are_seen() -> None:
    story = emit(served("u0", kept="next"))
    story.connect("c1", "u1")
    story.leave("c1").rest()
    story.connect("c2", "u1")
    assert kinds(story.rest()) == ["OfflineLoss"]


def test_where_sends_are_not_seen_a_visitor_may_have_taken_it_along() -> None:
    story = Story(replace(served().target, traits=WireTraits(WIRE, Policy(kept="next"), by_bytes=True)))
    story.connect("c0", "u0")
    emit(story).connect("c1", "u1")
    story.leave("c1").rest()
    story.connect("c2", "u1")
    assert kinds(story.rest()) == []
    assert story.excused() == ["perhaps_somebody_there"]


def test_who_leaves_while_it_is_said_was_perhaps_there() -> None:
    story = managed("u0", "u1", kept="next")
    number = story.begin("emit", None, "u0", to="u1")
    story.leave("c1").end(number).rest()
    story.connect("c2", "u1", said=None)
    assert kinds(story.rest()) == []
    assert story.excused() == ["perhaps_somebody_there"]


def test_what_a_plain_connect_returns_puts_nobody_in_doubt() -> None:
    story = managed("u0")
    story.connect("c1", "u1", said="welcome")
    assert kinds(emit(story)) == ["LostEvent"]


def test_what_a_client_of_a_manager_reads_is_traffic() -> None:
    for make, want in ((managed, ["LostEvent"]), (served, [])):
        story = make("u0", "u1", idle=10.0, delay=100.0)
        over = "c0" if story.target.traits.by_wire else None
        early = story.begin("emit", over, "u0", to="u1")
        story.send("c1", early).end(early, NOBODY if over else None)
        story.wait(8.0).receive("c1").wait(4.0).rest()
        assert kinds(emit(story)) == want


def test_what_is_said_by_who_was_refused_is_kept_for_nobody() -> None:
    story = served(kept="next")
    story.connect("c0", "u0", token="invalid", said=False)
    emit(story).connect("c1", "u1")
    assert kinds(story.rest()) == []
    assert story.excused() == ["emitter_perhaps_out"]


def test_what_is_said_by_who_goes_at_once_may_be_kept_for_nobody() -> None:
    story = served("u0", kept="next")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.leave("c0", "abort").end(number, NOBODY).rest()
    story.connect("c1", "u1")
    assert kinds(story.rest()) == []
    assert "perhaps_unheard" in story.excused()


def test_a_clean_up_ends_no_login_that_has_not_begun() -> None:
    story = managed(two_steps=True)
    story.done("connect", "c1", "u1")
    story.done("clean_up", None, "u1")
    story.done("authenticate", "c1", said="u1")
    assert kinds(emit(story)) == ["LostEvent"]


@pytest.mark.parametrize(("early", "want"), [(True, []), (False, ["Refused"])])
def test_the_end_of_everything_is_no_shut_down_amid_the_program(early: bool, want: list[str]) -> None:
    story = managed("u0")
    if early:
        story.done("shut_down")
    story.connect("c2", "u2", said=False)
    end = story.row(RowKind.INVOKED, len(story.operations))
    assert kinds(story.end(end)) == want


@pytest.mark.parametrize("kind", ["join", "leave"])
@pytest.mark.parametrize("heard", [False, True])
def test_a_move_that_was_cancelled_and_returned_may_have_been_made_or_not(kind: Any, heard: bool) -> None:
    story = managed("u0", "u1")
    if kind == "leave":
        story.done("join", "c1", room="r0")
    moving = story.begin(kind, "c1", room="r0")
    cancelling = story.begin("cancel", "c1", detail=moving)
    story.end(moving).end(cancelling)
    number = story.begin("emit_to_room", None, "u0", room="r0")
    if heard:
        story.hears("c1", number)
    assert kinds(story.end(number).rest()) == []


def test_who_came_out_as_another_is_counted_once() -> None:
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    story.done("authenticate", "c0", said="u1")
    story.done("emit", None, "u0", to="u1")
    assert kinds(story.rest().mark(RowKind.ACTIVE, ("u1",))) == ["WrongIdentity"]


def test_what_is_owed_live_is_not_owed_once_more_as_kept() -> None:
    assert kinds(emit(managed("u0", "u1", kept="next"))) == ["LostEvent"]


def test_a_login_that_broke_off_may_have_heard_something() -> None:
    story = managed("u0")
    login = story.begin("connect", "c1", "u1")
    story.end(login, None, RowKind.CANCELLED)
    assert kinds(emit(story, "c1")) == kinds(emit(story)) == []


class TellsTwoSteps(Tells):
    def authenticate(self, client: Client, token: str) -> Any: ...


def test_who_has_not_asked_to_log_in_is_not_heard() -> None:
    story = Story(Target("tells", TellsTwoSteps, TellsTwoSteps))
    for number in range(2):
        story.connect(f"c{number}", f"u{number}", said=None)
    story.done("authenticate", "c1", said="u1")
    number = story.begin("act", "c0", "u0", name="tell", to="u1", detail=Aim("u1"))
    assert kinds(story.hears("c1", number).end(number).rest()) == ["UnauthenticatedEvent"]
    assert list(circumstances(story)) == ["tell, refused"]


def test_a_connection_that_was_turned_away_takes_up_no_place() -> None:
    story = managed(two_steps=True, per_user=1)
    for name in ("c0", "c1"):
        story.done("connect", name, "u0", said=False)
    assert kinds(story) == ["Refused", "Refused"]


def test_a_bad_token_that_was_accepted_is_said_once() -> None:
    story = served("u0")
    story.connect("c1", "u1", token="invalid", said=None)
    assert kinds(emit(story, "c1")) == ["BadTokenAccepted"]


def test_where_there_is_no_log_out_who_never_logged_in_hears_nothing_all_the_same() -> None:
    story = managed(two_steps=True, logs_out=False)
    story.done("connect", "c1", "u1")
    story.done("log_out", "c1")
    assert kinds(emit(story, "c1")) == ["EarlyDelivery"]


def test_a_clean_up_under_way_excuses_no_leak() -> None:
    story = managed("u0", "u1", "u2")
    cleaning = story.begin("clean_up", None, "u2")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", number).hears("c2", number).closed("c2").end(cleaning).end(number)
    assert kinds(story.rest()) == ["CrossUserLeak"]


def test_what_a_frame_with_an_event_says_is_judged_with_the_event() -> None:
    story = served("u0", "u1")
    number = story.begin("broadcast", "c0", "u0", detail=Aim())
    content = Content((Mention(EventId(number)),), "u0")
    story.waiting["c1"] = [content]
    story.row(RowKind.SENT, number, "c1", content)
    assert kinds(story.receive("c1").end(number, NOBODY).rest()) == []


def test_what_is_sent_to_who_was_refused_need_not_be_read() -> None:
    story = served("u0")
    story.connect("c1", "u1", token="invalid", said=False)
    number = story.begin("emit", "c0", "u0", to="u1")
    assert kinds(story.send("c1", number).end(number, NOBODY).rest()) == ["EarlyDelivery"]


def test_what_a_user_says_oneself_meanwhile_ends_no_login_later() -> None:
    story = managed("u0", "u1")
    own = story.begin("emit", None, "u1", to="u0")
    story.done("log_out", "c1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", number).hears("c0", own).end(own).end(number)
    assert kinds(story.rest()) == ["LateDelivery"]


def test_who_shows_another_users_token_may_be_told_what_is_whose() -> None:
    story = served()
    story.connect("c0", "u1", token="u2", said="u2")
    assert kinds(story.send("c0", word="@u0").receive("c0")) == []


def test_what_failed_may_be_kept_and_sent_to_two() -> None:
    for failed, want in ((True, []), (False, ["OfflineDuplicate"])):
        story = managed("u0", kept="next")
        number = story.begin("emit", None, "u0", to="u1")
        story.end(number, None, RowKind.RAISED if failed else RowKind.RETURNED).rest()
        for name in ("c1", "c2"):
            story.connect(name, "u1", said=None)
            story.hears(name, number)
        assert kinds(story.rest()) == want


def test_what_was_sent_in_vain_to_who_had_just_gone_is_not_owed_again() -> None:
    for tried, want in ((True, []), (False, ["OfflineLoss"])):
        story = managed("u0", "u1", kept="next").leave("c1")
        number = story.begin("emit", None, "u0", to="u1")
        if tried:
            story.turned_away("c1", number)
        story.end(number).rest()
        story.connect("c2", "u1", said=None)
        assert kinds(story.rest()) == want


def test_a_login_that_closes_its_own_connection_let_nobody_in() -> None:
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.mark(RowKind.CLOSED, "closed with 1008", "c0", login).end(login)
    assert list(circumstances(story.rest())) == ["it hung up, with nobody else of that user there"]


def test_whose_token_has_ended_may_be_turned_away() -> None:
    for ends, want in ((True, []), (False, ["Refused"])):
        story = served("u0")
        if ends:
            story.done("expire", "c0", said=NOBODY)
        story.connect("c1", "u0", said=False)
        assert kinds(story) == want


def test_only_a_login_hangs_up_on_itself() -> None:
    story = Story(Target("tells", Tells, Tells))
    for number in range(2):
        story.connect(f"c{number}", f"u{number}", said=None)
    number = story.begin("act", "c0", "u0", name="tell", to="u1", detail=Aim("u1"))
    story.mark(RowKind.CLOSED, "closed with 1000", "c0", number).end(number).rest()
    assert list(circumstances(story)) == ["tell, it reported success, nobody got it"]


def test_who_shows_another_users_token_need_not_be_served_as_that_one() -> None:
    story = served("u0")
    story.connect("c1", "u2", token="u1", said="u1")
    assert kinds(emit(story)) == []
    assert kinds(emit(story, "c1")) == []


def test_who_comes_with_a_token_that_has_ended_need_not_be_served() -> None:
    story = served("u0", "u1")
    story.done("expire", "c1", said=NOBODY)
    story.connect("c2", "u1")
    assert kinds(emit(story)) == []
    assert kinds(emit(story, "c2")) == []


def test_whose_token_has_ended_hears_nothing_more() -> None:
    story = served("u0", "u1", "u1")
    story.done("expire", "c1", said=NOBODY)
    assert kinds(emit(story, "c2")) == kinds(emit(story)) == []
    assert kinds(emit(story, "c1")) == ["LateDelivery"]


def test_an_answer_is_owed_to_who_asked_and_to_nobody_else() -> None:
    wire = JsonWire(to_user=None, actions={"ask": Action({"say": "{event}"}, audience="sender")})
    for heard, want in ((False, ["LostEvent"]), (True, [])):
        story = served()
        story.target = replace(story.target, traits=WireTraits(wire, Policy()))
        for name in ("c0", "c1"):
            story.connect(name, "u0")
        number = story.begin("act", "c0", "u0", name="ask", detail=Aim("u0"))
        if heard:
            story.hears("c0", number)
        assert kinds(story.end(number, NOBODY).rest()) == want


def test_a_token_that_is_said_not_to_have_ended_may_have() -> None:
    story = managed("u0", "u1")
    story.done("expire", "c1", said=False)
    assert kinds(emit(story, "c1")) == []
    assert kinds(emit(story)) == []


def test_a_way_in_without_a_recipient_has_its_own_name() -> None:
    story = managed("u0", "u1")
    story.done("broadcast", None, "u0", detail=Aim())
    assert {said.partition(",")[0] for said in circumstances(story.rest())} == {"broadcast"}


def test_a_stall_is_between_its_rows() -> None:
    connection = Connection("c0", "u0", "u0", 0, stalls=[(2, 5, False)])
    spans = {(0, 2): False, (0, 3): True, (3, 4): True, (4, 9): True, (5, 9): False}
    assert {span: connection.stalled(*span) for span in spans} == spans
    connection.stalled_since = 7, 0.0
    assert connection.stalled(6, 8) and not connection.stalled(6, 7)
