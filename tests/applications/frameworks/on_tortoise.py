"""Tortoise ORM over aiosqlite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket
from tortoise import fields
from tortoise.contrib.fastapi import RegisterTortoise
from tortoise.models import Model

from .keeping import serve


class Said(Model):
    number = fields.IntField(primary_key=True)
    text = fields.TextField()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with RegisterTortoise(app, db_url="sqlite://chat.db", modules={"models": [__name__]}, generate_schemas=True):
        yield


app = FastAPI(lifespan=lifespan)


async def keep(text: str) -> int:
    await Said.create(text=text)
    return int(await Said.filter(text=text).count())


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    await serve(websocket, keep)
