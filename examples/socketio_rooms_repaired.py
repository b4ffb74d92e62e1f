"""The rooms of `socketio_rooms`, repaired: what belongs to one connect is in local variables."""

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
        token = auth["token"]
        await asyncio.sleep(0.01)  # count the login, say
        user = await load_user(token)
        await self.enter_room(sid, user)

    async def on_message(self, sid: str, data: dict[str, str]) -> None:
        await self.emit("message", {"text": data["text"]}, room=data["to"])


server = socketio.AsyncServer(async_mode="asgi")
server.register_namespace(Chat("/"))
app = socketio.ASGIApp(server)
