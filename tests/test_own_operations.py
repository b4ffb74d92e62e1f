"""Operations of a target's own: declared, written into programs, driven, judged, made small, saved and replayed."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from crosswire.fuzzer import (
    Action,
    Adapter,
    Http,
    JsonWire,
    Login,
    Presence,
    SocketIOWire,
    UsageError,
    WireError,
    application,
    operation,
)
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.rounds import run_round
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.findings.counterexample import load, of_finding, save
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.findings.minimise import minimise
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.adapter import Client, Event, Target
from crosswire.fuzzer.targets.own import Audience
from crosswire.fuzzer.targets.presence import Seen
from crosswire.fuzzer.targets.templates import names
from crosswire.fuzzer.world import InOrder, latency
from crosswire.strategies.constants import no_local_constants
from crosswire.strategies.openings import openings
from crosswire.strategies.rules import machine_for


class Board(Adapter):
    """Right: whispers go to whom they are for, in order; who asks is told who it is."""

    def __init__(self) -> None:
        self.tabs: dict[str, list[Client]] = defaultdict(list)
        self.rooms: dict[str, list[Client]] = defaultdict(list)
        self.keys = 0

    async def connect(self, client: Client) -> Any:
        self.tabs[client.user].append(client)

    async def disconnect(self, client: Client) -> Any:
        for members in (self.tabs[client.user], *self.rooms.values()):
            if client in members:
                members.remove(client)

    async def emit(self, event: Event) -> Any:
        await self.send(self.tabs[event.to or ""], event)

    async def join(self, client: Client, room: str) -> Any:
        if client not in self.rooms[room]:
            self.rooms[room].append(client)

    async def leave(self, client: Client, room: str) -> Any:
        if client in self.rooms[room]:
            self.rooms[room].remove(client)

    async def send(self, clients: list[Client], event: Event) -> None:
        for client in list(clients):
            if client in clients:
                try:
                    await client.websocket.send_json(event.payload)
                except ConnectionError:
                    continue

    @operation(audience="user")
    async def whisper(self, client: Client, event: Event) -> None:
        await self.send(self.tabs[event.to or ""], event)

    @operation(name="pin a note", audience="room")
    async def pin(self, client: Client, event: Event) -> None:
        await self.send(self.rooms[event.room or ""], event)

    @operation(by="user", audience="own")
    async def remind(self, user: str, event: Event) -> None:
        assert event.to == user
        await self.send(self.tabs[user], event)

    @operation(audience="user", returns="accepted")
    async def invite(self, client: Client, event: Event) -> bool:
        if event.to == client.user:
            return False
        await self.send(self.tabs[event.to or ""], event)
        return True

    @operation(by="server", audience="everybody")
    async def announce(self, event: Event) -> None:
        for tabs in list(self.tabs.values()):
            await self.send(tabs, event)

    @operation(by="server")
    async def rotate(self) -> bool:
        self.keys += 1
        return False  # means nothing

    @operation(returns="user")
    async def who_am_i(self, client: Client) -> str:
        await latency("db")
        return client.user


class Loud(Board):
    @operation(audience="user")
    async def whisper(self, client: Client, event: Event) -> None:
        await self.send([other for tabs in self.tabs.values() for other in tabs], event)


class Lost(Board):
    @operation(name="pin a note", audience="room")
    async def pin(self, client: Client, event: Event) -> None:
        await self.send(self.rooms[event.room or ""][:1], event)


class Forgetful(Board):
    @operation(by="user", audience="own")
    async def remind(self, user: str, event: Event) -> None:
        await latency("db")
        await self.send(self.tabs[user][-1:], event)


class Unwilling(Board):
    @operation(audience="user", returns="delivered")
    async def invite(self, client: Client, event: Event) -> bool:
        return await super().invite(client, event)


class Broken(Board):
    @operation(by="server")
    async def rotate(self) -> bool:
        if len(self.tabs) > 1:
            raise LookupError("no key")
        return True


class Mistaken(Board):
    asks: Client

    @operation(returns="user")
    async def who_am_i(self, client: Client) -> str:
        self.asks = client
        await latency("db")
        return self.asks.user


def target(adapter: type[Adapter]) -> Target:
    return Target(adapter.__name__, adapter, adapter)


def connect(number: int, user: str) -> Operation:
    return Operation("connect", f"c{number}", user)


def act(name: str, connection: str | None, user: str | None, **fields: Any) -> Operation:
    return Operation("act", connection, user, name=name, **fields)


SETTLE = Operation("settle")
HERE = (connect(0, "u0"), connect(1, "u1"), connect(2, "u0"), SETTLE)
IN_ROOM = (*HERE, Operation("join", "c0", room="r0"), Operation("join", "c1", room="r0"), SETTLE)

WRONG: dict[type[Board], tuple[str, tuple[Operation, ...]]] = {
    Loud: ("CrossUserLeak", (*HERE, connect(3, "u2"), SETTLE, act("whisper", "c0", "u0", to="u1"))),
    Lost: ("LostEvent", (*IN_ROOM, act("pin a note", "c0", "u0", room="r0"))),
    Forgetful: ("LostEvent", (*HERE, act("remind", None, "u0"))),
    Unwilling: ("LostEvent", (*HERE, act("invite", "c0", "u0", to="u0"))),
    Broken: ("UnhandledException", (*HERE, act("rotate", None, None))),
    Mistaken: ("WrongIdentity", (*HERE, act("who_am_i", "c0", "u0"), act("who_am_i", "c1", "u1"))),
}


def verdicts(what: Target, operations: tuple[Operation, ...], schedules: int = 20) -> set[str]:
    """What the model says over some schedules."""
    worker = Worker(what)
    with worker.session():
        runs = [judged(worker, worker.run(Program(operations), RandomWalk(seed))) for seed in range(schedules)]
    return {violation.kind for run in runs for violation in run.violations}


def test_what_is_declared_is_known() -> None:
    declared = {own.name: (own.by, own.audience, own.returns) for own in Board.own_operations}
    assert declared["whisper"] == ("client", "user", None) and declared["pin a note"] == ("client", "room", None)
    assert declared["remind"] == ("user", "own", None) and declared["rotate"] == ("server", None, None)
    assert {own.name for own in Unwilling.own_operations} == set(declared) and Board.offers("act")

    class Without(Board):
        whisper = None  # type: ignore[assignment]

    assert "whisper" not in {own.name for own in Without.own_operations}


def test_what_cannot_be_declared_is_one_clear_line() -> None:
    with pytest.raises(UsageError, match="'somebody', where it may say client, user, server"):
        operation(by="somebody")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nobody's own"):
        operation(by="server", audience="own")


@pytest.mark.parametrize("adapter", WRONG, ids=lambda adapter: adapter.__name__)
def test_an_operation_that_breaks_a_promise_is_told_from_one_that_keeps_it(adapter: type[Board]) -> None:
    kind, operations = WRONG[adapter]
    assert verdicts(target(adapter), operations) == {kind}
    assert verdicts(target(Board), operations) == set()


def test_programs_have_them_all_amid_everything_else() -> None:
    names = {own.name for own in Board.own_operations}
    opened = list(openings(target(Board), 3))
    assert names == {op.name for program in opened for op in program.operations if op.kind == "act"}
    written: list[Program] = []
    machine = machine_for(target(Board), lambda program, order: written.append(program))
    with no_local_constants():
        run_state_machine_as_test(
            seed(1)(machine),
            settings=settings(
                max_examples=60,
                stateful_step_count=8,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    with_them = [program for program in written if any(op.kind == "act" for op in program.operations)]
    assert len(with_them) >= 30
    assert names == {op.name for program in with_them for op in program.operations if op.kind == "act"}


def test_operations_that_keep_their_promises_are_not_reported() -> None:
    tally = Campaign(target(Board), Plan(executions=400, seed=2)).run()
    assert not tally.found, [found.finding.violation.message for found in tally.found.values()]


def test_a_finding_is_made_small_saved_replayed_and_confirmed(tmp_path: Path) -> None:
    worker = Worker(target(Loud))
    with worker.session(), closing(run_round(worker, Plan(seed=2), 0, lambda more: False)) as batches:
        found = next(
            finding
            for batch in batches
            for finding in batch.findings.values()
            if finding.violation.kind == "CrossUserLeak"
        )
        small, _ = minimise(worker, found)
        assert [op.kind for op in small.execution.program.operations] == ["connect", "connect", "act"]
        signature = small.violation.signature("Loud")
        kept = load(save(of_finding("Loud", signature, small), tmp_path))
        again = worker.replay(kept.to_program(), kept.to_schedule())
        assert again.history == small.execution.history
        assert signature in {violation.signature("Loud") for violation in judged(worker, again).violations}
    confirmation = confirm(target(Loud), small.execution, signature, seconds=120.0)
    assert confirmation.verdict == "confirmed", confirmation


def test_an_operation_that_is_no_more_is_left_out() -> None:
    program = Program((connect(0, "u0"), act("fly", "c0", "u0")))
    worker = Worker(target(Board))
    with worker.session():
        history = worker.run(program, InOrder()).history
    assert [row.operation for row in history if row.kind == RowKind.SKIPPED] == [1]


def test_what_the_documentation_declares_is_written_into_programs() -> None:
    page = (Path(__file__).parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    known: dict[str, Any] = {"__name__": "board"}
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(snippet, "operations.md", "exec"), known)
    names = {own.name for own in known["Board"].own_operations}
    opened = openings(target(known["Board"]), 3)
    assert names == {op.name for program in opened for op in program.operations if op.kind == "act"}
    assert names == {"pin", "remind", "rotate_keys", "who am I"} and set(known["wire"].actions) == {"who am I", "note"}


# -- applications ------------------------------

WIRE = JsonWire(
    ready={"type": "ready"},
    to_user={"type": "say", "to": "{to}", "text": "{event}"},
    online=Presence({"type": "online"}, came={"type": "came"}, left={"type": "left"}),
    expire_by=Http("POST", "/expire/{token}"),
    actions={
        "who am I": Action({"type": "me"}, answer={"type": "you"}, user="user"),
        "note": Action(
            Http("POST", "/note", json={"to": "{to}", "text": "{event}"}), audience="user", answer={"status": "kept"}
        ),
    },
)

TWO = (connect(0, "u0"), SETTLE, connect(1, "u1"), SETTLE)

BOARDS = {
    "silent": ("WrongAnswer", (*TWO, Operation("disconnect", "c0"), SETTLE)),
    "lasting": ("LateDelivery", (*TWO, Operation("expire", "c0"), SETTLE, Operation("emit", "c1", "u1", "u0"))),
    "mistaken": ("WrongIdentity", (*TWO, act("who am I", "c0", "u0"))),
    "open_to_all": ("CrossUserLeak", (*TWO, act("note", "c0", "u0", to="u0"), act("note", "c0", "u0", to="u1"))),
}


def board(name: str) -> Target:
    return application(f"tests.applications.board:{name}", wire=WIRE)


@pytest.mark.parametrize("name", BOARDS)
def test_what_an_application_gets_wrong_is_told_from_what_it_gets_right(name: str) -> None:
    kind, operations = BOARDS[name]
    assert kind in verdicts(board(name), operations, 8)
    assert verdicts(board("right"), operations, 8) == set()


def test_an_application_that_keeps_its_promises_is_not_reported() -> None:
    tally = Campaign(board("right"), Plan(executions=120, seed=1)).run()
    assert not tally.found, [found.finding.violation.message for found in tally.found.values()]


PINS = SocketIOWire(
    to_user=None,
    actions={
        "pin": Action(("pin", {"text": "{event}"}), audience="everybody", answer={"done": {"what": "pin"}}),
        "kick": Action(("kick", {"user": "{to}"}), removes=True),
    },
    rooms={user: ["hall"] for user in ("u0", "u1", "u2")},
    to_room=("say", {"text": "{event}"}),
    removed=("kicked", {"room": "{room}"}),
)
PINNED = (
    Operation("connect", "c0", "u0"),
    Operation("connect", "c1", "u1"),
    Operation("settle"),
    Operation("act", "c0", "u0", name="pin"),
    Operation("settle"),
)


def test_a_socketio_client_does_what_an_action_says_and_knows_its_answer() -> None:
    worker = Worker(application("tests.applications.pins:app", wire=PINS))
    shown = judged(worker, worker.run(Program(PINNED), InOrder()))
    assert not shown.violations
    assert [row.detail for row in shown.execution.history if (row.kind, row.operation) == ("returned", 3)] == [None]
    lost = Worker(application("tests.applications.pins:forgetful", wire=PINS))
    assert [one.kind for one in judged(lost, lost.run(Program(PINNED), InOrder())).violations] == ["LostEvent"]


def test_who_is_put_out_over_socketio_is_told_so_and_missed_by_nobody() -> None:
    kicked = (Operation("act", "c0", "u0", "u1", name="kick"), Operation("settle"))
    said = (Operation("emit_to_room", "c0", "u0", room="hall"), Operation("settle"))
    worker = Worker(application("tests.applications.pins:app", wire=PINS))
    shown = judged(worker, worker.run(Program((*PINNED[:3], *kicked, *said)), InOrder()))
    assert not shown.violations
    assert [row.detail for row in shown.execution.history if row.kind == "removed"] == ["hall"]
    untold = Worker(application("tests.applications.pins:app", wire=replace(PINS, removed=None, actions={})))
    assert not judged(untold, untold.run(Program((*PINNED[:3], *said)), InOrder())).violations


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Action({"type": "pin"}), "says an event"),
        (Action(("pin", {}), answer={"a": {}, "b": {}}), "is one event"),
        (Action(("kick", {}), removes=True), "says whom, by {to}"),
    ],
)
def test_an_action_over_socketio_is_an_event(action: Action, message: str) -> None:
    with pytest.raises(WireError) as told:
        SocketIOWire(actions={"x": action})
    assert message in str(told.value)


SAID: Any = {"to": "{to}", "text": "{event}"}


@pytest.mark.parametrize("say", [SAID, "to {to}", Http("POST", "/note", json=SAID), Http("POST", "/note?to={to}")])
def test_an_action_says_whom_it_is_for_only_where_it_is_for_somebody(say: Any) -> None:
    audiences: tuple[Audience | None, ...] = ("room", "own", "sender", "everybody")
    for audience in (*audiences, None) if names("{event}", say) else audiences:
        with pytest.raises(
            WireError, match=r"^the action 'note' says \{to\}, which is nobody without audience=\"user\"$"
        ):
            JsonWire(actions={"note": Action(say, audience=audience)})
    assert JsonWire(actions={"note": Action(say, audience="user"), "me": Action({"type": "me"})}).actions


def test_a_socketio_client_logs_out_by_an_event_of_its_own() -> None:
    login = Login("c0", "u0", "token-u0", "u0")
    out, both = SocketIOWire(leave=("leave", {})), SocketIOWire(leave=("part", "{room}"), logout=("bye", {}))
    assert out.offers("log_out") and not out.offers("leave") and list(out.log_out(login)) == ['42["leave", {}]']
    assert both.offers("leave") and list(both.log_out(login)) == ['42["bye", {}]']
    assert not SocketIOWire(leave=("part", "{room}")).offers("log_out")


def test_presence_is_what_a_roster_says_and_who_came_and_left_since() -> None:
    said = Presence({"type": "all"}, users="members", came={"type": "in"}, left={"type": "out"}, user="name")

    def read(data: dict[str, Any]) -> Seen | None:
        return said.read(data, lambda value: value if isinstance(value, str) else None)

    roster = read({"type": "all", "members": ["u0", {"name": "u1"}, 7]})
    assert roster == Seen(("u0", "u1")) and roster.after(None) == ("u0", "u1")
    came, left = read({"type": "in", "name": "u2"}), read({"type": "out", "name": "u0"})
    assert came is not None and left is not None
    assert (
        came.after(("u0",)) == ("u0", "u2") and came.after(("u2",)) == ("u2",) and left.after(("u0", "u1")) == ("u1",)
    )
    assert came.after(None) is None  # nobody has said who else is there
    assert read({"type": "message"}) is None and read({"type": "all"}) is None
