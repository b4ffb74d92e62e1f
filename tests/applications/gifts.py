"""Who gives something locks both accounts, the own one first; each connection reads in a task of its own."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

tabs: defaultdict[str, list[WebSocket]] = defaultdict(list)
locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


async def give(user: str, to: str, thing: str) -> None:
    async with locks[user]:
        await asyncio.sleep(0.01)
        async with locks[to]:  # who holds it may wait for the giver's
            await asyncio.sleep(0.01)
    for tab in list(tabs[to]):
        await tab.send_text(thing)


async def read(websocket: WebSocket, user: str) -> None:
    async for text in websocket.iter_text():
        to, _, thing = text.partition(":")
        await give(user, to, thing)


async def play(websocket: WebSocket) -> None:
    await websocket.accept()
    user = websocket.path_params["user"]
    tabs[user].append(websocket)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(read(websocket, user))
    except* (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        tabs[user].remove(websocket)


app = Starlette(routes=[WebSocketRoute("/{user}", play)])
