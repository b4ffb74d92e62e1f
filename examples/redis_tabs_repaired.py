"""A chat of several workers, repaired: which connections a user has is kept in Redis, in a set.

Needs ``pip install fastapi redis``.  Redis adds to a set and takes from it in one step, whoever else does the same.

    crosswire run examples.services:redis_tabs_repaired
"""

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
    return sorted(int(number) for number in await store.smembers(f"tabs:{user}"))


async def come(user: str, number: int) -> None:
    await store.sadd(f"tabs:{user}", number)


async def go(user: str, number: int) -> None:
    await store.srem(f"tabs:{user}", number)


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
