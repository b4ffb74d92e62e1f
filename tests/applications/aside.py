"""Nobody may write to oneself, and the refusal quotes what was said; one server delivers it all the same."""

from __future__ import annotations

import json
from functools import partial

from websockets.asyncio.server import ServerConnection, broadcast

here: dict[str, set[ServerConnection]] = {}


async def chat(connection: ServerConnection, *, delivers: bool) -> None:
    """``delivers``: what is said to have been refused."""
    assert connection.request is not None
    user = connection.request.path[1:]
    mine = here.setdefault(user, set())
    mine.add(connection)
    try:
        async for frame in connection:
            said = json.loads(frame)
            if said["to"] != user or delivers:
                broadcast(here.get(said["to"], ()), json.dumps({"type": "message", "text": said["text"]}))
            if said["to"] == user:
                broadcast([connection], json.dumps({"type": "refused", "text": said["text"]}))
    finally:
        mine.discard(connection)


refuses = partial(chat, delivers=False)
refuses_and_delivers = partial(chat, delivers=True)
