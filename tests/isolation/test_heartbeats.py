"""Heartbeats that are late, and what they excuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crosswire.fuzzer import JsonWire, Policy
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.targets.traits import WireTraits

from .story import emit, kinds, managed, served


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
    assert kinds(emit(story)) == ([] if excused else ["LostEvent"])


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
    assert kinds(emit(story.rest())) == ([] if excused else ["LostEvent"])


def test_heartbeats_that_are_each_in_time_excuse_nothing() -> None:
    """Where the clock moves while nothing is on its way, no row says so."""
    story = served("u0", "u1")
    for _ in range(4):
        story.mark(RowKind.CLOCK, (("pong", "c1"),)).wait(0.6).rest().wait(20.0)
    assert kinds(emit(story.rest())) == ["LostEvent"]


def test_a_heartbeat_is_late_while_the_machine_is_busy_too() -> None:
    """The server's own time-out does not know better."""
    story = served("u0", "u1").mark(RowKind.CLOCK, (("pong", "c1"),)).mark(RowKind.BUSY, 1.1).wait(1.1)
    assert kinds(emit(story.rest())) == []


def test_a_history_may_end_as_the_clock_moves() -> None:
    """Where the target keeps the thread then, the execution is broken off."""
    story = emit(served("u0", "u1")).mark(RowKind.CLOCK, (("pong", "c1"),))
    assert story.index().beats_late == {}


def test_a_heartbeat_that_is_late_excuses_nothing_before() -> None:
    story = emit(served("u0", "u1"))
    story.mark(RowKind.CLOCK, (("pong", "c1"),)).wait(9.0)
    assert kinds(story.rest()) == ["LostEvent"]
    story = served("u0", "u1", "u2").mark(RowKind.CLOCK, (("pong", "c2"),)).wait(9.0)
    assert kinds(emit(story.rest())) == ["LostEvent"]


def test_a_heartbeat_that_was_late_excuses_what_is_kept_and_what_is_said_of_who_is_there() -> None:
    for pong, excused in ((("pong", 0, "c1"), True), (("pong", 0, "c0"), False)):
        story = managed("u0", "u1").mark(RowKind.CLOCK, (pong,)).wait(5.0).rest()
        story.mark(RowKind.REGISTRY, ("c0",)).mark(RowKind.ACTIVE, ("u0",))
        if excused:
            assert kinds(story) == [] and set(story.excused()) == {"missed_beat"}
        else:
            assert kinds(story) == ["MissingEntry", "WrongAnswer"]
