"""One connection per user, the newest wins: the older is told, flushed and closed with 4001.

The switch is one assignment: every message belongs either to the old connection (and is written
before it is closed) or to the new one.
"""

import asyncio
import logging

logger = logging.getLogger(__name__)

FLUSH = 5.0
_END = object()


class Seat:
    def __init__(self, websocket, user):
        self.websocket = websocket
        self.user = user
        self.outbox = asyncio.Queue()
        self.writer = asyncio.create_task(self._write())
        self.retiring = None

    async def _write(self):
        try:
            while (payload := await self.outbox.get()) is not _END:
                await self.websocket.send_json(payload)
        except Exception as exc:
            logger.info("%s: %r", self.user, exc)

    def retire(self, code):
        if self.retiring is None:
            self.retiring = asyncio.create_task(self._retire(code))

    async def _retire(self, code):
        """Write what is due, then close. A dead socket (the usual reason for a second login) gets FLUSH seconds."""
        self.outbox.put_nowait(_END)
        await asyncio.wait([self.writer], timeout=FLUSH)
        self.writer.cancel()
        try:
            async with asyncio.timeout(FLUSH):
                await self.websocket.close(code)
        except Exception as exc:
            logger.info("close of %s: %r", self.user, exc)

    async def drop(self):
        tasks = [self.writer] + ([self.retiring] if self.retiring else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SingleSeat:
    def __init__(self):
        self._current = {}  # user -> Seat
        self._seats = {}  # websocket -> Seat, the retiring ones too

    async def connect(self, websocket, user):
        await websocket.accept()
        seat = Seat(websocket, user)
        self._seats[websocket] = seat
        older, self._current[user] = self._current.get(user), seat
        if older is not None:
            older.outbox.put_nowait({"type": "replaced"})
            older.retire(4001)

    async def disconnect(self, websocket):
        seat = self._seats.pop(websocket, None)
        if seat is None:
            return
        if self._current.get(seat.user) is seat:  # not if a newer one has taken over
            del self._current[seat.user]
        await seat.drop()

    def send(self, user, payload):
        seat = self._current.get(user)
        if seat is not None:
            seat.outbox.put_nowait(payload)
        return seat is not None

    def broadcast(self, payload):
        for user in self._current:
            self.send(user, payload)
