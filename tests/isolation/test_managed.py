"""What drivers record of managers, and policies that adapters declare: each kept by one and broken by another."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.history import Aim, Content, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Adapter, Client, Event, Limits, Policy, Target
from crosswire.fuzzer.world import InOrder, latency

SETTLE = Operation("settle")
PAUSE = Operation("pause", seconds=60.0)


class Chat(Adapter):
    """Right, and open to change: who is in, and what it is to send somebody something."""

    def __init__(self) -> None:
        self.tabs: dict[str, list[Client]] = defaultdict(list)
        self.log: list[tuple[str, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(self, client: Client) -> Any:
        self.tabs[client.user].append(client)

    async def emit(self, event: Event) -> Any:
        for client in list(self.tabs[event.to or ""]):
            if client in self.tabs[client.user]:
                await self.send(client, event)

    async def send(self, client: Client, event: Event) -> None:
        try:
            await client.websocket.send_json(event.payload)
        except ConnectionError:
            await self.disconnect(client)

    async def disconnect(self, client: Client) -> Any:
        if client in self.tabs[client.user]:
            self.tabs[client.user].remove(client)


def connect(number: int, user: str) -> Operation:
    return Operation("connect", f"c{number}", user)


def emit(user: str, to: str) -> Operation:
    return Operation("emit", None, user, to)


def verdicts(adapter: type[Adapter], operations: tuple[Operation, ...], **policy: Any) -> set[str]:
    """What the model says over some schedules."""
    if policy:
        adapter = type(adapter.__name__, (adapter,), {"policy": replace(adapter.policy, **policy)})
    worker = Worker(Target("chat", adapter, adapter))
    program = Program(operations)
    with worker.session():
        runs = [judged(worker, worker.run(program, RandomWalk(seed))) for seed in range(25)]
    return {violation.kind for run in runs for violation in run.violations}


# -- policies ------------------------------


class Full(Chat):
    """So many connections in all, and not one more."""

    most = 1

    async def connect(self, client: Client) -> Any:
        if sum(map(len, self.tabs.values())) >= self.most:
            return False
        return await super().connect(client)


class Closed(Full):
    most = 0


class FullForEach(Full):
    async def connect(self, client: Client) -> Any:
        if len(self.tabs[client.user]) >= self.most:
            return False
        return await Chat.connect(self, client)


class ThreeOnly(Chat):
    heard = 3

    async def emit(self, event: Event) -> Any:
        self.heard -= 1
        if self.heard >= 0:
            await super().emit(event)


class Crowded(Chat):
    """Sends nothing more to whoever has a frame lying."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: set[str] = set()

    async def send(self, client: Client, event: Event) -> None:
        if client.id not in self.busy:
            self.busy.add(client.id)
            await super().send(client, event)
            self.busy.discard(client.id)


class Forgets(Chat):
    """Whoever does not read for five seconds is forgotten with its socket open."""

    async def send(self, client: Client, event: Event) -> None:
        try:
            await asyncio.wait_for(super().send(client, event), 5.0)
        except TimeoutError:
            await self.disconnect(client)


class Stutters(Chat):
    async def send(self, client: Client, event: Event) -> None:
        await super().send(client, event)
        await super().send(client, event)


class Drops(Chat):
    async def emit(self, event: Event) -> Any:
        return None


class Refuses(Chat):
    async def emit(self, event: Event) -> Any:
        return False


class NeverSure(Chat):
    async def emit(self, event: Event) -> Any:
        await super().emit(event)
        return False


class Keeps(Chat):
    """Keeps for the absent, and hands it to the next tab."""

    policy = Policy(kept="next")

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[Event]] = defaultdict(list)

    def missed(self, user: str) -> list[Event]:
        return self.kept.pop(user, [])

    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        for event in self.missed(client.user):
            await self.send(client, event)

    async def emit(self, event: Event) -> Any:
        if not self.tabs[event.to or ""]:
            self.kept[event.to or ""].append(event)
        await super().emit(event)


class KeepsForEach(Keeps):
    def missed(self, user: str) -> list[Event]:
        return self.kept[user]


class KeepsNothing(Keeps):
    def missed(self, user: str) -> list[Event]:
        return []


