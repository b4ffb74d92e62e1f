"""How many are served: of one user, of all, in a room; and in how many rooms one is at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.targets.policy import Limits

from .story import NOBODY, Story, kinds, managed, refused, served

NEWEST: dict[str, Any] = {"at_limit": "close"}
EITHER: dict[str, Any] = {"at_limit": "either"}


def test_older_connections_may_be_closed_for_newer_ones() -> None:
    for at_limit in (NEWEST, EITHER):
        assert kinds(served("u0", "u0").closed("c0"), per_user=1, **at_limit) == []
        assert kinds(served("u0", "u0").leave("c1").closed("c0"), per_user=1, **at_limit) == []
        assert kinds(served("u0", "u1").closed("c0"), per_user=1, **at_limit) == ["Dropped"]
        assert kinds(served("u0", "u1").closed("c0"), connections=1, **at_limit) == []
        assert kinds(served("u0", "u0").closed("c0"), per_user=2, **at_limit) == ["Dropped"]
    assert served("u0", "u0").closed("c0").excused(per_user=1, **NEWEST) == ["user_made_room"]
    assert served("u0", "u1").closed("c0").excused(connections=1, **NEWEST) == ["server_made_room"]


def test_who_shows_a_users_token_is_one_of_the_users_connections() -> None:
    """The server may know no more of a client than that: its user counts it."""

    def shown(token: str) -> Story:
        story = served("u0")
        story.connect("c1", "u1", token=token, said=token)
        return story

    assert kinds(shown("u0").closed("c0"), per_user=1, **NEWEST) == []
    assert shown("u0").closed("c0").excused(per_user=1, **NEWEST) == ["user_made_room"]
    assert kinds(shown("u2").closed("c0"), per_user=1, **NEWEST) == ["Dropped"]
    assert kinds(shown("u0").closed("c0"), **NEWEST) == ["Dropped"]
    assert kinds(refused(shown("u9")), per_user=1) == []
    assert kinds(refused(shown("u2")), per_user=1) == ["Refused"]
    story = shown("u0")
    story.done("log_out", "c1")
    assert story.closed("c0").excused() == ["logged_out_elsewhere"]


def test_who_has_left_is_named_and_nobody_else() -> None:
    def said(story: Story) -> str:
        return story.closed("c0").judged()[0].message

    assert "c1 had left before" in said(served("u0", "u1").leave("c1"))
    assert "had left" not in said(served("u0", "u1"))
    story = served("u0")
    story.connect("c1", "u1", token="u0", said="u0")
    assert "had left" not in said(story)


def test_where_newcomers_are_refused_older_connections_stay() -> None:
    assert kinds(served("u0", "u0").closed("c0"), per_user=1) == ["Dropped"]
    assert kinds(served("u0", "u1").closed("c0"), connections=1) == ["Dropped"]
    said = served("u0", "u0").closed("c0").judged(per_user=1)[0].message
    assert "(allowed if declared: at_limit" in said
    undeclared = served("u0", "u0").closed("c0").judged()[0].message
    assert undeclared.endswith("(allowed if declared: per_user, at_limit, connections)")


def test_a_newcomer_may_be_refused_at_second_thought() -> None:
    assert kinds(served("u0", "u0").closed("c1"), per_user=1) == []
    assert kinds(served("u0", "u0", "u0").closed("c2"), per_user=2) == []
    assert kinds(served("u0", "u0").closed("c1"), per_user=2) == ["Dropped"]
    assert kinds(served("u1", "u0").closed("c1"), per_user=1) == ["Dropped"]
    assert kinds(served("u1", "u0").closed("c1"), connections=1) == []
    story = served("u0").leave("c0").rest()
    story.connect("c1", "u0")
    assert kinds(story.closed("c1"), per_user=1) == ["Dropped"]


@pytest.mark.parametrize("rested", [False, True])
def test_a_place_is_free_once_the_server_has_put_things_away(rested: bool) -> None:
    """What a client sees of an end, its own or another's, comes before; whoever is called directly has returned."""

    def asks(story: Story) -> bool:
        if rested:
            story.rest()
        return "Refused" in kinds(refused(story), per_user=1)

    def in_a_hurry(noticed: bool) -> Story:
        story = served()
        login = story.begin("connect", "c0", "u9")
        leaving = story.begin("disconnect", "c0")
        story.mark(RowKind.GONE, "disconnect", "c0", leaving).end(login, None, RowKind.CANCELLED)
        return story.end(leaving) if noticed else story

    assert asks(served("u9").leave("c0")) == asks(served("u9").closed("c0")) == asks(in_a_hurry(True)) == rested
    assert asks(managed("u9").leave("c0"))
    assert not asks(in_a_hurry(False))


