"""A chat that hangs up, as the protocol's codes have it, on whoever says what it does not understand.

Who writes to somebody who is not there is told so; in `mistakes_who_asked` everybody else is.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, broadcast

from crosswire.fuzzer import Action, JsonWire

online: dict[str, set[ServerConnection]] = {}

SAYS = {"to": "{to}", "text": "{event}"}

chat = JsonWire(
    path="/?user={user}",
    ready={"type": "ready"},
    recipient="to",
    to_user=SAYS,
    actions={"nonsense": Action("{not json")},
)
misread = JsonWire(path="/?user={user}", ready={"type": "ready"}, to_user={"for": "{to}", "text": "{event}"})


async def handler(connection: ServerConnection) -> None:
    await serve(connection, mistaken=False)


async def mistakes_who_asked(connection: ServerConnection) -> None:
    await serve(connection, mistaken=True)


async def serve(connection: ServerConnection, *, mistaken: bool) -> None:
    assert connection.request is not None
    user = parse_qs(urlsplit(connection.request.path).query)["user"][0]
    online.setdefault(user, set()).add(connection)
    try:
        broadcast([connection], json.dumps({"type": "ready", "user": user}))
        async for raw in connection:
            try:
                said = json.loads(raw)
                to, text = said["to"], said["text"]
            except (ValueError, LookupError, TypeError):
                await connection.close(1003, "malformed")
                return
            if online.get(to):
                broadcast(online[to], json.dumps({"type": "message", "by": user, "text": text}))
            else:
                told = [other for others in online.values() for other in others if (other is connection) != mistaken]
                broadcast(told, json.dumps({"type": "absent", "to": to}))
    finally:
        online[user].discard(connection)
