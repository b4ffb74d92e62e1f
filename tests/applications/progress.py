"""Jobs that tell their user how far they are, two at a time: who comes in the middle hears of what there still is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

here: dict[str, list[asyncio.Queue[object]]] = {}


def push(user: str, frame: object) -> None:
    for outbox in here.get(user, []):
        outbox.put_nowait(frame)


async def work(app: Starlette) -> None:
    while True:
        user, name = await app.state.jobs.get()
        for percent in (0, 50, 100):
            push(user, {"kind": "progress", "job": name, "percent": percent})
            await asyncio.sleep(0.05)


async def start(request: Request) -> JSONResponse:
    request.app.state.jobs.put_nowait((request.path_params["user"], (await request.json())["name"]))
    return JSONResponse({}, status_code=202)


async def notify(request: Request) -> JSONResponse:
    push(request.path_params["user"], {"kind": "notice", "text": (await request.json())["text"]})
    return JSONResponse({}, status_code=202)


async def feed(socket: WebSocket) -> None:
    await socket.accept()
    outbox: asyncio.Queue[object] = asyncio.Queue()
    here.setdefault(socket.path_params["user"], []).append(outbox)

    async def pump() -> None:
        try:
            while True:
                await socket.send_text(json.dumps(await outbox.get()))
        except (WebSocketDisconnect, RuntimeError):
            pass

    pumping = asyncio.create_task(pump())
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    finally:
        here[socket.path_params["user"]].remove(outbox)
        pumping.cancel()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.jobs = asyncio.Queue()
    workers = [asyncio.create_task(work(app)) for _ in range(2)]
    yield
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


ROUTES = (
    Route("/jobs/{user}", start, methods=["POST"]),
    Route("/notify/{user}", notify, methods=["POST"]),
    WebSocketRoute("/feed/{user}", feed),
)
app = Starlette(routes=ROUTES, lifespan=lifespan)
