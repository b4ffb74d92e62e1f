"""Direct messages on Socket.IO: every user has a room, which each of the user's tabs enters on connect.

Needs ``pip install python-socketio``.  One `Chat` serves all clients, so what it keeps in an attribute while it waits
for the database is overwritten by the next client that connects, and one user ends in the other's room.

    crosswire run 'examples.socketio_rooms:app?wire=socketio'
"""

import asyncio
from typing import Any

import socketio


async def load_user(token: str) -> str:
    """Look a token up, as if in a database."""
    await asyncio.sleep(0.01)
    return token.removeprefix("token-")


class Chat(socketio.AsyncNamespace):  # type: ignore[misc]  # python-socketio has no types
    """Rooms by user."""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
        self.token = auth["token"]
        await asyncio.sleep(0.01)  # count the login, say
        user = await load_user(self.token)
        await self.enter_room(sid, user)

    async def on_message(self, sid: str, data: dict[str, str]) -> None:
        await self.emit("message", {"text": data["text"]}, room=data["to"])


server = socketio.AsyncServer(async_mode="asgi")
server.register_namespace(Chat("/"))
app = socketio.ASGIApp(server)
