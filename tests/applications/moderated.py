"""What is said in a channel is looked at by a moderator first; everybody is in one channel, and may go meanwhile."""

from __future__ import annotations

import asyncio
import json
from functools import partial

from websockets.asyncio.server import ServerConnection, broadcast

members: dict[str, dict[ServerConnection, None]] = {"a": {}, "b": {}}
channels: dict[ServerConnection, str] = {}


async def moderated(connection: ServerConnection, text: str, late: bool) -> None:
    """Say it in the channel in which it was said; or, ``late``, in the one that its speaker is in by then."""
    channel = channels[connection]
    await asyncio.sleep(0.01)
    if late:
        channel = channels.get(connection, channel)
    broadcast(members[channel], json.dumps({"said": text}))


def leave(connection: ServerConnection) -> None:
    if (before := channels.pop(connection, None)) is not None:
        del members[before][connection]


async def served(connection: ServerConnection, late: bool) -> None:
    speaking: set[asyncio.Task[None]] = set()
    try:
        async for frame in connection:
            asked = json.loads(frame)
            if "go" in asked:
                leave(connection)
                channels[connection] = asked["go"]
                members[asked["go"]][connection] = None
                await connection.send(json.dumps({"there": asked["go"]}))
            elif channels.get(connection) == asked["in"]:
                task = asyncio.create_task(moderated(connection, asked["text"], late))
                speaking.add(task)
                task.add_done_callback(speaking.discard)
            else:
                await connection.send(json.dumps({"not": "here", "text": asked["text"]}))
    finally:
        await asyncio.gather(*speaking, return_exceptions=True)
        leave(connection)


goes_along = partial(served, late=True)
stays = partial(served, late=False)
