"""A chat that tells everybody, and fails at the second word, whoever says it."""

from __future__ import annotations

from websockets.asyncio.server import ServerConnection, broadcast

here: set[ServerConnection] = set()
said: list[str] = []


async def chat(connection: ServerConnection) -> None:
    here.add(connection)
    try:
        async for text in connection:
            assert isinstance(text, str)
            said.append(text)
            if len(said) == 2:
                raise RuntimeError("not again")
            broadcast(here, text)
    finally:
        here.discard(connection)
