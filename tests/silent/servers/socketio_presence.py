"""Socket.IO with presence and acknowledgements. The token check is asynchronous and may refuse."""

import asyncio
import logging

import socketio

logger = logging.getLogger("presence")

sio = socketio.AsyncServer(async_mode="asgi", async_handlers=False)
app = socketio.ASGIApp(sio)

EVERYBODY = "everybody"
online: dict[str, set[str]] = {}  # user -> sids
users: dict[str, str] = {}  # sid -> user


async def look_up(token) -> str | None:
    await asyncio.sleep(0.01)  # the identity provider
    if isinstance(token, str) and token.startswith("token-"):
        return token.removeprefix("token-") or None
    return None


@sio.event
async def connect(sid, environ, auth=None):
    user = await look_up(auth.get("token") if isinstance(auth, dict) else None)
    if user is None:
        raise socketio.exceptions.ConnectionRefusedError({"reason": "token"})
    users[sid] = user
    first = user not in online
    online.setdefault(user, set()).add(sid)
    # Its own rooms only once its CONNECT packet is out (see `hello`); the others may know at once.
    if first:
        await sio.emit("online", {"user": user}, room=EVERYBODY)


@sio.event
async def hello(sid, data=None):
    """The client's first event: from now on it is sent messages, and this is who is there."""
    user = users[sid]
    await sio.enter_room(sid, f"user:{user}")
    await sio.enter_room(sid, EVERYBODY)
    await sio.emit("ready", {"user": user, "online": sorted(online)}, to=sid)


@sio.event
async def message(sid, data=None):
    if not isinstance(data, dict) or not isinstance(data.get("to"), str) or "text" not in data:
        logger.error("%s: not a message", users[sid])
        return {"ok": False}
    to = data["to"]
    await sio.emit("message", {"from": users[sid], "text": data["text"]}, room=f"user:{to}")
    return {"ok": True, "quote": data["text"], "online": to in online}


@sio.event
async def disconnect(sid, reason=None):
    user = users.pop(sid, None)
    if user is None:
        return  # was refused
    online[user].discard(sid)
    if not online[user]:
        del online[user]
        await sio.emit("offline", {"user": user}, room=EVERYBODY, skip_sid=sid)
