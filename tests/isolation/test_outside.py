"""What a live server's history proves, and what it does not: each check with a history that breaks the promise, one
that keeps it, and one for each excuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.history import Content, EventId, Farewell, Mention, Outcome, Refusal, RowKind
from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.json_wire import JsonWire
from crosswire.fuzzer.targets.policy import Policy
from crosswire.fuzzer.targets.traits import WireTraits
from crosswire.models.isolation.outside import CHECKS, NEVER_JUDGED, Grade, judge_from_outside
from crosswire.models.isolation.outside_index import CROWDED, Need, Outside, OutsideIndex

from .story import Story

READY = JsonWire(ready={"type": "ready"}, to_all={"all": "{event}"}, authenticates=True, logout={"type": "logout"})
SILENT = JsonWire(to_all={"all": "{event}"}, join={"join": "{room}"}, to_room={"in": "{room}", "text": "{event}"})

TIMED = Outside(within=3.0, rested=True)
NOBODY = Outcome.INDETERMINATE


def live(*users: str, wire: JsonWire = READY, **policy: Any) -> Story:
    """A live server, whose users are connected over c0, c1 and so on; where it says so, their logins are done."""
    story = Story(Target("ws://live", object, WireTraits(wire, Policy(**policy), by_bytes=True)))
    for number, user in enumerate(users):
        story.connect(f"c{number}", user, said=user if wire.waits_for_ready else NOBODY)
    return story


def hears(story: Story, name: str, *events: int | tuple[int, str], **says: Any) -> None:
    """A client receives a frame; what the server sent, and when, nobody knows."""
    ids = [EventId(event) if isinstance(event, int) else EventId(*event) for event in events]
    story.row(RowKind.RECEIVED, None, name, Content(tuple(Mention(event, **says) for event in ids)))


def says(story: Story, name: str, user: str, to: str) -> int:
    return story.begin("emit", name, user, to=to)


def proven(story: Story, outside: Outside = TIMED) -> list[tuple[str, Grade]]:
    index = OutsideIndex(story.target, Program(tuple(story.operations)), tuple(story.rows), outside)
    return [(one.violation.kind, one.grade) for one in judge_from_outside(index)]


def withheld(story: Story, outside: Outside = TIMED) -> set[str]:
    index = OutsideIndex(story.target, Program(tuple(story.operations)), tuple(story.rows), outside)
    return {name for check in CHECKS for _, name in check.check.withheld(index)}


def at_rest(story: Story, *numbers: int) -> Story:
    """What was said is done, as far as anybody can tell."""
    for number in numbers:
        story.end(number, NOBODY)
    return story.rest()


# -- isolation, authentication ------------------------------


def test_who_hears_what_is_for_another_is_a_leak_for_certain() -> None:
    story = live("u0", "u1", "u2")
    event = says(story, "c0", "u0", "u1")
    hears(story, "c2", event)
    assert proven(story, Outside()) == [("CrossUserLeak", Grade.CERTAIN)]


def test_an_echo_to_who_said_it_and_an_event_for_another_tab_are_none() -> None:
    story = live("u0", "u1", "u0", "u1")
    event = says(story, "c0", "u0", "u1")
    for name in ("c0", "c1", "c2", "c3"):
        hears(story, name, event)
    assert not proven(story)


def test_who_joins_a_room_while_something_is_said_there_may_hear_it() -> None:
    story = live("u0", "u1", wire=SILENT)
    story.done("join", "c0", room="r0", said=NOBODY)
    event = story.begin("emit_to_room", "c0", "u0", room="r0")
    story.begin("join", "c1", room="r0")
    hears(story, "c1", event)
    assert not proven(story)


def test_who_never_joined_a_room_may_not() -> None:
    story = live("u0", "u1", wire=SILENT)
    story.done("join", "c0", room="r0", said=NOBODY)
    hears(story, "c1", story.begin("emit_to_room", "c0", "u0", room="r0"))
    assert proven(story) == [("CrossUserLeak", Grade.CERTAIN)]


def test_a_log_out_that_nobody_confirms_ends_nothing_for_certain() -> None:
    story = live("u0", "u1")
    out = story.begin("log_out", "c1")
    story.end(out, NOBODY, RowKind.CANCELLED)
    hears(story, "c1", says(story, "c0", "u0", "u1"))
    assert not proven(story)


def test_what_is_said_after_a_refusal_reaches_nobody() -> None:
    story = live("u0")
    story.connect("c1", "u1", token="invalid", said=False)
    hears(story, "c0", says(story, "c1", "u1", "u0"))
    assert proven(story) == [("UnauthenticatedEvent", Grade.CERTAIN)]


def test_a_login_as_somebody_else_is_the_servers_own_word() -> None:
    story = live("u0")
    story.connect("c1", "u1", said="u0")
    assert proven(story) == [("WrongIdentity", Grade.CERTAIN)]


def test_another_events_sender_in_a_frame_is_seen() -> None:
    story = live("u0", "u1", "u2")
    hears(story, "c1", says(story, "c0", "u0", "u1"), sender="u2")
    assert proven(story) == [("MixedUp", Grade.CERTAIN)]


# -- no loss ------------------------------


def overtaken(*users: str, wire: JsonWire = READY, shown: bool = False, **policy: Any) -> tuple[Story, int, int]:
    """Two events on the same way, of which the second arrives; with ``shown`` one had arrived before."""
    story = live(*users, wire=wire, **policy)
    if shown:
        hears(story, "c1", says(story, "c0", "u0", "u1"))
    lost = says(story, "c0", "u0", "u1")
    later = says(story, "c0", "u0", "u1")
    hears(story, "c1", later)
    return story, lost, later


def test_an_event_that_a_later_one_overtook_is_lost_for_certain_and_without_any_rest() -> None:
    story, _, _ = overtaken("u0", "u1")
    assert proven(story, Outside()) == [("LostEvent", Grade.CERTAIN)]


def test_order_that_is_not_promised_proves_nothing() -> None:
    story, _, _ = overtaken("u0", "u1")
    assert not proven(story, Outside(ordered=False))


def test_where_it_arrives_after_all_it_was_out_of_order_and_not_lost() -> None:
    story, lost, _ = overtaken("u0", "u1")
    hears(story, "c1", lost)
    assert proven(story) == [("OutOfOrder", Grade.CERTAIN)]
    assert not proven(story, Outside(ordered=False))


def test_what_is_told_again_or_in_steps_comes_in_no_order() -> None:
    story, lost, _ = overtaken("u0", "u1")
    story.row(RowKind.RECEIVED, None, "c1", Content((Mention(EventId(lost)),), retells=True))
    assert proven(story) == []


def test_another_way_overtakes_nothing() -> None:
    story = live("u0", "u1")
    says(story, "c0", "u0", "u1")
    hears(story, "c1", story.begin("broadcast", "c0", "u0"))
    assert not proven(story, Outside())


def test_a_login_that_only_silence_tells_of_is_not_enough_for_certain() -> None:
    story, _, _ = overtaken("u0", "u1", wire=SILENT)
    assert not proven(story, Outside())


def test_something_that_arrived_before_on_the_same_way_is() -> None:
    story, _, _ = overtaken("u0", "u1", wire=SILENT, shown=True)
    assert proven(story, Outside()) == [("LostEvent", Grade.CERTAIN)]


def test_who_may_have_left_meanwhile_was_owed_nothing() -> None:
    story = live("u0", "u1", wire=SILENT)
    hears(story, "c1", says(story, "c0", "u0", "u1"))
    says(story, "c0", "u0", "u1")
    story.begin("log_out", "c1")
    hears(story, "c1", says(story, "c0", "u0", "u1"))
    assert not proven(story, Outside())


def test_who_did_not_read_for_long_may_have_been_given_up() -> None:
    story = live("u0", "u1")
    story.stall("c1").wait(2.0).resume("c1")
    says(story, "c0", "u0", "u1")
    hears(story, "c1", says(story, "c0", "u0", "u1"))
    assert not proven(story, Outside())


@pytest.mark.parametrize(("under_way", "kinds"), [(CROWDED - 4, ["LostEvent"]), (CROWDED + 4, [])])
def test_what_is_dropped_while_very_much_is_under_way_may_be_a_limit(under_way: int, kinds: list[str]) -> None:
    story = live("u0", "u1", "u2")
    others = [says(story, "c2", "u2", "u1") for _ in range(under_way)]
    says(story, "c0", "u0", "u1")
    later = says(story, "c0", "u0", "u1")
    for number in (*others, later):
        hears(story, "c1", number)
    assert [kind for kind, _ in proven(story, Outside())] == kinds
    assert ("flooded" in withheld(story)) == (not kinds)


def test_a_step_of_a_run_that_a_later_one_overtook_is_missing() -> None:
    wire = replace(READY, ask={"ask": "{event}"})
    story = live("u0", wire=wire)
    run = story.begin("run_agent", "c0", "u0", to="u0")
    hears(story, "c0", (run, "agent_started"))
    hears(story, "c0", (run, "tool_executing"))
    assert proven(story, Outside()) == [("BrokenRun", Grade.CERTAIN)]


def missing(*users: str, wire: JsonWire = READY) -> Story:
    story = live(*users, wire=wire)
    return at_rest(story, says(story, "c0", "u0", "u1"))


@pytest.mark.parametrize("wire", [READY, SILENT])
def test_an_event_that_did_not_come_in_the_declared_time_is_lost_as_far_as_that_goes(wire: JsonWire) -> None:
    assert proven(missing("u0", "u1", wire=wire)) == [("LostEvent", Grade.DECLARED)]


@pytest.mark.parametrize(
    "outside", [Outside(within=None, rested=True), Outside(within=3.0, rested=False)], ids=("undeclared", "no rest")
)
def test_without_a_declared_time_or_a_rest_nothing_is_missing(outside: Outside) -> None:
    assert not proven(missing("u0", "u1"), outside)


def test_whose_login_was_not_done_when_it_was_said_is_owed_nothing() -> None:
    story = live("u0", wire=SILENT)
    login = story.begin("connect", "c1", "u1")
    event = says(story, "c0", "u0", "u1")
    story.end(login, NOBODY)
    assert not proven(at_rest(story, event))


def test_but_what_came_before_shows_that_it_was() -> None:
    story = live("u0", wire=SILENT)
    login = story.begin("connect", "c1", "u1")
    first = says(story, "c0", "u0", "u1")
    hears(story, "c1", first)
    event = says(story, "c0", "u0", "u1")
    story.end(login, NOBODY)
    assert proven(at_rest(story, first, event)) == [("LostEvent", Grade.DECLARED)]


def test_the_same_loss_is_told_once_and_by_the_stronger_proof() -> None:
    story, lost, later = overtaken("u0", "u1")
    assert proven(at_rest(story, lost, later)) == [("LostEvent", Grade.CERTAIN)]


def test_who_left_with_what_it_had_said_was_perhaps_not_heard() -> None:
    story = live("u0", "u1")
    event = says(story, "c0", "u0", "u1")
    story.leave("c0", "abort")
    assert not proven(at_rest(story, event))


# -- no duplicate, order ------------------------------


def test_twice_on_one_connection_is_a_duplicate() -> None:
    story = live("u0", "u1")
    event = says(story, "c0", "u0", "u1")
    hears(story, "c1", event)
    hears(story, "c1", event)
    assert proven(story, Outside()) == [("DuplicateEvent", Grade.CERTAIN)]


# -- availability ------------------------------


def closed(story: Story, why: Farewell) -> Story:
    return story.closed("c1", why)


def test_a_server_that_says_that_it_failed_has() -> None:
    assert proven(closed(live("u0", "u1"), Farewell.of(1011))) == [("Dropped", Grade.CERTAIN)]


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1012, 1013, 4000])
def test_a_server_that_says_something_else_has_its_reasons(code: int) -> None:
    assert not proven(closed(live("u0", "u1"), Farewell.of(code)))


def test_a_heartbeat_that_was_late_is_anybodys_fault() -> None:
    story = closed(live("u0", "u1"), Farewell.of(1011, "keepalive ping timeout"))
    assert not proven(story)
    assert withheld(story) == {"gave_up_waiting"}


def test_what_is_given_up_while_the_server_does_not_answer_says_nothing() -> None:
    story = live("u0", "u1").mark(RowKind.BUSY, 2.0)
    assert not proven(closed(story, Farewell.of(1011)))
    assert withheld(story) == {"away"}


def test_what_breaks_off_while_the_server_does_not_answer_says_nothing() -> None:
    story = live("u0", "u1").mark(RowKind.BUSY, 2.0)
    assert not proven(closed(story, BROKEN_OFF))
    assert withheld(story) == {"away"}


@pytest.mark.parametrize(("under_way", "kinds"), [(CROWDED - 4, ["Dropped"]), (CROWDED + 4, [])])
def test_what_breaks_off_while_very_much_is_under_way_may_be_a_limit(under_way: int, kinds: list[str]) -> None:
    story = live("u0", "u1", "u2")
    events = [says(story, "c2", "u2", "u1") for _ in range(under_way)]
    for number in events:
        hears(story, "c1", number)
    assert [kind for kind, _ in proven(closed(story, BROKEN_OFF))] == kinds
    assert ("flooded" in withheld(story)) == (not kinds)


BROKEN_OFF = Farewell("ended without a close frame")


def test_a_connection_that_breaks_off_while_the_server_goes_on_was_dropped() -> None:
    story = closed(live("u0", "u1"), BROKEN_OFF)
    assert proven(story) == [("Dropped", Grade.CERTAIN)]
    assert not proven(story, replace(TIMED, local=False)), "elsewhere the network may have failed"


def test_who_had_not_read_may_be_broken_off() -> None:
    story = live("u0", "u1")
    story.stall("c1").wait(0.1).resume("c1")
    assert not proven(closed(story, BROKEN_OFF))
    assert withheld(story) == {"did_not_read"}


def test_a_server_that_ends_as_a_whole_drops_everybody() -> None:
    story = closed(live("u0", "u1"), BROKEN_OFF).wait(0.5)
    story.end(story.begin("connect", "c2", "u2"), None, RowKind.CANCELLED)
    assert not proven(story)
    assert withheld(story) == {"restarted"}


def turned_away(status: int) -> Story:
    story = live("u0")
    login = story.begin("connect", "c1", "u1")
    story.closed("c1", Refusal.of(status, f"HTTP {status}"))
    return story.end(login, False)


def test_a_user_who_was_let_in_before_is_let_in() -> None:
    known = replace(TIMED, known=frozenset({"u1"}))
    assert proven(turned_away(403), known) == [("Refused", Grade.CERTAIN)]
    assert not proven(turned_away(403)), "perhaps the server has never heard of that user"
    assert not proven(turned_away(503), known), "it says that it has too much to do"


# -- what it says of itself ------------------------------


def test_each_check_of_the_world_is_judged_from_outside_or_named_as_one_that_is_not() -> None:
    assert {"loss", "dropped", "refused", "kept"} <= set(NEVER_JUDGED)
    assert not set(NEVER_JUDGED) & {check.check.breaches.__name__ for check in CHECKS}
    assert {need for check in CHECKS for need in check.needs} == {Need.ORDER, Need.TIME, Need.NETWORK}
