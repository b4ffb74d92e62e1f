"""BlackSheep."""

from __future__ import annotations

from blacksheep import Application, WebSocket, WebSocketDisconnectError
from blacksheep.server.websocket import InvalidWebSocketStateError

peers: list[WebSocket] = []
app = Application()


@app.router.ws("/live/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    await websocket.accept()
    peers.append(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            for peer in list(peers):
                try:
                    await peer.send_text(text)
                except (WebSocketDisconnectError, InvalidWebSocketStateError, OSError):
                    continue
    except WebSocketDisconnectError:
        pass
    finally:
        peers.remove(websocket)
