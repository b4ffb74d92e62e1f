"""What drivers record of managers, and the life of one: it starts, beats, and ends."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

import pytest

from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.core.history import Aim, Content, RowKind
from crosswire.fuzzer.core.program import Operation
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.targets import Client, Event, Target
from crosswire.fuzzer.targets.own import operation
from crosswire.fuzzer.world import latency

from .managers import ONE, SETTLE, Chat, connect, emit, history, verdicts

# -- what is recorded ------------------------------


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


class Mentions(Talks):
    """Somebody is mentioned in a room, and need not be in it."""

    misses: str | None = None
    tells = False

    @operation(audience="user and room")
    async def mention(self, client: Client, event: Event) -> Any:
        hearers = {one.id: one for one in (*self.rooms[event.room or ""], *self.tabs[event.to or ""])}
        if self.misses == "members":
            hearers = {one.id: one for one in self.tabs[event.to or ""]}
        elif self.misses == "the user":
            hearers = {one.id: one for one in self.rooms[event.room or ""]}
        elif self.tells:
            hearers = {one.id: one for mine in self.tabs.values() for one in mine}
        for one in hearers.values():
            await self.send(one, event)


class MentionsToUser(Mentions):
    misses = "members"


class MentionsToRoom(Mentions):
    misses = "the user"


class MentionsToAll(Mentions):
    tells = True


@pytest.mark.parametrize(
    ("adapter", "kinds"),
    [
        (Mentions, set()),
        (MentionsToUser, {"LostEvent"}),
        (MentionsToRoom, {"LostEvent"}),
        (MentionsToAll, {"CrossUserLeak"}),
    ],
)
def test_a_mention_is_for_a_user_and_the_members_of_a_room(adapter: type[Mentions], kinds: set[str]) -> None:
    """u0 speaks, u1 is a member, u2 is mentioned and u3 is neither."""
    program = (
        *(connect(number, f"u{number}") for number in range(4)),
        SETTLE,
        *(Operation("join", f"c{number}", room="a") for number in range(2)),
        SETTLE,
        Operation("act", "c0", "u0", "u2", room="a", name="mention"),
        SETTLE,
    )
    assert verdicts(adapter, program) == kinds


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
    assert verdicts(failing, program if method == "clean_up" else program[:1]) == {"UnhandledException"}


def test_a_coroutine_is_awaited() -> None:
    class Forgetful(Chat):
        async def note(self) -> None: ...

        async def connect(self, client: Client) -> Any:
            await super().connect(client)
            self.note()  # type: ignore[unused-coroutine]

    assert verdicts(Forgetful, ONE) == {"UnhandledException"}


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
    assert "UnhandledException" in verdicts(Fails, leaves)


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
    assert "Livelock" in verdicts(Burns, ONE[:1])


def test_what_start_began_is_cancelled_with_the_program() -> None:
    class Ends(Beats):
        def shut_down(self) -> None:
            self.tabs.clear()

    assert verdicts(Ends, ONE) == set()


def test_a_server_shuts_down_once_and_lets_nobody_in_from_then_on() -> None:
    class Once(Chat):
        async def shut_down(self) -> None:
            for task in self.tasks:  # whoever comes later has begun tasks that nobody ends
                task.cancel()
            self.tasks = None  # type: ignore[assignment]  # and a second time fails

        async def connect(self, client: Client) -> Any:
            self.tasks.append(asyncio.create_task(asyncio.sleep(3600)))
            return await super().connect(client)

    class Never(Chat):
        async def shut_down(self) -> None:
            await asyncio.Event().wait()

    program = connect(0, "u0"), SETTLE, Operation("shut_down"), SETTLE, connect(1, "u1"), Operation("shut_down"), SETTLE
    assert verdicts(Once, program) == set()
    rows = history(Once, *program)
    assert [row.operation for row in rows if row.kind == RowKind.SKIPPED] == [4, 5]
    assert verdicts(Never, program) == {"Deadlock"}


class Flights(Chat):
    """Logins of one user, and what is sent to one, share the task that the first of them began."""

    def __init__(self) -> None:
        super().__init__()
        self.flights: dict[str, asyncio.Task[None]] = {}

    async def connect(self, client: Client) -> Any:
        await self.shared(f"in {client.user}", latency("tokens"))
        await super().connect(client)

    async def emit(self, event: Event) -> Any:
        await self.shared(f"to {event.to}", latency("names"))
        await super().emit(event)

    async def shared(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        task = self.flights.get(what)
        if task is None:
            task = self.flights[what] = asyncio.ensure_future(work)
            task.add_done_callback(lambda _: self.flights.pop(what, None))
        else:
            work.close()
        await self.flight(task)

    async def flight(self, task: asyncio.Task[None]) -> None:
        await task


class Shielded(Flights):
    async def flight(self, task: asyncio.Task[None]) -> None:
        await asyncio.shield(task)


TWO_LOGINS = (connect(0, "u0"), connect(1, "u0"), Operation("cancel", "c0"), SETTLE)
TWO_EMITS = (connect(0, "u0"), SETTLE, emit("u1", "u0"), emit("u2", "u0"), Operation("cancel", None, "u1"), SETTLE)


@pytest.mark.parametrize(("program", "found"), [(TWO_LOGINS, "Refused"), (TWO_EMITS, "LostEvent")])
def test_who_is_cancelled_by_somebody_else_s_cancellation_has_failed(program: Any, found: str) -> None:
    assert verdicts(Flights, program) == {found}
    assert verdicts(Shielded, program) == set()


def test_what_the_program_cancels_has_not_failed_and_what_the_target_cancels_has() -> None:
    class Itself(Chat):
        async def emit(self, event: Event) -> Any:
            raise asyncio.CancelledError

    class Waits(Chat):
        async def emit(self, event: Event) -> Any:
            await asyncio.Event().wait()

    ended = {row.operation: row.kind for row in history(Itself, *ONE) if row.operation == 2}
    assert ended == {2: RowKind.RAISED}
    program = connect(0, "u0"), SETTLE, emit("u1", "u0"), Operation("cancel", None, "u1"), SETTLE
    ended = {row.operation: row.kind for row in history(Waits, *program) if row.operation == 2}
    assert ended == {2: RowKind.CANCELLED}


def test_a_disconnect_that_awaits_what_it_has_cancelled_is_no_failure_of_others() -> None:
    class Awaits(Chat):
        async def connect(self, client: Client) -> Any:
            client.state["writer"] = asyncio.create_task(asyncio.sleep(3600))
            await super().connect(client)

        async def disconnect(self, client: Client) -> Any:
            await super().disconnect(client)
            client.state["writer"].cancel()
            await client.state["writer"]

        async def clean_up(self, user: str) -> None:
            for client in list(self.tabs[user]):
                await self.disconnect(client)

    for ends in (Operation("disconnect", "c0"), Operation("clean_up", user="u0")):
        assert verdicts(Awaits, (*ONE, ends, SETTLE)) == set()
    assert preflight(Worker(Target("awaits", Awaits, Awaits))) is None, "no plain user's leave fails so"
