"""Quiet connections are closed after ten minutes without a frame from the client (4000, "idle")."""

import asyncio
import json
import logging

from aiohttp import WSMsgType, web

logger = logging.getLogger("idle")

IDLE = 600.0


class Peers:
    def __init__(self):
        self._queues = {}

    def add(self, user):
        queue = asyncio.Queue()
        self._queues.setdefault(user, []).append(queue)
        return queue

    def remove(self, user, queue):
        queues = self._queues[user]
        queues.remove(queue)
        if not queues:
            del self._queues[user]

    def tell(self, user, frame):
        for queue in self._queues.get(user, ()):
            queue.put_nowait(frame)

    def everybody(self):
        return list(self._queues)


PEERS = web.AppKey("peers", Peers)


async def feed(ws, queue):
    try:
        while True:
            await ws.send_str(json.dumps(await queue.get()))
    except (ConnectionError, RuntimeError) as exc:
        logger.info("feed: %r", exc)


async def listen(ws, user, peers):
    """Until the client closes or is idle; True if it is idle."""
    while True:
        try:
            message = await ws.receive(timeout=IDLE)
        except TimeoutError:
            return True
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
            return False
        if message.type is not WSMsgType.TEXT:
            continue
        try:
            order = json.loads(message.data)
            text, to = order["text"], order.get("to")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            logger.error("%s: nonsense", user)
            continue
        for name in peers.everybody() if to is None else [str(to)]:
            peers.tell(name, {"type": "message", "from": user, "text": text})


async def peer(request):
    user = request.match_info["user"]
    ws = web.WebSocketResponse(timeout=5.0)
    await ws.prepare(request)
    peers = request.app[PEERS]
    queue = peers.add(user)
    queue.put_nowait({"type": "ready", "user": user})
    writer = asyncio.create_task(feed(ws, queue))
    idle = False
    try:
        idle = await listen(ws, user, peers)
    finally:
        peers.remove(user, queue)
        if idle:  # what was sent until now is still written, within reason
            for _ in range(50):
                if queue.empty() or writer.done():
                    break
                await asyncio.sleep(0.1)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    if idle:
        await ws.close(code=4000, message=b"idle", drain=False)
    return ws


async def app():
    application = web.Application()
    application[PEERS] = Peers()
    application.router.add_get("/peers/{user}", peer)
    return application
