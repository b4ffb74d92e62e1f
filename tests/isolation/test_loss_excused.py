"""What excuses a loss: cancellation, what nobody need have heard, declared limits, slowness."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.core.history import Aim, RowKind

from .story import KEY_ERROR, NOBODY, Story, circumstances, emit, kinds, managed, served


def test_what_was_cancelled_is_owed_to_nobody() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.done("cancel", None, "u0", detail=number)
    story.end(number).rest()
    assert kinds(story) == []
    assert story.excused() == ["cancelled"]


def test_a_client_that_went_may_have_taken_its_words_along() -> None:
    for how, heard, want in (("disconnect", False, []), ("disconnect", True, ["LostEvent"]), ("abort", True, [])):
        story = served("u0", "u1", "u1")
        number = story.begin("emit", "c0", "u0", to="u1")
        if heard:
            story.hears("c2", number)
        leaving = story.begin(how, "c0")  # type: ignore[arg-type]
        story.mark(RowKind.GONE, how, "c0", leaving).end(leaving, NOBODY).end(number, NOBODY).rest()
        assert kinds(story) == want
        assert set(story.excused()) <= {"perhaps_unheard"}


def test_who_leaves_properly_is_heard_where_that_is_declared() -> None:
    """What it said before, whole; one that vanishes may still take its words along."""
    for how, want in (("disconnect", ["LostEvent"]), ("abort", [])):
        story = served("u0", "u1", hears_out=True)
        number = story.begin("emit", "c0", "u0", to="u1")
        leaving = story.begin(how, "c0")  # type: ignore[arg-type]
        story.mark(RowKind.GONE, how, "c0", leaving).end(leaving, NOBODY).end(number, NOBODY).rest()
        assert kinds(story) == want
    story = served("u0", "u1", hears_out=True)
    number = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c1", number)
    leaving = story.begin("disconnect", "c0")
    story.mark(RowKind.GONE, "disconnect", "c0", leaving).end(leaving, NOBODY).end(number, NOBODY).rest()
    assert kinds(story) == []


def test_what_was_confirmed_was_heard() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    leaving = story.begin("disconnect", "c0")
    story.mark(RowKind.GONE, "disconnect", "c0", leaving).end(number, None).end(leaving, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]


def test_who_left_long_after_was_heard() -> None:
    story = emit(served("u0", "u1"))
    story.leave("c0").rest()
    assert kinds(story) == ["LostEvent"]


def test_something_sent_meanwhile_shows_that_it_was_heard() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c1", word="error", during=number)
    leaving = story.begin("disconnect", "c0")
    story.mark(RowKind.GONE, "disconnect", "c0", leaving).end(leaving, NOBODY).end(number, NOBODY).rest()
    assert kinds(story) == ["ReplacedEvent"]


def test_whose_login_is_ended_by_the_server_need_not_be_heard() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    cleaning = story.begin("clean_up", None, "u0")
    story.end(cleaning).end(number, NOBODY).closed("c0").rest()
    assert kinds(story) == []


def test_a_login_that_nobody_confirms_is_done_before_what_follows_it() -> None:
    story = served("u1")
    login = story.begin("connect", "c1", "u0")
    number = story.begin("emit", "c1", "u0", to="u1")
    story.end(login, NOBODY).end(number, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]
    story = served("u1")
    login = story.begin("connect", "c1", "u0")
    number = story.begin("emit", "c1", "u0", to="u1")
    story.end(login, "u0").end(number, NOBODY).rest()
    assert kinds(story) == []


def test_refusing_honestly_is_declared() -> None:
    story = emit(managed("u0", "u1"), said=False)
    assert kinds(story, may_refuse=True) == []
    assert story.excused(may_refuse=True) == ["refused_honestly"]
    assert "may_refuse" in story.judged()[0].message
    assert kinds(emit(managed("u0", "u1"), said=True), may_refuse=True) == ["LostEvent"]
    assert kinds(emit(managed("u0", "u1"), said=KEY_ERROR, kind=RowKind.RAISED), may_refuse=True) == ["LostEvent"]


@pytest.mark.parametrize(("rate", "apart", "lost"), [((1, 5.0), 0.0, 0), ((2, 5.0), 0.0, 1), ((1, 5.0), 6.0, 1)])
def test_beyond_its_rate_a_user_is_owed_nothing(rate: tuple[int, float], apart: float, lost: int) -> None:
    story = managed("u0", "u1")
    first = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", first).end(first).wait(apart)
    emit(story)
    assert kinds(story, rate=rate) == ["LostEvent"] * lost
    assert ("beyond_rate" in story.excused(rate=rate)) == (not lost)


def test_others_do_not_count_towards_a_users_rate() -> None:
    story = managed("u0", "u1")
    first = story.begin("emit", None, "u2", to="u1")
    story.hears("c1", first).end(first)
    assert kinds(emit(story), rate=(1, 5.0)) == ["LostEvent"]
    story = managed("u0", "u1")
    run = story.begin("run_agent", None, "u0", to="u0")
    story.run(run, "c0").end(run)
    assert kinds(emit(story), rate=(5, 5.0)) == []
    assert kinds(emit(story), rate=(9, 5.0)) == ["LostEvent", "LostEvent"]


def test_beyond_a_backlog_a_connection_is_owed_nothing() -> None:
    for backlog, read, want in ((1, False, []), (2, False, ["LostEvent"]), (1, True, ["LostEvent"])):
        story = managed("u0", "u1")
        first = story.begin("emit", None, "u2", to="u1")
        story.send("c1", first).end(first)
        if read:
            story.receive("c1")
        number = story.begin("emit", None, "u0", to="u1")
        if not read:
            story.receive("c1")
        story.end(number).rest()
        assert kinds(story, backlog=backlog) == want
        assert ("beyond_backlog" in story.excused(backlog=backlog)) == (not want)
    story = managed("u0", "u1")
    first = story.begin("emit", None, "u2", to="u0")
    story.send("c0", first).end(first)
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.receive("c0").end(number).rest(), backlog=1) == ["LostEvent"]


def test_what_comes_later_fills_no_backlog() -> None:
    story = emit(managed("u0", "u1"))
    late = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", late).end(late).rest()
    assert kinds(story, backlog=1) == ["LostEvent"]


def test_at_most_once_may_be_never() -> None:
    story = emit(managed("u0", "u1"))
    assert kinds(story, delivery="at most once") == []
    assert kinds(story, delivery="at least once") == ["LostEvent"]


def slow(story: Story, seconds: float) -> Story:
    """c1 lets a frame lie for so long."""
    number = story.begin("emit", None, "u0", to="u1")
    return story.send("c1", number).wait(seconds).receive("c1").end(number)


def test_slowness_ends() -> None:
    story = emit(slow(managed("u0", "u1"), 5.0).rest())
    assert kinds(story) == ["LostEvent"]
    assert list(circumstances(story)) == [
        "emit, it reported success, nobody got it, given up and left open",
    ]
    assert kinds(story, slow="forgotten") == []
    assert story.excused(slow="forgotten") == ["forgotten"]


def test_while_a_frame_lies_for_long_nothing_is_owed() -> None:
    assert kinds(emit(slow(managed("u0", "u1"), 5.0))) == []
    assert kinds(emit(slow(managed("u0", "u1"), 0.5))) == ["LostEvent"]
    assert kinds(emit(slow(managed("u0", "u1"), 5.0)), delay=10.0) == ["LostEvent"]


def test_a_stall_that_lasts_is_slowness_too() -> None:
    for seconds, want in ((5.0, []), (0.5, ["LostEvent"])):
        story = managed("u0", "u1").stall("c1").wait(seconds).resume("c1")
        assert kinds(emit(story)) == want


@pytest.mark.parametrize(
    ("busy", "reads", "want"), [(0.01, "frame", []), (0.005, "frame", ["LostEvent"]), (0.01, "stall", [])]
)
def test_what_the_machine_takes_to_tell_of_it_is_slowness_too(busy: float, reads: str, want: list[str]) -> None:
    """It was read in time, and the target told too late: a time-out of the declared delay has come between."""
    story = managed("u0", "u1")
    if reads == "frame":
        story.send("c1").wait(0.99).receive("c1")
    else:
        story.stall("c1").wait(0.99).resume("c1")
    number = story.begin("emit", None, "u0", to="u1")
    story.mark(RowKind.BUSY, busy).wait(busy)
    assert kinds(story.end(number).rest()) == want


@pytest.mark.parametrize(
    ("busy", "pause", "want"), [(0.01, 0.0, []), (0.005, 0.0, ["LostEvent"]), (0.01, 0.5, ["LostEvent"])]
)
def test_what_is_sent_when_the_machine_is_free_again_may_have_waited_for_it(
    busy: float, pause: float, want: list[str]
) -> None:
    """A time-out begins where the server says that it sends; that the frame leaves later is the machine's doing."""
    story = managed("u0", "u1").mark(RowKind.BUSY, busy).wait(busy)
    if pause:
        story.wait(pause)
    story.send("c1").wait(0.99).receive("c1")
    assert kinds(emit(story)) == want


