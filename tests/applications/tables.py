"""Tables in a bar: one sits at one table at a time, and gets up from wherever one sits."""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


class Bar:
    """Who sits where; ``forgets`` is whether who gets up is told on what is said at the table."""

    def __init__(self, *, forgets: bool) -> None:
        self.seats: dict[WebSocket, str] = {}
        self.forgets = forgets

    async def serve(self, socket: WebSocket) -> None:
        """Let a guest sit down, talk and get up."""
        await socket.accept()
        try:
            async for text in socket.iter_text():
                said = json.loads(text)
                if said["do"] == "sit":
                    self.seats[socket] = said["table"]
                    await socket.send_json({"you": "sit", "table": said["table"]})
                elif said["do"] == "get up":
                    if not self.forgets:
                        self.seats.pop(socket, None)
                elif socket in self.seats:
                    await self.tell(self.seats[socket], said["text"])
        finally:
            self.seats.pop(socket, None)

    async def tell(self, table: str, text: str) -> None:
        """Tell everybody at a table."""
        for socket, seat in list(self.seats.items()):
            if seat == table:
                try:
                    await socket.send_json({"table": table, "text": text})
                except Exception:
                    self.seats.pop(socket, None)


def bar() -> Starlette:
    """A bar in which all is well."""
    return Starlette(routes=[WebSocketRoute("/bar/{user}", Bar(forgets=False).serve)])


def forgetful_bar() -> Starlette:
    """A bar in which who has got up is still told."""
    return Starlette(routes=[WebSocketRoute("/bar/{user}", Bar(forgets=True).serve)])
