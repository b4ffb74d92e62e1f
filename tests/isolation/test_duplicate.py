"""No duplicate."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import Aim

from .story import NOBODY, Story, circumstances, kinds, managed, served


def twice(name: str, over: str | None, times: int = 2) -> Story:
    story = served("u0", "u0") if over else managed("u0", "u0")
    number = story.begin("emit", over, "u0", to="u0")
    story.hears(name, number)
    for other in {"c0", "c1"} - {name}:
        story.hears(other, number)
    for _ in range(times - 1):
        story.hears(name, number)
    return story.end(number, NOBODY if over else None).rest()


def test_an_event_arrives_once_on_each_connection() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    assert kinds(story.hears("c1", number).hears("c1", number).end(number, NOBODY).rest()) == ["DuplicateEvent"]
    assert kinds(twice("c1", None)) == ["DuplicateEvent"]
    assert kinds(twice("c1", None), delivery="at least once") == []
    assert twice("c1", None).excused(delivery="at least once") == ["at_least_once"]
    assert list(circumstances(twice("c1", None))) == ["emit"]


def test_who_writes_to_oneself_may_be_told_as_recipient_and_as_sender() -> None:
    assert kinds(twice("c1", "c0")) == []
    assert twice("c1", "c0").excused() == ["told_twice_over"]
    assert kinds(twice("c1", "c0", times=3)) == ["DuplicateEvent"]
    story = served("u0", "u1", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c1", number).hears("c2", number).hears("c2", number).end(number, NOBODY).rest()
    assert kinds(story) == ["DuplicateEvent"]


def test_whoever_said_it_may_be_quoted() -> None:
    assert kinds(twice("c0", "c0")) == []
    assert twice("c0", "c0").excused() == ["quoted"]


def test_a_run_is_no_quotation() -> None:
    story = served("u0")
    number = story.begin("run_agent", "c0", "u0", to="u0")
    story.run(number, "c0").hears("c0", (number, "agent_completed")).end(number, NOBODY).rest()
    assert kinds(story) == ["DuplicateEvent"]


def test_what_was_sent_twice_and_read_once_is_once() -> None:
    story = managed("u0")
    number = story.begin("emit", None, "u0", to="u0")
    story.hears("c0", number).send("c0", number).end(number).rest()
    assert kinds(story) == []


def test_what_was_not_read_is_no_third_time() -> None:
    story = served("u0", "u0")
    number = story.begin("emit", "c0", "u0", to="u0")
    story.hears("c1", number).hears("c1", number).send("c1", number).end(number, NOBODY).rest()
    assert kinds(story) == [] and "told_twice_over" in story.excused()


# -- the state of things, told anew ------------------------------


def told(*frames: tuple[int, ...]) -> Story:
    """Three events are for u1, whose connection c1 receives frames with these of them."""
    story = served("u0", "u1")
    said = [story.begin("emit", "c0", "u0", to="u1") for _ in range(3)]
    for frame in frames:
        story.hears("c1", *(said[number] for number in frame))
    for number in said:
        story.end(number, NOBODY)
    return story.rest()


def test_a_state_that_is_sent_anew_brings_what_it_brought() -> None:
    whole = told((0,), (0, 1), (0, 1, 2))
    assert kinds(whole) == []
    assert set(whole.excused()) == {"told_anew"}
    assert kinds(told((0,), (0, 1), (0, 1), (0, 1, 2))) == []  # told anew without news: somebody came, say
    assert kinds(told((0,), (0, 1), (1, 2))) == []  # the last two of a room
    assert kinds(told((0,), (1, 0), (2, 1, 0))) == []  # the newest first
    assert kinds(told((0, 1), (1, 2))) == []  # the last two, shown to who came late
    assert kinds(told((1, 0), (2, 1))) == []


def test_what_is_sent_twice_is_no_state() -> None:
    assert kinds(told((0,), (0,), (1,), (2,))) == ["DuplicateEvent"]
    assert kinds(told((0, 1), (0, 1), (2,))) == ["DuplicateEvent"] * 2
    assert kinds(told((0, 1, 2), (2,))) == ["DuplicateEvent"]  # a history, and once more what came meanwhile


def test_a_state_with_a_gap_is_none() -> None:
    assert kinds(told((0,), (1,), (0, 2))) == ["DuplicateEvent"]
    assert kinds(told((0,), (0, 1), (0, 2))) == ["DuplicateEvent"]
    assert kinds(told((0,), (0, 1), (0,), (2,))) == ["DuplicateEvent"]
    assert kinds(told((0, 1, 2), (0, 2))) == ["DuplicateEvent"] * 2


@pytest.mark.parametrize(
    ("frames", "want"),
    [
        ((("a", 0), ("b", 1), ("a", 0, 2)), []),
        ((("a", 0), ("b", 1), ("b", 1, 3), ("a", 0, 2)), []),
        ((("a", 0), ("a", 0, 2), ("b", 1), ("a", 0)), ["DuplicateEvent"]),
    ],
)
def test_the_state_of_one_room_has_nothing_of_another(frames: tuple[Any, ...], want: list[str]) -> None:
    """Events 0 and 2 are said in one room, 1 and 3 in the other, and each frame has the state of one room."""
    story = served("u0", "u1")
    for name in ("c0", "c1"):
        for room in ("a", "b"):
            story.done("join", name, room=room)
    story.rest()
    said = [
        story.begin("emit_to_room", "c0", "u0", room="ab"[number % 2], detail=Aim(rooms=("ab"[number % 2],)))
        for number in range(4)
    ]
    for _, *frame in frames:
        story.hears("c1", *(said[number] for number in frame))
    for number in said:
        story.end(number, NOBODY)
    assert [kind for kind in kinds(story) if kind == "DuplicateEvent"] == want


@pytest.mark.parametrize("again", [True, False])
def test_of_two_joins_one_after_the_other_the_second_shows_it_once_more(again: bool) -> None:
    story, number = in_room()
    story.connect("c2", "u2")
    story.rest()
    joins = [story.begin("join", "c2", room="r0") for _ in range(2 if again else 1)]
    story.hears("c2", number).hears("c2", number)
    for join in joins:
        story.end(join, NOBODY)
    assert kinds(story.rest()) == ([] if again else ["DuplicateEvent"])


def test_a_state_excuses_nothing_of_another_kind() -> None:
    story = served("u0", "u1")
    said = [story.begin("emit", "c0", "u0", to="u1") for _ in range(2)]
    story.hears("c1", said[0], word="state").hears("c1", *said, word="state")
    story.hears("c1", said[1], word="said").hears("c1", said[1], word="said")
    for number in said:
        story.end(number, NOBODY)
    assert kinds(story.rest()) == ["DuplicateEvent"]


# -- what is shown on joining ------------------------------


def in_room() -> tuple[Story, int]:
    """Two are in a room, and one says something there that the other hears."""
    story = served("u0", "u1")
    for name in ("c0", "c1"):
        story.done("join", name, room="r0")
    number = story.begin("emit_to_room", "c0", "u0", room="r0")
    story.hears("c0", number).hears("c1", number).end(number, NOBODY)
    return story, number


def test_who_joins_once_more_is_shown_what_was_said() -> None:
    story, number = in_room()
    joining = story.begin("join", "c1", room="r0")
    story.hears("c1", number).end(joining).rest()
    assert kinds(story) == []
    assert story.excused() == ["shown_on_joining"]


def test_who_left_and_comes_back_is_shown_what_it_had_heard() -> None:
    story, number = in_room()
    story.done("leave", "c1", room="r0")
    joining = story.begin("join", "c1", room="r0")
    story.hears("c1", number).end(joining).rest()
    assert kinds(story) == []


def test_what_is_said_while_somebody_joins_once_more_is_heard_and_shown() -> None:
    story = served("u0", "u1")
    for name in ("c0", "c1"):
        story.done("join", name, room="r0")
    number = story.begin("emit_to_room", "c0", "u0", room="r0")
    joining = story.begin("join", "c1", room="r0")
    story.hears("c0", number).hears("c1", number).hears("c1", number).end(number, NOBODY).end(joining).rest()
    assert kinds(story) == []


def test_it_is_shown_once_for_each_time_it_was_joined() -> None:
    story, number = in_room()
    joining = story.begin("join", "c1", room="r0")
    story.hears("c1", number).hears("c1", number).end(joining).rest()
    assert kinds(story) == ["DuplicateEvent"]


def test_who_joined_another_room_is_shown_nothing_of_this_one() -> None:
    story, number = in_room()
    joining = story.begin("join", "c1", room="r1")
    story.hears("c1", number).end(joining).rest()
    assert "DuplicateEvent" in kinds(story)


def test_what_came_before_somebody_joined_once_more_is_no_history() -> None:
    """Neither what was on its way already, nor what is shown and then comes as said just now."""
    story, number = in_room()
    story.send("c1", number)
    joining = story.begin("join", "c1", room="r0")
    story.receive("c1").end(joining).rest()
    assert kinds(story) == ["DuplicateEvent"]
    story = served("u0", "u1")
    story.done("join", "c0", room="r0")
    joining = story.begin("join", "c1", room="r0")
    number = story.begin("emit_to_room", "c0", "u0", room="r0")
    story.hears("c0", number).hears("c1", number).hears("c1", number).end(joining).end(number, NOBODY).rest()
    assert kinds(story) == ["DuplicateEvent"]


# -- what is told in another way besides ------------------------------


def test_a_list_with_the_last_message_tells_it_in_another_way() -> None:
    def story(*words: str) -> Story:
        made = served("u0", "u1")
        number = made.begin("emit", "c0", "u0", to="u1")
        for word in words:
            made.hears("c1", number, word=word)
        return made.end(number, NOBODY).rest()

    assert kinds(story("message", "inbox")) == []
    assert story("message", "inbox").excused() == ["told_otherwise"]
    assert kinds(story("message", "inbox", "inbox")) == ["DuplicateEvent"]
    assert kinds(story("message", "message")) == ["DuplicateEvent"]
    assert kinds(story("message", "inbox", "message")) == ["DuplicateEvent"]


def test_a_list_is_sent_anew_with_each_message() -> None:
    made = served("u0", "u1")
    said = [made.begin("emit", "c0", "u0", to="u1") for _ in range(2)]
    made.hears("c1", said[0], word="message").hears("c1", said[0], word="inbox")
    made.hears("c1", said[1], word="message").hears("c1", *said, word="inbox")
    for number in said:
        made.end(number, NOBODY)
    assert kinds(made.rest()) == []


def test_who_comes_in_while_something_is_said_is_shown_it_once() -> None:
    story = served("u0")
    coming = story.begin("connect", "c1", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.end(coming, "u1")
    story.hears("c1", number, word="history").hears("c1", number, word="message").end(number, NOBODY).rest()
    assert kinds(story) == ["DuplicateEvent"]


def test_who_joins_while_something_is_said_is_shown_it_once() -> None:
    story = served("u0", "u1")
    story.done("join", "c0", room="r0")
    joining = story.begin("join", "c1", room="r0")
    number = story.begin("emit_to_room", "c0", "u0", room="r0")
    story.end(joining)
    for word in ("history", "message"):
        story.hears("c1", number, word=word)
    assert kinds(story.hears("c0", number).end(number, NOBODY).rest()) == ["DuplicateEvent"]
