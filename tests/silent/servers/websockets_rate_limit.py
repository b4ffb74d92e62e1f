"""Token bucket for each user: 20 messages at once, 10 a second after that; the sender is told of what is refused."""

import asyncio
import json
import logging
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed

logger = logging.getLogger(__name__)

BURST = 20
RATE = 10.0


class Bucket:
    def __init__(self, now):
        self.level, self.at = float(BURST), now

    def take(self, now):
        """Seconds to wait; 0 if there was a token, which is then gone."""
        self.level = min(BURST, self.level + (now - self.at) * RATE)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / RATE

    def full(self, now):
        return self.level + (now - self.at) * RATE >= BURST


class Hub:
    def __init__(self):
        self.queues = {}  # user -> list of queues
        self.buckets = {}  # user -> Bucket; outlives connections until it is full again

    def bucket(self, user, now):
        for name in [name for name, b in self.buckets.items() if name not in self.queues and b.full(now)]:
            del self.buckets[name]
        if user not in self.buckets:
            self.buckets[user] = Bucket(now)
        return self.buckets[user]

    def message(self, sender, mine, raw):
        now = asyncio.get_running_loop().time()
        wait = self.bucket(sender, now).take(now)
        try:
            message = json.loads(raw)
            to, text, n = message["to"], message["text"], message.get("n")
            queues = self.queues.get(to, ())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            mine.put_nowait({"type": "error", "code": "malformed"})
            return
        if wait:
            mine.put_nowait({"type": "error", "code": "rate_limited", "n": n, "retry_after": round(wait, 3)})
            return
        for queue in queues:
            queue.put_nowait({"type": "message", "from": sender, "text": text})


hub = Hub()


async def drain(ws, queue):
    try:
        while True:
            await ws.send(json.dumps(await queue.get()))
    except ConnectionClosed as exc:
        logger.info("closed: %s", exc)


async def handler(ws):
    token = parse_qs(urlsplit(ws.request.path).query).get("token", [""])[0]
    if not token.startswith("token-"):
        await ws.close(4401, "token")
        return
    user = token.removeprefix("token-")
    queue = asyncio.Queue()
    queue.put_nowait({"type": "ready", "user": user})
    hub.queues.setdefault(user, []).append(queue)
    writer = asyncio.create_task(drain(ws, queue))
    try:
        async for raw in ws:
            hub.message(user, queue, raw)
    except ConnectionClosed:
        pass
    finally:
        hub.queues[user].remove(queue)
        if not hub.queues[user]:
            del hub.queues[user]
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