@pytest.mark.parametrize("left", [False, True])
def test_a_login_that_the_target_breaks_off_itself_is_over(left: bool) -> None:
    """Where its client is on its way out, nobody can say so before that has returned."""
    story = managed()
    login = story.begin("connect", "c0", "u0")
    if left:
        story.mark(RowKind.GONE, "disconnect", "c0", story.begin("disconnect", "c0"))
    story.end(login, None, RowKind.CANCELLED)
    assert kinds(story.rest().mark(RowKind.REGISTRY, ("c0",))) == ([] if left else ["LeakedEntry"])


def test_where_older_connections_are_closed_newcomers_are_let_in() -> None:
    story = managed("u0")
    story.connect("c1", "u0", said=False)
    assert kinds(story, per_user=1) == kinds(story, per_user=1, **EITHER) == []
    assert kinds(story, per_user=1, **NEWEST) == kinds(story, connections=1, **NEWEST) == ["Refused"]


def test_no_user_has_more_connections_at_rest_than_are_declared() -> None:
    for at_limit in ({}, NEWEST, EITHER):
        assert kinds(served("u0", "u0", "u0").rest(), per_user=2, **at_limit) == ["OverLimit"]
        assert kinds(served("u0", "u0", "u1").rest(), per_user=2, **at_limit) == []
    assert kinds(served("u0", "u0", "u0").rest()) == kinds(served("u0", "u0", "u0"), per_user=2) == []
    found = served("u0", "u0", "u0").rest().rest().judged(per_user=2)[0]
    assert found.message == "u0 has 3 connections at rest, though 2 are allowed (per_user=2)"
    assert found.evidence == (1, 3, 5, 6) and found.circumstance == "logged in one after the other"
    story = served()
    first, second = story.begin("connect", "c0", "u0"), story.begin("connect", "c1", "u0")
    found = story.end(first, "u0").end(second, "u0").rest().judged(per_user=1)[0]
    assert found.circumstance == "logged in at once"


def test_whoever_is_turned_away_gone_or_perhaps_given_up_is_not_over_the_limit() -> None:
    """Closed by the server, vanished without its having noticed, logged out, refused, slow, or with another's token."""
    closed, left = served("u0", "u0").closed("c0"), served("u0", "u0").leave("c0", "abort")
    out, unsure = served("u0", "u0"), served("u0", "u0")
    out.done("log_out", "c0")
    unsure.begin("log_out", "c0")
    slow = served("u0", "u0").stall("c0").wait(2.0).resume("c0", waited_out=True).rest()
    turned_away, others_token, still = served("u0"), served("u0"), served("u0")
    turned_away.connect("c1", "u0", said=False)
    others_token.connect("c1", "u0", token="u1")
    still.begin("connect", "c1", "u0")
    for story in (closed, left, out, unsure, slow, turned_away, others_token, still):
        assert "OverLimit" not in kinds(story.rest(), per_user=1, **NEWEST)
    shut = served("u0", "u0")
    shut.done("shut_down")
    assert kinds(shut.rest(), per_user=1) == []


@pytest.mark.parametrize(
    ("user", "kind", "want"), [("u0", "connect", []), ("u1", "connect", ["OverLimit"]), ("u0", "emit", ["OverLimit"])]
)
def test_a_login_of_the_user_that_was_cancelled_may_have_put_another_out_by_half(
    user: str, kind: Any, want: list[str]
) -> None:
    story = managed("u0")
    name = "c1" if kind == "connect" else None
    number = story.begin(kind, name, user, to="u9" if kind == "emit" else None)
    story.done("cancel", name, None if name else user, detail=number)
    story.end(number, None, RowKind.CANCELLED)
    story.connect("c2", "u0")
    assert [one for one in kinds(story.rest(), per_user=1) if one == "OverLimit"] == want
    if not want:
        assert "login_cancelled" in story.excused(per_user=1)


def test_limits_say_how_many_are_served_and_not_that_there_are_no_more() -> None:
    story = served("u0", "u0", "u0").rest()
    traits = replace(story.target.traits, limits=Limits(connections_per_user=2))  # type: ignore[type-var]
    story.target = replace(story.target, traits=traits)
    assert kinds(story) == []


