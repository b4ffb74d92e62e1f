"""A chat on Quart without a fault: every client has an outbox."""

import asyncio

from quart import Quart, websocket

OUTBOXES: list["asyncio.Queue[str | bytes]"] = []
app = Quart(__name__)


async def write(outbox: "asyncio.Queue[str | bytes]") -> None:
    while True:
        await websocket.send(await outbox.get())


@app.websocket("/ws")
async def chat() -> None:
    outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
    OUTBOXES.append(outbox)
    await websocket.accept()
    writer = asyncio.create_task(write(outbox))
    try:
        while True:
            text = await websocket.receive()
            for other in OUTBOXES:
                other.put_nowait(text)
    finally:
        OUTBOXES.remove(outbox)
        writer.cancel()
