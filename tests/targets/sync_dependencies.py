"""A FastAPI chat whose dependencies are plain functions, as most are: FastAPI runs each in a worker thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.concurrency import run_in_threadpool

from crosswire.fuzzer.targets import JsonWire

wire = JsonWire(path="/ws?token={token}", ready={"type": "welcome"}, user="user", recipient="user", authenticates=True)

app = FastAPI()

online: dict[str, dict[WebSocket, None]] = {}

sessions = {f"token-u{number}": f"u{number}" for number in range(3)}


def database() -> Iterator[dict[str, str]]:
    yield sessions


def current_user(token: str, known: Annotated[dict[str, str], Depends(database)]) -> str:
    time.sleep(0.01)  # a driver that blocks
    if token not in known:
        raise WebSocketException(1008, "unknown token")
    return known[token]


def stored(text: str) -> str:
    """What a plain function does to a message."""
    time.sleep(0.01)
    return text


@app.websocket("/ws")
async def chat(websocket: WebSocket, user: Annotated[str, Depends(current_user)]) -> None:
    await websocket.accept()
    online.setdefault(user, {})[websocket] = None
    try:
        await websocket.send_json({"type": "welcome", "user": user})
        while True:
            message = await websocket.receive_json()
            text = await run_in_threadpool(stored, message["text"])
            for other in list(online.get(message["to"], ())):
                try:
                    await other.send_json({"type": "message", "user": message["to"], "text": text})
                except (WebSocketDisconnect, RuntimeError):
                    continue
    except WebSocketDisconnect:
        pass
    finally:
        del online[user][websocket]
