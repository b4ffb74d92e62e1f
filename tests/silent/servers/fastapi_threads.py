"""Threads that users follow, with mentions of those who do not; one log-out ends all tabs; few logins a minute."""

import asyncio
import contextlib
from collections import deque

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

MOST, WINDOW = 8, 60.0
LOGGED_OUT = 4001

app = FastAPI()


class Tab:
    def __init__(self, websocket: WebSocket, user: str):
        self.websocket, self.user = websocket, user
        self.threads: set[str] = set()
        self.outbox: asyncio.Queue = asyncio.Queue()
        self.over = asyncio.Event()

    def tell(self, **message):
        if not self.over.is_set():
            self.outbox.put_nowait(message)

    async def write(self):
        while True:
            message = await self.outbox.get()
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self.websocket.send_json(message)


tabs: dict[Tab, None] = {}
came: deque = deque()


def too_many() -> bool:
    now = asyncio.get_running_loop().time()
    while came and came[0] <= now - WINDOW:
        came.popleft()
    came.append(now)
    return len(came) > MOST


async def listen(me: Tab):
    while not me.over.is_set():
        message = await me.websocket.receive_json()
        if me.over.is_set():
            return
        match message["do"]:
            case "follow":
                me.threads.add(message["thread"])
                me.tell(kind="following", thread=message["thread"])
            case "unfollow":
                me.threads.discard(message["thread"])
            case "reply":
                for tab in list(tabs):
                    if message["thread"] in tab.threads or tab.user == message.get("mention"):
                        tab.tell(kind="reply", thread=message["thread"], by=me.user, text=message["text"])
            case "log out everywhere":
                for tab in list(tabs):
                    if tab.user == me.user:
                        del tabs[tab]
                        tab.over.set()


@app.websocket("/threads/{user}")
async def threads(websocket: WebSocket, user: str):
    if too_many():
        await websocket.close(1008)
        return
    await websocket.accept()
    me = Tab(websocket, user)
    me.tell(kind="hello", you=user)
    tabs[me] = None
    tasks = [asyncio.ensure_future(work) for work in (listen(me), me.write(), me.over.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        tabs.pop(me, None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if me.over.is_set():
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await websocket.close(LOGGED_OUT)
