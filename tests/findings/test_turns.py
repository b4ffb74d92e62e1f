"""Who has a lock, or a turn at a semaphore, is named, and where it was taken by who has ended with it."""

from __future__ import annotations

import asyncio

import pytest

from crosswire.fuzzer import Adapter, Client, Event
from crosswire.fuzzer.core.program import Operation
from crosswire.fuzzer.findings.causes import Reason, bugs_of, why

from .explaining import explained, of


class Turns(Adapter):
    """One says something at a time, and whoever cannot be reached keeps the turn for ever."""

    made: type[asyncio.Semaphore] | type[asyncio.Lock] = asyncio.Semaphore

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._turn = self.made()

    async def connect(self, client: Client) -> None:
        self._clients[client.id] = client

    async def disconnect(self, client: Client) -> None:
        self._clients.pop(client.id, None)

    async def emit(self, event: Event) -> None:
        await self._turn.acquire()  # here
        for client in [client for client in self._clients.values() if client.user == event.to]:
            await client.websocket.send_json(event.payload)
        self._turn.release()


class Locked(Turns):
    """The same with a lock."""

    made = asyncio.Lock


class Bounded(Turns):
    """The same with a semaphore that counts what is given back."""

    made = asyncio.BoundedSemaphore


KEPT = (
    Operation("connect", "c0", "u0"),
    Operation("settle"),
    Operation("stall", "c0"),
    Operation("emit", user="u1", to="u0"),
    Operation("abort", "c0"),
    Operation("settle"),
    Operation("connect", "c1", "u0"),
    Operation("settle"),
    Operation("emit", user="u1", to="u0"),
)


class Signals(Turns):
    """A mailbox: who says something lets its writer go on, which waits for the next again; one tab gets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Semaphore(0)
        self._letters: list[Event] = []
        self._writer: asyncio.Task[None] | None = None

    async def connect(self, client: Client) -> None:
        await super().connect(client)
        self._writer = self._writer or asyncio.create_task(self._write())

    async def _write(self) -> None:
        while True:
            await self._more.acquire()
            letter = self._letters.pop(0)
            for client in list(self._clients.values())[:1]:
                if client.user == letter.to:
                    await client.websocket.send_json(letter.payload)

    async def emit(self, event: Event) -> None:
        self._letters.append(event)
        self._more.release()


@pytest.mark.parametrize("adapter", [Turns, Locked, Bounded])
def test_a_turn_that_is_never_given_back_is_named_where_it_is_taken(adapter: type[Adapter]) -> None:
    causes = dict(explained(of(adapter), *KEPT).values())
    assert "Deadlock" in causes
    cause = causes["Deadlock"]
    assert cause is not None
    assert cause.reason is Reason.KEPT
    assert "never given back" in why(cause)
    assert cause.places[0][0].text.endswith("# here")
    assert len(bugs_of(causes)) == 1


@pytest.mark.parametrize("adapter", [Turns, Locked, Bounded])
def test_a_turn_that_is_held_over_a_send_is_named_where_its_holder_waits(adapter: type[Adapter]) -> None:
    other = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1"), Operation("settle"))
    says = (Operation("emit", user="u2", to="u0"), Operation("emit", user="u3", to="u1"))
    causes = dict(explained(of(adapter), *other, Operation("stall", "c0", seconds=9.0), *says).values())
    cause = causes["HeadOfLineBlocking"]
    assert cause is not None
    assert cause.reason is Reason.HELD_UP
    assert "send_json" in cause.places[0][0].text
    assert any(line.text.endswith("# here") for place in cause.places for line in place)


def test_a_semaphore_that_is_a_signal_is_held_by_nobody() -> None:
    two = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u0"), Operation("settle"))
    causes = dict(explained(of(Signals), *two, Operation("emit", user="u1", to="u0"), Operation("settle")).values())
    cause = causes["LostEvent"]
    assert cause is not None
    assert cause.reason not in (Reason.DEADLOCK, Reason.KEPT)
