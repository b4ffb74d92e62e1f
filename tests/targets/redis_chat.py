"""A chat that keeps its users' sessions and profiles in Redis, through redis-py, and cancels what nobody waits for.

Nothing here is wrong.  With redis-py 4.5.1 a cancelled request leaves its connection in the pool with an answer that
nobody has read, and whoever uses the connection next is given it: the leak that showed people the names and e-mail
addresses of others in March 2023.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from crosswire.fuzzer.targets import JsonWire, Limits

from .resp import RESP_PORT, redis_server

CONNECTIONS = 2
"""Size of the pool that all users share."""

PATIENCE = 2.0
"""Seconds for which anybody waits for Redis."""

STORED = {
    f"{table}:{key}{name}": json.dumps({"user": name, "email": f"{name}@example.com"})
    for table, key in (("session", "token-"), ("profile", ""))
    for name in ("u0", "u1", "u2")
}

limits = Limits(delay=60.0)

wire = JsonWire(path="/?token={token}", ready={"type": "welcome"}, user="user", recipient="user", authenticates=True)


class Chat:
    """Who is connected, and what each of them has asked for."""

    def __init__(self, store: Redis) -> None:
        self._store = store
        self._online: dict[str, dict[ServerConnection, None]] = {}

    async def handle(self, socket: ServerConnection) -> None:
        """One user's connection, from login to the end."""
        assert socket.request is not None
        token = parse_qs(urlsplit(socket.request.path).query).get("token", [""])[0]
        try:
            session = await self._look_up(f"session:{token}")
        except TimeoutError:
            await socket.close(1013, "try again later")
            return
        if session is None:
            await socket.close(1008, "unknown token")
            return
        user = session["user"]
        self._online.setdefault(user, {})[socket] = None
        request: asyncio.Task[None] | None = None
        try:
            await self._tell(socket, type="welcome", user=user)
            async for text in socket:
                message = json.loads(text)
                for other in list(self._online.get(message["to"], ())):
                    await self._tell(other, type="message", user=message["to"], text=message["text"])
                if request is not None:
                    request.cancel()
                request = asyncio.create_task(self._answer(socket, user))
        finally:
            del self._online[user][socket]
            if request is not None:
                request.cancel()

    async def _answer(self, socket: ServerConnection, user: str) -> None:
        """Show the sender of a message under which name it went."""
        with contextlib.suppress(TimeoutError):
            await self._tell(socket, type="sent", **await self._look_up(f"profile:{user}"))

    async def _look_up(self, key: str) -> Any:
        async with asyncio.timeout(PATIENCE):
            stored = await self._store.get(key)
        return None if stored is None else json.loads(stored)

    async def _tell(self, socket: ServerConnection, **fields: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            await socket.send(json.dumps(fields))


@asynccontextmanager
async def chat() -> AsyncIterator[None]:
    """The chat, and the Redis it needs."""
    async with redis_server(STORED):
        pool = BlockingConnectionPool(
            host="127.0.0.1",
            port=RESP_PORT,
            max_connections=CONNECTIONS,
            timeout=None,
            decode_responses=True,
            socket_timeout=None,
        )
        store = Redis(connection_pool=pool)
        try:
            async with serve(Chat(store).handle, "127.0.0.1", 8000):
                yield
        finally:
            await pool.disconnect()
