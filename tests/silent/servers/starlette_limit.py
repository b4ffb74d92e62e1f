"""At most three connections a user, by session cookie. The slot is booked before the handshake is answered."""

import asyncio
import contextlib
import json
import logging

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

logger = logging.getLogger(__name__)

LIMIT = 3
GONE = (WebSocketDisconnect, RuntimeError, OSError)


class TooMany(Exception):
    pass


class Slots:
    def __init__(self, limit):
        self.limit = limit
        self.outboxes = {}

    @contextlib.contextmanager
    def book(self, user):
        mine = self.outboxes.setdefault(user, [])
        if len(mine) >= self.limit:
            raise TooMany(user)
        outbox = asyncio.Queue()
        mine.append(outbox)
        try:
            yield outbox
        finally:
            mine.remove(outbox)
            if not mine:
                del self.outboxes[user]


slots = Slots(LIMIT)


def session_user(websocket):
    session = websocket.cookies.get("session", "")
    return session.removeprefix("token-") if session.startswith("token-") else ""


async def pump(websocket, outbox):
    with contextlib.suppress(*GONE):
        while True:
            await websocket.send_text(json.dumps(await outbox.get()))


async def listen(websocket, user):
    while True:
        event = await websocket.receive()
        if event["type"] == "websocket.disconnect":
            return
        try:
            message = json.loads(event.get("text") or "null")
            to, text = message["to"], message["text"]
            outboxes = slots.outboxes.get(to, ())
        except (ValueError, TypeError, KeyError, RecursionError):
            logger.error("%s sends nonsense", user)
            continue
        for outbox in outboxes:
            outbox.put_nowait({"type": "message", "from": user, "to": to, "text": text})


async def chat(websocket):
    user = session_user(websocket)
    if not user:
        await websocket.close(4401)
        return
    try:
        with slots.book(user) as outbox:
            outbox.put_nowait({"type": "ready", "user": user})
            await websocket.accept()
            task = asyncio.create_task(pump(websocket, outbox))
            try:
                await listen(websocket, user)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    except TooMany:
        with contextlib.suppress(*GONE):
            await websocket.accept()
            await websocket.send_text(json.dumps({"type": "refused", "reason": "too many connections"}))
            await websocket.close(4429)


app = Starlette(routes=[WebSocketRoute("/chat", chat)])
