"""Rooms: several users in a room, several rooms for a user. The directory is shared with threads.

The REST side runs in a thread pool and reads who is where, so a threading.Lock guards the
dictionaries. It is held for dictionary work only, never across an await.
"""

import asyncio
import logging
import threading
from collections import defaultdict

logger = logging.getLogger(__name__)


class Directory:
    """Thread-safe: which sockets are in which room."""

    def __init__(self):
        self._lock = threading.Lock()
        self._members = defaultdict(dict)  # room -> {socket: user}
        self._rooms = defaultdict(set)  # socket -> rooms

    def join(self, socket, user, room):
        with self._lock:
            self._members[room][socket] = user
            self._rooms[socket].add(room)

    def leave(self, socket, room):
        with self._lock:
            self._leave(socket, room)

    def leave_all(self, socket):
        with self._lock:
            for room in list(self._rooms.get(socket, ())):
                self._leave(socket, room)

    def _leave(self, socket, room):
        if room in self._rooms.get(socket, ()):
            self._rooms[socket].discard(room)
            del self._members[room][socket]
            if not self._rooms[socket]:
                del self._rooms[socket]
            if not self._members[room]:
                del self._members[room]

    def sockets(self, room):
        with self._lock:
            return list(self._members.get(room, ()))

    def users(self, room):
        with self._lock:
            return sorted(set(self._members.get(room, {}).values()))


class RoomManager:
    def __init__(self):
        self.directory = Directory()
        self._outboxes = {}  # socket -> (queue, task)

    async def connect(self, socket, user, rooms):
        await socket.accept()
        queue = asyncio.Queue()
        self._outboxes[socket] = (queue, asyncio.create_task(self._write(socket, queue)))
        for room in rooms:
            self.directory.join(socket, user, room)

    async def disconnect(self, socket):
        self.directory.leave_all(socket)
        _, task = self._outboxes.pop(socket, (None, None))
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def say(self, rooms, payload):
        """To everybody in one of these rooms; once, also to who is in several of them."""
        sockets = dict.fromkeys(socket for room in rooms for socket in self.directory.sockets(room))
        for socket in sockets:
            if socket in self._outboxes:
                self._outboxes[socket][0].put_nowait(payload)
        return len(sockets)

    async def _write(self, socket, queue):
        try:
            while True:
                await socket.send_json(await queue.get())
        except Exception as exc:
            logger.info("%r", exc)
