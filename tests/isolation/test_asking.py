"""What a client has asked for is owed to it: unless it may have been refused as busy, or was perhaps ended."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import Aim, Farewell, Outcome, RowKind
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.json_wire import JsonWire
from crosswire.fuzzer.targets.own import Action
from crosswire.fuzzer.targets.policy import Policy
from crosswire.fuzzer.targets.traits import WireTraits

from .story import Story, kinds

WIRE = JsonWire(
    to_user=None,
    ask={"ask": "{event}"},
    actions={
        "ask": Action({"say": "{event}"}, audience="sender"),
        "note": Action({"note": "{event}"}, audience="everybody"),
        "cancel": Action({"cancel": True}),
        "who": Action({"who": True}, answer={"you": True}, user="user"),
    },
)


def asking() -> Story:
    story = Story(Target("asking", object, WireTraits(WIRE, Policy())))
    for number in range(2):
        story.connect(f"c{number}", f"u{number}", said=f"u{number}")
    return story.rest()


def ask(story: Story, connection: str = "c0", *, name: str = "ask", said: Any = Outcome.INDETERMINATE) -> int:
    """Ask for something, and hear nothing of it."""
    user = f"u{connection[1:]}"
    number = story.begin("act", connection, user, name=name, detail=Aim(None if name == "note" else user))
    story.end(number, said)
    return number


def act(story: Story, name: str, connection: str = "c0") -> None:
    story.end(story.begin("act", connection, f"u{connection[1:]}", name=name, detail=None), Outcome.INDETERMINATE)


def test_what_nobody_answers_is_lost() -> None:
    story = asking()
    ask(story)
    assert kinds(story.rest()) == ["LostEvent"]


@pytest.mark.parametrize(
    ("name", "connection", "ended"),
    [("cancel", "c0", True), ("cancel", "c1", False), ("who", "c0", False), ("note", "c0", False)],
)
def test_an_action_of_the_same_user_may_end_it(name: str, connection: str, ended: bool) -> None:
    """One that tells nobody anything, nor asks who one is, may be a *cancel*."""
    story = asking()
    ask(story)
    if name == "note":
        note = ask(story, name="note")
        story.hears("c0", note).hears("c1", note)
    else:
        act(story, name, connection)
    story.rest()
    assert ("LostEvent" in kinds(story)) == (not ended)
    assert ("perhaps_ended" in story.excused()) == ended


def test_what_was_cancelled_before_ends_nothing() -> None:
    story = asking()
    act(story, "cancel")
    story.rest()
    ask(story)
    assert kinds(story.rest()) == ["LostEvent"]


def test_it_may_end_an_agents_run() -> None:
    for cancelled in (True, False):
        story = asking()
        number = story.begin("run_agent", "c0", "u0", to="u0")
        story.end(number, Outcome.INDETERMINATE)
        if cancelled:
            act(story, "cancel")
        assert set(kinds(story.rest())) == (set() if cancelled else {"BrokenRun"})


@pytest.mark.parametrize(
    ("other", "rests", "said", "busy"),
    [
        ("c0", False, Outcome.INDETERMINATE, True),
        ("c0", True, Outcome.INDETERMINATE, False),
        ("c1", False, Outcome.INDETERMINATE, False),
        ("c0", False, None, False),
    ],
)
def test_who_asks_for_two_things_at_once_may_be_refused_one(other: str, rests: bool, said: Any, busy: bool) -> None:
    """Where nothing says which of them was done."""
    story = asking()
    first = ask(story, other)
    if rests:
        story.hears(other, first).rest()
    ask(story, said=said)
    if not rests:
        story.hears(other, first)
    story.rest()
    assert kinds(story) == ([] if busy else ["LostEvent"])
    assert story.excused() == (["perhaps_busy"] if busy else [])


@pytest.mark.parametrize(
    ("name", "of", "why", "rests", "excused"),
    [
        ("cancel", "u0", "closed with 4001", False, True),
        ("cancel", "u0", Farewell.of(1011, "internal error"), False, False),
        ("cancel", "u0", "closed with 4001", True, False),
        ("cancel", "u1", "closed with 4001", False, False),
        ("who", "u0", "closed with 4001", False, False),
    ],
)
def test_an_action_that_tells_nobody_anything_may_log_out_its_users_others(
    name: str, of: str, why: Any, rests: bool, excused: bool
) -> None:
    """c0 of u0 does it, and another connection is hung up on; perhaps once everything had come to rest."""
    story = asking()
    story.connect("c2", of, said=of)
    story.rest()
    act(story, name)
    if rests:
        story.rest()
        story.wait(1.0)
    story.row(RowKind.CLOSED, None, "c2", why)
    assert ("Dropped" in kinds(story)) != excused
    assert ("logged_out_elsewhere" in story.excused()) == excused
