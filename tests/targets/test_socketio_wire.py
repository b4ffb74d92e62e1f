"""What a Socket.IO wire says of logins and recipients is heeded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Login, Policy, SocketIOWire, application
from crosswire.fuzzer.targets.presence import Presence, Seen

from ..schedules import kinds_under

WIRE = SocketIOWire(
    first=[("hello", {"user": "{user}"})],
    ready="welcome",
    user="user",
    recipient="for",
    to_user=("say", {"to": "{to}", "text": "{event}"}),
    logout=("bye", {"user": "{user}"}),
)

COMING = tuple(Operation("connect", f"c{number}", f"u{number}") for number in range(3))
AT_ONCE = Program((*COMING, Operation("emit", "c0", "u0", "u1"), Operation("emit", "c0", "u0", "u1")))
AFTERWARDS = Program((*COMING, Operation("settle"), Operation("emit", "c0", "u0", "u1")))


def found(name: str, wire: SocketIOWire, program: Program) -> set[str]:
    worker = Worker(application(f"tests.applications.seats:{name}", wire=wire))
    return kinds_under(worker, 40, program)


def test_a_login_is_done_when_the_server_says_so() -> None:
    assert found("app", WIRE, AT_ONCE) == set()
    assert found("hasty", WIRE, AT_ONCE) == {"LostEvent"}
    assert found("hasty", replace(WIRE, ready=None, user=None), AT_ONCE) == set()


def test_whom_the_server_takes_a_client_for_is_checked() -> None:
    assert "WrongIdentity" in found("misnames", WIRE, AFTERWARDS)


def test_an_event_for_somebody_else_is_a_leak() -> None:
    assert found("misdelivers", WIRE, AFTERWARDS) == {"CrossUserLeak"}
    assert found("app", WIRE, AFTERWARDS) == set()


def test_clients_that_log_out_by_an_event_hear_nothing_any_more() -> None:
    assert WIRE.offers("log_out") and not replace(WIRE, logout=None).offers("log_out")
    tally = Campaign(application("tests.applications.seats:app", wire=WIRE), Plan(executions=30, seed=2)).run()
    assert not tally.found and not tally.doubtful


SECOND_TAB = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1"), Operation("connect", "c2", "u1"))


@pytest.mark.parametrize(
    ("app", "policy", "kinds"),
    [
        ("app", Policy(per_user=1, at_limit="close"), set()),
        ("app", Policy(), {"Dropped"}),
        ("keeps_the_first", Policy(per_user=1, at_limit="close"), {"LostEvent"}),
    ],
)
def test_whom_the_server_sends_away_hangs_up_and_is_owed_nothing(app: str, policy: Policy, kinds: set[str]) -> None:
    """As the clients of python-socketio and socket.io do: the namespace ends, and the session with it."""
    wire = SocketIOWire(to_user=("say", {"to": "{to}", "text": "{event}"}))
    worker = Worker(application(f"tests.applications.newest_seat:{app}", wire=wire, policy=policy))
    program = Program((*SECOND_TAB, Operation("settle"), Operation("emit", "c0", "u0", "u1")))
    with worker.session():
        runs = [judged(worker, worker.run(program, RandomWalk(seed))) for seed in range(30)]
    assert {violation.kind for result in runs for violation in result.violations} == kinds
    for result in runs:
        assert RowKind.CLOSED in [row.kind for row in result.execution.history]


LOGIN = Login("c0", "u0", "token-u0", None)


@pytest.mark.parametrize(
    ("joined", "argument", "room"),
    [
        ("joined", '"r1"', "r1"),
        ("joined", '{"channel": "r1", "by": "u0"}', "r1"),
        ("joined", '{"channel": "elsewhere"}', ""),
        ("joined", "null", ""),
        ("left", '"r1"', None),
        (("joined", {"channel": "{room}"}), '{"channel": "r1"}', "r1"),
        (("joined", {"channel": "{room}", "ok": True}), '{"channel": "r1", "ok": false}', None),
        (("joined", {"channel": "{room}"}), '{"channel": 7}', "7"),
        (("joined", {"id": "sub-{room}"}), '{"id": "sub-r1"}', "r1"),
        (("joined", {"id": "sub-{room}"}), '{"id": "sub-"}', None),
        (("joined", {"id": "sub-{room}"}), '{"id": "r1"}', None),
        (("joined", {"id": "{user}/{room}"}), '{"id": "u0/r1"}', "r1"),
        (("joined", {"id": "{user}/{room}"}), '{"id": "u1/r1"}', None),
        (("joined", {"data": {"of": {"room": "{room}"}}}), '{"data": {"of": {"room": "r1", "by": "u0"}}}', "r1"),
        (("joined", {"data": {"of": {"room": "{room}"}}}), '{"data": {"of": "r1"}}', None),
        (
            ("joined", {"id": "sub-{room}", "data": {"room": "{room}"}}),
            '{"id": "sub-r1", "data": {"room": "r1"}}',
            "r1",
        ),
        (
            ("joined", {"id": "sub-{room}", "data": {"room": "{room}"}}),
            '{"id": "sub-r1", "data": {"room": "r0"}}',
            None,
        ),
        (("joined", {"in": ["{room}"]}), '{"in": ["r1"]}', "r1"),
        (("joined", {"in": ["{room}"]}), '{"in": ["r1", "r0"]}', None),
        (("joined", {"in": {"room": "{room}", "as": None}}), '{"in": {"room": "r1"}}', None),
        (("joined", {"by": "{user}"}), '{"by": "u0"}', ""),
        (("joined", {"by": "{user}"}), '{"by": "u1"}', None),
        (("joined", {"by": "{user}", "channel": "{room}"}), '{"by": "u0", "channel": "r1"}', "r1"),
        (None, '"r1"', None),
    ],
)
def test_an_answer_names_the_room_that_was_joined(
    joined: str | tuple[str, dict[str, object]] | None, argument: str, room: str | None
) -> None:
    wire = replace(WIRE, rooms=["r0", "r1"], joined=joined)
    assert wire.read(f'42["joined",{argument}]', LOGIN).joined == room


@pytest.mark.parametrize(
    ("event", "seen"),
    [
        ('["users",["u0","u1"]]', Seen(online=("u0", "u1"))),
        ('["users",{"users":[{"user":"u1"}]}]', Seen(online=("u1",))),
        ('["came","u1"]', Seen(came="u1")),
        ('["came",{"user":"u1","event":"left"}]', Seen(came="u1")),
        ('["left",{"user":"u1"}]', Seen(left="u1")),
        ('["left"]', Seen()),
        ('["said",{"user":"u1"}]', None),
    ],
)
def test_an_event_says_who_is_online(event: str, seen: Seen | None) -> None:
    told = Presence({"event": "users"}, came={"event": "came"}, left={"event": "left"})
    assert replace(WIRE, online=told).read(f"42{event}", LOGIN).seen == seen
    assert WIRE.read(f"42{event}", LOGIN).seen is None


def test_who_is_said_to_be_online_for_ever_is_found() -> None:
    wire = SocketIOWire(online=Presence({"event": "lights"}))
    target = application("tests.applications.lights:app", wire=wire)
    left = Program((*COMING[:2], Operation("settle"), Operation("disconnect", "c1"), Operation("settle")))
    assert kinds_under(Worker(target), 3, left) == {"WrongAnswer"}
    assert kinds_under(Worker(target), 3, Program((*COMING[:2], Operation("settle")))) == set()
