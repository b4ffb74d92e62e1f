"""Market data feed: broadcast in an asyncio.TaskGroup, each send guarded and limited on its own.

A send never raises out of its task, so one client's trouble does not cancel the others' sends.
"""

import asyncio
import logging

logger = logging.getLogger("feed")


class Subscriber:
    def __init__(self, websocket, user):
        self.websocket = websocket
        self.user = user
        self.gone = False
        self.turn = asyncio.Lock()  # fair: frames leave in the order of the calls

    async def send(self, payload, within):
        """False if the subscriber has to go."""
        try:
            async with asyncio.timeout(within), self.turn:
                if not self.gone:
                    await self.websocket.send_json(payload)
            return True
        except Exception as exc:
            if not self.gone:
                logger.warning("no luck with %s: %r", self.user, exc)
            return False


class Feed:
    send_timeout = 3.0

    def __init__(self):
        self.subscribers = {}

    async def subscribe(self, websocket, user):
        await websocket.accept()
        self.subscribers[websocket] = Subscriber(websocket, user)

    async def unsubscribe(self, websocket):
        subscriber = self.subscribers.pop(websocket, None)
        if subscriber is not None:
            subscriber.gone = True

    async def publish(self, payload, to=None):
        chosen = [s for s in self.subscribers.values() if to is None or s.user == to]
        async with asyncio.TaskGroup() as group:
            for subscriber in chosen:
                group.create_task(self._deliver(subscriber, payload))

    async def _deliver(self, subscriber, payload):
        if await subscriber.send(payload, self.send_timeout) or subscriber.gone:
            return
        subscriber.gone = True
        self.subscribers.pop(subscriber.websocket, None)
        try:
            async with asyncio.timeout(self.send_timeout):
                await subscriber.websocket.close(1013)
        except Exception as exc:
            logger.info("closing %s: %r", subscriber.user, exc)
