"""Who is online: the first tab of a user makes it online, the last one to go offline, the others are told."""

import asyncio
import json
import logging

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute

logger = logging.getLogger(__name__)


class Presence:
    def __init__(self):
        self.tabs = {}  # user -> {outbox: None}

    def enter(self, user, outbox):
        if user not in self.tabs:
            self.tell_others(user, {"type": "online", "user": user})
            self.tabs[user] = {}
        self.tabs[user][outbox] = None
        others = sorted(name for name in self.tabs if name != user)
        outbox.put_nowait({"type": "ready", "user": user, "online": others})

    def exit(self, user, outbox):
        tabs = self.tabs.get(user, {})
        if outbox not in tabs:
            return
        del tabs[outbox]
        if not tabs:
            del self.tabs[user]
            self.tell_others(user, {"type": "offline", "user": user})

    def tell(self, user, frame):
        for outbox in self.tabs.get(user, ()):
            outbox.put_nowait(frame)

    def tell_others(self, user, frame):
        for other in self.tabs:
            if other != user:
                self.tell(other, frame)


presence = Presence()


async def write(websocket, outbox):
    try:
        while True:
            await websocket.send_text(json.dumps(await outbox.get()))
    except Exception as exc:
        logger.info("writer: %r", exc)


class Chat(WebSocketEndpoint):
    user = outbox = writer = None

    async def on_connect(self, websocket):
        user = websocket.headers.get("x-user", "")
        if not user:
            await websocket.close(4401)
            return
        await websocket.accept()
        self.user = user
        self.outbox = asyncio.Queue()
        self.writer = asyncio.create_task(write(websocket, self.outbox))
        presence.enter(self.user, self.outbox)

    async def on_receive(self, websocket, data):
        # `encoding` is unset: data is what came, text or bytes.
        try:
            message = json.loads(data)
            to, text = str(message["to"]), str(message["text"])
        except (ValueError, TypeError, KeyError, RecursionError):
            self.outbox.put_nowait({"type": "error"})
            return
        presence.tell(to, {"type": "message", "from": self.user, "text": text})

    async def on_disconnect(self, websocket, close_code):
        if self.writer is not None:
            presence.exit(self.user, self.outbox)
            self.writer.cancel()
            await asyncio.gather(self.writer, return_exceptions=True)


app = Starlette(routes=[WebSocketRoute("/chat", Chat)])
