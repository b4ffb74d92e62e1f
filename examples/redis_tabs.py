"""A chat of several workers: which connections a user has is kept in Redis, as a list in JSON.

Needs ``pip install fastapi redis``.  Who comes or goes reads the list, changes it, and writes it back: of two tabs that
come at the same time one is forgotten, and hears nothing.

    crosswire run examples.services:redis_tabs
"""

import json
import os
from itertools import count

import redis.asyncio as redis
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
store = redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"), decode_responses=True)
sockets: dict[int, WebSocket] = {}
numbers = count()


async def tabs_of(user: str) -> list[int]:
    """The numbers of a user's connections."""
    return [int(number) for number in json.loads(await store.get(f"tabs:{user}") or "[]")]


async def come(user: str, number: int) -> None:
    tabs = await tabs_of(user)
    await store.set(f"tabs:{user}", json.dumps([*tabs, number]))


async def go(user: str, number: int) -> None:
    tabs = await tabs_of(user)
    await store.set(f"tabs:{user}", json.dumps([tab for tab in tabs if tab != number]))


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str) -> None:
    """Pass on what this client says to all connections of whom it is for."""
    await websocket.accept()
    number = next(numbers)
    sockets[number] = websocket
    await come(user, number)
    try:
        await websocket.send_json({"type": "ready", "user": user})
        while True:
            message = await websocket.receive_json()
            for tab in await tabs_of(message["to"]):
                try:
                    await sockets[tab].send_json({"type": "message", "to": message["to"], "text": message["text"]})
                except (KeyError, WebSocketDisconnect, RuntimeError):
                    continue
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        del sockets[number]
        await go(user, number)
