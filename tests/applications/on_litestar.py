"""A chat on Litestar without a fault: every client has an outbox."""

import asyncio
from typing import Any

from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

OUTBOXES: set["asyncio.Queue[str]"] = set()


async def write(socket: WebSocket[Any, Any, Any], outbox: "asyncio.Queue[str]") -> None:
    try:
        while True:
            await socket.send_text(await outbox.get())
    except (WebSocketDisconnect, OSError):
        return


@websocket("/ws")
async def chat(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    outbox: asyncio.Queue[str] = asyncio.Queue()
    OUTBOXES.add(outbox)
    writer = asyncio.create_task(write(socket, outbox))
    try:
        while True:
            text = await socket.receive_text()
            for other in OUTBOXES:
                other.put_nowait(text)
    except WebSocketDisconnect:
        pass
    finally:
        OUTBOXES.discard(outbox)
        writer.cancel()


# Without its logging, which starts a thread.
app = Litestar([chat], logging_config=None)
