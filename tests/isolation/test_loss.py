"""No loss: an event arrives on every connection that it is owed to."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer import Client, Event, operation
from crosswire.fuzzer.core.history import Aim, Outcome, Row, RowKind
from crosswire.fuzzer.core.stacks import Place
from crosswire.fuzzer.targets.adapter import Target

from .story import KEY_ERROR, NOBODY, Plain, Story, circumstances, emit, kinds, managed, served


@pytest.mark.parametrize("make", [served, managed])
def test_an_event_arrives(make: Any) -> None:
    assert kinds(emit(make("u0", "u1"))) == ["LostEvent"]
    assert kinds(emit(make("u0", "u2"))) == []
    story = make("u0", "u1", "u1")
    over = "c0" if story.target.traits.by_wire else None
    number = story.begin("emit", over, "u0", to="u1")
    story.hears("c1", number).end(number, NOBODY if over else None).rest()
    (lost,) = story.judged()
    assert lost.circumstance.endswith("another connection got it")


def test_how_it_ended_is_part_of_the_circumstance() -> None:
    said = {
        "it reported success": emit(managed("u0", "u1"), said=True),
        "it reported failure": emit(managed("u0", "u1"), said=False),
        "nobody answered": emit(served("u0", "u1")),
        "it raised KeyError in Hub.send": emit(managed("u0", "u1"), said=KEY_ERROR, kind=RowKind.RAISED),
        "it raised KeyError": emit(managed("u0", "u1"), said=KEY_ERROR._replace(place=Place()), kind=RowKind.RAISED),
    }
    for how, story in said.items():
        assert list(circumstances(story)) == [f"emit, {how}, nobody got it"]


def test_the_way_in_is_part_of_the_circumstance() -> None:
    for thread, path in (("t0", "emit_to_thread"), ("u1", "emit")):
        story = managed("u1")
        story.done("emit_to_thread", None, "u0", to="u1", thread=thread)
        assert list(circumstances(story.rest())) == [f"{path}, it reported success, nobody got it"]


def test_before_the_next_rest_nothing_is_lost() -> None:
    story = managed("u0", "u1")
    story.done("emit", None, "u0", to="u1")
    assert kinds(story) == []


def test_an_operation_that_has_not_finished_owes_nothing() -> None:
    story = managed("u0", "u1").rest()
    story.begin("emit", None, "u0", to="u1")
    assert kinds(story.rest()) == []


@pytest.mark.parametrize("moment", ["before", "while"])
def test_who_was_not_there_all_the_time_is_not_owed(moment: str) -> None:
    story = managed("u0")
    login = story.begin("connect", "c1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.end(login).end(number).rest()
    assert kinds(story) == []
    story = managed("u0", "u1")
    if moment == "before":
        story.leave("c1")
    number = story.begin("emit", None, "u0", to="u1")
    if moment == "while":
        story.leave("c1")
    assert kinds(story.end(number).rest()) == []


def test_whom_the_server_closed_is_not_owed() -> None:
    story = managed("u0", "u1").closed("c1")
    assert kinds(emit(story)) == []


def test_who_hears_something_else_is_owed_all_the_same() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", word="error", during=number).end(number).rest()
    (replaced,) = story.judged()
    assert replaced.kind == "ReplacedEvent"
    assert "instead of e2, c1 received <error>" in replaced.message
    story = managed("u0", "u1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c2", word="error", during=number).end(number).rest()
    assert kinds(story) == ["LostEvent", "ReplacedEvent"]
    assert next(circumstances(story)) == "emit, it reported success, another connection was sent something"


def test_a_frame_that_never_arrived_beside_another_is_a_loss() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c1", number).send("c1", word="error", during=number).end(number).rest()
    assert kinds(story) == ["LostEvent"]


def test_who_emits_over_a_connection_need_not_hear_it_there() -> None:
    for name, want in (("c0", []), ("c1", ["LostEvent"])):
        story = served("u0", "u0")
        number = story.begin("emit", name, "u0", to="u0")
        story.hears("c1", number).end(number, NOBODY).rest()
        assert kinds(story) == (want if name == "c0" else ["LostEvent"])


def test_several_events_in_a_frame_arrive_together() -> None:
    story = managed("u0", "u1")
    first = story.begin("emit", None, "u0", to="u1")
    second = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", second, first).end(first).end(second).rest()
    assert kinds(story) == []


# -- agents ------------------------------


def test_a_run_arrives_whole_at_whoever_asked() -> None:
    story = served("u0", "u0")
    number = story.begin("run_agent", "c0", "u0", to="u0")
    story.run(number, "c0").end(number, NOBODY).rest()
    assert kinds(story) == []
    story = served("u0")
    number = story.begin("run_agent", "c0", "u0", to="u0")
    story.run(number, "c0", ("agent_started", "agent_thinking", "tool_executing", "tool_completed"))
    assert kinds(story.end(number, NOBODY).rest()) == ["BrokenRun"]
    assert list(circumstances(story)) == ["missing, nobody answered"]


def test_a_run_of_the_applications_own_arrives_everywhere() -> None:
    story = managed("u0", "u0")
    number = story.begin("run_agent", None, "u0", to="u0")
    story.run(number, "c0").end(number).rest()
    assert kinds(story) == ["BrokenRun"] * 5


# -- how an operation ended ------------------------------


def test_rows_say_how_an_operation_ended() -> None:
    ways = {
        (RowKind.RETURNED, None): Outcome.OK,
        (RowKind.RETURNED, False): Outcome.FAIL,
        (RowKind.RETURNED, NOBODY): Outcome.INDETERMINATE,
        (RowKind.RAISED, None): Outcome.FAIL,
        (RowKind.SENT, None): None,
    }
    for (kind, said), outcome in ways.items():
        assert Row(0.0, kind, 0, None, said).outcome is outcome


# -- what a loss says of itself ------------------------------


def circumstances_of(story: Story) -> list[str]:
    return [circumstance.partition(", ")[2] for circumstance in circumstances(story)]


def test_what_was_sent_to_another_connection_and_not_read_is_told_apart() -> None:
    story = managed("u0", "u1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c2", number).end(number).rest()
    lost = {"c1": "another connection was sent something", "c2": "nobody got it"}
    assert circumstances_of(story) == [f"it reported success, {said}" for said in lost.values()]


def test_what_another_operation_sent_is_not_this_ones() -> None:
    story = managed("u0", "u1", "u1")
    other = story.begin("emit", None, "u0", to="u9")
    story.send("c2", word="typing", during=other).receive("c2").end(other)
    assert circumstances_of(emit(story)) == ["it reported success, nobody got it"] * 2
    story = managed("u0", "u1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c2", word="hm", during=number).receive("c2").end(number).rest()
    assert "it reported success, another connection was sent something" in circumstances_of(story)


@pytest.mark.parametrize(("make", "kind", "asked"), [(served, "broadcast", True), (served, "emit", False)])
def test_where_some_hear_what_is_for_everybody_rooms_are_asked_for(make: Any, kind: Any, asked: bool) -> None:
    def said(make: Any, kind: Any, heard: bool) -> str:
        story = make("u0", "u1", "u1")
        over = "c0" if story.target.traits.by_wire else None
        number = story.begin(kind, over, "u0", to="u1" if kind == "emit" else None)
        if heard:
            story.hears("c1", number)
        story.end(number, NOBODY if over else None).rest()
        return str(story.judged()[-1].message)

    assert ("(rooms=)" in said(make, kind, True)) is asked
    assert "(rooms=)" not in said(make, kind, False) + said(managed, kind, True)


# -- of operations of the target's own ------------------------------


class Declares(Plain):
    @operation(audience="user", returns="accepted")
    def invite(self, client: Client, event: Event) -> Any: ...

    @operation(audience="user", returns="delivered")
    def tell(self, client: Client, event: Event) -> Any: ...


def does(name: str, said: Any, kind: RowKind = RowKind.RETURNED, *, leaves: bool = False) -> list[str]:
    """What is judged where u0 does something for u1, who never hears of it."""
    story = Story(Target("declares", Declares, Declares))
    story.connect("c0", "u0", said=None)
    story.connect("c1", "u1", said=None)
    number = story.begin("act", "c0", "u0", name=name, to="u1", detail=Aim("u1"))
    if leaves:
        story.leave("c0")
    return kinds(story.end(number, said, kind).rest())


def test_an_operation_that_may_be_refused_says_so_honestly() -> None:
    assert does("invite", False) == [] and does("tell", False) == ["LostEvent"]
    assert does("invite", None) == ["LostEvent"]


def test_an_operation_that_fails_because_its_client_left_need_not_be_heard() -> None:
    assert does("tell", KEY_ERROR, RowKind.RAISED, leaves=True) == []
    assert does("tell", KEY_ERROR, RowKind.RAISED) == ["LostEvent"]
    assert does("tell", None, leaves=True) == ["LostEvent"]


# -- boundaries ------------------------------


def test_who_aborts_later_had_been_heard() -> None:
    story = emit(served("u0", "u1")).leave("c0", "abort")
    assert kinds(story.rest()) == ["LostEvent"]


def test_who_speaks_in_several_rooms_is_a_member_of_one() -> None:
    def spoken(joined: str) -> list[str]:
        story = served("u0", "u1")
        story.done("join", "c0", room=joined)
        story.done("join", "c1", room="r1")
        number = story.begin("emit_to_room", "c0", "u0", room="r0", detail=Aim(rooms=("r0", "r1")))
        return kinds(story.end(number, NOBODY).rest())

    assert spoken("r0") == ["LostEvent"] and spoken("r2") == []


def test_a_token_that_ends_is_its_users_alone() -> None:
    story = served("u0", "u1", "u1")
    story.done("expire", "c0")
    number = story.begin("emit", "c1", "u1", to="u1")
    assert kinds(story.end(number, NOBODY).rest()) == ["LostEvent"]


def test_where_a_manager_is_called_a_token_ends_for_one_client() -> None:
    story = managed("u0", "u0")
    story.done("expire", "c0")
    story.done("emit", None, "u1", to="u0")
    assert kinds(story.rest()) == ["LostEvent"]


def test_a_clean_up_that_failed_ends_no_login() -> None:
    story = managed("u0")
    story.end(story.begin("clean_up", None, "u0"), KEY_ERROR, RowKind.RAISED)
    number = story.begin("emit", None, "u1", to="u0")
    assert kinds(story.hears("c0", number).end(number).rest()) == ["UnhandledException"]