class OneAtATime(Chat):
    """A lock for each user, held while something is sent to one of the user's connections."""

    shared = False

    def __init__(self) -> None:
        super().__init__()
        self.locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def lock(self, user: str) -> asyncio.Lock:
        return self.locks["everybody" if self.shared else user]

    async def connect(self, client: Client) -> Any:
        async with self.lock(client.user):
            await super().connect(client)

    async def emit(self, event: Event) -> Any:
        async with self.lock(event.to or ""):
            await super().emit(event)


class OneForAll(OneAtATime):
    shared = True


class StaysIn(Chat):
    """There is no log-out: the socket stays the user's."""

    async def log_out(self, client: Client) -> Any:
        return None


class Lingers(Chat):
    """A task for each client outlives it by so long."""

    seconds = 40.0

    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        self.tasks.append(asyncio.create_task(self.linger()))

    async def linger(self) -> None:
        await asyncio.sleep(self.seconds)

    def shut_down(self) -> None:
        self.tabs.clear()


class LingersForLong(Lingers):
    seconds = 4000.0


TWO = (connect(0, "u0"), SETTLE, connect(1, "u0"), SETTLE)
FOUR = (connect(0, "u0"), *(emit("u1", "u0") for _ in range(4)), SETTLE)
BURST = (connect(0, "u0"), SETTLE, emit("u1", "u0"), emit("u2", "u0"), SETTLE)
LATER = (connect(0, "u0"), SETTLE, emit("u1", "u0"), SETTLE, emit("u1", "u0"), SETTLE)
STALLS = (connect(0, "u0"), SETTLE, Operation("stall", "c0"), emit("u1", "u0"), PAUSE, emit("u2", "u0"), SETTLE)
ABSENT = (emit("u1", "u0"), SETTLE, connect(0, "u0"), SETTLE, connect(1, "u0"), SETTLE)
TAB = (connect(0, "u0"), SETTLE, Operation("stall", "c0"), emit("u1", "u0"), connect(1, "u0"), SETTLE)
OTHER = (connect(0, "u0"), SETTLE, Operation("stall", "c0"), emit("u1", "u0"), connect(1, "u2"), SETTLE)
LOGS_OUT = (connect(0, "u0"), SETTLE, Operation("log_out", "c0"), emit("u1", "u0"), SETTLE)
ONE = (connect(0, "u0"), SETTLE, emit("u1", "u0"), SETTLE)


