"""FastAPI: rooms are joined and left by requests over HTTP, and heard over a socket."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect

ROOMS = ("red", "blue")

app = FastAPI()
members: dict[str, set[str]] = defaultdict(set)
sockets: dict[str, list[WebSocket]] = defaultdict(list)


@app.post("/rooms/{room}/{user}")
async def enter(room: str, user: str) -> dict[str, str]:
    if room not in ROOMS:
        raise HTTPException(404)
    members[room].add(user)
    return {"in": room}


@app.delete("/rooms/{room}/{user}")
async def go(room: str, user: str) -> dict[str, str]:
    members[room].discard(user)
    return {"out": room}


@app.websocket("/hear/{user}")
async def hear(socket: WebSocket, user: str) -> None:
    await socket.accept()
    sockets[user].append(socket)
    try:
        while True:
            said: dict[str, Any] = await socket.receive_json()
            for member in list(members[said["room"]]):
                for other in list(sockets[member]):
                    try:
                        await other.send_json(said)
                    except (WebSocketDisconnect, RuntimeError):
                        continue
    except WebSocketDisconnect:
        pass
    finally:
        sockets[user].remove(socket)
        if not sockets[user]:
            for room in ROOMS:
                members[room].discard(user)
