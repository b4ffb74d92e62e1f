"""Per-user asyncio.Lock: deliveries to one user happen one after the other, to all tabs at once.

There are no queues: the sender waits until every tab has taken the message, but never longer than
SEND_TIMEOUT. A tab that does not take it in time is dropped (it reloads and fetches what it missed).
"""

import asyncio
import logging
from contextlib import asynccontextmanager

logger = logging.getLogger(__name__)

SEND_TIMEOUT = 2.0


class _User:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.tabs = []
        self.borrowed = 0  # how many coroutines hold or wait for the lock


class Notifier:
    def __init__(self):
        self._users = {}
        self._closing = set()

    @asynccontextmanager
    async def _locked(self, name):
        user = self._users.setdefault(name, _User())
        user.borrowed += 1
        try:
            async with user.lock:
                yield user
        finally:
            user.borrowed -= 1
            self._forget_if_unused(name, user)

    def _forget_if_unused(self, name, user):
        # Never while somebody waits for this lock: a second lock for the same user would appear.
        if not user.tabs and not user.borrowed and self._users.get(name) is user:
            del self._users[name]

    async def connect(self, websocket, name):
        await websocket.accept()
        self._users.setdefault(name, _User()).tabs.append(websocket)

    async def disconnect(self, websocket, name):
        # Takes no lock: a delivery that is under way must not keep a client from leaving.
        user = self._users.get(name)
        if user is not None:
            if websocket in user.tabs:
                user.tabs.remove(websocket)
            self._forget_if_unused(name, user)

    async def notify(self, name, payload):
        await self._deliver([name], payload)

    async def notify_all(self, payload):
        await self._deliver(list(self._users), payload)

    async def _deliver(self, names, payload):
        # One way for both, so that nothing sent to one user overtakes what was sent to all just before.
        await asyncio.gather(*(self._deliver_to(name, payload) for name in names))

    async def _deliver_to(self, name, payload):
        if name not in self._users:
            return
        async with self._locked(name) as user:
            await asyncio.gather(*(self._send(user, tab, payload) for tab in list(user.tabs)))

    async def _send(self, user, websocket, payload):
        if websocket not in user.tabs:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await websocket.send_json(payload)
        except Exception as exc:
            if websocket in user.tabs:
                user.tabs.remove(websocket)
                logger.warning("dropping a tab: %r", exc)
                task = asyncio.create_task(self._close(websocket))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    async def _close(self, websocket):
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await websocket.close(1013)
        except Exception as exc:
            logger.info("close: %r", exc)
