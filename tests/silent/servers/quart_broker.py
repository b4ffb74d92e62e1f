"""Quart's chat tutorial, grown up: a broker with a subscription per connection, per-user addressing."""

import asyncio
import json
from contextlib import contextmanager

from quart import Quart, abort, websocket

app = Quart(__name__)


class Broker:
    def __init__(self) -> None:
        self.subscriptions: dict[asyncio.Queue, str] = {}

    @contextmanager
    def subscription(self, user: str):
        """Subscribed from here on, not from the first time somebody waits for the queue."""
        queue: asyncio.Queue = asyncio.Queue()
        self.subscriptions[queue] = user
        try:
            yield queue
        finally:
            del self.subscriptions[queue]

    def publish(self, message: dict, to: str | None = None) -> None:
        for queue, user in self.subscriptions.items():
            if to is None or user == to:
                queue.put_nowait(message)


broker = Broker()


async def send_all(queue: asyncio.Queue) -> None:
    while True:
        await websocket.send(json.dumps(await queue.get()))


async def receive_all(user: str, queue: asyncio.Queue) -> None:
    while True:
        raw = await websocket.receive()
        try:
            message = json.loads(raw)
            text, to = message["text"], message.get("to")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            app.logger.error("%s: not understood", user)
            queue.put_nowait({"type": "error"})
            continue
        broker.publish({"type": "message", "from": user, "text": text}, to)


@app.websocket("/ws")
async def ws() -> None:
    token = websocket.args.get("token", "")
    if not token.startswith("token-"):
        abort(401)
    user = token.removeprefix("token-")
    await websocket.accept()
    with broker.subscription(user) as queue:
        queue.put_nowait({"type": "ready", "user": user})
        sender = asyncio.create_task(send_all(queue))
        try:
            await receive_all(user, queue)  # cancelled by Quart when the client has gone
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
