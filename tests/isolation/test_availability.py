"""Availability: whoever has a right to come is let in, and nobody is hung up on."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer.core.history import Aim, Failure, Farewell, RowKind
from crosswire.fuzzer.core.stacks import Place

from .story import KEY_ERROR, NOBODY, Story, circumstances, kinds, managed, refused, served


@pytest.mark.parametrize("moment", ["before", "while", "after"])
def test_a_busy_machine_is_nobodys_fault(moment: str) -> None:
    want = [] if moment == "while" else ["Refused"]
    story = managed()
    if moment == "before":
        story.mark(RowKind.BUSY, 0.2)
    login = story.begin("connect", "c0", "u0")
    if moment == "while":
        story.mark(RowKind.BUSY, 0.2)
    story.end(login, False)
    if moment == "after":
        story.mark(RowKind.BUSY, 0.2)
    assert kinds(story) == want
    story = served("u0")
    if moment == "while":
        story.mark(RowKind.BUSY, 0.2)
    story.closed("c0")
    if moment == "after":
        story.mark(RowKind.BUSY, 0.2)
    assert kinds(story) == ([] if moment == "while" else ["Dropped"])


def test_users_are_let_in() -> None:
    assert kinds(refused(managed("u0"))) == ["Refused"]
    assert list(circumstances(refused(managed("u0")))) == ["it reported failure"]
    assert kinds(refused(managed("u0"), said=KEY_ERROR, kind=RowKind.RAISED)) == ["Refused"]
    assert kinds(refused(managed("u0"), said=None)) == []
    assert kinds(refused(managed("u0"), said=None, kind=RowKind.CANCELLED)) == []


def test_what_the_server_said_is_the_circumstance() -> None:
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    story.closed("c1", "HTTP 503").end(login, False)
    assert list(circumstances(story)) == ["HTTP 503"]
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    story.end(login, False).closed("c1", "closed with 1000")
    assert list(circumstances(story)) == ["it reported failure"]


def test_what_a_manager_closed_is_no_reason() -> None:
    story = managed("u0")
    login = story.begin("connect", "c1", "u1")
    story.closed("c1", "1008").end(login, False)
    assert list(circumstances(story)) == ["it reported failure"]


def test_whose_bytes_were_late_may_be_hung_up_on() -> None:
    for key, want in ((("bytes", "c0"), []), (("bytes", "c1"), ["Dropped"])):
        story = served("u0", "u1").mark(RowKind.CLOCK, (key,)).closed("c0")
        assert kinds(story) == want


def test_bad_tokens_are_refused_with_reason() -> None:
    for token in ("invalid", "u1"):
        story = managed()
        story.connect("c0", "u0", token=token, said=False)
        assert kinds(story) == []


def test_a_login_in_two_steps_is_refused_by_none() -> None:
    for said, want in ((None, ["Refused"]), (False, ["Refused"]), ("u0", [])):
        story = managed(two_steps=True)
        story.done("connect", "c0", "u0")
        story.done("authenticate", "c0", said=said)
        assert kinds(story) == want
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    story.done("authenticate", "c0", said="u0")
    story.done("authenticate", "c0", said=None)
    assert kinds(story) == []


def test_who_left_was_not_refused() -> None:
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    leaving = story.begin("abort", "c1")
    story.mark(RowKind.GONE, "abort", "c1", leaving).end(login, False).end(leaving, NOBODY)
    assert kinds(story) == []
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    story.end(login, False)
    assert kinds(story.leave("c1")) == ["Refused"]


@pytest.mark.parametrize("user", ["u0", "u1"])
def test_what_somebody_else_cancelled_is_no_reason_to_turn_a_client_away(user: str) -> None:
    story = managed()
    login = story.begin("connect", "c0", user)
    story.done("cancel", "c0", detail=login)
    assert kinds(refused(story.end(login, None, RowKind.CANCELLED))) == ["Refused"]


def test_whose_own_login_was_cancelled_may_be_turned_away_on_the_same_connection() -> None:
    def twice(cancelled: bool) -> Story:
        story = managed(two_steps=True)
        story.done("connect", "c0", "u0")
        if cancelled:
            first = story.begin("authenticate", "c0")
            story.done("cancel", "c0", detail=first)
            story.end(first, None, RowKind.CANCELLED)
        return story.end(story.begin("authenticate", "c0"), False)

    assert kinds(twice(cancelled=True)) == []
    assert kinds(twice(cancelled=False)) == ["Refused"]


def test_after_a_shut_down_nothing_is_available() -> None:
    story = managed("u0")
    story.done("shut_down")
    assert kinds(refused(story)) == []


@pytest.mark.parametrize(("policy", "users"), [({"per_user": 2}, ("u9", "u9")), ({"connections": 2}, ("u0", "u9"))])
def test_beyond_the_limits_users_may_be_refused(policy: dict[str, Any], users: tuple[str, ...]) -> None:
    name = "user_limit" if "per_user" in policy else "server_limit"
    assert kinds(refused(managed(*users)), **policy) == []
    assert refused(managed(*users)).excused(**policy) == [name]
    assert kinds(refused(managed(users[0])), **policy) == ["Refused"]
    assert "per_user" in refused(managed("u9")).judged()[0].message
    gone = managed(*users)
    gone.leave("c0")
    assert kinds(refused(gone), **policy) == ["Refused"]
    assert kinds(refused(managed(*users).closed("c0")), **policy) == ["Refused"]
    leaving = managed(*users)
    number = leaving.begin("disconnect", "c0")
    assert kinds(refused(leaving).end(number), **policy) == []
    later = refused(managed(users[0]))
    later.connect("c1", users[1], said=None)
    assert kinds(later, **policy) == ["Refused"]


def late_login(silence: float, asks: float = 0.0) -> Story:
    """A client connects, says nothing for a while, and is then refused a login that takes some time."""
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    login = story.wait(silence).begin("authenticate", "c0")
    return story.wait(asks).end(login, False)


@pytest.mark.parametrize(("policy", "name"), [({"session": 1.0}, "session_over"), ({"idle": 1.0}, "silent")])
def test_who_has_waited_for_too_long_may_be_refused_a_login(policy: dict[str, Any], name: str) -> None:
    for silence, asks in ((1.0, 0.0), (0.0, 1.0)):
        assert kinds(late_login(silence, asks)) == ["Refused"]
        assert kinds(late_login(silence, asks), **policy) == []
        assert late_login(silence, asks).excused(**policy) == [name]
    assert kinds(late_login(0.4, 0.5), **policy) == ["Refused"]


@pytest.mark.parametrize(("whose", "want"), [("c0", []), ("c1", ["Dropped"])])
def test_after_a_cancellation_a_server_may_hang_up_on_whose_it_was(whose: str, want: list[str]) -> None:
    story = served("u0", "u1")
    number = story.begin("emit", whose, "u0" if whose == "c0" else "u1", to="u9")
    story.done("cancel", whose, detail=number)
    assert kinds(story.end(number, NOBODY).closed("c0")) == want


def test_a_refusal_counts_the_users_other_connections() -> None:
    assert (
        "with 0 other connections of that user and a limit of 2" in refused(managed("u0")).judged(per_user=2)[0].message
    )
    assert "a limit" not in refused(managed("u9")).judged()[0].message


def test_others_of_other_users_do_not_count() -> None:
    assert kinds(refused(managed("u0", "u0")), per_user=2) == ["Refused"]


@pytest.mark.parametrize("kind", ["clean_up", "sweep", "expire"])
def test_what_the_server_ends_meanwhile_may_be_refused(kind: Any) -> None:
    story = managed("u0")
    login = story.begin("connect", "c9", "u9")
    ending = story.begin(kind, "c0" if kind == "expire" else None, "u9" if kind == "clean_up" else None)
    story.end(login, False).end(ending).rest()
    assert kinds(story) == []
    assert story.excused() == ["ended_by_server"]
    story = managed("u0").closed("c0")
    story.done(kind, "c0" if kind == "expire" else None, "u0" if kind == "clean_up" else None)
    assert kinds(refused(story)) == ["Refused"]


def test_who_does_not_read_may_be_given_up() -> None:
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.stall("c0").end(login, False)
    assert kinds(story) == []
    assert story.excused() == ["did_not_read"]
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.stall("c0").resume("c0").end(login, False)
    assert kinds(story) == []
    story = managed()
    login = story.begin("connect", "c0", "u0")
    assert kinds(story.end(login, False).stall("c0")) == ["Refused"]


def test_who_waits_for_something_of_its_own_may_be_refused() -> None:
    story = managed()
    login = story.begin("connect", "c0", "u0")
    story.mark(RowKind.CLOCK, (("latency", "db", login),)).end(login, False)
    assert kinds(story) == []
    assert story.excused() == ["waits_for_itself"]


def test_a_server_does_not_hang_up_on_who_did_nothing_wrong() -> None:
    assert kinds(served("u0").closed("c0")) == ["Dropped"]
    assert list(circumstances(served("u0").closed("c0"))) == ["closed with 1000"]
    assert kinds(managed("u0").closed("c0")) == []
    assert "c1 had left before" in served("u0", "u1").leave("c1").closed("c0").judged()[0].message
    assert "left before" not in served("u0", "u1").closed("c0").leave("c1").judged()[0].message


def test_a_server_may_hang_up_on_who_leaves_or_was_slow() -> None:
    story = served("u0")
    leaving = story.begin("disconnect", "c0")
    assert kinds(story.closed("c0").end(leaving, NOBODY)) == []
    story = served("u0")
    login = story.begin("connect", "c1", "u1")
    assert kinds(story.closed("c1").end(login, "u1")) == []
    story = served("u0", "u1")
    number = story.begin("emit", "c1", "u1", to="u0")
    story.send("c0", number).wait(5.0)
    story.receive("c0").end(number, NOBODY).closed("c0")
    assert "Dropped" not in kinds(story)
    story = served("u0")
    story.done("shut_down")
    assert kinds(story.closed("c0")) == []


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ({"session": 1.0}, "session_over"),
        ({"session": 9.0}, None),
        ({"idle": 1.0}, "silent"),
        ({"idle": 9.0}, None),
        ({}, None),
    ],
)
def test_sessions_and_idle_clients_may_be_ended(policy: dict[str, Any], name: str | None) -> None:
    story = served("u0").wait(1.0).closed("c0")
    assert kinds(story, **policy) == ([] if name else ["Dropped"])
    assert story.excused(**policy) == ([name] if name else [])


@pytest.mark.parametrize("came_in", [True, False])
def test_who_has_spoken_lately_is_not_idle(came_in: bool) -> None:
    """What it said may still be on its way: then the server has heard nothing."""
    story = served("u0").wait(0.9)
    story.done("emit", "c0", "u0", to="u9", said=NOBODY)
    if came_in:
        story.rest()
    story.wait(0.9).closed("c0")
    assert kinds(story, idle=1.0) == (["Dropped"] if came_in else [])
    assert kinds(story, session=1.0) == []


@pytest.mark.parametrize(("second_asks", "excused"), [("meanwhile", True), ("before", False), ("after", False)])
def test_of_two_who_log_in_at_once_either_may_be_the_newcomer(second_asks: str, excused: bool) -> None:
    """An older one is closed for a newcomer: which of the two that is, the server decides."""
    story = served("u0") if second_asks == "before" else served()
    name = "c0" if second_asks == "before" else "c1"
    number = story.begin("connect", "c5", "u0", token="valid")
    if second_asks == "meanwhile":
        other = story.begin("connect", "c1", "u0", token="valid")
        story.end(other, "u0")
    story.closed("c5", "closed with 4002: taken over").end(number, False)
    if second_asks == "after":
        story.connect(name, "u0")
    assert kinds(story, per_user=1, at_limit="close") == ([] if excused else ["Refused"])
    assert story.excused(per_user=1, at_limit="close") == (["overtaken"] if excused else [])
    assert kinds(story, per_user=1, at_limit="refuse") == (["Refused"] if second_asks == "after" else [])


@pytest.mark.parametrize("closed", ["older", "newer"])
@pytest.mark.parametrize("limit", ["per_user", "connections"])
def test_an_older_one_is_closed_for_a_newcomer_and_never_the_newest(closed: str, limit: str) -> None:
    """Who came when the other had been let in long ago is the newest: whatever hangs up on it, no newcomer does."""
    story = served("u0").rest()
    story.connect("c1", "u0")
    story.closed("c0" if closed == "older" else "c1", "closed with 4002: taken over")
    policy: dict[str, Any] = {limit: 1, "at_limit": "close"}
    assert kinds(story.rest(), **policy) == ([] if closed == "older" else ["Dropped"])
    made_room = {"per_user": "user_made_room", "connections": "server_made_room"}[limit]
    assert story.excused(**policy) == ([made_room] if closed == "older" else [])
    assert kinds(story, **policy | {"at_limit": "either"}) == []  # the newcomer is refused at second thought
    assert kinds(story, **policy | {"at_limit": "refuse"}) == (["Dropped"] if closed == "older" else [])


def test_what_is_said_after_does_not_count() -> None:
    story = served("u0").wait(1.5).closed("c0")
    story.begin("emit", "c0", "u0", to="u9")
    assert kinds(story, idle=1.0) == []


def test_what_others_say_does_not_count() -> None:
    story = served("u0", "u1").wait(1.5)
    story.begin("emit", "c1", "u1", to="u9")
    assert kinds(story.closed("c0"), idle=1.0, delay=9.0) == []


def test_who_lapsed_later_was_dropped_for_nothing() -> None:
    story = served("u0", "u1", delay=9.0)
    number = story.begin("emit", "c1", "u1", to="u0")
    story.send("c0", number).wait(9.0).receive("c0").closed("c0").end(number, NOBODY)
    assert "Dropped" not in kinds(story, delay=9.0)


def test_whoever_was_quiet_for_long_may_have_missed_a_heartbeat() -> None:
    assert kinds(served("u0").wait(1.5).closed("c0")) == []
    assert served("u0").wait(1.5).closed("c0").excused() == ["quiet_for_long"]
    assert kinds(served("u0").wait(1.5).closed("c0"), delay=2.0) == ["Dropped"]


MALFORMED = Farewell.of(1003, "malformed")


@pytest.mark.parametrize(
    ("why", "excused"),
    [
        *((Farewell.of(code), True) for code in (1002, 1003, 1007, 1008, 1009, 4000, 4001, 4999)),
        *((Farewell.of(code), False) for code in (1000, 1001, 1006, 1011, 1013, 3000, 3999, 5000)),
        (MALFORMED, True),
        (Farewell("the connection was dropped"), False),
        (Farewell("closed with 1003: said the server"), False),
    ],
)
def test_an_action_may_be_answered_by_hanging_up(why: Farewell, excused: bool) -> None:
    story = served("u0", "u1")
    action = story.begin("act", "c0", "u0", name="nonsense")
    story.closed("c0", why).end(action, NOBODY).rest()
    assert kinds(story) == ([] if excused else ["Dropped"])
    assert story.excused() == (["action_refused"] if excused else [])


@pytest.mark.parametrize(
    ("why", "excused"),
    [
        *((Farewell.of(code), True) for code in (1000, 1002, 1003, 1007, 1008, 1009, 4000, 4409, 4999)),
        *((Farewell.of(code), False) for code in (1001, 1006, 1011, 1013, 3000, 5000)),
        (Farewell("the connection was dropped"), False),
        (Farewell.by(KeyError()), False),
    ],
)
def test_who_joins_a_room_once_more_may_be_hung_up_on(why: Farewell, excused: bool) -> None:
    story = served("u0", "u1")
    story.end(story.begin("join", "c0", "u0", room="r0"))
    again = story.begin("join", "c0", "u0", room="r0")
    story.closed("c0", why).end(again, NOBODY).rest()
    assert kinds(story) == ([] if excused else ["Dropped"])
    assert story.excused() == (["out_of_place"] if excused else [])


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        (("join r0",), ["Dropped"]),
        (("join r0", "join r0"), []),
        (("join r0", "join r1"), ["Dropped"]),
        (("join r0", "leave r0"), ["Dropped"]),
        (("leave r0",), []),
        (("join r0", "leave r0", "leave r0"), []),
        (("join r0", "leave r0", "join r0"), ["Dropped"]),
        (("join r0", "emit_to_room r0"), ["Dropped"]),
        (("emit_to_room r0",), []),
        (("join r0", "leave r0", "emit_to_room r0"), []),
        (("join r0", "join r0", "rest"), ["Dropped"]),
        (("join r0", "join r0", "rest", "emit_to_room r0"), ["Dropped"]),
        (("join r0", "join r0", "emit_to_room r0"), ["Dropped"]),
    ],
)
def test_only_what_is_out_of_place_excuses_it(steps: tuple[str, ...], want: list[str]) -> None:
    story = served("u0", "u1")
    for step in steps:
        if step == "rest":
            story.rest()
        else:
            kind, room = step.split()
            story.end(story.begin(kind, "c0", "u0", room=room))  # type: ignore[arg-type]
    story.closed("c0", Farewell.of(4409)).rest()
    assert kinds(story) == want


def test_whether_a_client_stays_in_its_rooms_when_it_logs_in_again_is_the_servers_affair() -> None:
    story = served("u0", "u1")
    story.end(story.begin("join", "c0", "u0", room="r0"))
    story.end(story.begin("authenticate", "c0", "u0"), "u0")
    again = story.begin("join", "c0", "u0", room="r0")
    assert kinds(story.closed("c0", Farewell.of(4409)).end(again, NOBODY).rest()) == []


def test_a_room_is_spoken_in_where_the_event_goes_and_not_where_the_program_says() -> None:
    for joined, want in (("lobby", ["Dropped"]), ("r1", [])):
        story = served("u0", "u1")
        story.end(story.begin("join", "c0", "u0", room=joined))
        said = story.begin("emit_to_room", "c0", "u0", room="r0", detail=Aim(rooms=("lobby",)))
        assert kinds(story.closed("c0", Farewell.of(4000)).end(said, NOBODY).rest()) == want


def test_it_may_be_hung_up_on_before_anything_was_answered() -> None:
    story = served("u0", "u1")
    asked = [story.begin("join", "c0", "u0", room="r0") for _ in range(2)]
    story.closed("c0", Farewell.of(4409))
    for number in asked:
        story.end(number, NOBODY, RowKind.CANCELLED)
    assert kinds(story.rest()) == []


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        (("act",), []),
        (("act", "answered"), []),
        (("act", "emit"), []),
        (("act", "stall"), []),
        (("emit", "act"), []),
        (("emit",), ["Dropped"]),
        (("act of another",), ["Dropped"]),
        (("act", "answered", "emit"), ["Dropped"]),
        (("act", "answered", "rest"), ["Dropped"]),
        (("act", "rest", "emit"), ["Dropped"]),
    ],
)
def test_only_an_action_that_may_be_what_is_answered_excuses_it(steps: tuple[str, ...], want: list[str]) -> None:
    story = served("u0", "u1", "u2")
    under_way: list[int] = []
    for step in steps:
        if step == "act":
            under_way.append(story.begin("act", "c0", "u0", name="nonsense"))
        elif step == "act of another":
            under_way.append(story.begin("act", "c1", "u1", name="nonsense"))
        elif step == "emit":
            under_way.append(story.begin("emit", "c0", "u0", to="u9"))
        elif step == "stall":
            story.done("stall", "c0")
        elif step == "answered":
            story.end(under_way.pop())
        elif step == "rest":
            for number in under_way:
                story.end(number, NOBODY)
            under_way.clear()
            story.rest()
    story.closed("c0", MALFORMED)
    for number in under_way:
        story.end(number, NOBODY)
    assert [kind for kind in kinds(story) if kind == "Dropped"] == want


def test_whoever_stalled_may_be_hung_up_on() -> None:
    story = served("u0").stall("c0").resume("c0").closed("c0")
    assert kinds(story) == []
    assert story.excused() == ["did_not_read"]


@pytest.mark.parametrize(("spoken", "seconds", "excused"), [(3, 0.0, True), (2, 0.0, False), (3, 0.8, False)])
def test_who_floods_may_be_hung_up_on_where_a_rate_is_declared(spoken: int, seconds: float, excused: bool) -> None:
    story = served("u0", "u1")
    for _ in range(spoken):
        story.done("emit", "c0", "u0", to="u9", said=NOBODY)
    if seconds:  # and until something has come to rest, it may not have come in yet
        story.rest()
    story.wait(seconds).closed("c0", "closed with 1008: slow down")
    assert kinds(story, rate=(2, 0.5)) == ([] if excused else ["Dropped"])
    assert story.excused(rate=(2, 0.5)) == (["flooded_with"] if excused else [])
    assert kinds(story) == ["Dropped"]


@pytest.mark.parametrize(
    ("said", "heard", "to", "rested", "excused"),
    [(3, 0, "u0", 0, 1), (2, 0, "u0", 0, 0), (3, 1, "u0", 0, 0), (3, 0, "u1", 0, 0), (3, 0, "u0", 1, 0)],
)
def test_who_has_left_more_unread_than_is_kept_may_be_hung_up_on(
    said: int, heard: int, to: str, rested: bool, excused: bool
) -> None:
    """Though it reads: so many may have come before anybody had the time to write one, until all has come to rest."""
    story = served("u0", "u1")
    for nth in range(said):
        number = story.done("emit", "c1", "u1", to=to, said=NOBODY)
        if nth < heard:
            story.hears("c0", number)
    if rested:
        story.rest()
        story.done("emit", "c0", "u0", to="u9", said=NOBODY)
    story.closed("c0", "closed with 1013: too far behind")
    assert [kind for kind in kinds(story, backlog=2) if kind == "Dropped"] == ([] if excused else ["Dropped"])
    assert story.excused(backlog=2).count("left_so_many") == excused
    assert "Dropped" in kinds(story)


def test_what_is_under_way_when_it_comes_may_lie_before_a_connection() -> None:
    story = served("u1")
    for _ in range(3):
        story.begin("emit", "c0", "u1", to="u0")
    story.connect("c1", "u0")
    story.closed("c1", "closed with 1013: too far behind")
    assert "Dropped" not in kinds(story, backlog=2)
    assert "Dropped" in kinds(story, backlog=3) and "Dropped" in kinds(story)


def test_nothing_said_before_it_came_lies_before_a_connection_unless_it_is_kept() -> None:
    story = served("u1")
    for _ in range(3):
        story.done("emit", "c0", "u1", to="u0", said=NOBODY)
    story.connect("c1", "u0")
    story.closed("c1", "closed with 1013: too far behind")
    assert "Dropped" in kinds(story, backlog=2)
    assert "left_so_many" in story.excused(backlog=2, kept="next")


@pytest.mark.parametrize(
    ("why", "named"),
    [
        (Farewell.of(1013), True),
        (Farewell.of(1011), False),
        (Farewell.by(KeyError()), False),
        (Farewell("ended"), True),
    ],
)
def test_no_declaration_is_named_for_what_went_wrong_in_the_server(why: Farewell, named: bool) -> None:
    story = served("u0", "u0")
    story.row(RowKind.CLOSED, None, "c0", why)
    (violation,) = story.judged()
    assert violation.kind == "Dropped" and ("allowed if declared: per_user" in violation.message) == named


def test_a_log_out_may_end_all_of_a_users_logins() -> None:
    def ended(owner: str = "u0", rests: bool = False) -> Story:
        """c0 of u0 logs out, and c1 is hung up on; perhaps once everything had come to rest."""
        story = served("u0", owner)
        story.done("log_out", "c0", said=NOBODY)
        if rests:
            story.rest()
            story.wait(1.0)
        return story.closed("c1")

    assert kinds(ended()) == []
    assert ended().excused() == ["logged_out_elsewhere"]
    assert kinds(ended("u1")) == ["Dropped"]
    assert kinds(ended(rests=True)) == ["Dropped"]


@pytest.mark.parametrize("over", [True, False])
def test_who_comes_while_its_user_logs_out_may_be_turned_away(over: bool) -> None:
    story = served("u0")
    leaving = story.begin("log_out", "c0")
    if over:
        story.end(leaving)
        story.rest()
    coming = story.begin("connect", "c1", "u0")
    story.closed("c1").end(coming, False)
    if not over:
        story.end(leaving)
    assert kinds(story) == (["Refused"] if over else [])


@pytest.mark.parametrize(("before", "seconds", "rested", "excused"), [(2, 0.0, 0, 1), (1, 0.0, 0, 0), (2, 1.0, 0, 0)])
def test_who_comes_when_many_have_may_be_turned_away_where_declared(
    before: int, seconds: float, rested: int, excused: int
) -> None:
    story = served(*(f"u{number}" for number in range(before))).wait(seconds)
    refused(story)
    assert kinds(story, attempts=(2, 0.5)) == ([] if excused else ["Refused"])
    assert story.excused(attempts=(2, 0.5)) == (["came_too_often"] if excused else [])
    assert kinds(story) == ["Refused"]


@pytest.mark.parametrize("rested", [False, True])
def test_who_came_too_often_is_closed_at_once_or_not_at_all(rested: bool) -> None:
    story = served("u0", "u1", "u2")
    if rested:
        story.rest()
    story.closed("c2", "closed with 1008: too many attempts")
    assert kinds(story, attempts=(2, 60.0)) == (["Dropped"] if rested else [])


@pytest.mark.parametrize(("error", "want"), [("CancelledError", []), ("ValueError", ["EarlyDelivery"])])
def test_a_login_that_a_newer_one_cut_off_may_have_been_let_in_for_a_moment(error: str, want: list[str]) -> None:
    story = managed(two_steps=True)
    story.done("connect", "c1", "u0")
    login = story.begin("authenticate", "c1")
    story.end(login, Failure(error, Place(), error), RowKind.RAISED)
    number = story.begin("emit", None, "u1", to="u0")
    found = kinds(story.hears("c1", number).end(number).rest())
    assert [kind for kind in found if kind == "EarlyDelivery"] == want and "Refused" in found
