"""FastAPI: whoever rings is told to everybody; who leaves meanwhile takes the ringer along."""

from __future__ import annotations

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
sockets: list[WebSocket] = []


@app.websocket("/bell/{user}")
async def bell(socket: WebSocket, user: str) -> None:
    await socket.accept()
    sockets.append(socket)
    try:
        while True:
            await socket.receive_json()
            for other in list(sockets):
                await other.send_json({"rung": True})
    except WebSocketDisconnect:
        pass
    finally:
        sockets.remove(socket)
