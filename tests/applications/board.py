"""A board with operations of its own: who is online, notes for a team, a token that an administrator ends by HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect


class Board:
    """What the applications below differ in: how each forgets something."""

    forgets_to_tell = False
    keeps_expired = False
    last_comer_is_me = False
    notes_for_all = False

    def __init__(self) -> None:
        self.app = FastAPI()
        self.tabs: dict[str, list[WebSocket]] = {}
        self.ended: set[str] = set()
        self.me = ""
        self.app.post("/expire/{token}")(self.expire)
        self.app.post("/note")(self.note)
        self.app.websocket("/ws")(self.talk)

    async def send(self, users: Any, frame: dict[str, Any]) -> None:
        for user in list(users):
            for tab in list(self.tabs.get(user, ())):
                try:
                    await tab.send_json(frame)
                except (RuntimeError, WebSocketDisconnect):
                    continue

    async def expire(self, token: str) -> dict[str, str]:
        self.ended.add(token)
        user = token.removeprefix("token-")
        for tab in [] if self.keeps_expired else list(self.tabs.get(user, ())):
            self.tabs[user].remove(tab)
            await tab.close(1008)
        await self.gone(user)
        return {"ended": user}

    async def note(self, body: dict[str, str]) -> dict[str, str]:
        await self.send(self.tabs if self.notes_for_all else [body["to"]], {"note": body["text"], "to": body["to"]})
        return {"status": "kept"}

    async def gone(self, user: str) -> None:
        if not self.tabs.get(user) and not self.forgets_to_tell:
            await self.send(self.tabs, {"type": "left", "user": user})

    async def talk(self, websocket: WebSocket, token: str) -> None:
        user = token.removeprefix("token-")
        if token in self.ended:
            await websocket.close(1008)
            return
        await websocket.accept()
        self.tabs.setdefault(user, []).append(websocket)
        self.me = user
        try:
            await websocket.send_json({"type": "ready"})
            await websocket.send_json({"type": "online", "users": [name for name in self.tabs if self.tabs[name]]})
            await self.send([other for other in self.tabs if other != user], {"type": "came", "user": user})
            while True:
                said = await websocket.receive_json()
                if said["type"] == "me":
                    await asyncio.sleep(0.01)
                    await websocket.send_json({"type": "you", "user": self.me if self.last_comer_is_me else user})
                else:
                    await self.send([said["to"]], {"type": "message", "text": said["text"]})
        except (RuntimeError, WebSocketDisconnect):
            pass
        finally:
            if websocket in self.tabs[user]:
                self.tabs[user].remove(websocket)
            await self.gone(user)


class Silent(Board):
    """Nobody is told that somebody left."""

    forgets_to_tell = True


class Lasting(Board):
    """A token that has ended is good for whoever is connected."""

    keeps_expired = True


class Mistaken(Board):
    """Who asks who it is hears who came last."""

    last_comer_is_me = True


class Open(Board):
    """Notes go to everybody."""

    notes_for_all = True


right = Board().app
silent = Silent().app
lasting = Lasting().app
mistaken = Mistaken().app
open_to_all = Open().app
