"""Socket.IO where the server says who is logged in, once it has looked that up, and clients log out by an event."""

import asyncio
from typing import Any

import socketio


def serving(*, names: str = "u{}", tells_all: bool = False, hasty: bool = False) -> Any:
    """An application; ``names`` is what it calls whom it welcomes; ``tells_all``: it sends every event to everybody;
    ``hasty``: it welcomes them before they are there."""
    server = socketio.AsyncServer(async_mode="asgi")

    @server.on("hello")  # type: ignore[untyped-decorator]  # python-socketio has no types
    async def hello(sid: str, data: dict[str, Any]) -> None:
        welcome = {"user": names.format(data["user"][1:])}
        if hasty:
            await server.emit("welcome", welcome, to=sid)
        await asyncio.sleep(0.05)
        if server.manager.is_connected(sid, "/"):
            await server.enter_room(sid, data["user"])
            if not hasty:
                await server.emit("welcome", welcome, to=sid)

    @server.on("say")  # type: ignore[untyped-decorator]
    async def say(sid: str, data: dict[str, Any]) -> None:
        room = None if tells_all else data["to"]
        await server.emit("said", {"for": data["to"], "text": data["text"]}, room=room)

    @server.on("bye")  # type: ignore[untyped-decorator]
    async def bye(sid: str, data: dict[str, Any]) -> None:
        await server.leave_room(sid, data["user"])

    return socketio.ASGIApp(server)


app = serving()
misnames = serving(names="u1{}")
misdelivers = serving(tells_all=True)
hasty = serving(hasty=True)
