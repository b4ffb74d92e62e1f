"""A connection manager, as one may have it."""

from typing import Any


class Hub:
    def __init__(self) -> None:
        self.sockets: dict[str, Any] = {}

    async def connect(self, websocket: Any, client_id: str) -> None:
        await websocket.accept()
        self.sockets[client_id] = websocket

    def disconnect(self, client_id: str) -> None:
        self.sockets.pop(client_id, None)

    async def send_personal_message(self, message: Any, client_id: str) -> None:
        await self.sockets[client_id].send_json(message)

    async def broadcast(self, message: Any, exclude: str) -> None:
        for name, websocket in list(self.sockets.items()):
            if name != exclude:
                await websocket.send_json(message)

    def size(self) -> int:
        return len(self.sockets)
