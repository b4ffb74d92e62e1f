"""Rooms: a user may be in many rooms, on several tabs; each tab joins and leaves rooms by itself."""

import asyncio
import json
import logging
import re

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

logger = logging.getLogger("rooms")
app = FastAPI()

rooms: dict[str, dict["Tab", None]] = {}


class Tab:
    def __init__(self, websocket: WebSocket, user: str):
        self.websocket = websocket
        self.user = user
        self.rooms: set[str] = set()
        self.outbox: asyncio.Queue[dict] = asyncio.Queue()

    def join(self, room: str):
        self.rooms.add(room)
        rooms.setdefault(room, {})[self] = None

    def leave(self, room: str):
        self.rooms.discard(room)
        members = rooms.get(room, {})
        members.pop(self, None)
        if not members:
            rooms.pop(room, None)

    async def write(self):
        try:
            while True:
                await self.websocket.send_text(json.dumps(await self.outbox.get()))
        except (WebSocketDisconnect, RuntimeError, OSError):
            logger.debug("%s is gone", self.user)


def parse(text: str | None) -> dict:
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def handle(tab: Tab, message: dict):
    room, text = message.get("room"), message.get("text")
    if not isinstance(room, str):
        tab.outbox.put_nowait({"type": "error", "reason": "which room?"})
    elif message.get("type") == "join":
        tab.join(room)
        tab.outbox.put_nowait({"type": "joined", "room": room, "users": sorted({t.user for t in rooms[room]})})
    elif message.get("type") == "leave":
        tab.leave(room)
        tab.outbox.put_nowait({"type": "left", "room": room})
    elif message.get("type") == "say" and isinstance(text, str):
        # One need not be in a room to speak to it: customers write to "support", say.
        for member in rooms.get(room, {}):
            member.outbox.put_nowait({"type": "said", "room": room, "from": tab.user, "text": text})
    else:
        tab.outbox.put_nowait({"type": "error", "reason": "what?"})


@app.websocket("/ws")
async def endpoint(websocket: WebSocket, token: str = ""):
    match = re.fullmatch(r"token-(\w+)", token)
    if match is None:
        await websocket.close(4401)
        return
    await websocket.accept()
    tab = Tab(websocket, match[1])
    writer = asyncio.create_task(tab.write())
    try:
        while True:
            event = await websocket.receive()
            if event["type"] == "websocket.disconnect":
                break
            handle(tab, parse(event.get("text")))
    finally:
        for room in list(tab.rooms):
            tab.leave(room)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
