"""A chat of rooms that are joined by a message, and nothing said elsewhere: looked at by `benchmarks.situations`."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from crosswire.fuzzer import JsonWire

__all__ = ("handler", "wire")

wire = JsonWire(
    path="/?user={user}",
    ready={"type": "hello"},
    user="user",
    rooms=["red", "blue"],
    join={"type": "join", "room": "{room}"},
    joined={"type": "joined", "room": "{room}"},
    leave={"type": "leave", "room": "{room}"},
    to_user=None,
    to_room={"type": "say", "room": "{room}", "text": "{event}"},
)

rooms: dict[str, set[ServerConnection]] = defaultdict(set)


async def handler(websocket: ServerConnection) -> None:
    """One client."""
    assert websocket.request is not None
    (user,) = parse_qs(urlsplit(websocket.request.path).query)["user"]
    await websocket.send(json.dumps({"type": "hello", "user": user}))
    try:
        async for frame in websocket:
            data = json.loads(frame)
            members = rooms[data["room"]]
            match data["type"]:
                case "join":
                    members.add(websocket)
                    await websocket.send(json.dumps({"type": "joined", "room": data["room"]}))
                case "leave":
                    members.discard(websocket)
                case "say" if websocket in members:
                    for member in list(members):
                        with suppress(ConnectionClosed):  # it has left, and its own handler has yet to notice
                            await member.send(json.dumps({"type": "said", "by": user, "text": data["text"]}))
    finally:
        for members in rooms.values():
            members.discard(websocket)
