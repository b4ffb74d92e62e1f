"""Starlette: a mounted application behind middleware."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

peers: list[WebSocket] = []


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    peers.append(websocket)
    try:
        async for text in websocket.iter_text():
            for peer in list(peers):
                try:
                    await peer.send_text(text)
                except (WebSocketDisconnect, RuntimeError):
                    continue
    finally:
        peers.remove(websocket)


inner = Starlette(routes=[WebSocketRoute("/rooms/{user}", chat)])
app = Starlette(routes=[Mount("/live", app=inner)], middleware=[Middleware(CORSMiddleware)])
