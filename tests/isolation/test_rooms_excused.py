"""From members of a room may be kept: their own other tabs, what is taken back, work for one; and who is sent away."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import Aim, Outcome, RowKind
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.json_wire import JsonWire
from crosswire.fuzzer.targets.own import Action
from crosswire.fuzzer.targets.policy import Policy
from crosswire.fuzzer.targets.traits import WireTraits

from .story import Story, kinds

WIRE = JsonWire(
    path="/{user}",
    to_user=None,
    to_all={"all": "{event}"},
    join={"join": "{room}"},
    leave={"leave": "{room}"},
    to_room={"room": "{room}", "text": "{event}"},
    removed={"gone": "{room}"},
    actions={"clear": Action({"clear": True}), "note": Action({"note": "{event}"}, audience="everybody")},
)
IN_DOUBT = Outcome.INDETERMINATE


def hall(*users: str, rooms: str = "rrr", **policy: Any) -> Story:
    """Users who are connected over c0, c1 and so on, each in a room."""
    story = Story(Target("hall", object, WireTraits(WIRE, Policy(**policy))))
    for number, (user, room) in enumerate(zip(users, rooms, strict=False)):
        story.connect(f"c{number}", user, said=user)
        story.end(story.begin("join", f"c{number}", user, room=room, detail=Aim(rooms=(room,))), IN_DOUBT).rest()
    return story


def say(story: Story, *heard: str, speaker: str = "c0", user: str = "u0") -> Story:
    """Said in the room r, and heard by some."""
    number = story.begin("emit_to_room", speaker, user, room="r", detail=Aim(rooms=("r",)))
    for name in heard:
        story.hears(name, number)
    return story.end(number, IN_DOUBT)


def test_the_authors_other_tab_need_not_hear_it_where_none_ever_does() -> None:
    assert kinds(say(hall("u0", "u1", "u0"), "c1").rest()) == []
    assert say(hall("u0", "u1", "u0"), "c1").rest().excused() == ["own_tab_left_out"]
    assert kinds(say(hall("u0", "u1", "u2"), "c1").rest()) == ["LostEvent"], "somebody else's is no tab of the author's"


def test_what_goes_to_everybody_says_nothing_of_rooms() -> None:
    story = hall("u0", "u1", "u0")
    number = story.begin("broadcast", "c0", "u0", detail=Aim())
    story.hears("c1", number).hears("c2", number).end(number, IN_DOUBT).rest()
    assert kinds(say(story, "c1").rest()) == []


def test_where_the_authors_tabs_are_told_they_are_owed_it() -> None:
    story = say(hall("u0", "u1", "u0"), "c1", "c2").rest()
    assert kinds(say(story, "c1").rest()) == ["LostEvent"]


@pytest.mark.parametrize(
    ("room", "name", "undone"), [("r", "clear", True), ("s", "clear", False), ("r", "note", False)]
)
def test_what_is_said_in_a_room_may_be_taken_back_by_its_members(room: str, name: str, undone: bool) -> None:
    """Not by who is in another, nor by what tells somebody something."""
    story = hall("u0", "u1", "u2", rooms=f"rr{room}")
    say(story)
    number = story.begin("act", "c2", "u2", name=name, detail=Aim() if name == "note" else None)
    if name == "note":
        story.hears("c0", number).hears("c1", number)
    story.end(number, IN_DOUBT).rest()
    assert ("LostEvent" in kinds(story)) == (not undone)
    assert ("perhaps_undone" in story.excused()) == undone


def test_what_was_cleared_before_takes_nothing_back() -> None:
    story = hall("u0", "u1", "u2")
    story.end(story.begin("act", "c2", "u2", name="clear", detail=None), IN_DOUBT).rest()
    assert "LostEvent" in kinds(say(story).rest())


def test_what_others_have_long_heard_is_not_taken_back() -> None:
    story = say(hall("u0", "u1", "u2"), "c1").wait(30.0).rest()
    story.end(story.begin("act", "c1", "u1", name="clear", detail=None), IN_DOUBT).rest()
    assert kinds(story) == ["LostEvent"]


def test_one_member_gets_the_work_where_that_is_declared() -> None:
    assert kinds(say(hall("u0", "u1", "u2"), "c1").rest(), one_member=True) == []
    assert say(hall("u0", "u1", "u2", one_member=True), "c1").rest().excused() == ["another_member"]
    assert "LostEvent" in kinds(say(hall("u0", "u1", "u2"), "c0").rest(), one_member=True), "its own author is nobody"
    hint = say(hall("u0", "u1", "u2"), "c1").rest().judged()[0]
    assert "one_member" in hint.allowed


@pytest.mark.parametrize("told", [True, False])
def test_who_is_told_that_the_room_is_over_may_be_hung_up_on(told: bool) -> None:
    story = hall("u0", "u1")
    if told:
        story.mark(RowKind.REMOVED, "r", "c0")
    story.closed("c0").rest()
    assert kinds(story) == ([] if told else ["Dropped"])
    assert story.excused() == (["out_of_its_rooms"] if told else [])


def test_who_was_told_long_ago_may_not() -> None:
    story = hall("u0", "u1")
    story.mark(RowKind.REMOVED, "r", "c0").rest()
    story.closed("c0").rest()
    assert kinds(story) == ["Dropped"]


def test_who_is_still_in_another_room_may_not() -> None:
    story = hall("u0", "u1")
    story.end(story.begin("join", "c0", "u0", room="s", detail=Aim(rooms=("s",))), IN_DOUBT).rest()
    story.mark(RowKind.REMOVED, "r", "c0").closed("c0").rest()
    assert kinds(story) == ["Dropped"]
