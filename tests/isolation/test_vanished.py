"""Clients that vanish: what a replay owes the next one, logins that hang up, heartbeats, what each client leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Client, JsonWire, Policy, application
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.traits import WireTraits

from ..applications import mailbox
from ..schedules import kinds_under
from .managers import Chat, connect, verdicts
from .story import WIRE, Story, kinds, managed
from .test_served import EVERYBODY
from .test_served import connect as comes

SETTLE = Operation("settle")

# -- a replay that is cut off ------------------------------


def missed(**policy: Any) -> Story:
    """u1 has said something to u0, who was not there; then u0's first client comes."""
    story = managed("u1", kept="next", **policy)
    story.done("emit", None, "u1", to="u0")
    story.rest().connect("c1", "u0", said=None)
    return story


def test_what_a_client_that_left_was_not_sent_goes_to_the_next() -> None:
    story = missed().leave("c1").rest()
    story.connect("c2", "u0", said=None)
    assert kinds(story.rest()) == ["OfflineLoss"]
    story = missed().leave("c1").rest()
    story.connect("c2", "u0", said=None)
    assert kinds(story.hears("c2", 1).rest()) == []


def test_what_it_was_sent_or_may_have_taken_is_not_owed_again() -> None:
    for story in (missed().send("c1", 1).leave("c1"), missed().leave("c1").turned_away("c1", 1)):
        story.rest().connect("c2", "u0", said=None)
        assert kinds(story.rest()) == [] and "lost_on_the_way" in story.excused()
    story = missed()
    story.connect("c2", "u0", said=None)  # the first is still there, and may be about to get it
    assert kinds(story.leave("c1").rest()) == [] and "perhaps_somebody_there" in story.excused()


MAILBOX = JsonWire(path="/{user}", to_user="{to}:{event}")

CUT_OFF = Program(
    (
        Operation("connect", "c0", "u1"),
        Operation("emit", "c0", "u1", "u0"),
        Operation("settle"),
        Operation("connect", "c1", "u0"),
        Operation("abort", "c1"),
        Operation("settle"),
        Operation("connect", "c2", "u0"),
    )
)


def test_what_was_sent_before_anybody_knew_that_it_had_left_is_not_owed_again() -> None:
    found = dict[str, set[str]]()
    for name in ("keeps", "loses"):
        place = f"{mailbox.__name__}:{name}"
        worker = Worker(application(place, wire=MAILBOX, policy=Policy(kept="next")))
        with worker.session():
            results = [judged(worker, worker.run(CUT_OFF, RandomWalk(seed))) for seed in range(150)]
        found[name] = {violation.kind for result in results for violation in result.violations}
        sent = [row.kind for result in results for row in result.execution.history if row.connection == "c1"]
        assert RowKind.REFUSED in sent or name == "loses"
    assert found == {"keeps": set(), "loses": {"OfflineLoss"}}


# -- logins that hang up ------------------------------


def hung_up(token: str | None = None, *, later: bool = False) -> Story:
    story = managed()
    number = story.begin("connect", "c0", "u0", token=token)
    if not later:
        story.row(RowKind.CLOSED, number, "c0", 1008)
    story.end(number)
    if later:
        story.row(RowKind.CLOSED, number, "c0", 1008)
    return story.rest()


def test_a_login_that_hangs_up_is_a_refusal_whatever_it_returns() -> None:
    assert kinds(hung_up()) == ["Refused"] and kinds(hung_up(later=True)) == []
    assert kinds(hung_up("invalid")) == [] and kinds(hung_up("invalid", later=True)) == ["BadTokenAccepted"]


def test_a_connection_that_somebody_else_closes_is_no_refusal() -> None:
    story = managed()
    other = story.begin("connect", "c1", "u0")
    number = story.begin("connect", "c0", "u0")
    story.row(RowKind.CLOSED, other, "c0", 4001)
    assert kinds(story.end(number).end(other).rest()) == []


# -- heartbeats ------------------------------


@pytest.mark.parametrize("answers", [True, False])
def test_who_answers_heartbeats_has_missed_none(answers: bool) -> None:
    wire = replace(WIRE, ping={"type": "ping"}, pong={"type": "pong"}) if answers else WIRE
    story = Story(Target("served", object, WireTraits(wire, Policy())))
    story.connect("c0", "u0")
    story.wait(25.0).closed("c0", "closed with 1011: no heartbeat")
    assert kinds(story.rest()) == (["Dropped"] if answers else [])
    assert kinds(story, idle=20.0) == []
    assert ("quiet_for_long" in story.excused()) is not answers


# -- what each client leaves ------------------------------


class Writers(Chat):
    """A task for each connection, which ends with it; who has logged out is off the list, and still connected."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: dict[Client, asyncio.Task[None]] = {}

    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        self.writers[client] = asyncio.create_task(self.write())

    async def write(self) -> None:
        await asyncio.Event().wait()

    async def log_out(self, client: Client) -> Any:
        await super().disconnect(client)

    async def disconnect(self, client: Client) -> Any:
        await super().disconnect(client)
        self.writers.pop(client).cancel()


class Forgetful(Writers):
    async def disconnect(self, client: Client) -> Any:
        if client in self.tabs[client.user]:
            await super().disconnect(client)


class OnePerUser(Writers):
    """What a user's first client starts goes on for the next."""

    async def connect(self, client: Client) -> Any:
        await Chat.connect(self, client)
        if not any(other.user == client.user for other in self.writers):
            self.writers[client] = asyncio.create_task(self.write())

    async def disconnect(self, client: Client) -> Any:
        await Chat.disconnect(self, client)


class Later(Writers):
    """What is over is put away after half an hour."""

    async def disconnect(self, client: Client) -> Any:
        await Chat.disconnect(self, client)
        asyncio.get_running_loop().call_later(1800.0, self.writers.pop(client).cancel)


OUT = tuple(
    op for number in range(3) for op in (connect(number, "u0"), SETTLE, Operation("log_out", f"c{number}"), SETTLE)
)


def test_what_each_client_leaves_behind_is_told_also_without_a_shut_down() -> None:
    assert verdicts(Forgetful, OUT) == {"LeakedTask"}
    assert verdicts(Forgetful, OUT[:8]) == set()  # two may be a coincidence
    assert verdicts(Writers, OUT) == verdicts(OnePerUser, OUT) == verdicts(Later, OUT) == set()


# -- applications that shut down while clients are there ------------------------------

BYE = (comes(0, "u0"), comes(1, "u1"), SETTLE, Operation("shut_down"), SETTLE)


def test_a_shut_down_that_clients_disturb_fails_for_all_to_see() -> None:
    assert "UnhandledException" in farewell("changing")
    assert farewell("kept") == set()


def farewell(name: str) -> set[str]:
    worker = Worker(application(f"tests.applications.farewell:{name}", wire=EVERYBODY))
    return kinds_under(worker, 12, Program(BYE))


def test_a_handler_that_is_hung_up_on_while_its_client_leaves_need_not_handle_that() -> None:
    """The server's close frame crosses the client's: what the handler raises says that the server hung up."""
    worker = Worker(application("tests.applications.plain_handler:handler", wire=PLAIN))
    coming = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1", pace="slow"), SETTLE)
    program = Program((*coming, Operation("shut_down"), Operation("disconnect", "c0", "u0")))
    with worker.session():
        runs = [judged(worker, worker.run(program, RandomWalk(seed))) for seed in range(90, 180)]
    assert not [violation for run in runs for violation in run.violations]


PLAIN = JsonWire(path="/ws/{user}", ready={"type": "ready"}, to_all={"text": "{event}"})
