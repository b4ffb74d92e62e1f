"""At-least-once delivery: every message has an id and is kept until one of the recipient's tabs acknowledges it.

A message goes to all open tabs, and to a tab that opens later as long as it is not acknowledged. A tab that leaves
a message unacknowledged for RETRY_AFTER seconds gets it again, marked "again"; after MAX_TRIES the tab is closed.
Clients drop ids they have seen.
"""

import asyncio
import itertools
import json
import logging
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed

logger = logging.getLogger("resend")

RETRY_AFTER = 5.0
MAX_TRIES = 5
CAPACITY = 1000

ids = itertools.count(1)
unacknowledged = {}  # user -> {id: frame}, in order
tabs = {}  # user -> [Tab]


@dataclass(eq=False)
class Delivery:
    frame: dict
    times: int = 0
    due: float | None = None
    acknowledged: bool = False


class Tab:
    def __init__(self, ws, user):
        self.ws, self.user = ws, user
        self.outbox = asyncio.Queue()
        self.pending = {}  # id -> Delivery

    def give(self, frame):
        delivery = self.pending[frame["id"]] = Delivery(frame)
        self.outbox.put_nowait(delivery)

    def acknowledged(self, id):
        delivery = self.pending.get(id)
        if delivery is not None:
            delivery.acknowledged = True
            if delivery.times:  # else another tab was quicker, and this one still gets it
                del self.pending[id]

    async def write(self):
        loop = asyncio.get_running_loop()
        try:
            while True:
                delivery = await self.outbox.get()
                if delivery.times and delivery.acknowledged:
                    continue
                frame = {**delivery.frame, "again": delivery.times} if delivery.times else delivery.frame
                await self.ws.send(json.dumps(frame))
                delivery.times += 1
                delivery.due = loop.time() + RETRY_AFTER
                if delivery.acknowledged:
                    self.pending.pop(frame.get("id"), None)
        except ConnectionClosed:
            pass

    async def retry(self):
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RETRY_AFTER / 5)
            for delivery in list(self.pending.values()):
                if delivery.due is None or delivery.due > loop.time():
                    continue
                if delivery.times >= MAX_TRIES:
                    logger.error("%s does not acknowledge", self.user)
                    await self.ws.close(4408, "no acknowledgement")
                    return
                delivery.due = None
                self.outbox.put_nowait(delivery)


def send(tab, to, text):
    box = unacknowledged.setdefault(to, {})
    if len(box) >= CAPACITY:
        tab.outbox.put_nowait(Delivery({"type": "error", "reason": "mailbox full"}))
        return
    id = next(ids)
    box[id] = frame = {"type": "message", "id": id, "from": tab.user, "text": text}
    for other in tabs.get(to, ()):
        other.give(frame)


def acknowledge(user, id):
    box = unacknowledged.get(user, {})
    if box.pop(id, None) is not None and not box:
        del unacknowledged[user]
    for tab in tabs.get(user, ()):
        tab.acknowledged(id)


async def handler(ws):
    user = ws.request.headers.get("X-User", "")
    if not user:
        await ws.close(4401)
        return
    tab = Tab(ws, user)
    tab.outbox.put_nowait(Delivery({"type": "ready", "user": user}))
    for frame in unacknowledged.get(user, {}).values():
        tab.give(frame)
    tabs.setdefault(user, []).append(tab)
    helpers = [asyncio.create_task(tab.write()), asyncio.create_task(tab.retry())]
    try:
        async for raw in ws:
            try:
                message = json.loads(raw)
                if message["type"] == "ack" and isinstance(message["id"], int):
                    acknowledge(user, message["id"])
                elif message["type"] == "message" and isinstance(message["to"], str):
                    send(tab, message["to"], message["text"])
            except (ValueError, TypeError, KeyError, RecursionError):
                logger.error("%s: not understood", user)
    except ConnectionClosed:
        pass
    finally:
        tabs[user].remove(tab)
        if not tabs[user]:
            del tabs[user]
        for task in helpers:
            task.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
