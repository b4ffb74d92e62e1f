"""Socket.IO rooms that clients ask to join."""

from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi")


@server.on("join")  # type: ignore[untyped-decorator]  # python-socketio has no types
async def join(sid: str, data: dict[str, Any]) -> None:
    await server.enter_room(sid, data["room"])


@server.on("say")  # type: ignore[untyped-decorator]  # python-socketio has no types
async def say(sid: str, data: dict[str, Any]) -> None:
    await server.emit("said", {"text": data["text"]}, room=data["room"])


app = socketio.ASGIApp(server)
