"""Copy, then guard: recipients are a snapshot, and each is looked up again after every await.

Between two recipients the preferences are asked (a database call), during which anybody may come
or go. Who has gone is skipped; who has come since was not there when the message was sent.
"""

import asyncio
import logging

logger = logging.getLogger(__name__)


class Outbox:
    def __init__(self, websocket):
        self.websocket = websocket
        self.queue = asyncio.Queue()
        self.task = asyncio.create_task(self._pump())

    async def _pump(self):
        try:
            while True:
                payload = await self.queue.get()
                await self.websocket.send_json(payload)
        except Exception as exc:
            logger.info("pump: %r", exc)


class Announcer:
    def __init__(self, wants_messages):
        self._wants_messages = wants_messages  # async (user) -> bool
        self._open = {}  # websocket -> (user, Outbox)
        self._one_at_a_time = asyncio.Lock()  # keeps the order of messages; no socket is awaited under it

    async def connect(self, websocket, user):
        await websocket.accept()
        self._open[websocket] = (user, Outbox(websocket))

    async def disconnect(self, websocket):
        _user, outbox = self._open.pop(websocket, (None, None))
        if outbox is not None:
            outbox.task.cancel()
            await asyncio.gather(outbox.task, return_exceptions=True)

    async def announce(self, payload, to=None):
        # Who is to get it is settled at the call, not when our turn has come.
        recipients = [(ws, user) for ws, (user, _) in self._open.items() if to in (None, user)]
        async with self._one_at_a_time:
            for websocket, user in recipients:
                try:
                    wanted = await self._wants_messages(user)
                except Exception:
                    logger.exception("preferences of %s", user)
                    wanted = True  # rather one too many than one lost
                if wanted and websocket in self._open:
                    self._open[websocket][1].queue.put_nowait(payload)
