"""A small application for `benchmarks.state` and `benchmarks.interrupts`: one WebSocket endpoint, nothing else."""

from __future__ import annotations

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
here: list[WebSocket] = []


@app.websocket("/ws/{user}")
async def lobby(websocket: WebSocket, user: str) -> None:
    """Tell everybody what anybody says."""
    await websocket.accept()
    here.append(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            for other in list(here):
                await other.send_text(text)
    except WebSocketDisconnect:
        here.remove(websocket)
