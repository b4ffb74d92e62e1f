"""A client that notes what its link tells it, played over a link to a service in the world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from crosswire.fuzzer.clients.link import Link
from crosswire.fuzzer.core.history import Farewell
from crosswire.fuzzer.core.program import Pace
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.serving import Service
from crosswire.fuzzer.targets.wire import Frame, Request
from crosswire.fuzzer.world import WorldLoop

__all__ = ("PLAIN", "SCHEDULES", "Client", "connected", "in_world", "over")

PLAIN = Request("/")

SCHEDULES = (None, *range(12))


class Client:
    """What a link tells its client, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.seen_written: list[Frame] = []

    def opened(self) -> None:
        self.told.append(("opened",))

    def refused(self, why: str) -> None:
        self.told.append(("refused", why))

    def written(self, frame: Frame) -> bool:
        self.seen_written.append(frame)
        return False

    def unheard(self, frame: Frame) -> None:
        self.told.append(("unheard", frame))

    def received(self, frame: Frame) -> None:
        self.told.append(("received", frame))

    def closed(self, why: Farewell) -> None:
        self.told.append(("closed", why))

    def served(self) -> None:
        self.told.append(("served",))

    @property
    def received_frames(self) -> list[Frame]:
        return [entry[1] for entry in self.told if entry[0] == "received"]

    async def hears(self, kind: str, times: int = 1) -> None:
        while sum(entry[0] == kind for entry in self.told) < times:
            await asyncio.sleep(0.01)


async def over(link: Link) -> None:
    while not link.over:
        await asyncio.sleep(0.01)


Play = Callable[[Service, Client], Any]


@asynccontextmanager
async def connected(
    service: Service, client: Client, pace: Pace | None = None, request: Request = PLAIN
) -> AsyncIterator[Link]:
    link = service.connect("c0", 0, client, pace)
    link.open(request)
    await client.hears("opened")
    yield link
    await over(link)


def in_world(make: Callable[[], Service], play: Play, seed: int | None = None) -> Client:
    client = Client()

    async def main() -> None:
        async with make() as service:
            await play(service, client)

    WorldLoop().run_coroutine(main(), None if seed is None else RandomWalk(seed))
    return client
