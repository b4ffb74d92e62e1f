"""A board with operations of its own: who is online, notes for a team, a token that an administrator ends by HTTP."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect


class Tab:
    """A connection, and what is to be sent over it: nobody waits for a client that does not read."""

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.writing = asyncio.create_task(self.write())

    async def write(self) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):
            while True:
                await self.websocket.send_json(await self.frames.get())

    async def end(self) -> None:
        self.writing.cancel()
        await asyncio.gather(self.writing, return_exceptions=True)


class Board:
    """What the applications below differ in: how each forgets something."""

    forgets_to_tell = False
    keeps_expired = False
    last_comer_is_me = False
    notes_for_all = False

    def __init__(self) -> None:
        self.app = FastAPI()
        self.tabs: dict[str, list[Tab]] = {}
        self.ended: set[str] = set()
        self.me = ""
        self.app.post("/expire/{token}")(self.expire)
        self.app.post("/note")(self.note)
        self.app.websocket("/ws")(self.talk)

    def send(self, users: Any, frame: dict[str, Any]) -> None:
        for user in users:
            for tab in self.tabs.get(user, ()):
                tab.frames.put_nowait(frame)

    async def expire(self, token: str) -> dict[str, str]:
        self.ended.add(token)
        user = token.removeprefix("token-")
        for tab in [] if self.keeps_expired else list(self.tabs.get(user, ())):
            self.tabs[user].remove(tab)
            await tab.end()
            await tab.websocket.close(1008)
        self.gone(user)
        return {"ended": user}

    async def note(self, body: dict[str, str]) -> dict[str, str]:
        self.send(self.tabs if self.notes_for_all else [body["to"]], {"note": body["text"], "to": body["to"]})
        return {"status": "kept"}

    def gone(self, user: str) -> None:
        if not self.tabs.get(user) and not self.forgets_to_tell:
            self.send(self.tabs, {"type": "left", "user": user})

    async def talk(self, websocket: WebSocket, token: str) -> None:
        user = token.removeprefix("token-")
        if token in self.ended:
            await websocket.close(1008)
            return
        await websocket.accept()
        tab = Tab(websocket)
        self.tabs.setdefault(user, []).append(tab)
        self.me = user
        try:
            tab.frames.put_nowait({"type": "ready"})
            tab.frames.put_nowait({"type": "online", "users": [name for name in self.tabs if self.tabs[name]]})
            self.send([other for other in self.tabs if other != user], {"type": "came", "user": user})
            while True:
                said = await websocket.receive_json()
                if said["type"] == "me":
                    await asyncio.sleep(0.01)
                    tab.frames.put_nowait({"type": "you", "user": self.me if self.last_comer_is_me else user})
                else:
                    self.send([said["to"]], {"type": "message", "text": said["text"]})
        except (RuntimeError, WebSocketDisconnect):
            pass
        finally:
            if tab in self.tabs[user]:
                self.tabs[user].remove(tab)
                self.gone(user)
            await tab.end()


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
