"""A game in turns: who has moved last is told that it is not their turn; one server forgets to tell of a move."""

from __future__ import annotations

import asyncio
import json
from functools import partial

from websockets.asyncio.server import ServerConnection, broadcast

players: set[ServerConnection] = set()
last: list[str] = []


async def play(connection: ServerConnection, *, told: bool, quotes: bool = False) -> None:
    """``told``: everybody hears of each move that is taken; ``quotes``: who hears of one that is not, hears which."""
    assert connection.request is not None
    user = connection.request.path[1:]
    players.add(connection)
    try:
        async for frame in connection:
            if last[-1:] == [user]:
                why = {"why": "not your turn"} | ({"move": json.loads(frame)["move"]} if quotes else {})
                broadcast([connection], json.dumps({"type": "error"} | why))
                continue
            last.append(user)
            await asyncio.sleep(0.01)
            if told or len(last) % 3:
                broadcast(players, json.dumps({"type": "moved", "move": json.loads(frame)["move"]}))
    finally:
        players.discard(connection)


in_turns = partial(play, told=True)
quotes = partial(play, told=True, quotes=True)
forgets = partial(play, told=False)
