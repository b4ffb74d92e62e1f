"""The chat of `sqlite_tabs`, repaired: who comes or goes waits until the one before has remembered what it saw."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import aiosqlite
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

PATH = os.environ.get("DATABASE", "tabs.db")

sockets: dict[int, WebSocket] = {}
remembered: dict[str, list[int]] = {}
turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
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
    async with turns[user], aiosqlite.connect(PATH) as database:
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
