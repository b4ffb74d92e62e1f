"""Socket.IO: who is in has a light in the window; nobody puts it out."""

from __future__ import annotations

from typing import Any

import socketio

sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio)
lit: dict[str, str] = {}


@sio.event  # type: ignore[untyped-decorator]
async def connect(sid: str, environ: Any, auth: Any) -> None:
    """Light up, and tell all."""
    lit[sid] = auth["token"].removeprefix("token-")
    await sio.emit("lights", sorted({*lit.values()}))


@sio.event  # type: ignore[untyped-decorator]
async def message(sid: str, data: Any) -> None:
    """Pass a message on."""
    for other, user in list(lit.items()):
        if user == data["to"]:
            await sio.emit("message", data, to=other)


@sio.event  # type: ignore[untyped-decorator]
async def disconnect(sid: str) -> None:
    """Leave, and tell nobody."""
    del lit[sid]
