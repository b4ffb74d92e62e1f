"""No loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer import Client, Event, JsonWire, Policy, operation
from crosswire.fuzzer.core.history import Aim, Failure, Outcome, Row, RowKind
from crosswire.fuzzer.core.stacks import Place
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.traits import WireTraits

from .story import NOBODY, Plain, Story, circumstances, kinds, managed, served

REFUSED = Failure("KeyError: 'u1'", Place("Hub.emit", "hub.py", 3), "KeyError")


def silence(story: Story, said: Any = None, kind: RowKind = RowKind.RETURNED) -> Story:
    """u0 emits to u1, and nobody hears it."""
    over = "c0" if story.target.traits.by_wire else None
    number = story.begin("emit", over, "u0", to="u1")
    return story.end(number, NOBODY if over else said, kind).rest()


@pytest.mark.parametrize("make", [served, managed])
def test_an_event_arrives(make: Any) -> None:
    assert kinds(silence(make("u0", "u1"))) == ["LostEvent"]
    assert kinds(silence(make("u0", "u2"))) == []
    story = make("u0", "u1", "u1")
    over = "c0" if story.target.traits.by_wire else None
    number = story.begin("emit", over, "u0", to="u1")
    story.hears("c1", number).end(number, NOBODY if over else None).rest()
    (lost,) = story.judged()
    assert lost.circumstance.endswith("another connection got it")


def test_how_it_ended_is_part_of_the_circumstance() -> None:
    said = {
        "it reported success": silence(managed("u0", "u1"), True),
        "it reported failure": silence(managed("u0", "u1"), False),
        "nobody answered": silence(served("u0", "u1")),
        "it raised KeyError in Hub.emit": silence(managed("u0", "u1"), REFUSED, RowKind.RAISED),
        "it raised KeyError": silence(managed("u0", "u1"), REFUSED._replace(place=Place()), RowKind.RAISED),
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
    assert kinds(silence(story)) == []


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
    assert kinds(story.end(number, NOBODY).rest()) == ["BrokenGoldenPath"]
    assert list(circumstances(story)) == ["missing, nobody answered"]


def test_a_run_of_the_applications_own_arrives_everywhere() -> None:
    story = managed("u0", "u0")
    number = story.begin("run_agent", None, "u0", to="u0")
    story.run(number, "c0").end(number).rest()
    assert kinds(story) == ["BrokenGoldenPath"] * 5


# -- excuses ------------------------------


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


def test_what_was_confirmed_was_heard() -> None:
    story = served("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    leaving = story.begin("disconnect", "c0")
    story.mark(RowKind.GONE, "disconnect", "c0", leaving).end(number, None).end(leaving, NOBODY).rest()
    assert kinds(story) == ["LostEvent"]


def test_who_left_long_after_was_heard() -> None:
    story = silence(served("u0", "u1"))
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
    story = silence(managed("u0", "u1"), False)
    assert kinds(story, may_refuse=True) == []
    assert story.excused(may_refuse=True) == ["refused_honestly"]
    assert "may_refuse" in story.judged()[0].message
    assert kinds(silence(managed("u0", "u1"), True), may_refuse=True) == ["LostEvent"]
    assert kinds(silence(managed("u0", "u1"), REFUSED, RowKind.RAISED), may_refuse=True) == ["LostEvent"]


@pytest.mark.parametrize(("rate", "apart", "lost"), [((1, 5.0), 0.0, 0), ((2, 5.0), 0.0, 1), ((1, 5.0), 6.0, 1)])
def test_beyond_its_rate_a_user_is_owed_nothing(rate: tuple[int, float], apart: float, lost: int) -> None:
    story = managed("u0", "u1")
    first = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", first).end(first).wait(apart)
    silence(story)
    assert kinds(story, rate=rate) == ["LostEvent"] * lost
    assert ("beyond_rate" in story.excused(rate=rate)) == (not lost)


def test_others_do_not_count_towards_a_users_rate() -> None:
    story = managed("u0", "u1")
    first = story.begin("emit", None, "u2", to="u1")
    story.hears("c1", first).end(first)
    assert kinds(silence(story), rate=(1, 5.0)) == ["LostEvent"]
    story = managed("u0", "u1")
    run = story.begin("run_agent", None, "u0", to="u0")
    story.run(run, "c0").end(run)
    assert kinds(silence(story), rate=(5, 5.0)) == []
    assert kinds(silence(story), rate=(9, 5.0)) == ["LostEvent", "LostEvent"]


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
    story = silence(managed("u0", "u1"))
    late = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", late).end(late).rest()
    assert kinds(story, backlog=1) == ["LostEvent"]


def test_at_most_once_may_be_never() -> None:
    story = silence(managed("u0", "u1"))
    assert kinds(story, delivery="at most once") == []
    assert kinds(story, delivery="at least once") == ["LostEvent"]


# -- slowness ------------------------------


def slow(story: Story, seconds: float) -> Story:
    """c1 lets a frame lie for so long."""
    number = story.begin("emit", None, "u0", to="u1")
    return story.send("c1", number).wait(seconds).receive("c1").end(number)


def test_slowness_ends() -> None:
    story = silence(slow(managed("u0", "u1"), 5.0).rest())
    assert kinds(story) == ["LostEvent"]
    assert list(circumstances(story)) == [
        "emit, it reported success, nobody got it, given up and left open",
    ]
    assert kinds(story, slow="forgotten") == []
    assert story.excused(slow="forgotten") == ["forgotten"]


def test_while_a_frame_lies_for_long_nothing_is_owed() -> None:
    assert kinds(silence(slow(managed("u0", "u1"), 5.0))) == []
    assert kinds(silence(slow(managed("u0", "u1"), 0.5))) == ["LostEvent"]
    assert kinds(silence(slow(managed("u0", "u1"), 5.0)), delay=10.0) == ["LostEvent"]


def test_a_stall_that_lasts_is_slowness_too() -> None:
    for seconds, want in ((5.0, []), (0.5, ["LostEvent"])):
        story = managed("u0", "u1").stall("c1").wait(seconds).resume("c1")
        assert kinds(silence(story)) == want


def test_a_frame_that_lies_at_rest_is_slowness_without_end() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c1", number).end(number).wait(5.0).rest()
    assert kinds(silence(story)) == []


def test_who_was_never_slow_was_not_forgotten() -> None:
    assert kinds(silence(managed("u0", "u1")), slow="forgotten") == ["LostEvent"]


# -- false failures ------------------------------


def failed(*, late: bool, closed: bool = False, known: tuple[str, ...] | None = None, others: int = 0) -> Story:
    story = managed("u1", *["u1"] * others)
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c0", number)
    if late:
        story.end(number, False).receive("c0")
    else:
        story.receive("c0").end(number, False)
    if closed:
        story.closed("c0")
    story.rest()
    return story if known is None else story.mark(RowKind.REGISTRY, known)


def test_failure_is_false_where_the_event_had_arrived() -> None:
    assert kinds(failed(late=False)) == ["FalseFailure"]
    assert kinds(failed(late=True)) == []
    assert failed(late=True).excused() == ["unread_at_failure"]


def test_failure_is_false_where_the_client_is_given_up_and_left_open() -> None:
    assert "FalseFailure" in kinds(failed(late=True, known=()))
    assert kinds(failed(late=True, known=("c0",))) == []
    assert "FalseFailure" not in kinds(failed(late=True, known=(), closed=True))


def test_failure_is_honest_where_the_client_was_closed_or_another_missed_it() -> None:
    assert kinds(failed(late=False, closed=True)) == []
    assert failed(late=False, closed=True).excused() == ["given_up"]
    assert kinds(failed(late=False, others=1)) == ["LostEvent"]


def test_who_came_later_missed_nothing() -> None:
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c0", number).end(number, False)
    story.connect("c1", "u1", said=None)
    assert kinds(story.rest()) == ["FalseFailure"]


def test_who_had_gone_before_missed_nothing() -> None:
    story = managed("u1", "u1").leave("c1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", number).end(number, False).rest()) == ["FalseFailure"]


def test_failure_may_say_that_nobody_knows() -> None:
    assert kinds(failed(late=False), failure="unknown") == []
    assert "failure" in failed(late=False).judged()[0].message


def test_a_cancelled_failure_is_none() -> None:
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c0", number)
    story.done("cancel", None, "u0", detail=number)
    assert kinds(story.end(number, False).rest()) == []


def test_success_is_no_failure() -> None:
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", number).end(number, True).rest()) == []
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.end(number, False).hears("c0", number).rest()
    assert kinds(story) == []


# -- heartbeats ------------------------------


@pytest.mark.parametrize("whose", ["c0", "c1"])
@pytest.mark.parametrize(
    ("pending", "passed", "excused"),
    [
        (["pong", "pong"], 0.6, True),  # one that is late is late over several moves of the clock
        (["pong"], 1.1, True),
        (["pong"], 1.0, False),
        (["pong", "frame", "pong"], 0.6, False),  # two, of which each was in time
        (["frame", "bytes"], 9.0, False),
    ],
)
def test_whose_heartbeat_was_late_may_have_been_given_up(
    whose: str, pending: list[str], passed: float, excused: bool
) -> None:
    """A server that drops a connection for that may leave it open for a while, and be deaf to it."""
    story = served("u0", "u1")
    for kind in pending:
        story.mark(RowKind.CLOCK, ((kind, whose),)).wait(passed)
    story.rest()
    assert kinds(silence(story)) == ([] if excused else ["LostEvent"])


@pytest.mark.parametrize(
    ("beats", "pending", "passed", "excused"),
    [
        (True, ["bytes", "frame"], 2.6, True),  # one that lies behind them waits as long as all of them
        (True, ["bytes", "bytes"], 2.5, False),
        (True, ["bytes", "start", "bytes"], 2.6, False),
        (True, ["start"], 9.0, False),
        (False, ["bytes"], 9.0, False),
    ],
)
def test_a_heartbeat_may_lie_behind_what_is_said(beats: bool, pending: list[str], passed: float, excused: bool) -> None:
    story = served("u0", "u1")
    ping = {"type": "ping"} if beats else None
    story.target = replace(story.target, traits=WireTraits(JsonWire(ping=ping), Policy()))
    for kind in pending:
        story.mark(RowKind.CLOCK, ((kind, "c1"),)).wait(passed)
    assert kinds(silence(story.rest())) == ([] if excused else ["LostEvent"])


def test_heartbeats_that_are_each_in_time_excuse_nothing() -> None:
    """Where the clock moves while nothing is on its way, no row says so."""
    story = served("u0", "u1")
    for _ in range(4):
        story.mark(RowKind.CLOCK, (("pong", "c1"),)).wait(0.6).rest().wait(20.0)
    assert kinds(silence(story.rest())) == ["LostEvent"]


def test_a_heartbeat_is_late_while_the_machine_is_busy_too() -> None:
    """The server's own time-out does not know better."""
    story = served("u0", "u1").mark(RowKind.CLOCK, (("pong", "c1"),)).mark(RowKind.BUSY, 1.1).wait(1.1)
    assert kinds(silence(story.rest())) == []


