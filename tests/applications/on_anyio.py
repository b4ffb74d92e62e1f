"""A chat on Starlette, written with anyio: for asyncio and for trio; at fault, and repaired."""

from __future__ import annotations

from contextlib import suppress

import anyio
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from crosswire.fuzzer import JsonWire

wire = JsonWire(path="/{user}", to_user=None, to_all="{event}")

online: list[WebSocket] = []


async def each_in_turn(text: str) -> None:
    """While one client is written to, another leaves the list that is walked, or does not read."""
    for websocket in online:
        await websocket.send_text(text)


async def all_at_once(text: str) -> None:
    async def one(websocket: WebSocket) -> None:
        with suppress(WebSocketDisconnect, RuntimeError), anyio.move_on_after(5):
            await websocket.send_text(text)

    async with anyio.create_task_group() as group:
        for websocket in list(online):
            group.start_soon(one, websocket)


async def in_threads(text: str) -> None:
    """The same, and whom it is for is looked up in a thread."""
    await anyio.to_thread.run_sync(list, online)
    await all_at_once(text)


async def talk(websocket: WebSocket, *, tell: object) -> None:
    assert callable(tell)
    await websocket.accept()
    online.append(websocket)
    try:
        async for text in websocket.iter_text():
            await tell(text)
    finally:
        online.remove(websocket)


async def talk_in_turn(websocket: WebSocket) -> None:
    await talk(websocket, tell=each_in_turn)


async def talk_at_once(websocket: WebSocket) -> None:
    await talk(websocket, tell=all_at_once)


async def talk_in_threads(websocket: WebSocket) -> None:
    await talk(websocket, tell=in_threads)


walks = Starlette(routes=[WebSocketRoute("/{user}", talk_in_turn)])
repaired = Starlette(routes=[WebSocketRoute("/{user}", talk_at_once)])
threads = Starlette(routes=[WebSocketRoute("/{user}", talk_in_threads)])
