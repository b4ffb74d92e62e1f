"""Memos for who is logged in on a terminal that stays open; one server looks who that is too early."""

from __future__ import annotations

import asyncio
import json

from websockets.asyncio.server import ServerConnection, broadcast

desks: dict[str, set[ServerConnection]] = {}


async def translated(text: str) -> str:
    await asyncio.sleep(0.05)
    return text


async def served(websocket: ServerConnection, *, early: bool) -> None:
    user: str | None = None
    try:
        async for frame in websocket:
            said = json.loads(frame)
            if said["type"] == "login":
                desks.get(user or "", set()).discard(websocket)
                user = str(said["token"]).removeprefix("token-")
                desks.setdefault(user, set()).add(websocket)
                broadcast([websocket], json.dumps({"type": "welcome", "user": user}))
            elif said["type"] == "logout" and user is not None:
                desks[user].discard(websocket)
                user = None
                broadcast([websocket], json.dumps({"type": "bye"}))
            elif said["type"] == "memo" and user is not None:
                seen = set(desks.get(said["to"], ()))
                text = await translated(said["text"])
                to = seen if early else desks.get(said["to"], set())
                broadcast(to, json.dumps({"type": "memo", "text": text}))
    finally:
        if user is not None:
            desks[user].discard(websocket)


async def looks_early(websocket: ServerConnection) -> None:
    await served(websocket, early=True)


async def looks_late(websocket: ServerConnection) -> None:
    await served(websocket, early=False)
