"""Litestar, with its default logging, which has a thread of its own."""

from typing import Any

from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

Socket = WebSocket[Any, Any, Any]

peers: list[Socket] = []


@websocket("/live/{user:str}")
async def chat(socket: Socket) -> None:
    await socket.accept()
    peers.append(socket)
    try:
        while True:
            text = await socket.receive_text()
            for peer in list(peers):
                try:
                    await peer.send_text(text)
                except (WebSocketDisconnect, OSError, RuntimeError):
                    continue
    except WebSocketDisconnect:
        pass
    finally:
        peers.remove(socket)


app = Litestar([chat])
