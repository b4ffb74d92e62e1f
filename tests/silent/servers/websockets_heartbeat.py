"""Application heartbeat: {"type": "ping"} every 20 s; whoever has sent nothing for 50 s is taken for dead."""

import asyncio
import json
import logging

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

logger = logging.getLogger("heartbeat")

PING_EVERY = 20.0
DEAD_AFTER = 50.0

members = {}  # Member -> None


class Member:
    def __init__(self, ws):
        self.ws = ws
        self.name = None
        self.out = asyncio.Queue()
        self.heard = asyncio.get_running_loop().time()

    async def writer(self):
        try:
            while True:
                await self.ws.send(json.dumps(await self.out.get()))
        except ConnectionClosed:
            pass  # the reader goes on: it may still hold messages that came before the close

    async def heart(self):
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PING_EVERY)
            if loop.time() - self.heard > DEAD_AFTER:
                logger.warning("%s is silent, hanging up", self.name)
                return
            self.out.put_nowait({"type": "ping"})

    async def reader(self):
        async for raw in self.ws:
            self.heard = asyncio.get_running_loop().time()
            try:
                message = json.loads(raw)
                self.take(message.get("type"), message)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self.out.put_nowait({"type": "error"})

    def take(self, kind, message):
        if kind == "hello" and self.name is None:
            self.name = str(message["name"])
            members[self] = None
            self.out.put_nowait({"type": "ready", "name": self.name})
        elif kind == "send" and self.name is not None:
            frame = {"type": "message", "to": message["to"], "from": self.name, "text": message["text"]}
            for member in members:
                if member.name == message["to"] or message["to"] == "*":
                    member.out.put_nowait(frame)
        elif kind != "pong":
            self.out.put_nowait({"type": "error"})


async def handler(ws):
    member = Member(ws)
    tasks = [asyncio.create_task(part()) for part in (member.reader, member.heart, member.writer)]
    try:
        await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
    finally:
        members.pop(member, None)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                logger.error("%s: %r", member.name, result)
    # returning closes the connection, if it is still open


async def main(port=8767):
    # The library's own ping is off: the proxy in front swallows it.
    async with serve(handler, "127.0.0.1", port, ping_interval=None) as server:
        await server.serve_forever()
