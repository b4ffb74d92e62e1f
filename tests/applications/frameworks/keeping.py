"""A chat that keeps what is said in a database before it passes it on; each library's module says how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import WebSocket, WebSocketDisconnect

__all__ = ("serve",)

peers: list[WebSocket] = []


async def serve(websocket: WebSocket, keep: Callable[[str], Awaitable[int]]) -> None:
    """Pass on what this client says, once it is kept, to everybody, with how often that was said."""
    await websocket.accept()
    peers.append(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            times = await keep(text)
            for peer in list(peers):
                try:
                    await peer.send_text(f"{text} ({times})")
                except (WebSocketDisconnect, RuntimeError):
                    continue
    except WebSocketDisconnect:
        pass
    finally:
        peers.remove(websocket)
