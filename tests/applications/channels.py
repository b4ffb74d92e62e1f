"""Channels on Socket.IO: whoever switches to one hears what is said there."""

from __future__ import annotations

from typing import Any

import socketio

sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio)


@sio.event  # type: ignore[untyped-decorator]
async def connect(sid: str, environ: Any, auth: Any) -> None:
    """Whoever comes is let in."""


@sio.event  # type: ignore[untyped-decorator]
async def switch(sid: str, data: dict[str, str]) -> None:
    await sio.enter_room(sid, data["channel"])
    await sio.emit("switched", data, to=sid)


@sio.event  # type: ignore[untyped-decorator]
async def part(sid: str, data: dict[str, str]) -> None:
    await sio.leave_room(sid, data["channel"])


@sio.event  # type: ignore[untyped-decorator]
async def say(sid: str, data: dict[str, str]) -> None:
    if data["channel"] in sio.rooms(sid):
        await sio.emit("said", data, room=data["channel"])