def test_a_history_may_end_as_the_clock_moves() -> None:
    """Where the target keeps the thread then, the execution is broken off."""
    story = silence(served("u0", "u1")).mark(RowKind.CLOCK, (("pong", "c1"),))
    assert story.index().beats_late == {}


def test_a_heartbeat_that_is_late_excuses_nothing_before() -> None:
    story = silence(served("u0", "u1"))
    story.mark(RowKind.CLOCK, (("pong", "c1"),)).wait(9.0)
    assert kinds(story.rest()) == ["LostEvent"]
    story = served("u0", "u1", "u2").mark(RowKind.CLOCK, (("pong", "c2"),)).wait(9.0)
    assert kinds(silence(story.rest())) == ["LostEvent"]


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
    assert circumstances_of(silence(story)) == ["it reported success, nobody got it"] * 2
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
    assert does("tell", REFUSED, RowKind.RAISED, leaves=True) == []
    assert does("tell", REFUSED, RowKind.RAISED) == ["LostEvent"]
    assert does("tell", None, leaves=True) == ["LostEvent"]


# -- boundaries ------------------------------


def test_who_aborts_later_had_been_heard() -> None:
    story = silence(served("u0", "u1")).leave("c0", "abort")
    assert kinds(story.rest()) == ["LostEvent"]


