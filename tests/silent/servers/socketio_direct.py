"""Direct messages over Socket.IO: a room for each user, entered on login with the token of the auth payload."""

import logging

import socketio

logger = logging.getLogger("dm")

# async_handlers=False: one client's events are handled one after the other, in the order they came in.
sio = socketio.AsyncServer(async_mode="asgi", async_handlers=False, cors_allowed_origins="*")
app = socketio.ASGIApp(sio)


def user_of(auth):
    token = auth.get("token") if isinstance(auth, dict) else None
    if isinstance(token, str) and token.startswith("token-") and len(token) > 6:
        return token[6:]
    return None


@sio.event
async def connect(sid, environ, auth=None):
    user = user_of(auth)
    if user is None:
        raise socketio.exceptions.ConnectionRefusedError("who are you?")
    await sio.save_session(sid, {"user": user})
    # Last, with nothing awaited between here and the server's CONNECT packet: no event overtakes it.
    await sio.enter_room(sid, f"user:{user}")


@sio.event
async def message(sid, data=None, *_):
    session = await sio.get_session(sid)
    match data:
        case {"to": str(to), "text": text}:
            await sio.emit("message", {"from": session["user"], "to": to, "text": text}, room=f"user:{to}")
            return {"ok": True}
        case _:
            logger.error("%s: not a message", session["user"])
            return {"ok": False}


@sio.event
async def disconnect(sid, reason=None):
    logger.info("%s left: %s", sid, reason)  # rooms and session go with the connection
