"""Sanic, behind its own server."""

from __future__ import annotations

from typing import Any

from sanic import Sanic
from websockets.exceptions import ConnectionClosed

peers: list[Any] = []
app: Sanic[Any, Any] = Sanic("Chat")


@app.websocket("/live/<user:str>")  # type: ignore[untyped-decorator]
async def chat(request: Any, socket: Any, user: str) -> None:
    peers.append(socket)
    try:
        async for text in socket:
            for peer in list(peers):
                try:
                    await peer.send(text)
                except ConnectionClosed:
                    continue
    finally:
        peers.remove(socket)
