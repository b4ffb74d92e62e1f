"""Socket.IO: whoever pins something shows it to everybody, or by mistake to itself alone; anybody may be put out."""

from typing import Any

import socketio

__all__ = ("app", "forgetful")


def made(everybody: bool) -> Any:
    sio = socketio.AsyncServer(async_mode="asgi")
    users: dict[str, str] = {}

    @sio.event  # type: ignore[untyped-decorator]
    async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
        users[sid] = auth["token"].removeprefix("token-")
        await sio.enter_room(sid, "hall")

    @sio.event  # type: ignore[untyped-decorator]
    async def pin(sid: str, data: dict[str, str]) -> None:
        await sio.emit("pinned", {"text": data["text"]}, to="hall" if everybody else sid)
        await sio.emit("done", {"what": "pin"}, to=sid)

    @sio.event  # type: ignore[untyped-decorator]
    async def kick(sid: str, data: dict[str, str]) -> None:
        for other in [other for other, user in users.items() if user == data["user"]]:
            await sio.leave_room(other, "hall")
            await sio.emit("kicked", {"room": "hall"}, to=other)

    @sio.event  # type: ignore[untyped-decorator]
    async def say(sid: str, data: dict[str, str]) -> None:
        if "hall" in sio.rooms(sid):
            await sio.emit("said", {"text": data["text"]}, to="hall")

    return socketio.ASGIApp(sio)


def app() -> Any:
    return made(True)


def forgetful() -> Any:
    return made(False)
