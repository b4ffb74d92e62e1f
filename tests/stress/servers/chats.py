"""Chats on `websockets`, in which ``{to, text}`` goes to every tab of a user: with a bug each, and repaired."""

from __future__ import annotations

import asyncio
import json

from websockets.asyncio.server import ServerConnection, broadcast

TABS: dict[str, list[ServerConnection]] = {}

recipient = ""
"""Whose message is under way: shared by everybody, which is `leak`'s bug."""


class Tab:
    """A connection is one of its user's for as long as this is entered."""

    def __init__(self, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        self.websocket, self.user = websocket, websocket.request.path.rpartition("/")[2]

    def __enter__(self) -> str:
        TABS.setdefault(self.user, []).append(self.websocket)
        return self.user

    def __exit__(self, *error: object) -> None:
        TABS[self.user].remove(self.websocket)


LOOKED_UP = 0.01
"""Seconds that a look-up takes: what needs two of them at once is seen by a few lanes alone, too."""


async def looked_up() -> None:
    """Stands for a look-up in a database."""
    await asyncio.sleep(LOOKED_UP)


def message(user: str, text: str) -> str:
    return json.dumps({"type": "message", "from": user, "text": text})


async def leak(websocket: ServerConnection) -> None:
    """The recipient is kept where the next message puts its own."""
    global recipient
    with Tab(websocket) as user:
        async for frame in websocket:
            data = json.loads(frame)
            recipient = data["to"]
            await looked_up()
            broadcast(TABS.get(recipient, ()), message(user, data["text"]))


async def leak_repaired(websocket: ServerConnection) -> None:
    with Tab(websocket) as user:
        async for frame in websocket:
            data = json.loads(frame)
            await looked_up()
            broadcast(TABS.get(data["to"], ()), message(user, data["text"]))


async def loss(websocket: ServerConnection) -> None:
    """A tab that has left meanwhile ends the delivery to those after it."""
    with Tab(websocket) as user:
        async for frame in websocket:
            data = json.loads(frame)
            tabs = list(TABS.get(data["to"], ()))
            await looked_up()
            for tab in tabs:
                if tab not in TABS[data["to"]]:
                    break
                broadcast([tab], message(user, data["text"]))


async def loss_repaired(websocket: ServerConnection) -> None:
    with Tab(websocket) as user:
        async for frame in websocket:
            data = json.loads(frame)
            tabs = list(TABS.get(data["to"], ()))
            await looked_up()
            for tab in tabs:
                if tab in TABS[data["to"]]:
                    broadcast([tab], message(user, data["text"]))


LATE = 0.8
"""Seconds by which `late` delivers."""


async def late(websocket: ServerConnection) -> None:
    """Correct, and slow: each message arrives later, in order, and none is lost."""
    loop = asyncio.get_running_loop()

    def deliver(to: str, text: str) -> None:
        broadcast(TABS.get(to, ()), text)

    with Tab(websocket) as user:
        async for frame in websocket:
            data = json.loads(frame)
            loop.call_later(LATE, deliver, data["to"], message(user, data["text"]))


async def deaf(websocket: ServerConnection) -> None:
    """Takes everything, and says nothing."""
    async for _ in websocket:
        pass