def test_who_speaks_in_several_rooms_is_a_member_of_one() -> None:
    def spoken(joined: str) -> list[str]:
        story = served("u0", "u1")
        story.done("join", "c0", room=joined)
        story.done("join", "c1", room="r1")
        number = story.begin("emit_to_room", "c0", "u0", room="r0", detail=Aim(rooms=("r0", "r1")))
        return kinds(story.end(number, NOBODY).rest())

    assert spoken("r0") == ["LostEvent"] and spoken("r2") == []


def test_what_was_not_read_is_no_third_time() -> None:
    story = served("u0", "u0")
    number = story.begin("emit", "c0", "u0", to="u0")
    story.hears("c1", number).hears("c1", number).send("c1", number).end(number, NOBODY).rest()
    assert kinds(story) == [] and "told_twice_over" in story.excused()


def test_an_agents_run_that_reports_failure_is_no_false_one() -> None:
    story = managed("u1")
    number = story.begin("run_agent", None, "u0", to="u1")
    assert kinds(story.run(number, "c0").end(number, False).rest()) == []


def test_who_has_logged_out_was_not_there_to_be_reached() -> None:
    story = managed("u1", "u1")
    story.done("log_out", "c1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", number).end(number, False).rest()) == ["FalseFailure"]


def test_a_lapse_that_comes_later_excuses_nothing_before() -> None:
    story = silence(managed("u0", "u1")).stall("c1").wait(9.0).resume("c1")
    assert kinds(story.rest()) == ["LostEvent"]


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
    story.end(story.begin("clean_up", None, "u0"), REFUSED, RowKind.RAISED)
    number = story.begin("emit", None, "u1", to="u0")
    assert kinds(story.hears("c0", number).end(number).rest()) == ["UnhandledError"]
