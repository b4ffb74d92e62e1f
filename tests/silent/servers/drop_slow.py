"""Bounded outboxes: a reader that falls 32 frames behind is cut off with 1013 and has to come again.

Documented policy of the product: stay in touch or reconnect. Memory per connection is bounded, and
nobody ever waits for a slow reader.
"""

import asyncio
import contextlib
import logging

logger = logging.getLogger(__name__)

BACKLOG = 32
PATIENCE = 5.0


class Reader:
    def __init__(self, websocket, user):
        self.websocket, self.user = websocket, user
        self.backlog = asyncio.Queue(maxsize=BACKLOG)
        self.feeder = asyncio.create_task(self.feed(), name=f"feed {user}")

    async def feed(self):
        try:
            while True:
                await self.websocket.send_json(await self.backlog.get())
        except Exception as exc:
            logger.info("feed of %s ends: %r", self.user, exc)

    async def cut_off(self):
        self.feeder.cancel()
        await asyncio.wait([self.feeder])
        with contextlib.suppress(Exception):
            async with asyncio.timeout(PATIENCE):
                await self.websocket.close(1013)


class Fanout:
    def __init__(self):
        self._readers = {}
        self._cutting = {}  # websocket -> task

    async def connect(self, websocket, user):
        await websocket.accept()
        self._readers[websocket] = Reader(websocket, user)

    async def disconnect(self, websocket):
        reader = self._readers.pop(websocket, None)
        if reader is not None:
            reader.feeder.cancel()
            await asyncio.wait([reader.feeder])
        cutting = self._cutting.get(websocket)
        if cutting is not None:
            cutting.cancel()
            await asyncio.wait([cutting])

    def send(self, payload, to=None):
        for reader in list(self._readers.values()):
            if to is not None and reader.user != to:
                continue
            try:
                reader.backlog.put_nowait(payload)
            except asyncio.QueueFull:
                self._drop(reader)

    def _drop(self, reader):
        logger.warning("%s does not keep up, cut off", reader.user)
        del self._readers[reader.websocket]
        task = asyncio.create_task(reader.cut_off())
        self._cutting[reader.websocket] = task
        task.add_done_callback(lambda _: self._cutting.pop(reader.websocket, None))
