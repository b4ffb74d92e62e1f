"""A chat that has every message looked at by a service of somebody else's, over HTTP.

Needs ``pip install fastapi httpx``.  The moderator keeps the message it asks about on itself: while the service takes
its time over one, another comes in, and goes to whom the first was for.

    crosswire run examples.services:moderated
"""

import os
from typing import Any

import httpx
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
online: dict[str, list[WebSocket]] = {}


class Moderator:
    """Asks the service about messages, one after the other, as it believes."""

    def __init__(self) -> None:
        self.client = httpx.AsyncClient(base_url=os.environ.get("MODERATION_URL", "https://moderation.example.com"))
        self.message: dict[str, Any] = {}

    async def approved(self, message: dict[str, Any]) -> str | None:
        """The text of a message, where the service has nothing against it."""
        self.message = message
        answer = await self.client.post("/check", json={"text": message["text"]})
        return str(self.message["text"]) if answer.json()["fine"] else None


moderator = Moderator()


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    """Pass on what this client says, once it is approved, to all connections of whom it is for."""
    await websocket.accept()
    online.setdefault(user, []).append(websocket)
    try:
        await websocket.send_json({"type": "ready", "user": user})
        while True:
            message = await websocket.receive_json()
            text = await moderator.approved(message)
            for peer in list(online.get(message["to"], ())) if text is not None else ():
                try:
                    await peer.send_json({"type": "message", "to": message["to"], "text": text})
                except (WebSocketDisconnect, RuntimeError):
                    continue
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        online[user].remove(websocket)
