"""A chat that has every message looked at by a service of somebody else's, over HTTP, repaired.

Needs ``pip install fastapi httpx``.  What a message is about stays in the call that is about it.

    crosswire run examples.services:moderated_repaired
"""

import os
from typing import Any

import httpx
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
online: dict[str, list[WebSocket]] = {}


class Moderator:
    """Asks the service about messages, as many as there are."""

    def __init__(self) -> None:
        self.client = httpx.AsyncClient(base_url=os.environ.get("MODERATION_URL", "https://moderation.example.com"))

    async def approved(self, message: dict[str, Any]) -> str | None:
        """The text of a message, where the service has nothing against it."""
        answer = await self.client.post("/check", json={"text": message["text"]})
        return str(message["text"]) if answer.json()["fine"] else None


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
