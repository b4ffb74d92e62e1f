"""Policies that adapters declare: each is kept by one and broken by another."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, Literal

import pytest

from crosswire.fuzzer.core.program import Operation
from crosswire.fuzzer.targets import Adapter, Client, Event, Limits, Policy

from .managers import ONE, PAUSE, SETTLE, Chat, connect, emit, verdicts


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


class Bouncer(Chat):
    """Lets two in, whoever they are, until a minute is over; who is turned away counts, too."""

    most, seconds = 2, 60.0

    def __init__(self) -> None:
        super().__init__()
        self.came: list[float] = []

    async def connect(self, client: Client) -> Any:
        now = asyncio.get_running_loop().time()
        self.came = [one for one in self.came if one > now - self.seconds] + [now]
        if len(self.came) > self.most:
            return False
        return await super().connect(client)


class ForgetsNobody(Bouncer):
    seconds = 1e6


class WaitingRoom(Chat):
    """One is served; who comes next waits until that one has left."""

    calls = True

    def __init__(self) -> None:
        super().__init__()
        self.place = asyncio.Semaphore(1)
        self.served: set[str] = set()

    async def connect(self, client: Client) -> Any:
        await self.place.acquire()
        self.served.add(client.id)
        await super().connect(client)

    async def disconnect(self, client: Client) -> Any:
        await super().disconnect(client)
        if client.id in self.served:
            self.served.discard(client.id)
            if self.calls:
                self.place.release()


class CallsNobody(WaitingRoom):
    calls = False


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


class Moderated(Chat):
    """One user is copied in on everything that is not for it anyway."""

    moderator = "u2"

    async def emit(self, event: Event) -> Any:
        await super().emit(event)
        if event.to != self.moderator:
            for tab in list(self.tabs[self.moderator]):
                await self.send(tab, event)


class CopiesAnother(Moderated):
    moderator = "u1"


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


class NewestTab(Chat):
    """The newest tab of a user hears what is said to the user; an older one stays open and hears nothing."""

    async def emit(self, event: Event) -> Any:
        for client in self.tabs[event.to or ""][-1:]:
            await self.send(client, event)


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
RUSH = (*(connect(number, f"u{number}") for number in range(3)), SETTLE, PAUSE, PAUSE, connect(3, "u0"), SETTLE)
IN_TURN = (
    *TWO,
    emit("u1", "u0"),
    SETTLE,
    Operation("disconnect", "c0"),
    SETTLE,
    emit("u1", "u0"),
    SETTLE,
    Operation("disconnect", "c1"),
    SETTLE,
    connect(2, "u0"),
    SETTLE,
)
MODERATED = (connect(0, "u0"), connect(1, "u2"), connect(2, "u1"), SETTLE, emit("u3", "u0"), SETTLE)
TWO_TABS = (*TWO, emit("u1", "u0"), SETTLE)
FOUR = (connect(0, "u0"), *(emit("u1", "u0") for _ in range(4)), SETTLE)
BURST = (connect(0, "u0"), SETTLE, emit("u1", "u0"), emit("u2", "u0"), SETTLE)
STALLS = (connect(0, "u0"), SETTLE, Operation("stall", "c0"), emit("u1", "u0"), PAUSE, emit("u2", "u0"), SETTLE)
ABSENT = (emit("u1", "u0"), SETTLE, connect(0, "u0"), SETTLE, connect(1, "u0"), SETTLE)
TAB = (connect(0, "u0"), SETTLE, Operation("stall", "c0"), emit("u1", "u0"), connect(1, "u0"), SETTLE)
OTHER = (connect(0, "u0"), SETTLE, Operation("stall", "c0"), emit("u1", "u0"), connect(1, "u2"), SETTLE)
LOGS_OUT = (connect(0, "u0"), SETTLE, Operation("log_out", "c0"), emit("u1", "u0"), SETTLE)


@pytest.mark.parametrize(
    ("policy", "keeps", "breaks", "program", "violation"),
    [
        ({"connections": 1}, Full, Closed, TWO, "Refused"),
        ({"per_user": 1}, FullForEach, Closed, TWO, "Refused"),
        ({"connections": 1, "at_limit": "wait"}, WaitingRoom, CallsNobody, IN_TURN, "Deadlock"),
        ({"per_user": 1, "at_limit": "wait"}, WaitingRoom, FullForEach, TWO, "Deadlock"),
        ({"attempts": (2, 60.0)}, Bouncer, ForgetsNobody, RUSH, "Refused"),
        ({"rate": (3, 60.0)}, ThreeOnly, Drops, FOUR, "LostEvent"),
        ({"backlog": 1}, Crowded, Drops, BURST, "LostEvent"),
        ({"slow": "forgotten"}, Forgets, Drops, STALLS, "LostEvent"),
        ({"delivery": "at least once"}, Stutters, Drops, ONE, "DuplicateEvent"),
        ({"delivery": "at most once"}, Drops, Stutters, ONE, "LostEvent"),
        ({"one_tab": True}, NewestTab, Drops, TWO_TABS, "LostEvent"),
        ({"overhears": ("u2",)}, Moderated, CopiesAnother, MODERATED, "CrossUserLeak"),
        ({"kept": "each"}, KeepsForEach, KeepsNothing, ABSENT, "OfflineDuplicate"),
        ({"tabs_wait": True}, OneAtATime, OneForAll, TAB, "HeadOfLineBlocking"),
        ({"logs_out": False}, StaysIn, Drops, LOGS_OUT, "LateDelivery"),
        ({"may_refuse": True}, Refuses, Drops, ONE, "LostEvent"),
        ({"failure": "unknown"}, NeverSure, Drops, ONE, "FalseFailure"),
        ({"grace": 60.0}, Lingers, LingersForLong, ONE, "LeakedTask"),
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
    assert "HeadOfLineBlocking" in verdicts(OneForAll, OTHER)
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


class MembersAreUsers(Chat):
    """Whoever joins a room is in it with all tabs, until one of them leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms: defaultdict[str, set[str]] = defaultdict(set)

    def member(self, client: Client) -> str:
        return client.user

    async def join(self, client: Client, room: str) -> None:
        self.rooms[room].add(self.member(client))

    async def leave(self, client: Client, room: str) -> None:
        self.rooms[room].discard(self.member(client))

    async def emit_to_room(self, event: Event) -> None:
        for mine in list(self.tabs.values()):
            for client in list(mine):
                if self.member(client) in self.rooms[event.room or ""]:
                    await self.send(client, event)


class MembersAreTabs(MembersAreUsers):
    def member(self, client: Client) -> str:
        return client.id


def room(kind: Literal["join", "leave", "emit_to_room"], tab: int) -> Operation:
    return Operation(kind, f"c{tab}", f"u{tab // 2}" if kind == "emit_to_room" else None, room="r0")


TABS = (connect(0, "u0"), connect(1, "u0"), connect(2, "u1"), SETTLE, room("join", 0), room("join", 2), SETTLE)


@pytest.mark.parametrize("then", [(room("leave", 1), SETTLE), ()], ids=["leaves", "hears"])
def test_members_may_be_users_unless_tabs_are_declared_to_be_apart(then: tuple[Operation, ...]) -> None:
    program = (*TABS, *then, room("emit_to_room", 2), SETTLE)
    assert verdicts(MembersAreUsers, program) == verdicts(MembersAreTabs, program) == set()
    assert verdicts(MembersAreTabs, program, tabs_apart=True) == set()
    assert verdicts(MembersAreUsers, program, tabs_apart=True) == {"LostEvent" if then else "CrossUserLeak"}


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
