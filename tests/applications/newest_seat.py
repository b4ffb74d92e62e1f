"""One connection a user, the newest: Socket.IO's own ``disconnect`` sends the older one away.

``app`` speaks to the newest; ``keeps_the_first`` to the one that it has sent away.
"""

from __future__ import annotations

from typing import Any

import socketio

__all__ = ("app", "keeps_the_first")


def make(newest: bool) -> socketio.ASGIApp:
    sio = socketio.AsyncServer(async_mode="asgi")
    seats: dict[str, str] = {}
    users: dict[str, str] = {}

    @sio.event  # type: ignore[untyped-decorator]  # python-socketio has no types
    async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
        user = users[sid] = auth["token"].removeprefix("token-")
        older = seats.get(user)
        if newest or older is None:
            seats[user] = sid
        if older is not None:
            await sio.disconnect(older)

    @sio.event  # type: ignore[untyped-decorator]  # python-socketio has no types
    async def disconnect(sid: str, reason: str | None = None) -> None:
        user = users.pop(sid)
        if newest and seats.get(user) == sid:
            del seats[user]

    @sio.event  # type: ignore[untyped-decorator]  # python-socketio has no types
    async def say(sid: str, said: dict[str, str]) -> None:
        seat = seats.get(said["to"])
        if seat is not None:
            await sio.emit("said", {"text": said["text"]}, to=seat)

    return socketio.ASGIApp(sio)


app, keeps_the_first = make(newest=True), make(newest=False)
