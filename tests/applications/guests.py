"""Applications that write down who comes: ASGI by Starlette, but for `served`, which is a handler for `websockets`."""

from __future__ import annotations

import uuid
from collections import Counter
from urllib.parse import parse_qs, urlsplit

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.server import ServerConnection

BOOK: dict[str, str] = {}
VISITS: Counter[str] = Counter()
SOCKETS: list[WebSocket] = []
TABLES: dict[ServerConnection, str] = {}


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        return


async def signs(websocket: WebSocket) -> None:
    BOOK[uuid.uuid4().hex] = websocket.query_params["user"]
    await listen(websocket)


async def is_counted(websocket: WebSocket) -> None:
    VISITS[websocket.query_params["user"]] += 1
    await listen(websocket)


async def is_held(websocket: WebSocket) -> None:
    SOCKETS.append(websocket)
    await listen(websocket)


visited, counted, held = (Starlette(routes=[WebSocketRoute("/ws", one)]) for one in (signs, is_counted, is_held))


async def served(connection: ServerConnection) -> None:
    assert connection.request is not None
    TABLES[connection] = parse_qs(urlsplit(connection.request.path).query)["user"][0]
    await connection.wait_closed()
