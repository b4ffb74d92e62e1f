"""Price ticker with chat, on `websockets`. Everything is written with broadcast(), which never waits.

A client that does not read is closed by the library's keepalive; until then its frames are buffered.
"""

import asyncio
import itertools
import json
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

PORT = 8765
EVERY = 5.0

clients = {}  # websocket -> user


def tell(frame, to=None):
    broadcast([ws for ws, user in clients.items() if to in (None, user)], json.dumps(frame))


async def handler(ws):
    user = parse_qs(urlsplit(ws.request.path).query).get("user", [""])[0]
    if not user:
        await ws.close(4401, "who are you?")
        return
    clients[ws] = user
    try:
        broadcast([ws], json.dumps({"type": "ready", "user": user}))
        async for raw in ws:
            try:
                message = json.loads(raw)
                text, to = message["text"], message.get("to")
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                continue
            tell({"type": "message", "from": user, "text": text}, to=to)
    except ConnectionClosed:
        pass
    finally:
        del clients[ws]


async def ticker():
    for n in itertools.count(1):
        await asyncio.sleep(EVERY)
        tell({"type": "tick", "n": n})


async def main(port=PORT):
    ticking = asyncio.create_task(ticker())
    try:
        async with serve(handler, "127.0.0.1", port) as server:
            await server.serve_forever()
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
