"""One device per account, the oldest wins: while a connection is open, a second login is turned away.

The seat is taken before anything is awaited and given back in `finally`, so two logins at the same
instant cannot both get it and a failed handshake does not keep it. A dead peer's seat is freed by the
server's WebSocket pings (uvicorn: 20 s + 20 s).
"""

import asyncio
import json
import logging

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

logger = logging.getLogger(__name__)

seats: dict[str, asyncio.Queue] = {}


def who(websocket: WebSocket) -> str | None:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not token.startswith("token-"):
        return None
    return token.removeprefix("token-") or None


async def refuse(websocket: WebSocket, code: int, reason: str):
    try:
        await websocket.accept()
        await websocket.send_text(json.dumps({"type": "refused", "reason": reason}))
        await websocket.close(code)
    except (WebSocketDisconnect, RuntimeError, OSError):
        logger.debug("refused client did not wait")


async def device(websocket: WebSocket):
    user = who(websocket)
    if user is None:
        await refuse(websocket, 4401, "token")
        return
    if user in seats:
        await refuse(websocket, 4409, "already connected")
        return
    seats[user] = outbox = asyncio.Queue()
    outbox.put_nowait({"type": "ready", "user": user})
    writer = None
    try:
        await websocket.accept()
        writer = asyncio.create_task(write(websocket, outbox))
        while True:
            event = await websocket.receive()
            if event["type"] == "websocket.disconnect":
                break
            relay(user, event.get("text") or "")
    finally:
        del seats[user]
        if writer is not None:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


async def write(websocket: WebSocket, outbox: asyncio.Queue):
    try:
        while True:
            await websocket.send_text(json.dumps(await outbox.get()))
    except (WebSocketDisconnect, RuntimeError, OSError) as exc:
        logger.info("writer: %r", exc)


def relay(user: str, text: str):
    try:
        message = json.loads(text)
        to, body = message["to"], message["body"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    if isinstance(to, str) and to in seats:
        seats[to].put_nowait({"type": "relay", "from": user, "body": body})


app = Starlette(routes=[WebSocketRoute("/device", device)])
