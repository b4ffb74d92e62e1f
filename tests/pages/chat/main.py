"""The application that pages speak of: direct messages, rooms, a token as a name."""

from contextlib import suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
here: dict[str, list[WebSocket]] = {}


@app.websocket("/ws/{user}")
async def chat(ws: WebSocket, user: str) -> None:
    await ws.accept()
    here.setdefault(user, []).append(ws)
    try:
        while True:
            message = await ws.receive_json()
            for other in list(here.get(message["to"], ())):
                with suppress(WebSocketDisconnect, RuntimeError):
                    await other.send_json({"from": user, "text": message["text"]})
    except WebSocketDisconnect:
        here[user].remove(ws)
