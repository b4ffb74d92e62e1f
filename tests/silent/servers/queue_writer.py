"""Connection manager of a support chat: one outbox and one writer task per socket.

Nothing but the writer ever awaits a socket, so a client that does not read holds nobody up.
"""

import asyncio
import logging

logger = logging.getLogger(__name__)


class Connection:
    def __init__(self, websocket, user):
        self.websocket = websocket
        self.user = user
        self.broken = False
        self._outbox = asyncio.Queue()
        self._writer = asyncio.create_task(self._write(), name=f"writer-{user}")

    def push(self, payload):
        if not self.broken:
            self._outbox.put_nowait(payload)

    async def _write(self):
        try:
            while True:
                await self.websocket.send_json(await self._outbox.get())
        except Exception as exc:
            # The peer is gone. Whoever reads from this socket finds out too and calls disconnect().
            self.broken = True
            logger.info("writer of %s stops: %r", self.user, exc)

    async def stop(self):
        self.broken = True
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)


class ConnectionManager:
    def __init__(self):
        self._users = {}  # user -> {websocket: Connection}

    async def connect(self, websocket, user):
        await websocket.accept()
        self._users.setdefault(user, {})[websocket] = Connection(websocket, user)

    async def disconnect(self, websocket, user):
        tabs = self._users.get(user, {})
        connection = tabs.pop(websocket, None)
        if not tabs:
            self._users.pop(user, None)
        if connection is not None:
            await connection.stop()

    def send_to_user(self, user, payload):
        """Queue for every open tab; how many there were."""
        tabs = self._users.get(user, {})
        for connection in tabs.values():
            connection.push(payload)
        return len(tabs)

    def broadcast(self, payload):
        for user in self._users:
            self.send_to_user(user, payload)

    def online(self):
        return sorted(self._users)
