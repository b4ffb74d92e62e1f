"""The current user in a ContextVar, acknowledgements to the sender that quote what it sent."""

import asyncio
import itertools
import json
import logging
from contextvars import ContextVar

from fastapi import APIRouter, Depends, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException

logger = logging.getLogger("dm")

current_user: ContextVar[str] = ContextVar("current_user")
router = APIRouter()
ids = itertools.count(1)


class Registry(dict[str, set[int]]):
    """user -> numbers of its connections, and the outboxes by number."""

    def __init__(self):
        super().__init__()
        self.outboxes: dict[int, asyncio.Queue] = {}

    def add(self, user: str) -> int:
        number = next(ids)
        self.outboxes[number] = asyncio.Queue()
        self.setdefault(user, set()).add(number)
        return number

    def discard(self, user: str, number: int):
        self.outboxes.pop(number, None)
        self[user].discard(number)
        if not self[user]:
            del self[user]


registry = Registry()


async def authenticated(websocket: WebSocket) -> str:
    token = websocket.headers.get("x-token", "")
    await asyncio.sleep(0)  # the user service
    if not token.startswith("token-"):
        raise WebSocketException(code=4401)
    return token.removeprefix("token-")


async def save(to: str, text: str) -> dict:
    """Stores the message in the name of whoever is being served."""
    await asyncio.sleep(0.005)
    return {"type": "message", "from": current_user.get(), "to": to, "text": text}


async def on_message(number: int, raw: str):
    try:
        message = json.loads(raw)
        to, text, ref = message["to"], message["text"], message.get("ref")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        logger.error("%s: not a message", current_user.get())
        return
    if not isinstance(to, str) or not isinstance(text, str):
        return
    stored = await save(to, text)
    recipients = sorted(registry.get(to, ()))
    for recipient in recipients:
        registry.outboxes[recipient].put_nowait(stored)
    ack = {"type": "ack", "to": current_user.get(), "ref": ref, "quote": text, "tabs": len(recipients)}
    registry.outboxes[number].put_nowait(ack)


async def write(websocket: WebSocket, outbox: asyncio.Queue):
    try:
        while True:
            await websocket.send_text(json.dumps(await outbox.get()))
    except (WebSocketDisconnect, RuntimeError, OSError) as exc:
        logger.info("%s: %r", current_user.get(), exc)


@router.websocket("/dm")
async def dm(websocket: WebSocket, user: str = Depends(authenticated)):
    await websocket.accept()
    reset = current_user.set(user)
    number = registry.add(user)
    outbox = registry.outboxes[number]
    outbox.put_nowait({"type": "ready", "user": user})
    writer = asyncio.create_task(write(websocket, outbox))
    try:
        while (event := await websocket.receive())["type"] == "websocket.receive":
            await on_message(number, event.get("text") or "")
    finally:
        registry.discard(user, number)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        current_user.reset(reset)


app = FastAPI()
app.include_router(router)
