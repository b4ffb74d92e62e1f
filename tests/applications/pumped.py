"""A Sanic application that begins its pump in the first handler, by its own `add_task`."""

from __future__ import annotations

import asyncio
from typing import Any

from sanic import Sanic

app: Sanic[Any, Any] = Sanic("Pumped")
said: asyncio.Queue[str] = asyncio.Queue()
here: list[Any] = []


async def pump() -> None:
    while True:
        text = await said.get()
        for socket in list(here):
            await socket.send(text)


@app.websocket("/live")  # type: ignore[untyped-decorator]
async def live(request: Any, socket: Any) -> None:
    if not here:
        request.app.add_task(pump())
    here.append(socket)
    async for text in socket:
        said.put_nowait(text)
