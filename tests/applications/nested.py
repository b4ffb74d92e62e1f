"""Lets an exception through from two functions down, at each disconnect; tells its clients long stories before."""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
here: dict[str, WebSocket] = {}


def record(user: str) -> WebSocket:
    return here[user]


def farewell(user: str) -> str:
    return f"{record(user)} has left"


@app.websocket("/ws")
async def endpoint(ws: WebSocket, token: str) -> None:
    await ws.accept()
    here[token] = ws
    try:
        while True:
            text = await ws.receive_text()
            for other in list(here.values()):
                await other.send_text(text + " and so on" * 40)
    except WebSocketDisconnect:
        here.pop(token, None)
        farewell(token)
