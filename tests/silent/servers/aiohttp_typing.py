"""Typing notifications. Somebody types until they say otherwise, send the message, leave, or 5 s have gone by."""

import asyncio
import json
import logging

from aiohttp import WSMsgType, web

logger = logging.getLogger("typing")
routes = web.RouteTableDef()

TYPING_FOR = 5.0


class Desk:
    def __init__(self):
        self.outboxes = {}  # user -> list of outboxes
        self.typing = {}  # (who, to whom) -> timer

    def tell(self, user, **frame):
        for outbox in self.outboxes.get(user, ()):
            outbox.put_nowait(frame)

    def start_typing(self, who, to):
        timer = self.typing.pop((who, to), None)
        if timer is None:
            self.tell(to, type="typing", who=who, on=True)
        else:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self.typing[who, to] = loop.call_later(TYPING_FOR, self.stop_typing, who, to)

    def stop_typing(self, who, to):
        timer = self.typing.pop((who, to), None)
        if timer is not None:
            timer.cancel()
            self.tell(to, type="typing", who=who, on=False)

    def enter(self, user):
        outbox = asyncio.Queue()
        outbox.put_nowait({"type": "ready", "user": user})
        for who, to in self.typing:
            if to == user:
                outbox.put_nowait({"type": "typing", "who": who, "on": True})
        self.outboxes.setdefault(user, []).append(outbox)
        return outbox

    def leave(self, user, outbox):
        self.outboxes[user].remove(outbox)
        if not self.outboxes[user]:
            del self.outboxes[user]
            for who, to in list(self.typing):
                if who == user:
                    self.stop_typing(who, to)

    def take(self, user, message):
        to = message["to"]
        if not isinstance(to, str):
            raise TypeError("to")
        match message["type"]:
            case "typing" if message.get("on", True):
                self.start_typing(user, to)
            case "typing":
                self.stop_typing(user, to)
            case "message":
                text = message["text"]
                self.stop_typing(user, to)
                self.tell(to, type="message", sender=user, to=to, text=text)


DESK = web.AppKey("desk", Desk)


async def write(ws, outbox):
    try:
        while True:
            await ws.send_json(await outbox.get())
    except (ConnectionError, RuntimeError):
        logger.debug("gone")


@routes.get("/desk")
async def desk(request):
    scheme, _, user = request.cookies.get("sid", "").partition("-")
    if scheme != "token" or not user:
        raise web.HTTPForbidden
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    desk = request.app[DESK]
    outbox = desk.enter(user)
    writer = asyncio.create_task(write(ws, outbox))
    try:
        async for frame in ws:
            if frame.type is WSMsgType.TEXT:
                try:
                    desk.take(user, json.loads(frame.data))
                except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
                    logger.error("%s: %r", user, exc)
    finally:
        desk.leave(user, outbox)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    return ws


app = web.Application()
app[DESK] = Desk()
app.add_routes(routes)
