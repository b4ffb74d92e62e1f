"""aiohttp chat. Connections in a WeakSet; the sender's own tabs get a copy of what it sends."""

import asyncio
import itertools
import json
import logging
import weakref

from aiohttp import WSCloseCode, WSMsgType, web

logger = logging.getLogger("chat")

CONNECTIONS: web.AppKey["weakref.WeakSet[Connection]"] = web.AppKey("connections", weakref.WeakSet)


class Connection:
    """Kept alive by the handler that serves it, and by nothing else."""

    numbers = itertools.count()

    def __init__(self, ws: web.WebSocketResponse, user: str):
        self.number = next(self.numbers)
        self.ws = ws
        self.user = user
        self.outbox: asyncio.Queue[dict] = asyncio.Queue()

    async def write(self):
        try:
            while True:
                await self.ws.send_str(json.dumps(await self.outbox.get()))
        except (ConnectionError, RuntimeError) as exc:
            logger.info("%s: %r", self.user, exc)


def deliver(app: web.Application, sender: Connection, to: str, text: str):
    # Sorted: a WeakSet has no order of its own.
    for connection in sorted(app[CONNECTIONS], key=lambda connection: connection.number):
        if connection.user in (to, sender.user):
            kind = "message" if connection.user == to else "sent"
            connection.outbox.put_nowait({"type": kind, "from": sender.user, "to": to, "text": text})


async def websocket(request: web.Request) -> web.WebSocketResponse:
    user = request.query.get("token", "").removeprefix("token-")
    if not user or user == request.query["token"]:
        raise web.HTTPUnauthorized
    ws = web.WebSocketResponse(heartbeat=25)
    await ws.prepare(request)
    connection = Connection(ws, user)
    request.app[CONNECTIONS].add(connection)
    connection.outbox.put_nowait({"type": "ready", "user": user})
    writer = asyncio.create_task(connection.write())
    try:
        async for message in ws:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                data = json.loads(message.data)
                to, text = data["to"], data["text"]
            except (ValueError, TypeError, KeyError, RecursionError):
                logger.error("%s: not a message", user)
                continue
            deliver(request.app, connection, to, text)
    finally:
        request.app[CONNECTIONS].discard(connection)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    return ws


async def on_shutdown(app: web.Application):
    closing = [c.ws.close(code=WSCloseCode.GOING_AWAY, message=b"restart") for c in list(app[CONNECTIONS])]
    await asyncio.gather(*closing, return_exceptions=True)


def make_app() -> web.Application:
    app = web.Application()
    app[CONNECTIONS] = weakref.WeakSet()
    app.on_shutdown.append(on_shutdown)
    app.router.add_get("/ws", websocket)
    return app
