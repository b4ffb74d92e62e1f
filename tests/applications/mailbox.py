"""What is said to somebody who is away is kept and told to the next tab; one loses it where that vanishes."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

tabs: dict[str, list[WebSocket]] = {}
kept: dict[str, list[str]] = {}


async def until_sent(websocket: WebSocket, user: str) -> None:
    """What was sent is out of hand: whether a client that vanishes has got it, nobody says."""
    while kept.get(user):
        await websocket.send_text(kept[user][0])
        del kept[user][0]


async def taken_at_once(websocket: WebSocket, user: str) -> None:
    frames = kept.pop(user, [])
    await asyncio.sleep(0.01)
    for frame in frames:
        await websocket.send_text(frame)


async def served(websocket: WebSocket) -> None:
    user = websocket.path_params["user"]
    await websocket.accept()
    try:
        await websocket.app.state.catch_up(websocket, user)
        tabs.setdefault(user, []).append(websocket)
        async for text in websocket.iter_text():
            to, _, said = text.partition(":")
            for tab in list(tabs.get(to, [])):
                await tab.send_text(said)
            if not tabs.get(to):
                kept.setdefault(to, []).append(said)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        if websocket in tabs.get(user, []):
            tabs[user].remove(websocket)


keeps = Starlette(routes=[WebSocketRoute("/{user}", served)])
keeps.state.catch_up = until_sent
loses = Starlette(routes=[WebSocketRoute("/{user}", served)])
loses.state.catch_up = taken_at_once
