"""Login by the first message, checked against the session store; refused logins are told and closed."""

import asyncio
import json
import logging
from contextlib import suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

logger = logging.getLogger("chat")
app = FastAPI()

LOGIN_TIMEOUT = 10
connections: dict[str, list["Peer"]] = {}


class Gone(Exception):
    pass


class AuditFailed(Exception):
    pass


async def check_token(token) -> str | None:
    """The session store's answer: whose token this is."""
    await asyncio.sleep(0.01)
    kind, _, user = token.partition("-") if isinstance(token, str) else ("", "", "")
    return user if kind == "token" and user.isalnum() else None


async def audit(user: str, message: dict):
    """Best effort. Refuses odd messages, and that is no reason not to deliver them."""
    await asyncio.sleep(0)
    if len(message.get("text", "")) > 1000:
        raise AuditFailed(f"message of {user} too long for the journal")


class Peer:
    def __init__(self, websocket: WebSocket):
        self.websocket = websocket
        self.outbox: asyncio.Queue = asyncio.Queue()

    async def receive(self) -> dict:
        event = await self.websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise Gone
        try:
            message = json.loads(event.get("text") or "")
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            logger.error("not a JSON object, ignored")
            return {}
        return message

    async def write(self):
        try:
            while True:
                await self.websocket.send_text(json.dumps(await self.outbox.get()))
        except (WebSocketDisconnect, RuntimeError, OSError) as exc:
            logger.error("could not send: %r", exc)


async def serve(peer: Peer, user: str):
    while True:
        message = await peer.receive()
        if message.get("type") != "message" or not isinstance(message.get("text"), str):
            continue
        try:
            await audit(user, message)
        except AuditFailed:
            logger.exception("audit")
        frame = {"type": "message", "for": message.get("to"), "from": user, "text": message["text"]}
        for other in connections.get(str(message.get("to")), ()):
            other.outbox.put_nowait(frame)


@app.websocket("/chat")
async def chat(websocket: WebSocket):
    await websocket.accept()
    peer = Peer(websocket)
    try:
        async with asyncio.timeout(LOGIN_TIMEOUT):
            user = await check_token((await peer.receive()).get("token"))
    except (TimeoutError, Gone):
        user = None
    if user is None:
        with suppress(WebSocketDisconnect, RuntimeError, OSError):
            await websocket.send_text(json.dumps({"type": "error", "reason": "login"}))
            await websocket.close(4401)
        return
    connections.setdefault(user, []).append(peer)
    peer.outbox.put_nowait({"type": "ready", "user": user})
    writer = asyncio.create_task(peer.write())
    try:
        await serve(peer, user)
    except Gone:
        logger.info("%s left", user)
    finally:
        connections[user].remove(peer)
        if not connections[user]:
            del connections[user]
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
