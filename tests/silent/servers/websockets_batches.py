"""Frames carry batches: a writer takes whatever has gathered within 20 ms, up to 50 messages, into one frame."""

import asyncio
import json
import logging
from collections import defaultdict
from http import HTTPStatus

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

log = logging.getLogger(__name__)

GATHER = 0.02
MOST = 50


class Batcher:
    def __init__(self, ws):
        self.ws = ws
        self.waiting = []
        self.something = asyncio.Event()

    def add(self, message):
        self.waiting.append(message)
        self.something.set()

    async def run(self):
        try:
            while True:
                await self.something.wait()
                await asyncio.sleep(GATHER)
                batch, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
                if not self.waiting:
                    self.something.clear()
                await self.ws.send(json.dumps({"type": "batch", "messages": batch}))
        except ConnectionClosed:
            log.info("closed while writing")


class Server:
    def __init__(self):
        self.batchers = defaultdict(list)

    def authenticate(self, connection, request):
        """process_request: a bearer token, or 401."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token.startswith("token-"):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no token\n")
        connection.username = token.removeprefix("token-")
        return None

    async def __call__(self, ws):
        batcher = Batcher(ws)
        batcher.add({"type": "ready", "user": ws.username})
        self.batchers[ws.username].append(batcher)
        task = asyncio.create_task(batcher.run())
        try:
            async for frame in ws:
                self.dispatch(ws.username, frame)
        except ConnectionClosed:
            pass
        finally:
            self.batchers[ws.username].remove(batcher)
            if not self.batchers[ws.username]:
                del self.batchers[ws.username]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def dispatch(self, sender, frame):
        """A frame from a client is one message, or a list of them."""
        try:
            messages = json.loads(frame)
        except (ValueError, RecursionError):
            return
        for message in messages if isinstance(messages, list) else [messages]:
            match message:
                case {"to": str(to), "text": str(text)}:
                    # .get: a look-up must not make an entry for somebody who is not there
                    for batcher in self.batchers.get(to, ()):
                        batcher.add({"type": "message", "from": sender, "text": text})
                case _:
                    log.error("%s sent something else", sender)


async def main(port=8766):
    server = Server()
    async with serve(server, "127.0.0.1", port, process_request=server.authenticate) as listening:
        await listening.wait_closed()