def in_room(*others: str) -> Story:
    """c0 enters the room "a" on connecting, and so do others of other users; then comes one more."""
    story = served()
    for number, room in enumerate(("a", *others)):
        story.connect(f"c{number}", f"u{number}", room=room)
    return story


@pytest.mark.parametrize(("others", "full"), [(("a",), True), (("b",), False), ((), False)])
def test_a_room_may_be_full(others: tuple[str, ...], full: bool) -> None:
    story = in_room(*others)
    story.connect("c9", "u9", room="a", said=False)
    assert kinds(story) == ["Refused"]
    assert kinds(story, per_room=2) == ([] if full else ["Refused"])
    assert story.excused(per_room=2) == (["room_limit"] if full else [])
    assert kinds(story, per_room=2, **NEWEST) == ["Refused"]
    assert "per_room" in in_room("a").closed("c0").judged()[0].message
    assert kinds(in_room(*others).closed("c0"), per_room=1) == ["Dropped"]
    assert kinds(in_room(*others).closed("c0"), per_room=1, **NEWEST) == ([] if full else ["Dropped"])


@pytest.mark.parametrize(("others", "full"), [(("a",), True), (("b",), False)])
def test_who_is_not_let_into_a_full_room_is_owed_nothing_there(others: tuple[str, ...], full: bool) -> None:
    story = in_room(*others)
    number = story.begin("emit_to_room", "c0", "u0", room="a")
    story.connect("c9", "u9", room="a")
    again = story.begin("emit_to_room", "c0", "u0", room="a")
    for name in ("c1",) if full else ():
        story.hears(name, number).hears(name, again)
    story.end(number, NOBODY).end(again, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]
    assert kinds(story, per_room=2) == ([] if full else ["LostEvent"])
    assert story.excused(per_room=2) == (["room_full"] if full else [])


@pytest.mark.parametrize("who", ["c0", "c1"])
def test_whoever_joins_another_room_may_have_left_the_one_before(who: str) -> None:
    def said(*joined: str) -> Story:
        story = in_room("a")
        for room in joined:
            story.done("join", who, room=room)
        number = story.begin("emit_to_room", "c0", "u0", room="a")
        return story.end(number, NOBODY).rest()

    assert kinds(said("b")) == ["LostEvent"]
    assert "one_room" in said("b").judged()[0].message and "one_room" not in said("a").judged()[0].message
    assert kinds(said("b"), one_room=True) == []
    assert said("b").excused(one_room=True) == ["moved_on"]
    for back in ((), ("a",), ("b", "a")):
        assert kinds(said(*back), one_room=True) == ["LostEvent"]
    assert kinds(said("b", "a", "b"), one_room=True) == []


def left_by_a_tab(*before: str, of: str = "u1", room: str = "a", speaks: str = "c0") -> Story:
    """c1 is in room a; another connection does ``before`` there, leaves, and something is said that nobody hears."""
    story = in_room("a")
    story.connect("c2", of)
    for kind in before:
        story.done(kind, "c2", room="a")  # type: ignore[arg-type]
    story.done("leave", "c2", room=room)
    number = story.begin("emit_to_room", speaks, room="a")
    return story.end(number, NOBODY).rest()


@pytest.mark.parametrize("before", [(), ("join",)])
def test_where_users_are_members_a_tab_that_leaves_takes_its_users_others_out(before: tuple[str, ...]) -> None:
    story = left_by_a_tab(*before)
    assert kinds(story) == []
    assert story.excused() == ["user_left"]
    assert kinds(story, tabs_apart=True) == ["LostEvent"]
    assert kinds(left_by_a_tab(*before, speaks="c1"), tabs_apart=True) == ["LostEvent"]
    assert kinds(left_by_a_tab(*before, speaks="c1")) == [], "the speaker may be no member any more"


def test_who_leaves_takes_nobody_elses_tabs_and_no_other_rooms_out() -> None:
    assert kinds(left_by_a_tab("join", of="u9")) == ["LostEvent"]
    assert kinds(left_by_a_tab("join", of="u0", speaks="c0")) == [], "the speaker's own tab"
    assert kinds(left_by_a_tab(of="u1", room="b")) == ["LostEvent"]


def test_a_tab_that_leaves_once_it_is_lost_takes_nothing_along() -> None:
    story = in_room("a")
    story.connect("c2", "u1")
    number = story.begin("emit_to_room", "c0", room="a")
    story.end(number, NOBODY).rest()
    story.done("leave", "c2", room="a")
    assert kinds(story.rest()) == ["LostEvent"]