@pytest.mark.parametrize(
    ("policy", "keeps", "breaks", "program", "violation"),
    [
        ({"connections": 1}, Full, Closed, TWO, "Refused"),
        ({"per_user": 1}, FullForEach, Closed, TWO, "Refused"),
        ({"rate": (3, 60.0)}, ThreeOnly, Drops, FOUR, "LostEvent"),
        ({"backlog": 1}, Crowded, Drops, BURST, "LostEvent"),
        ({"slow": "forgotten"}, Forgets, Drops, STALLS, "LostEvent"),
        ({"delivery": "at least once"}, Stutters, Drops, ONE, "DuplicateEvent"),
        ({"delivery": "at most once"}, Drops, Stutters, ONE, "LostEvent"),
        ({"kept": "each"}, KeepsForEach, KeepsNothing, ABSENT, "OfflineDuplicate"),
        ({"tabs_wait": True}, OneAtATime, OneForAll, TAB, "HeldUp"),
        ({"logs_out": False}, StaysIn, Drops, LOGS_OUT, "LateDelivery"),
        ({"may_refuse": True}, Refuses, Drops, ONE, "LostEvent"),
        ({"failure": "unknown"}, NeverSure, Drops, ONE, "FalseFailure"),
        ({"grace": 60.0}, Lingers, LingersForLong, ONE, "LeftBehind"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_policy_is_kept_by_one_and_broken_by_another(
    policy: dict[str, Any], keeps: type[Adapter], breaks: type[Adapter], program: tuple[Operation, ...], violation: str
) -> None:
    assert violation in verdicts(keeps, program), "undeclared, the strict promise holds"
    assert verdicts(keeps, program, **policy) == set()
    if policy == {"logs_out": False}:
        program = ONE  # without a log-out, whoever drops loses
    assert verdicts(breaks, OTHER if breaks is OneForAll else program, **policy)


def test_a_lasting_stall_holds_nobody_else_up_with_no_timer_at_all() -> None:
    assert "HeldUp" in verdicts(OneForAll, OTHER)
    assert verdicts(OneAtATime, OTHER) == set()


def test_kept_once_is_kept() -> None:
    assert verdicts(Keeps, ABSENT) == set()
    assert verdicts(KeepsNothing, ABSENT) == {"OfflineLoss"}
    assert verdicts(Chat, ABSENT) == set()


class Idle(Chat):
    """Ends who has been silent for a minute and a half."""

    policy = Policy(idle=80.0)

    async def connect(self, client: Client) -> Any:
        await super().connect(client)
        self.tasks.append(asyncio.create_task(self.end(client)))

    async def end(self, client: Client) -> None:
        await asyncio.sleep(50.0)
        await self.disconnect(client)

    def registry(self) -> list[Client]:
        return [client for mine in self.tabs.values() for client in mine]


def test_a_session_and_silence_have_an_end_where_declared() -> None:
    program = (connect(0, "u0"), SETTLE, PAUSE, emit("u1", "u0"), SETTLE)
    assert verdicts(Idle, program) == set()
    assert {"LostEvent", "MissingEntry"} <= verdicts(Idle, program, idle=None)
    assert verdicts(Idle, program, idle=None, session=80.0) == set()
    assert {"LostEvent", "MissingEntry"} <= verdicts(Idle, program, idle=None, session=800.0)


# -- how policies are declared ------------------------------


def test_limits_and_policy_and_offline_delivery_are_one() -> None:
    class Old(Chat):
        limits = Limits(connections_per_user=2)

    class Older(Old):
        offline_delivery = True

    class New(Chat):
        policy = Policy(kept="each")

    assert Old.policy == Policy(per_user=2, at_limit="either", rest=30.0)
    assert Older.policy == Policy(per_user=2, at_limit="either", rest=30.0, kept="each")
    assert New.offline_delivery
    assert New.policy.rest == 30.0
    assert not Chat.offline_delivery


# -- what is recorded ------------------------------


def history(adapter: type[Adapter], *operations: Operation) -> Any:
    worker = Worker(Target("chat", adapter, adapter))
    return worker.run(Program(operations), InOrder()).history


def test_an_operation_says_what_it_is_aimed_at() -> None:
    class Halls(Chat):
        async def join(self, client: Client, room: str) -> Any: ...
        async def emit_to_room(self, event: Event) -> Any: ...
        async def broadcast(self, event: Event) -> Any: ...

    rows = history(
        Halls,
        connect(0, "u0"),
        Operation("join", "c0", room="a"),
        Operation("emit_to_room", None, "u0", room="a"),
        emit("u0", "u1"),
        Operation("broadcast", None, "u0"),
    )
    aims = {row.operation: row.detail for row in rows if row.kind == RowKind.INVOKED}
    assert aims[1] == aims[2] == Aim(rooms=("a",))
    assert aims[3] == Aim("u1")
    assert aims[4] == Aim()


def test_a_frame_says_whose_its_events_are() -> None:
    rows = history(Chat, connect(0, "u0"), emit("u1", "u0"))
    (content,) = (row.detail for row in rows if row.kind == RowKind.SENT)
    assert isinstance(content, Content)
    (mention,) = content.mentions
    assert str(mention.event) == "e1"
    assert mention[1:] == ("u1", "u0", None, None, "said in e1")


def test_ids_of_the_targets_own_are_no_events() -> None:
    class Numbers(Chat):
        async def connect(self, client: Client) -> Any:
            await super().connect(client)
            await client.websocket.send_json({"type": "welcome", "event_id": "e1"})

    assert verdicts(Numbers, (connect(0, "u0"), emit("u1", "u0"), connect(1, "u1"))) == set()


def test_several_events_in_a_frame_are_seen() -> None:
    class Batches(Chat):
        def __init__(self) -> None:
            super().__init__()
            self.waiting: dict[str, list[Any]] = defaultdict(list)

        async def emit(self, event: Event) -> Any:
            self.waiting[event.to or ""].append(event.payload)
            await latency("tick")
            batch = self.waiting.pop(event.to or "", [])
            for client in list(self.tabs[event.to or ""]):
                if batch:
                    await client.websocket.send_json({"batch": batch})

    assert verdicts(Batches, (connect(0, "u0"), SETTLE, emit("u1", "u0"), emit("u2", "u0"), SETTLE)) == set()


class Talks(Chat):
    """Speaks to the members of a room, or to everybody."""

    leaks = False

    def __init__(self) -> None:
        super().__init__()
        self.rooms: dict[str, list[Client]] = defaultdict(list)

    async def join(self, client: Client, room: str) -> Any:
        self.rooms[room].append(client)

    async def leave(self, client: Client, room: str) -> Any:
        if client in self.rooms[room]:
            self.rooms[room].remove(client)

    async def emit_to_room(self, event: Event) -> Any:
        everybody = [client for mine in self.tabs.values() for client in mine]
        for client in everybody if self.leaks else list(self.rooms[event.room or ""]):
            await self.send(client, event)

    async def disconnect(self, client: Client) -> Any:
        await super().disconnect(client)
        for room in self.rooms:
            await self.leave(client, room)


class TalksToAll(Talks):
    leaks = True


def test_rooms_have_members() -> None:
    program = (
        connect(0, "u0"),
        connect(1, "u1"),
        SETTLE,
        Operation("join", "c0", room="a"),
        Operation("join", "c0", room="b"),
        Operation("emit_to_room", None, "u2", room="a"),
        SETTLE,
        Operation("leave", "c0", room="a"),
        Operation("emit_to_room", None, "u2", room="a"),
        Operation("emit_to_room", None, "u2", room="b"),
    )
    assert verdicts(Talks, program) == set()
    assert "CrossUserLeak" in verdicts(TalksToAll, program)


# -- the life of a server ------------------------------


def test_operations_wait_for_start_and_see_its_context() -> None:
    from contextvars import ContextVar

    ready: ContextVar[bool] = ContextVar("ready", default=False)

    class Starts(Chat):
        async def start(self) -> None:
            await latency("db")
            ready.set(True)

        async def connect(self, client: Client) -> Any:
            assert ready.get()
            await super().connect(client)

    assert verdicts(Starts, (connect(0, "u0"), emit("u1", "u0"))) == set()


def test_a_start_that_never_ends_is_said() -> None:
    class Hangs(Chat):
        async def start(self) -> None:
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TargetError, match="never finished starting"):
        history(Hangs, connect(0, "u0"))


@pytest.mark.parametrize("method", ["start", "shut_down", "clean_up"])
def test_what_the_server_does_by_itself_does_not_raise(method: str) -> None:
    def fails(self: Any, *args: Any) -> None:
        raise LookupError(method)

    failing = type("Failing", (Chat,), {method: fails})
    program = (connect(0, "u0"), SETTLE, Operation("disconnect", "c0"), SETTLE, Operation("clean_up", None, "u0"))
    assert verdicts(failing, program if method == "clean_up" else program[:1]) == {"UnhandledError"}


def test_a_coroutine_is_awaited() -> None:
    class Forgetful(Chat):
        async def note(self) -> None: ...

        async def connect(self, client: Client) -> Any:
            await super().connect(client)
            self.note()  # type: ignore[unused-coroutine]

    assert verdicts(Forgetful, ONE) == {"UnhandledError"}


def test_a_task_may_end_with_its_client_and_with_nobody_else() -> None:
    class Writes(Chat):
        error: type[Exception] | None = None

        async def send(self, client: Client, event: Event) -> None:
            self.tasks.append(asyncio.create_task(self.write(client, event)))

        async def write(self, client: Client, event: Event) -> None:
            if self.error is not None:
                raise self.error("no such table")
            await client.websocket.send_json(event.payload)

    class Fails(Writes):
        error = ConnectionRefusedError

    leaves = (connect(0, "u0"), SETTLE, emit("u1", "u0"), Operation("abort", "c0"), SETTLE)
    assert verdicts(Writes, leaves) == set()
    assert "UnhandledError" in verdicts(Fails, leaves)


class Beats(Chat):
    period = 7.0

    async def start(self) -> None:
        self.tasks.append(asyncio.create_task(self.beat()))

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(self.period)
            for mine in list(self.tabs.values()):
                for client in list(mine):
                    await self.send(client, Event("", "ping", "", None))


class Burns(Beats):
    period = 0.0


def test_a_heartbeat_is_no_livelock() -> None:
    assert verdicts(Beats, ONE) == set()
    assert "Spinning" in verdicts(Burns, ONE[:1])


def test_what_start_began_is_cancelled_with_the_program() -> None:
    class Ends(Beats):
        def shut_down(self) -> None:
            self.tabs.clear()

    assert verdicts(Ends, ONE) == set()
