"""Programs say something: each phrase brings about the situation it is named after; openings say what is offered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from benchmarks import situations as s
from benchmarks.club import Club
from benchmarks.stories import Story, told
from crosswire.fuzzer.campaigns.campaign import Plan
from crosswire.fuzzer.campaigns.rounds import run_round
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.adapter import Adapter, Target
from crosswire.fuzzer.targets.json_wire import JsonWire
from crosswire.fuzzer.targets.policy import Policy
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.targets.traits import WireTraits
from crosswire.fuzzer.world import Chooser, InOrder
from crosswire.strategies import phrases
from crosswire.strategies.openings import openings
from crosswire.strategies.phrases import Said
from crosswire.strategies.script import Script, Vocabulary

CLUB = Target("club", Club, Club)
RELAY = "examples.aiohttp_chat:create_app?wire=examples.wires:aiohttp_chat"
SCHEDULES = 12

Write = Callable[[Script], None]
Occurs = Callable[[Story], bool]

EMIT: Said = ("emit", 1, 0)
"""u1 says something to u0."""

PHRASES: dict[str, tuple[Write, Occurs]] = {
    "concurrently": (lambda x: phrases.concurrently(x, [EMIT, EMIT]), s.several_speak),
    "three at once": (lambda x: phrases.concurrently(x, [EMIT, EMIT, EMIT]), s.three_at_once),
    "on the heels": (lambda x: phrases.on_the_heels(x, EMIT, 2), s.on_the_heels),
    "cancelled": (lambda x: phrases.cancelled(x, EMIT, [EMIT, EMIT], 0), s.cancelled_while_others_wait),
    "speaker leaves": (
        lambda x: phrases.leave_meanwhile(x, EMIT, 1, "abort", speaks=True, tab=False, slow=True),
        s.speaker_leaves,
    ),
    "listener leaves": (
        lambda x: phrases.leave_meanwhile(x, EMIT, 0, "disconnect", speaks=False, tab=False),
        s.listener_leaves,
    ),
    "tab leaves a run": (
        lambda x: phrases.leave_meanwhile(x, ("run_agent", 0, 0), 0, "disconnect", speaks=False, tab=True),
        s.run_while_a_tab_leaves,
    ),
    "broadcast": (
        lambda x: phrases.leave_meanwhile(x, ("broadcast", 1, 0), 0, "abort", speaks=False, tab=False, slow=True),
        s.broadcast_while_leaving,
    ),
    "log-out": (
        lambda x: phrases.leave_meanwhile(x, EMIT, 0, "log_out", speaks=False, tab=False),
        s.logged_out_meanwhile,
    ),
    "login leaves": (
        lambda x: phrases.login_ended(x, EMIT, 0, "abort", slow=True, other=None, resumes=True),
        s.leaves_while_connecting,
    ),
    "logins together": (lambda x: phrases.log_in_together(x, 0, ("valid", "valid"), None), s.logins_overlap),
    "one of two logins": (
        lambda x: phrases.login_ended(x, EMIT, 0, "cancel", slow=False, other=0, resumes=False),
        s.one_of_two_logins_ends,
    ),
    "cleaned up": (
        lambda x: phrases.login_ended(x, EMIT, 0, "clean_up", slow=False, other=None, resumes=False),
        s.cleaned_up_while_connecting,
    ),
    "second tab": (lambda x: phrases.second_tab(x, EMIT, 0, None), s.second_tab_meanwhile),
    "reconnect": (lambda x: phrases.reconnect_meanwhile(x, EMIT, 0, "abort", again=True), s.reconnect_meanwhile),
    "leave together": (
        lambda x: phrases.leave_together(x, EMIT, ("abort", "disconnect")),
        s.back_after_all_left,
    ),
    "while stalled": (
        lambda x: phrases.while_stalled(x, 0, [EMIT, EMIT, ("emit", 1, 2)], resumes=False),
        s.stalled_and_others_speak,
    ),
    "flood": (lambda x: phrases.flood_the_slow(x, EMIT, 3, "abort"), s.listener_leaves),
    "kept": (lambda x: phrases.keep_and_fetch(x, EMIT, 1, 1, slow=False), s.kept_and_fetched),
    "cut off": (lambda x: phrases.cut_off(x, EMIT, 2, "abort"), s.kept_and_fetched),
    "two runs": (lambda x: phrases.two_runs(x, 0, "disconnect", slow=True), s.two_runs_of_one_user),
    "again and again": (lambda x: phrases.again_and_again(x, EMIT, 8), s.many_times),
    "burst": (lambda x: phrases.burst(x, EMIT, 70.0, 8), s.many_times),
    "busy": (lambda x: phrases.stay_busy(x, EMIT, 120.0, 2), s.pause_before_speaking),
    "long": (lambda x: phrases.stay_busy(x, EMIT, 120.0, 1), s.long_pause),
    "refused": (
        lambda x: phrases.refused_and_spoken(x, "invalid", 0, EMIT, 1, retries=False),
        s.refused_then_spoken,
    ),
    "foreign token": (lambda x: phrases.refused_and_spoken(x, "u1", 0, EMIT, 1, retries=False), s.foreign_token),
    "expired": (lambda x: phrases.expired(x, 0, EMIT), s.expired_then_spoken),
    "moved": (lambda x: phrases.moved(x, 0, 0, ("emit_to_room", 1, 0), leaves=False), s.room_left_meanwhile),
    "in two rooms": (lambda x: phrases.in_two_rooms(x, "emit_to_room", 1, 0, None), s.spoken_among_members),
    "two stalled": (lambda x: phrases.two_stalled(x, 0, 1, EMIT, "abort"), s.two_stalled_one_gone),
    "changed places": (lambda x: phrases.change_places(x, 0, 1, 0, "leave"), s.place_changed),
    "shut down": (lambda x: phrases.shut_down_meanwhile(x, [EMIT, EMIT], slow=True), s.shut_down_meanwhile),
    "an operation of its own": (
        lambda x: phrases.concurrently(x, [(Club.own_operations[0], 1, 0), EMIT]),
        s.own_meanwhile,
    ),
}
"""For each phrase the situation that it is for."""


@pytest.fixture(scope="module")
def club() -> Worker:
    return Worker(CLUB)


def program(target: Target, write: Write) -> Program:
    """Three users come, and then what the phrase writes."""
    script = Script(Vocabulary(target, 3))
    for number in range(3):
        script.arrive(script.user(number))
    script.settle()
    write(script)
    return Program(tuple(script.operations))


def times(worker: Worker, written: Program, occurs: Occurs) -> int:
    """In how many of some schedules a situation occurs."""
    choosers: list[Chooser] = [InOrder(), *(RandomWalk(seed) for seed in range(SCHEDULES))]
    with worker.session():
        runs = [worker.run(written, chooser) for chooser in choosers]
    return sum(occurs(told(worker.target, run)) for run in runs)


@pytest.mark.parametrize("name", PHRASES)
def test_a_phrase_brings_its_situation_about(name: str, club: Worker) -> None:
    write, occurs = PHRASES[name]
    assert times(club, program(CLUB, write), occurs)
    if name != "logins together":  # they come together in any case
        assert not times(club, program(CLUB, lambda script: None), occurs)


BY_WIRE: dict[str, tuple[Write, Occurs]] = {
    "login leaves": (
        lambda x: phrases.login_ended(x, ("broadcast", 1, 0), 0, "abort", slow=True, other=0, resumes=True),
        s.one_of_two_logins_ends,
    ),
    "reconnect": (
        lambda x: phrases.reconnect_meanwhile(x, ("broadcast", 1, 0), 0, "abort", again=True),
        s.reconnect_meanwhile,
    ),
    "shut down": (lambda x: phrases.shut_down_meanwhile(x, [("broadcast", 1, 0)]), s.shut_down_meanwhile),
}


@pytest.mark.parametrize("name", BY_WIRE)
def test_a_phrase_brings_it_about_over_a_wire(name: str) -> None:
    worker = Worker(resolve(RELAY))
    write, occurs = BY_WIRE[name]
    assert times(worker, program(worker.target, write), occurs)


def test_every_situation_has_a_phrase() -> None:
    shown = {occurs for _, occurs in PHRASES.values()}
    assert {situation.occurs for situation in s.SITUATIONS} == shown


@pytest.mark.parametrize("target", ["benchmarks.club:Club", RELAY])
def test_a_stall_of_so_many_seconds_ends_by_itself(target: str) -> None:
    login = [] if target == RELAY else [Operation("authenticate", "c0", token="valid")]
    stalled = Operation("stall", "c0", seconds=2.5)
    written = Program((Operation("connect", "c0", "u0"), *login, Operation("settle"), stalled, Operation("settle")))
    worker = Worker(resolve(target))
    with worker.session():
        history = worker.run(written, InOrder()).history
    stall, resume = (next(row for row in history if row.kind == kind) for kind in (RowKind.STALLED, RowKind.RESUMED))
    assert resume.operation == stall.operation == len(login) + 2
    assert round(resume.time - stall.time, 2) == 2.5
    gone = Program((*written.operations[:-1], Operation("abort", "c0"), Operation("settle")))
    with worker.session():
        assert not [row for row in worker.run(gone, InOrder()).history if row.kind == RowKind.RESUMED]


class OnlyEmits(Adapter):
    """Nothing but what every adapter has."""

    async def connect(self, client: object) -> None: ...

    async def emit(self, event: object) -> None: ...

    async def disconnect(self, client: object) -> None: ...


@pytest.mark.parametrize("adapter", [Club, OnlyEmits])
@pytest.mark.parametrize("users", [1, 2, 3])
def test_openings_are_the_same_every_time_each_once_and_only_what_is_offered(
    adapter: type[Adapter], users: int
) -> None:
    target = Target("target", adapter, adapter)
    opened = list(openings(target, users, (5.0, 70.0)))
    assert opened == list(openings(target, users, (5.0, 70.0))) and len(set(opened)) == len(opened)
    vocabulary = Vocabulary(target, users)
    for one in opened:
        assert set(one.users) <= {f"u{number}" for number in range(users)}
        known: set[str] = set()
        for op in one.operations:
            assert op.kind in ("settle", "pause", "act") or vocabulary.offers(op.kind), op
            if op.kind == "connect":
                assert op.connection not in known
                known.add(op.connection or "")
            assert op.connection is None or op.connection in known, f"{op} before its connect"


def test_a_script_says_each_thing_as_the_target_takes_it() -> None:
    by_adapter, by_wire = Script(Vocabulary(CLUB, 3)), Script(Vocabulary(resolve(RELAY), 3))
    for script in (by_adapter, by_wire):
        script.arrive("u1", "invalid")
        script.say("broadcast", 0, 0, times=3)
    assert by_adapter.operations == [
        Operation("connect", "c0", "u1", token="valid"),
        Operation("authenticate", "c0", token="invalid"),
        Operation("broadcast", user="u0", times=3),
    ]
    assert by_wire.operations == [
        Operation("connect", "c0", "u1", token="invalid"),
        Operation("broadcast", "c0", "u1", times=3),
    ]
    assert by_wire.order == [0, 1, 2, 3]


class OneWay(Adapter):
    """Rooms that are entered and never left."""

    async def connect(self, client: object) -> None: ...

    async def join(self, client: object, room: str) -> None: ...

    async def emit(self, event: object) -> None: ...

    async def emit_to_room(self, event: object) -> None:
        await asyncio.sleep(0)

    async def disconnect(self, client: object) -> None: ...


def test_nobody_leaves_a_room_where_that_is_no_operation() -> None:
    worker = Worker(Target("one way", OneWay, OneWay))
    with worker.session():
        batches = [
            batch for number in range(6) for batch in run_round(worker, Plan(schedules=1), number, lambda _: False)
        ]
    written = {op.kind for batch in batches for op in batch.program.operations}
    assert {"join", "emit_to_room"} <= written and "leave" not in written


@pytest.mark.parametrize("names", [["1", "2"], ["lobby"]], ids=str)
def test_rooms_are_called_what_the_wire_calls_them(names: list[str]) -> None:
    """An application turns clients away from a room that it does not have."""
    wire = JsonWire(join={"join": "{room}"}, to_room={"room": "{room}", "text": "{event}"}, rooms=names)
    target = Target("rooms", OneWay, WireTraits(wire, Policy()))
    written = [op for program in openings(target, 3) for op in program.operations]
    for kind in ("join", "emit_to_room"):
        assert {op.room for op in written if op.kind == kind} == set(names)
    assert "leave" not in {op.kind for op in written}


def test_nobody_joins_a_room_that_is_in_the_path() -> None:
    wire = JsonWire(path="/ws/{room}?token={token}", to_user=None, to_room={"text": "{event}"}, rooms=["1", "2"])
    target = Target("rooms", OneWay, WireTraits(wire, Policy()))
    written = [op for program in openings(target, 3) for op in program.operations]
    assert {op.kind for op in written} & {"join", "leave"} == set()
    assert {op.room for op in written if op.kind == "connect"} == {"1", "2"}
