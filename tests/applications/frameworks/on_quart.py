"""Quart: a blueprint."""

from __future__ import annotations

import asyncio

from quart import Blueprint, Quart, websocket

outboxes: list[asyncio.Queue[str | bytes]] = []
live = Blueprint("live", __name__, url_prefix="/live")


async def write(outbox: asyncio.Queue[str | bytes]) -> None:
    while True:
        await websocket.send(await outbox.get())


@live.websocket("/<user>")
async def chat(user: str) -> None:
    await websocket.accept()
    outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
    outboxes.append(outbox)
    writer = asyncio.create_task(write(outbox))
    try:
        while True:
            text = await websocket.receive()
            for other in outboxes:
                other.put_nowait(text)
    finally:
        outboxes.remove(outbox)
        writer.cancel()


app = Quart(__name__)
app.register_blueprint(live)
