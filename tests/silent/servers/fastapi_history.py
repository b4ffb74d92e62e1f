"""A public channel with the last 20 messages replayed to whoever joins; the sender's tabs see them too."""

import asyncio
import itertools
import json
from collections import deque

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

HISTORY = 20

app = FastAPI(title="channel")


class Channel:
    def __init__(self):
        self.numbers = itertools.count(1)
        self.history = deque(maxlen=HISTORY)
        self.listeners = []

    def join(self, user):
        """The replay and the registration are one step: nothing is missed between them, nothing comes twice."""
        queue = asyncio.Queue()
        for post in self.history:
            queue.put_nowait({**post, "replay": True})
        queue.put_nowait({"type": "ready", "user": user, "listeners": len(self.listeners) + 1})
        self.listeners.append(queue)
        return queue

    def leave(self, queue):
        self.listeners.remove(queue)

    def post(self, author, text):
        post = {"type": "post", "id": next(self.numbers), "from": author, "text": text}
        self.history.append(post)
        for queue in self.listeners:
            queue.put_nowait(post)


channel = Channel()


async def reader(websocket, user):
    while True:
        event = await websocket.receive()
        if event["type"] == "websocket.disconnect":
            return
        text = event.get("text")
        if text and len(text) < 10_000:
            channel.post(user, text)


async def writer(websocket, queue):
    try:
        while True:
            await websocket.send_text(json.dumps(await queue.get()))
    except (WebSocketDisconnect, RuntimeError, OSError):
        return


@app.websocket("/channel/{user}")
async def join(websocket: WebSocket, user: str):
    await websocket.accept()
    queue = channel.join(user)
    writing = asyncio.create_task(writer(websocket, queue))
    try:
        await reader(websocket, user)
    finally:
        channel.leave(queue)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


@app.get("/history")
async def history():
    return list(channel.history)