def test_a_frame_that_lies_at_rest_is_slowness_without_end() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c1", number).end(number).wait(5.0).rest()
    assert kinds(emit(story)) == []


def test_who_was_never_slow_was_not_forgotten() -> None:
    assert kinds(emit(managed("u0", "u1")), slow="forgotten") == ["LostEvent"]


def test_a_lapse_that_comes_later_excuses_nothing_before() -> None:
    story = emit(managed("u0", "u1")).stall("c1").wait(9.0).resume("c1")
    assert kinds(story.rest()) == ["LostEvent"]


def test_who_says_it_in_one_of_its_rooms_is_heard_there() -> None:
    story = served()
    story.connect("c0", "u0", said=NOBODY, detail=Aim(rooms=("r0",)))
    story.connect("c1", "u1", detail=Aim(rooms=("r0",)))
    story.rest()
    number = story.begin("emit_to_room", "c0", "u0", room="r0", detail=Aim(rooms=("r0", "r1")))
    assert kinds(story.end(number, NOBODY).rest()) == ["LostEvent"]


def test_what_is_lost_fills_no_backlog_itself() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.send("c1", number).end(number, NOBODY).rest()
    assert kinds(story, backlog=1) == ["LostEvent"]


def test_what_another_of_its_hearers_has_read_lies_before_this_one_all_the_same() -> None:
    story = served("u0", "u1", "u1")
    other = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c2", other).send("c1", other).end(other, NOBODY)
    number = story.begin("emit", "c0", "u0", to="u1")
    story.receive("c1").hears("c2", number).end(number, NOBODY).rest()
    assert kinds(story, backlog=1) == []
    assert story.excused(backlog=1) == ["beyond_backlog"]


def test_a_later_room_moves_nobody_before() -> None:
    story = served("u0", "u1")
    for name in ("c0", "c1"):
        story.done("join", name, room="r0")
    number = story.begin("emit_to_room", "c0", "u0", room="r0")
    story.end(number, NOBODY).rest()
    story.done("join", "c1", room="r1")
    assert kinds(story, one_room=True) == ["LostEvent"]


def test_what_is_said_later_counts_towards_no_rate() -> None:
    story = emit(emit(managed("u0", "u1")), "c1")
    assert kinds(story, rate=(1, 10.0)) == ["LostEvent"]


def test_what_has_not_ended_counts_towards_a_rate_however_long_ago() -> None:
    story = managed("u0", "u1")
    story.begin("emit", None, "u0", to="u2")
    emit(story.wait(100.0))
    assert kinds(story, rate=(1, 10.0)) == []
    assert story.excused(rate=(1, 10.0)) == ["beyond_rate"]
