"""The chats of anyio_chats.py, repaired."""

from __future__ import annotations

from typing import Any

import anyio

from crosswire.fuzzer import Event, latency

from .anyio_chats import Rooms


class FanOut(Rooms):
    """A send that fails is dealt with in its own task."""

    async def emit(self, event: Event) -> None:
        await self.deliver(event.to, event.payload)

    async def send(self, user: str | None, websocket: Any, payload: dict[str, Any]) -> None:
        await latency("translation")
        await super().send(user, websocket, payload)


class Latest(Rooms):
    """What is to be delivered is given to the task that does it."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[str | None, dict[str, Any]] = {}

    async def emit(self, event: Event) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.keep, event)
            group.start_soon(self.deliver, event.to, event.payload)

    async def keep(self, event: Event) -> None:
        self.latest[event.to] = event.payload


class Shielded(Rooms):
    """The lock is given back whatever happens."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = anyio.Lock()

    async def emit(self, event: Event) -> None:
        with anyio.CancelScope(shield=True):
            async with self.lock:
                await latency("archive")
        await self.deliver(event.to, event.payload)
