"""One connection a user; a new login takes over. Written as a class-based aiohttp view."""

import asyncio
import json
import logging

from aiohttp import WSMsgType, web

log = logging.getLogger(__name__)

FLUSH = 5.0
current: dict[str, "Line"] = {}


class Line:
    def __init__(self, ws):
        self.ws = ws
        self.queue = asyncio.Queue()
        self.replaced = asyncio.Event()

    def put(self, **frame):
        self.queue.put_nowait(frame)

    def replace(self):
        """No more will be put into the queue: what is in it is written, then the connection is closed."""
        self.put(type="bye", reason="logged in elsewhere")
        self.queue.put_nowait(None)
        self.replaced.set()

    async def write(self):
        try:
            while (frame := await self.queue.get()) is not None:
                await self.ws.send_str(json.dumps(frame))
        except (ConnectionError, RuntimeError) as exc:
            log.info("write: %r", exc)

    async def close_when_replaced(self, writer):
        await self.replaced.wait()
        await asyncio.wait([writer], timeout=FLUSH)
        await self.ws.close(code=4001, message=b"replaced", drain=False)


class Socket(web.View):
    async def get(self):
        user = self.request.headers.get("X-User")
        if not user:
            return web.json_response({"error": "X-User is missing"}, status=401)
        ws = web.WebSocketResponse(timeout=FLUSH)
        await ws.prepare(self.request)
        line = Line(ws)
        older = current.get(user)
        current[user] = line
        if older is not None:
            older.replace()
        line.put(type="ready", user=user)
        writer = asyncio.create_task(line.write())
        closer = asyncio.create_task(line.close_when_replaced(writer))
        try:
            async for message in ws:
                # A line that has been replaced may finish its sentence: what comes in until we close it counts.
                if message.type == WSMsgType.TEXT:
                    self.forward(user, message.data)
        finally:
            if current.get(user) is line:
                del current[user]
            writer.cancel()
            closer.cancel()
            await asyncio.gather(writer, closer, return_exceptions=True)
        return ws

    def forward(self, user, data):
        try:
            message = json.loads(data)
            to, text = str(message["to"]), str(message["text"])
        except (ValueError, TypeError, KeyError, RecursionError):
            log.error("%s: not understood", user)
            return
        if to in current:
            current[to].put(type="message", sender=user, text=text)


def build():
    app = web.Application()
    app.router.add_view("/line", Socket)
    return app
