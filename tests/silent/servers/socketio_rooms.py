"""Rooms over Socket.IO in a class-based namespace: join and leave, say to a room, several rooms at once."""

import logging

import socketio
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

logger = logging.getLogger("rooms")

NAME_LENGTH = 40


class Rooms(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ, auth=None):
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token.startswith("token-"):
            raise socketio.exceptions.ConnectionRefusedError("token")
        await self.save_session(sid, {"user": token.removeprefix("token-")})

    def room(self, data):
        """Rooms are prefixed, so that nobody joins another connection's own room, whose name is its sid."""
        name = data.get("room") if isinstance(data, dict) else None
        return f"room:{name}" if isinstance(name, str) and 0 < len(name) <= NAME_LENGTH else None

    async def on_join(self, sid, data=None):
        room = self.room(data)
        if room is None:
            return {"ok": False}
        await self.enter_room(sid, room)
        await self.emit("joined", {"room": data["room"]}, to=sid)
        return {"ok": True}

    async def on_leave(self, sid, data=None):
        room = self.room(data)
        if room is None:
            return {"ok": False}
        await self.leave_room(sid, room)
        await self.emit("left", {"room": data["room"]}, to=sid)
        return {"ok": True}

    async def on_say(self, sid, data=None):
        room = self.room(data)
        text = data.get("text") if room else None
        if not isinstance(text, str):
            logger.error("%s: say what, and where?", sid)
            return {"ok": False}
        user = (await self.get_session(sid))["user"]
        # To the members only, the sender among them if it is one.
        await self.emit("said", {"room": data["room"], "from": user, "text": text}, room=room)
        return {"ok": True}


sio = socketio.AsyncServer(async_mode="asgi", async_handlers=False)
sio.register_namespace(Rooms("/"))


async def health(request):
    return JSONResponse({"ok": True})


app = Starlette(
    routes=[
        Route("/health", health),
        Mount("/", socketio.ASGIApp(sio, socketio_path="socket.io")),
    ]
)
