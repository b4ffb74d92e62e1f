"""A relay that takes a token in any of the usual places, for the wires of the documentation."""

import json
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, broadcast

TABS: dict[str, set[ServerConnection]] = {}
ROOMS: dict[str, set[ServerConnection]] = {}


async def token_of(websocket: ServerConnection) -> str:
    """From the header, the query, the subprotocol, or else the first message."""
    request = websocket.request
    assert request is not None
    if "Authorization" in request.headers:
        return request.headers["Authorization"].removeprefix("Bearer ")
    query = parse_qs(urlsplit(request.path).query)
    if "token" in query:
        return query["token"][0]
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if offered:
        return offered.rpartition("bearer.")[2]
    first = await websocket.recv()
    assert isinstance(first, str)
    return str(json.loads(first)["token"]) if first.startswith("{") else first.removeprefix("LOGIN ")


async def handler(websocket: ServerConnection) -> None:
    token = await token_of(websocket)
    if not token.startswith("token-"):
        await websocket.send(json.dumps({"type": "error", "reason": "bad token"}))
        return
    user = token.removeprefix("token-")
    TABS.setdefault(user, set()).add(websocket)
    try:
        broadcast([websocket], json.dumps({"type": "ready", "user": user}))
        async for frame in websocket:
            assert isinstance(frame, str)
            if frame.startswith("SEND "):
                _, to, text = frame.split(" ", 2)
                message = f"FOR {to} {text}"
            elif (said := json.loads(frame)).get("type") in ("join", "leave", "say"):
                in_room(websocket, said["type"], said["room"], said.get("text", ""))
                continue
            else:
                to, text = json.loads(frame)["to"], json.loads(frame)["text"]
                message = json.dumps({"type": "message", "for": to, "text": text})
            broadcast(TABS.get(to, ()), message)
    finally:
        for members in (TABS[user], *ROOMS.values()):
            members.discard(websocket)


def in_room(websocket: ServerConnection, what: str, room: str, text: str) -> None:
    members = ROOMS.setdefault(room, set())
    if what == "join":
        members.add(websocket)
        broadcast([websocket], json.dumps({"type": "joined", "room": room}))
    elif what == "leave":
        members.discard(websocket)
    else:
        broadcast(members, json.dumps({"type": "said", "room": room, "text": text}))
