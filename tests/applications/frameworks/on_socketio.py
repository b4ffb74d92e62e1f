"""python-socketio: as an ASGI application, on aiohttp, and on Tornado."""

from __future__ import annotations

import asyncio
from typing import Any

import socketio
from aiohttp import web
from tornado.web import Application

from crosswire.fuzzer import SocketIOWire

wire = SocketIOWire(auth=None, to_user=None, to_all=("say", {"text": "{event}"}))


def served(mode: str) -> Any:
    server = socketio.AsyncServer(async_mode=mode)

    @server.event  # type: ignore[untyped-decorator]
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await server.enter_room(sid, "all")

    @server.event  # type: ignore[untyped-decorator]
    async def say(sid: str, message: dict[str, str]) -> None:
        await server.emit("said", message, room="all")

    return server


asgi = socketio.ASGIApp(served("asgi"))


def on_aiohttp() -> web.Application:
    app = web.Application()
    served("aiohttp").attach(app)
    return app


async def on_tornado() -> None:
    application = Application([(r"/socket.io/", socketio.get_tornado_handler(served("tornado")))])
    application.listen(8080)
    await asyncio.Event().wait()
