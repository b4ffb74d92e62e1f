"""Isolation: who hears an event, and what is said of it beside its id."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import Aim, RowKind
from crosswire.fuzzer.core.program import CRITICAL_EVENTS

from .story import NOBODY, Story, circumstances, kinds, managed, served


def spoken(story: Story, *hearers: str, to: str | None = "u1", over: str | None = "c0", kind: Any = "emit") -> Story:
    """u0 emits, and these connections hear it."""
    number = story.begin(kind, over, "u0", to=to) if kind == "emit" else story.begin(kind, over, "u0")
    for name in hearers:
        story.hears(name, number)
    return story.end(number, NOBODY if over else None).rest()


def test_a_recipient_hears() -> None:
    assert kinds(spoken(served("u0", "u1", "u2"), "c1")) == []
    assert kinds(spoken(managed("u0", "u1", "u2"), "c1", over=None)) == []


def test_nobody_else_may_but_the_sender() -> None:
    assert kinds(spoken(served("u0", "u1", "u2"), "c1", "c2")) == ["CrossUserLeak"]
    assert kinds(spoken(managed("u0", "u1", "u2"), "c1", "c2", over=None)) == ["CrossUserLeak"]
    assert kinds(spoken(served("u0", "u1", "u0"), "c1", "c0", "c2")) == []
    assert kinds(spoken(managed("u0", "u1", "u0"), "c1", "c0", over=None)) == []


def test_a_leak_is_said_once_for_each_connection_that_heard() -> None:
    story = spoken(served("u0", "u1", "u2", "u2"), "c1", "c2", "c2", "c3")
    assert kinds(story) == ["CrossUserLeak", "CrossUserLeak", "DuplicateEvent"]


def test_what_was_sent_and_never_read_is_no_leak() -> None:
    story = served("u0", "u1", "u2")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c1", number).send("c2", number).end(number, NOBODY).rest()
    assert kinds(story) == []


def test_a_broadcast_is_for_everybody_who_is_logged_in() -> None:
    assert kinds(spoken(served("u0", "u1", "u2"), "c1", "c2", kind="broadcast")) == []
    story = served("u0", "u1")
    story.connect("c2", "u2", token="invalid", said=False)
    assert kinds(spoken(story, "c1", "c2", kind="broadcast")) == ["EarlyDelivery"]


def test_a_foreign_login_is_told_apart() -> None:
    story = managed("u0", "u1")
    story.connect("c2", "u1", token="u2", said=None)
    (leak,) = spoken(story, "c1", "c2", over=None).judged()
    assert leak.circumstance == "emit, foreign token"
    (leak,) = spoken(served("u0", "u1", "u2"), "c1", "c2").judged()
    assert leak.circumstance == "emit, own token"
    assert "was for u1, and c2 received it" in leak.message


def test_ids_that_nobody_emitted_are_no_events() -> None:
    story = served("u0", "u1")
    story.hears("c1", 7).hears("c1", (2, "agent_started"))
    story.done("emit", "c0", "u0", to="u1", said=NOBODY)
    assert kinds(story) == []


@pytest.mark.parametrize("name", ["c0", "c1"])
def test_a_frame_that_names_its_recipient_is_for_nobody_else(name: str) -> None:
    story = served("u0", "u1").send("c1", word="@u1").receive("c1").send(name, word="@u0").receive(name)
    assert kinds(story) == ([] if name == "c0" else ["CrossUserLeak"])
    story = managed("u0", "u1").send("c1", word="@u0").receive("c1")
    assert kinds(story) == []


@pytest.mark.parametrize(
    ("over", "to", "before", "excused"),
    [("c0", "u1", True, True), ("c0", "u1", False, False), ("c1", "u1", True, False), ("c0", "u2", True, False)],
    ids=["answers", "comes before", "another has said it", "names another"],
)
def test_what_is_said_to_a_user_may_be_answered_with_the_users_name(
    over: str, to: str, before: bool, excused: bool
) -> None:
    """Who writes to u1 may be told that u1 is not there, in a frame that carries no event."""
    story = served("u0", "u0")
    if before:
        story.begin("emit", over, "u0", to=to)
    story.send("c0", word="@u1").receive("c0")
    if not before:
        story.begin("emit", over, "u0", to=to)
    assert kinds(story) == ([] if excused else ["CrossUserLeak"])
    assert story.excused() == (["answered"] if excused else [])


def test_an_answer_that_carries_anothers_event_is_a_leak() -> None:
    story = served("u0", "u1", "u2")
    asked = story.begin("emit", "c0", "u0", to="u1")
    other = story.begin("emit", "c2", "u2", to="u1")
    story.hears("c1", asked).hears("c1", other).hears("c0", other, recipient="u1")
    story.end(asked, NOBODY).end(other, NOBODY)
    assert kinds(story.rest()) == ["CrossUserLeak"]


def test_a_frame_that_was_never_read_reached_nobody() -> None:
    assert kinds(served("u0", "u1").send("c1", word="@u0")) == []


def test_a_frame_for_whom_a_foreign_token_was_shown_is_not_judged() -> None:
    story = served("u0")
    story.connect("c1", "u0", token="u1", said="u1")
    assert kinds(story.send("c1", word="@u0").receive("c1")) == []


# -- content ------------------------------

TRUE = {"sender": "u0", "recipient": "u1"}


def content(story: Story, to: str = "u1", **says: Any) -> Story:
    """Others have spoken too; then u0 emits to u1 over a manager or a wire, and c1 reads this of it."""
    over = "c0" if story.target.traits.by_wire else None
    run = story.begin("run_agent", "c2" if over else None, "u2", to="u2")
    story.run(run, "c2").end(run, NOBODY if over else None)
    number = story.begin("emit", over, "u0", to=to)
    return story.hears("c1", number, **says).end(number, NOBODY if over else None).rest()


@pytest.mark.parametrize("make", [served, managed])
@pytest.mark.parametrize(
    ("says", "broken"),
    [
        ({}, False),
        (TRUE, False),
        ({"sender": "u2"}, True),
        ({"sender": "the system"}, False),
        ({"recipient": "u2"}, True),
        ({"recipient": "all"}, False),
        ({"run": "r3"}, True),
        ({"run": "r9"}, False),
        ({"text": "said in e4"}, False),
        ({"text": "said in e3.agent_started"}, True),
        ({"text": "hello"}, False),
        ({"room": "r0"}, False),
    ],
)
def test_what_a_frame_says_belongs_to_its_event(make: Any, says: dict[str, str], broken: bool) -> None:
    assert kinds(content(make("u0", "u1", "u2"), **says)) == (["MixedUp"] if broken else [])


def test_an_event_of_a_run_names_its_own_run() -> None:
    for run, broken in (("r3", False), ("r4", True)):
        story = managed("u0", "u1", "u2")
        first, second = (story.begin("run_agent", None, "u0", to="u0") for _ in range(2))
        story.run(second, "c0").end(second)
        for number, step in enumerate(("agent_started", "agent_thinking", "tool_executing", "tool_completed")):
            story.hears("c0", (first, step), **({"run": run} if number == 0 else {}))
        story.hears("c0", (first, "agent_completed")).end(first).rest()
        assert kinds(story) == (["MixedUp"] if broken else [])


def test_an_event_of_a_run_names_no_other_run_in_any_of_its_steps() -> None:
    for run, broken in (("r3", False), ("r2", True)):
        story = managed("u0", "u1")
        first, second = (story.begin("run_agent", None, "u0", to=to) for to in ("u0", "u1"))
        story.run(first, "c0").end(first)
        for step in CRITICAL_EVENTS:
            story.hears("c1", (second, step), run=run)
        assert set(kinds(story.end(second).rest())) == ({"MixedUp"} if broken else set())


def test_on_a_wire_undeclared_fields_may_name_any_party() -> None:
    assert kinds(content(served("u0", "u1", "u2"), sender="u1")) == []
    assert kinds(content(managed("u0", "u1", "u2"), sender="u1")) == ["MixedUp"]
    assert kinds(content(served("u0", "u1", "u2"), recipient="u0")) == []
    assert kinds(content(managed("u0", "u1", "u2"), recipient="u0")) == ["MixedUp"]


def test_a_copy_of_a_broadcast_may_name_its_recipient() -> None:
    story = managed("u0", "u1")
    number = story.begin("broadcast", None, "u0")
    story.hears("c0", number, recipient="u0").hears("c1", number, recipient="u1").end(number).rest()
    assert kinds(story) == []


def test_the_room_is_the_events() -> None:
    for says, broken in (("a", False), ("b", True), ("lobby", False)):
        story = managed("u0", "u1")
        story.done("join", "c1", room="a")
        story.done("emit_to_room", None, "u0", room="b")
        number = story.begin("emit_to_room", None, "u0", room="a")
        story.hears("c1", number, room=says).end(number).rest()
        assert kinds(story) == (["MixedUp"] if broken else []), says


def test_what_was_never_read_says_nothing() -> None:
    story = managed("u0", "u1", "u2")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", number).send("c2", number, sender="u2").end(number).rest()
    assert kinds(story) == []


# -- rooms ------------------------------


def room_story(*steps: str, make: Any = managed) -> list[str]:
    """c1 and c2 of two users; what happens, in words; then what the model says."""
    story = make("u0", "u1", "u2")
    running: dict[str, int] = {}
    for step in steps:
        verb, _, name = step.partition(" ")
        if verb in ("join", "leave"):
            running[step] = story.begin(verb, name, room="a")
        elif verb in ("joined", "left", "refused", "cancelled"):
            number = running.pop(f"{'leave' if verb == 'left' else 'join'} {name}")
            if verb == "cancelled":
                cancel = story.begin("cancel", name, detail=number)
                story.mark(story.rows[-1].kind.CANCELLED, None, name, number)
                assert cancel > number
            else:
                story.end(number, False if verb == "refused" else None)
        elif verb == "say":
            running["say"] = story.begin("emit_to_room", None, "u0", room="a")
        elif verb == "hear":
            story.hears(name, running["say"])
        elif verb == "said":
            story.end(running["say"]).rest()
    return kinds(story)


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        (("join c1", "joined c1", "say", "said"), ["LostEvent"]),
        (("join c1", "joined c1", "say", "hear c1", "said"), []),
        (("join c1", "say", "joined c1", "said"), []),  # overlaps: may, and need not
        (("join c1", "say", "hear c1", "said"), []),
        (("say", "hear c2", "said"), ["CrossUserLeak"]),
        (("join c1", "joined c1", "leave c1", "say", "hear c1", "said"), []),
        (("join c1", "joined c1", "leave c1", "say", "said"), []),
        (("join c1", "joined c1", "leave c1", "left c1", "say", "hear c1", "said"), ["CrossUserLeak"]),
        (("join c1", "joined c1", "say", "leave c1", "left c1", "hear c1", "said"), []),  # it lay in a queue
        (("join c1", "joined c1", "leave c1", "left c1", "join c1", "joined c1", "say", "said"), ["LostEvent"]),
        (("join c1", "refused c1", "say", "hear c1", "said"), ["CrossUserLeak"]),
        (("join c1", "refused c1", "say", "said"), []),
        (("join c1", "cancelled c1", "say", "hear c1", "said"), []),
        (("join c1", "cancelled c1", "say", "said"), []),
        (("join c1", "joined c1", "join c2", "joined c2", "say", "hear c1", "said"), ["LostEvent"]),
        (("join c1", "joined c1", "join c2", "joined c2", "say", "hear c1", "hear c2", "said"), []),
    ],
)
def test_a_room_is_heard_by_its_members(steps: tuple[str, ...], want: list[str]) -> None:
    assert room_story(*steps) == want


def former(later: float = 5.0, **meanwhile: Any) -> Story:
    """c1 leaves a room after something was said there, and is sent it so many seconds later."""
    story = managed("u0", "u1", "u2")
    story.done("join", "c1", room="a")
    number = story.done("emit_to_room", None, "u0", room="a")
    if meanwhile.get("stalls"):
        story.stall("c2")
    if meanwhile.get("answered", True):
        story.done("leave", "c1", room="a")
    else:
        story.begin("leave", "c1", room="a")
    if "clock" in meanwhile:
        story.mark(RowKind.CLOCK, meanwhile["clock"])
    if "busy" in meanwhile:
        story.mark(RowKind.BUSY, meanwhile["busy"])
    story.wait(later)
    if meanwhile.get("stalls"):
        story.resume("c2")
    if meanwhile.get("back"):
        story.done("join", "c1", room="a")
    return story.hears("c1", number) if meanwhile.get("received", True) else story.send("c1", number)


def test_who_has_left_a_room_is_not_sent_for_long_what_was_said_there_before() -> None:
    assert kinds(former()) == ["CrossUserLeak"]
    assert list(circumstances(former())) == ["emit_to_room, had left"]
    (violation,) = former().judged()
    assert "c1 left room a, and 5 s later was sent e4" in violation.message
    assert "allowed if declared: delay" in violation.message


@pytest.mark.parametrize(
    ("story", "excuse"),
    [
        (former(1.0), "under_way"),
        (former(5.0, busy=4.5), "under_way"),
        (former(5.0, stalls=True), "in_line"),
        (former(5.0, clock=(("latency", 4),)), "clock_moved"),
    ],
    ids=["soon", "busy", "another was slow", "something on its way"],
)
def test_what_was_under_way_may_reach_who_has_left_a_room(story: Story, excuse: str) -> None:
    assert kinds(story) == []
    assert excuse in story.excused()


def test_a_room_is_left_when_that_is_answered_and_not_by_who_is_back() -> None:
    for story in (former(answered=False), former(back=True), former(received=False)):
        assert [kind for kind in kinds(story) if kind == "CrossUserLeak"] == []
    assert kinds(former(1.05)) == ["CrossUserLeak"]
    assert kinds(former(), delay=5.0) == []


def test_rooms_may_be_entered_with_the_login() -> None:
    for heard, want in ((True, []), (False, ["LostEvent"])):
        story = served("u0")
        story.connect("c1", "u1", room="a")
        story.connect("c2", "u2", room="a")
        number = story.begin("emit_to_room", "c1", "u1", room="a")
        if heard:
            story.hears("c2", number)
        assert kinds(story.end(number, NOBODY).rest()) == want


def test_who_is_surely_no_member_need_not_be_heard_in_a_room() -> None:
    story = served("u0")
    story.connect("c1", "u1", room="a")
    number = story.begin("emit_to_room", "c0", "u0", room="a")
    story.end(number, NOBODY).rest()
    assert kinds(story) == []
    assert story.excused() == ["emitter_perhaps_no_member"]


def test_who_may_be_a_member_is_heard_in_a_room_that_nobody_confirms() -> None:
    for asked, want in ((True, ["LostEvent"]), (False, [])):
        story = served("u0")
        story.connect("c1", "u1", room="a")
        login = story.begin("connect", "c2", "u2", room="a") if asked else story.begin("connect", "c2", "u2")
        story.end(login, NOBODY)
        number = story.begin("emit_to_room", "c2", "u2", room="a")
        story.end(number, NOBODY).rest()
        assert kinds(story) == want


def test_one_of_several_rooms_is_enough() -> None:
    for member, heard, want in (("a", True, []), ("a", False, ["LostEvent"]), ("c", True, ["CrossUserLeak"])):
        story = managed("u0", "u1")
        story.done("join", "c1", room=member)
        number = story.begin("emit_to_room", None, "u0", room="a", detail=Aim(rooms=("a", "b")))
        if heard:
            story.hears("c1", number)
        assert kinds(story.end(number).rest()) == want


def test_a_room_is_left_with_the_connection() -> None:
    story = managed("u0", "u1")
    story.done("join", "c1", room="a")
    story.leave("c1")
    number = story.begin("emit_to_room", None, "u0", room="a")
    assert kinds(story.end(number).rest()) == []


def test_where_users_are_members_each_of_their_tabs_hears() -> None:
    def heard_on_another_tab(leaves: bool, owner: str = "u1") -> Story:
        """c1 of u1 is in a room, perhaps until before something is said there; c2, which never was, hears it."""
        story = served("u0", "u1", owner)
        for name in ("c0", "c1"):
            story.done("join", name, room="a")
        if leaves:
            story.done("leave", "c1", room="a")
            story.rest()
        number = story.begin("emit_to_room", "c0", "u0", room="a")
        if not leaves:
            story.hears("c1", number)
        return story.hears("c2", number).end(number, NOBODY).rest()

    assert kinds(heard_on_another_tab(False)) == []
    assert heard_on_another_tab(False).excused() == ["member_elsewhere"]
    assert kinds(heard_on_another_tab(True)) == ["CrossUserLeak"]
    assert kinds(heard_on_another_tab(False, "u2")) == ["CrossUserLeak"]
    for user, token, leaks in (("u2", "u1", False), ("u1", "u2", True), ("u1", "invalid", True)):
        story = served("u0", "u1")
        story.connect("c2", user, token=token, said=False if token == "invalid" else token)
        for name in ("c0", "c1"):
            story.done("join", name, room="a")
        number = story.begin("emit_to_room", "c0", "u0", room="a")
        story.hears("c1", number).hears("c2", number).end(number, NOBODY).rest()
        assert bool(kinds(story)) == leaks, (user, token)


@pytest.mark.parametrize(
    ("leaves", "back", "want"), [(False, False, ["LostEvent"]), (True, False, []), (True, True, ["LostEvent"])]
)
def test_what_is_said_on_one_connection_comes_in_order_where_nobody_confirms_it(
    leaves: bool, back: bool, want: list[str]
) -> None:
    """Who has left a room, and then speaks there, is no member by then; whoever is back is one."""
    story = served("u0")
    story.done("join", "c0", room="a")
    story.connect("c1", "u1", said=NOBODY)
    story.begin("join", "c1", room="a")
    if leaves:
        story.begin("leave", "c1", room="a")
    if back:
        story.begin("join", "c1", room="a")
    number = story.begin("emit_to_room", "c1", "u1", room="a")
    assert kinds(story.end(number, NOBODY).rest()) == want
