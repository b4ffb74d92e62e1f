"""aiosqlite, with a file: one connection from start to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite
from fastapi import FastAPI, WebSocket

from .keeping import serve


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with aiosqlite.connect("chat.db") as database:
        await database.execute("create table if not exists said (text text)")
        await database.commit()
        app.state.database = database
        yield


app = FastAPI(lifespan=lifespan)


async def keep(text: str) -> int:
    database: aiosqlite.Connection = app.state.database
    await database.execute("insert into said values (?)", (text,))
    await database.commit()
    async with database.execute("select count(*) from said where text = ?", (text,)) as cursor:
        row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    await serve(websocket, keep)
