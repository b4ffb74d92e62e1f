"""The library `databases` over aiosqlite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, WebSocket

from .keeping import serve

database = Database("sqlite+aiosqlite:///chat.db")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with database:
        await database.execute("create table if not exists said (text text)")
        yield


app = FastAPI(lifespan=lifespan)


async def keep(text: str) -> int:
    await database.execute("insert into said values (:text)", {"text": text})
    return int(await database.fetch_val("select count(*) from said where text = :text", {"text": text}))


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    await serve(websocket, keep)
