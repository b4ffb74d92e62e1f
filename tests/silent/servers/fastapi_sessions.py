"""Sessions live for an hour. A cleaner, started in the lifespan, ends the sessions whose time is up."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

logger = logging.getLogger("sessions")

LIFETIME = 3600.0
SWEEP = 30.0
GOODBYE = None  # in an outbox: close after this


@dataclass(eq=False)
class Session:
    user: str
    websocket: WebSocket
    expires: float
    outbox: asyncio.Queue = field(default_factory=asyncio.Queue)

    async def write(self):
        try:
            while (frame := await self.outbox.get()) is not GOODBYE:
                await self.websocket.send_text(json.dumps(frame))
            await self.websocket.close(4408)
        except (WebSocketDisconnect, RuntimeError, OSError) as exc:
            logger.info("%s: %r", self.user, exc)


class Sessions:
    def __init__(self):
        self.live: dict[Session, None] = {}

    def of(self, user: str):
        return [session for session in self.live if session.user == user]

    def end(self, session: Session):
        """From here on it gets and sends nothing; what is in its outbox is still written."""
        if session in self.live:
            del self.live[session]
            session.outbox.put_nowait({"type": "expired"})
            session.outbox.put_nowait(GOODBYE)

    def sweep(self):
        now = asyncio.get_running_loop().time()
        for session in list(self.live):
            if session.expires <= now:
                self.end(session)


sessions = Sessions()


async def cleaner():
    while True:
        await asyncio.sleep(SWEEP)
        try:
            sessions.sweep()
        except Exception:
            logger.exception("sweep failed, next one in %s s", SWEEP)


@asynccontextmanager
async def lifespan(_: FastAPI):
    task = asyncio.create_task(cleaner())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


app = FastAPI(lifespan=lifespan)


@app.websocket("/live")
async def live(websocket: WebSocket):
    token = websocket.query_params.get("token", "")
    if not token.startswith("token-"):
        await websocket.close(4401)
        return
    await websocket.accept()
    now = asyncio.get_running_loop().time()
    session = Session(token.removeprefix("token-"), websocket, now + LIFETIME)
    sessions.live[session] = None
    session.outbox.put_nowait({"type": "ready", "user": session.user, "seconds": LIFETIME})
    writer = asyncio.create_task(session.write())
    try:
        while (event := await websocket.receive())["type"] != "websocket.disconnect":
            if session not in sessions.live:
                continue  # expired, and on its way out
            try:
                message = json.loads(event.get("text") or "")
                to, text = message["to"], message["text"]
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            for other in sessions.of(to):
                other.outbox.put_nowait({"type": "message", "from": session.user, "text": text})
    finally:
        sessions.live.pop(session, None)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
