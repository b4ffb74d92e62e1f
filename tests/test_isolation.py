"""The isolation model: each violation shown by a small faulty target, and correct targets never accused."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.program import CRITICAL_EVENTS, Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Adapter, Client, Event, Limits, Policy, Target
from crosswire.fuzzer.world import InOrder, latency
from crosswire.models.isolation import CHECKS, violations
from crosswire.models.managers import golden_path
from crosswire.models.managers.targets import TARGETS


class Good(Adapter):
    """A plain manager without a fault in sequential use; the faulty ones differ from it in one method."""

    def __init__(self) -> None:
        self.table: dict[str, list[Client]] = {}

    async def connect(self, client: Client) -> Any:
        self.table.setdefault(client.user, []).append(client)

    async def emit(self, event: Event) -> Any:
        for client in list(self.table.get(event.to or "", ())):
            await client.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> Any:
        self.table[client.user].remove(client)

    async def broadcast(self, event: Event) -> Any:
        for clients in list(self.table.values()):
            for client in list(clients):
                await client.websocket.send_json(event.payload)

    async def clean_up(self, user: str) -> Any:
        for client in self.table.pop(user, []):
            await client.websocket.close()
        self.table[user] = []

    def registry(self) -> list[Client]:
        return [client for clients in self.table.values() for client in clients]

    def is_active(self, user: str) -> bool:
        return bool(self.table.get(user))


class ToEverybody(Good):
    async def emit(self, event: Event) -> Any:
        await self.broadcast(event)


class ForgetsToForget(Good):
    async def disconnect(self, client: Client) -> Any:
        return None


class FirstOnly(Good):
    async def emit(self, event: Event) -> Any:
        for client in self.table.get(event.to or "", ())[:1]:
            await client.websocket.send_json(event.payload)


class Apologises(Good):
    async def emit(self, event: Event) -> Any:
        for client in self.table.get(event.to or "", ()):
            await client.websocket.send_json({"type": "sorry"})


class Stutters(Good):
    async def emit(self, event: Event) -> Any:
        await super().emit(event)
        await super().emit(event)


class Denies(Good):
    async def emit(self, event: Event) -> Any:
        await super().emit(event)
        return False


class LastFirst(Good):
    """Holds each event back until the next has been sent."""

    held: Event | None = None

    async def emit(self, event: Event) -> Any:
        if self.held is None:
            self.held = event
        else:
            await super().emit(event)
            await super().emit(self.held)
            self.held = None


class Waits(Good):
    async def emit(self, event: Event) -> Any:
        await asyncio.Event().wait()


class Spins(Good):
    async def emit(self, event: Event) -> Any:
        while True:
            await asyncio.sleep(0)


class Forgets(Good):
    async def connect(self, client: Client) -> Any:
        return None


class Misjudges(Good):
    def is_active(self, user: str) -> bool:
        return True


class DropsATask(Good):
    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        self.task = asyncio.create_task(self.fail())

    async def fail(self) -> None:
        raise LookupError("no such user")


class LeavesATask(Good):
    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        self.task = asyncio.create_task(asyncio.sleep(10_000), name="ticker")

    def shut_down(self) -> None:
        self.table.clear()


class CleansNothing(Good):
    async def clean_up(self, user: str) -> Any:
        self.table[user] = []


class Full(Good):
    limits = Limits(connections_per_user=2)

    async def connect(self, client: Client) -> Any:
        if self.table.get(client.user):
            raise RuntimeError("full")
        await super().connect(client)


class LetsAnyNumberIn(Good):
    policy = Policy(per_user=1)


class OneAtATime(Good):
    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    async def connect(self, client: Client) -> Any:
        async with self.lock:
            await super().connect(client)

    async def emit(self, event: Event) -> Any:
        async with self.lock:
            for client in list(self.table.get(event.to or "", ())):
                try:
                    await asyncio.wait_for(client.websocket.send_json(event.payload), 5)
                except TimeoutError:
                    self.table[client.user].remove(client)


class Keeps(Good):
    """Declares offline delivery; what it does with the events kept is up to its children."""

    policy = Policy(kept="next")

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Event] = []

    async def emit(self, event: Event) -> Any:
        if not self.table.get(event.to or ""):
            self.kept.append(event)
        await super().emit(event)


class KeepsTwice(Keeps):
    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        for event in self.kept + self.kept:
            await client.websocket.send_json(event.payload)
        self.kept.clear()


class KeepsBackwards(Keeps):
    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        for event in reversed(self.kept):
            await client.websocket.send_json(event.payload)
        self.kept.clear()


class LogsIn(Good):
    """Login as a step of its own; checks nothing."""

    async def connect(self, client: Client) -> Any:
        await super().connect(client)

    async def authenticate(self, client: Client, token: str) -> Any:
        await latency("auth")
        return client.user


def connect(name: str, user: str, **fields: Any) -> Operation:
    return Operation("connect", name, user, **fields)


def emit(to: str, user: str = "u0") -> Operation:
    return Operation("emit", user=user, to=to)


ALICE = connect("c0", "u0")
BOB = connect("c1", "u1")
ALICE_TOO = connect("c1", "u0")


class SignsAsTheLast(Good):
    """Who speaks is kept for everybody together."""

    speaker = "u0"

    async def emit(self, event: Event) -> Any:
        before, self.speaker = self.speaker, event.sender
        for client in list(self.table.get(event.to or "", ())):
            await client.websocket.send_json({**event.payload, "from": before})


class Sleeps(Good):
    async def connect(self, client: Client) -> Any:
        time.sleep(0.5)
        await super().connect(client)


CASES: list[tuple[type[violations.Violation], type[Adapter], tuple[Operation, ...]]] = [
    (violations.CrossUserLeak, ToEverybody, (ALICE, BOB, emit("u0"))),
    (violations.MixedUp, SignsAsTheLast, (ALICE, BOB, emit("u0"), emit("u0", "u1"))),
    (violations.EarlyDelivery, LogsIn, (ALICE, emit("u0"))),
    (violations.LateDelivery, ForgetsToForget, (ALICE, Operation("log_out", "c0"), emit("u0"))),
    (violations.WrongIdentity, LogsIn, (ALICE, Operation("authenticate", "c0", token="u1"))),
    (violations.BadTokenAccepted, LogsIn, (ALICE, Operation("authenticate", "c0", token="expired"))),
    (violations.LostEvent, FirstOnly, (ALICE, ALICE_TOO, emit("u0"))),
    (violations.ReplacedEvent, Apologises, (ALICE, emit("u0"))),
    (violations.FalseFailure, Denies, (ALICE, emit("u0"))),
    (violations.DuplicateEvent, Stutters, (ALICE, emit("u0"))),
    (violations.OfflineLoss, Keeps, (emit("u0"), ALICE)),
    (violations.OfflineDuplicate, KeepsTwice, (emit("u0"), ALICE)),
    (violations.OfflineOutOfOrder, KeepsBackwards, (emit("u0"), emit("u0"), ALICE)),
    (violations.HeadOfLineBlocking, OneAtATime, (ALICE, Operation("stall", "c0"), emit("u0"), BOB)),
    (violations.OutOfOrder, LastFirst, (ALICE, emit("u0"), emit("u0"))),
    (violations.BrokenRun, LastFirst, (ALICE, Operation("run_agent", user="u0", to="u0"))),
    (violations.Deadlock, Waits, (ALICE, emit("u0"))),
    (violations.Livelock, Spins, (ALICE, emit("u0"))),
    (violations.MissingEntry, Forgets, (ALICE,)),
    (violations.StaleEntry, ForgetsToForget, (ALICE, BOB, Operation("abort", "c0"))),
    (violations.WrongAnswer, Misjudges, (ALICE, emit("u1"))),
    (violations.UnhandledException, DropsATask, (ALICE,)),
    (violations.LeakedTask, LeavesATask, (ALICE,)),
    (violations.BlockedLoop, Sleeps, (ALICE,)),
    (violations.LeftOpen, CleansNothing, (ALICE, Operation("clean_up", user="u0"))),
    (violations.LeakedEntry, ForgetsToForget, (ALICE,)),
    (violations.Refused, Full, (ALICE, ALICE_TOO)),
    (violations.OverLimit, LetsAnyNumberIn, (ALICE, ALICE_TOO)),
]


def verdicts(adapter: Any, operations: tuple[Operation, ...]) -> list[violations.Violation]:
    worker = Worker(Target(adapter.__name__, adapter, adapter))
    return list(judged(worker, worker.run(Program(operations), InOrder())).violations)


def test_every_violation_has_a_case() -> None:
    kinds = set(violations.Violation.__subclasses__())
    only_with_a_wire = {violations.Dropped, violations.UnauthenticatedEvent}
    of_the_process = {violations.BlocksLoop, violations.EatsMemory, violations.KillsProcess}  # no history shows them
    assert {case[0] for case in CASES} == kinds - only_with_a_wire - of_the_process
    assert {kind.promise for kind in kinds} == set(violations.PROMISES)
    assert CHECKS


@pytest.mark.parametrize(("kind", "adapter", "operations"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_each_violation_is_seen(
    kind: type[violations.Violation], adapter: type[Adapter], operations: tuple[Operation, ...]
) -> None:
    found = verdicts(adapter, operations)
    mine = [violation for violation in found if isinstance(violation, kind)]
    assert mine, found
    assert mine[0].evidence
    assert mine[0].message


@pytest.mark.parametrize(("kind", "adapter", "operations"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_same_program_accuses_no_good_target(
    kind: type[violations.Violation], adapter: type[Adapter], operations: tuple[Operation, ...]
) -> None:
    if any(operation.kind == "authenticate" for operation in operations):
        assert not verdicts(TARGETS["golden-path"].create, operations)
    else:
        assert not verdicts(Good, operations)
        assert not verdicts(TARGETS["reference"].create, operations)
        assert not verdicts(TARGETS["outbox"].create, operations)


class LeavesTwice(Good):
    """Who cannot be written to is put away, and then leaves."""

    async def emit(self, event: Event) -> Any:
        for client in list(self.table.get(event.to or "", ())):
            try:
                await client.websocket.send_json(event.payload)
            except ConnectionError:
                self.table[client.user].remove(client)


class SaysGoodbye(Good):
    async def disconnect(self, client: Client) -> Any:
        await super().disconnect(client)
        await client.websocket.send_json({"type": "goodbye"})


@pytest.mark.parametrize(("adapter", "broken"), [(LeavesTwice, True), (SaysGoodbye, False)])
def test_a_client_leaves_without_an_exception_but_that_it_is_not_there(adapter: type[Adapter], broken: bool) -> None:
    worker = Worker(Target(adapter.__name__, adapter, adapter))
    program = Program((ALICE, Operation("abort", "c0"), *[emit("u0")] * 3))
    with worker.session():
        runs = [judged(worker, worker.run(program, RandomWalk(seed))) for seed in range(60)]
    unhandled = [one for run in runs for one in run.violations if isinstance(one, violations.UnhandledException)]
    assert bool(unhandled) is broken, unhandled


@pytest.mark.long
@pytest.mark.parametrize("name", ["reference", "outbox", "golden-path"])
def test_correct_targets_survive(name: str) -> None:
    campaign = Campaign(TARGETS[name], Plan(executions=300, seed=11)).run()
    assert campaign.executions == 300
    assert not campaign.found, [str(found.finding.violation.message) for found in campaign.found.values()]
    assert not campaign.doubts


@pytest.mark.long
def test_slow_by_itself_is_not_held_up_by_others() -> None:
    """An operation that takes its time whoever stalls is not blamed on the client that stalls."""

    class Slow(Good):
        async def connect(self, client: Client) -> Any:
            await asyncio.sleep(3)
            await super().connect(client)

    target = Target("slow", Slow, Slow)
    campaign = Campaign(target, Plan(executions=400, promises=frozenset({"independence"}))).run()
    assert not campaign.found


def test_the_golden_path_has_one_definition_in_effect() -> None:
    assert golden_path.CRITICAL_EVENTS == CRITICAL_EVENTS


@pytest.mark.parametrize("name", ["reference", "outbox"])
def test_what_a_user_missed_waits_for_the_next_though_another_came_meanwhile(name: str) -> None:
    """It was being sent to one tab when another came, and the first left before it had all of it."""
    program = Program(
        (
            Operation("run_agent", None, "u0", "u0"),
            Operation("connect", "c0", "u0"),
            Operation("connect", "c1", "u0"),
            Operation("disconnect", "c0"),
            Operation("disconnect", "c1"),
            Operation("connect", "c2", "u0"),
        )
    )
    worker = Worker(TARGETS[name])
    with worker.session():
        for seed in range(120):
            assert not judged(worker, worker.run(program, RandomWalk(seed))).violations, seed
