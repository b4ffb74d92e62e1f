"""Everybody is told who has come: each in turn before the newcomer is heard, or all at once, without waiting."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

here: dict[ServerConnection, tuple[str, str]] = {}
"""Of each connection its room and its user."""

Tell = Callable[[str], Awaitable[None]]


async def each(said: str) -> None:
    for connection in list(here):
        try:
            await connection.send(said)
        except ConnectionClosed:
            continue


async def all_at_once(said: str) -> None:
    broadcast(list(here), said)


async def served(connection: ServerConnection, tell: Tell) -> None:
    assert connection.request is not None
    room, _, user = connection.request.path[1:].rpartition("/")
    here[connection] = room, user
    try:
        await tell(json.dumps({"came": user}))
        async for frame in connection:
            said = json.loads(frame)
            to = [one for one, (there, who) in here.items() if there == room and said.get("to", who) == who]
            broadcast(to, frame)
    finally:
        del here[connection]


in_turn = partial(served, tell=each)
at_once = partial(served, tell=all_at_once)