@pytest.mark.parametrize(("joins", "hears"), [("c1", ()), ("c2", ("c2",))])
def test_who_has_joined_since_is_in_with_all_tabs_whatever_one_did_before(joins: str, hears: tuple[str, ...]) -> None:
    """Whoever are the members, users or tabs: the one that hears nothing is one."""
    story = served()
    for number, user in enumerate(("u0", "u1", "u1")):
        story.connect(f"c{number}", user)
        story.done("join", f"c{number}", room="a")
    story.done("leave", "c2", room="a")
    story.done("join", joins, room="a")
    number = story.begin("emit_to_room", "c0", room="a")
    for name in hears:
        story.hears(name, number)
    assert kinds(story.end(number, NOBODY).rest()) == ["LostEvent"]


def test_a_tab_that_shows_its_users_token_takes_it_out_whatever_it_calls_itself() -> None:
    story = in_room("a")
    story.connect("c2", "u9", token="u1", said="u1")
    story.done("leave", "c2", room="a")
    number = story.begin("emit_to_room", "c0", room="a")
    assert story.end(number, NOBODY).rest().excused() == ["user_left"]


def test_who_goes_elsewhere_takes_its_tabs_along_where_one_is_in_one_room() -> None:
    story = in_room("a")
    story.connect("c2", "u1")
    story.done("join", "c2", room="b")
    number = story.begin("emit_to_room", "c0", room="a")
    story.end(number, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]
    assert kinds(story, one_room=True) == []
    assert kinds(story, one_room=True, tabs_apart=True) == ["LostEvent"]


def test_what_a_member_is_sent_its_users_other_tab_may_hear_unless_tabs_are_apart() -> None:
    story = in_room("a")
    story.connect("c2", "u1")
    number = story.begin("emit_to_room", "c0", room="a")
    story.hears("c1", number).hears("c2", number).end(number, NOBODY).rest()
    assert kinds(story) == []
    assert kinds(story, tabs_apart=True) == ["CrossUserLeak"]


def test_where_joins_are_not_answered_who_speaks_may_have_moved_on() -> None:
    story = in_room("a")
    story.connect("c9", "u9", said=NOBODY)
    for room in "ab":
        story.begin("join", "c9", room=room)
    number = story.begin("emit_to_room", "c9", "u9", room="a")
    story.end(number, NOBODY).rest()
    assert kinds(story) == ["LostEvent", "LostEvent"]
    assert kinds(story, one_room=True) == []


def test_of_two_rooms_joined_at_once_either_may_be_the_last() -> None:
    story = in_room("a")
    there, back = (story.begin("join", "c1", room=room) for room in "ba")
    story.end(back).end(there)
    number = story.begin("emit_to_room", "c0", "u0", room="a")
    story.end(number, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]
    assert kinds(story, one_room=True) == []


def spoken_in_both(*then: str, rests: bool = True, tab: bool = False, own: bool = False) -> Story:
    """c1 is in room a and goes elsewhere; then something is said in each room, and c1 is sent both."""
    story = in_room("a")
    story.connect("c8", "u1" if tab else "u8")
    story.done("join", "c8", room="b")
    for number in [story.begin("join", "c1", room=room) for room in then]:
        story.end(number)
    if rests:
        story.rest()
    for room, name in (("a", "c0"), ("b", "c1" if own else "c8")):
        number = story.begin("emit_to_room", name, room=room)
        story.hears("c1", number).end(number)
    return story.rest()


def test_who_is_in_one_room_at_a_time_is_not_sent_what_is_said_in_two() -> None:
    """Two joins at once leave open which is the last, and so in which room it is; not that it is in one."""
    leak = [one for one in spoken_in_both("b", "a").judged(one_room=True) if one.kind == "CrossUserLeak"]
    assert "though nobody is in two rooms (one_room=)" in leak[0].message
    assert "CrossUserLeak" in kinds(spoken_in_both("b"), one_room=True)


@pytest.mark.parametrize("said", [{"rests": False}, {"tab": True}, {"own": True}])
def test_what_is_heard_in_two_rooms_may_be_right(said: dict[str, bool]) -> None:
    """It was still moving; or is it the other tab's room; or what it has said itself."""
    assert "CrossUserLeak" not in kinds(spoken_in_both("b", **said), one_room=True)
    assert "CrossUserLeak" not in kinds(spoken_in_both("b"))
    assert ("other_tab_there" in spoken_in_both("b", **said).excused(one_room=True)) == ("tab" in said)
