"""Connection manager as an actor: one task owns all state, everybody else writes to its inbox.

The actor never awaits a socket. It goes to sleep (ends) when nobody is connected and its inbox is
empty, and is started again by the next command, so there is nothing to shut down in tests.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Session:
    websocket: Any
    user: str
    outbox: asyncio.Queue = field(default_factory=asyncio.Queue)
    writer: asyncio.Task | None = None

    async def write(self):
        try:
            while True:
                await self.websocket.send_json(await self.outbox.get())
        except Exception as exc:
            logger.info("session of %s: %r", self.user, exc)


class Hub:
    def __init__(self):
        self._inbox = asyncio.Queue()
        self._actor = None
        self._sessions = {}  # websocket -> Session; touched by the actor only

    # -- called from anywhere --------------------------------------------------------------

    async def join(self, websocket, user):
        await websocket.accept()
        session = Session(websocket, user)
        try:
            await self._ask("join", session)
        except asyncio.CancelledError:
            self._tell("leave", websocket, None)
            raise

    async def leave(self, websocket):
        session = await self._ask("leave", websocket)
        if session is not None:
            session.writer.cancel()
            await asyncio.gather(session.writer, return_exceptions=True)

    async def direct(self, to, payload):
        return await self._ask("direct", (to, payload))

    async def broadcast(self, payload):
        return await self._ask("direct", (None, payload))

    # -- the actor -------------------------------------------------------------------------

    def _ask(self, name, argument):
        reply = asyncio.get_running_loop().create_future()
        self._tell(name, argument, reply)
        return reply

    def _tell(self, name, argument, reply):
        self._inbox.put_nowait((name, argument, reply))
        if self._actor is None:
            self._actor = asyncio.create_task(self._run(), name="hub")

    async def _run(self):
        while True:
            if self._inbox.empty() and not self._sessions:
                self._actor = None  # no await between the test and the return: nothing slips in
                return
            name, argument, reply = await self._inbox.get()
            try:
                result = getattr(self, "_on_" + name)(argument)
            except Exception:
                logger.exception("hub: %s failed", name)
                result = None
            if reply is not None and not reply.done():
                reply.set_result(result)

    def _on_join(self, session):
        self._sessions[session.websocket] = session
        session.writer = asyncio.create_task(session.write())

    def _on_leave(self, websocket):
        session = self._sessions.pop(websocket, None)
        if session is not None:
            session.writer.cancel()
        return session

    def _on_direct(self, argument):
        to, payload = argument
        chosen = [s for s in self._sessions.values() if to is None or s.user == to]
        for session in chosen:
            if not session.writer.done():
                session.outbox.put_nowait(payload)
        return len(chosen)
