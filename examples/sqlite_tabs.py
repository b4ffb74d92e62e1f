"""A chat that keeps in SQLite which connections a user has, and remembers what the table says of those it serves.

Needs ``pip install fastapi aiosqlite``.  Of two tabs that come at the same time, one may look into the table before the
other is in it, and remember what it saw after the other has: then the other is forgotten, and hears nothing.

    crosswire run examples.databases:sqlite_tabs
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import aiosqlite
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

PATH = os.environ.get("DATABASE", "tabs.db")

sockets: dict[int, WebSocket] = {}
remembered: dict[str, list[int]] = {}
numbers = count()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with aiosqlite.connect(PATH) as database:
        await database.execute("create table if not exists tabs (user text, number integer)")
        await database.commit()
    yield


app = FastAPI(lifespan=lifespan)


async def enter(statement: str, user: str, number: int) -> None:
    """Change the table, and remember what it says of a user now."""
    async with aiosqlite.connect(PATH) as database:
        await database.execute(statement, (user, number))
        await database.commit()
        rows = await database.execute_fetchall("select number from tabs where user = ?", (user,))
    remembered[user] = [number for (number,) in rows]


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    """Pass on what this client says to all connections of whom it is for."""
    await websocket.accept()
    number = next(numbers)
    sockets[number] = websocket
    await enter("insert into tabs values (?, ?)", user, number)
    try:
        await websocket.send_json({"type": "ready", "user": user})
        while True:
            message = await websocket.receive_json()
            for tab in remembered.get(message["to"], ()):
                try:
                    await sockets[tab].send_json({"type": "message", "to": message["to"], "text": message["text"]})
                except (KeyError, WebSocketDisconnect, RuntimeError):
                    continue
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        del sockets[number]
        await enter("delete from tabs where user = ? and number = ?", user, number)
