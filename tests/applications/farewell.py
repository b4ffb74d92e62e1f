"""An application that says goodbye as it shuts down: to a copy of who is there, or to who is there while they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web


def app(those: Callable[[set[web.WebSocketResponse]], Iterable[web.WebSocketResponse]]) -> web.Application:
    here: set[web.WebSocketResponse] = set()

    async def chat(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        here.add(socket)
        try:
            async for message in socket:
                for other in list(here):
                    if not other.closed:
                        await other.send_str(message.data)
        finally:
            here.discard(socket)
        return socket

    async def goodbye(_: web.Application) -> None:
        for socket in those(here):
            await socket.close(code=1001)

    made = web.Application()
    made.router.add_get("/{user}", chat)
    made.on_shutdown.append(goodbye)
    return made


def kept() -> web.Application:
    return app(list)


def changing() -> web.Application:
    return app(lambda here: here)
