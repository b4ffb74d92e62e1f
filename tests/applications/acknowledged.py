"""Socket.IO as its clients mostly use it: what they say is answered by acknowledgements; users are numbers."""

import asyncio
import hashlib
from typing import Any

import socketio


def signed(user: int) -> str:
    """The token of a user."""
    return f"{user}.{hashlib.sha256(f'secret{user}'.encode()).hexdigest()[:8]}"


def serving(*, hasty: bool = False, misnames: bool = False, tells_all: bool = False, lets_in: bool = False) -> Any:
    """An application; ``hasty``: a join is acknowledged before it is done; ``misnames``: a login as the wrong user;
    ``tells_all``: what is said in a room goes to everybody; ``lets_in``: with any token."""
    server = socketio.AsyncServer(async_mode="asgi")
    users: dict[str, int] = {}
    rooms: dict[str, set[int]] = {}

    @server.event  # type: ignore[untyped-decorator]  # python-socketio has no types
    async def hello(sid: str, token: str, client: str) -> dict[str, Any]:
        user = token.partition(".")[0]
        await asyncio.sleep(0.01)
        if not lets_in and (not user.isdecimal() or token != signed(int(user))):
            return {"ok": False, "error": "who are you?"}
        users[sid] = int(user) if user.isdecimal() else 0
        return {"ok": True, "id": users[sid] + misnames, "client": client}

    async def entering(sid: str, room: int) -> None:
        if hasty:
            await asyncio.sleep(0.01)
        if sid in users and server.manager.is_connected(sid, "/"):
            await server.enter_room(sid, f"room {room}")
            rooms.setdefault(sid, set()).add(room)

    @server.event  # type: ignore[untyped-decorator]
    async def join(sid: str, room: int) -> dict[str, Any]:
        if sid not in users:
            return {"ok": False}
        if hasty:
            server.start_background_task(entering, sid, room)
        else:
            await entering(sid, room)
        return {"ok": True}

    @server.event  # type: ignore[untyped-decorator]
    async def leave(sid: str, room: int) -> None:
        rooms.get(sid, set()).discard(room)
        await server.leave_room(sid, f"room {room}")

    @server.event  # type: ignore[untyped-decorator]
    async def say(sid: str, room: int, text: str) -> dict[str, Any]:
        if room not in rooms.get(sid, ()) and not hasty:
            return {"ok": False, "error": "not there", "text": text}
        to = None if tells_all else f"room {room}"
        await server.emit("said", {"by": users[sid], "text": text}, room=to)
        return {"ok": True}

    @server.event  # type: ignore[untyped-decorator]
    async def whoami(sid: str) -> dict[str, Any]:
        return {"ok": True, "id": users.get(sid)}

    @server.event  # type: ignore[untyped-decorator]
    async def disconnect(sid: str, reason: str) -> None:
        users.pop(sid, None)
        rooms.pop(sid, None)

    return socketio.ASGIApp(server)


app = serving()
hasty = serving(hasty=True)
misnames = serving(misnames=True)
tells_all = serving(tells_all=True)
lets_in = serving(lets_in=True)
