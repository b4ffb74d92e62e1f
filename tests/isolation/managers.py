"""A manager that is right and open to change, and what the model says of one over some schedules."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import Any

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.world import InOrder

from ..schedules import kinds_under

__all__ = ("ONE", "PAUSE", "SETTLE", "Chat", "connect", "emit", "history", "verdicts")


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
    return kinds_under(worker, 25, Program(operations))


def history(adapter: type[Adapter], *operations: Operation) -> Any:
    """The rows of one execution, in order."""
    worker = Worker(Target("chat", adapter, adapter))
    return worker.run(Program(operations), InOrder()).history


ONE = (connect(0, "u0"), SETTLE, emit("u1", "u0"), SETTLE)
