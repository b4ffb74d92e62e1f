"""A manager for which every operation means something, and with one of its own: for `benchmarks.situations`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from crosswire.fuzzer import Adapter, Client, Event, latency, operation

__all__ = ("Club",)


class Club(Adapter):
    """Members log in with a token, talk to each other and in rooms, and knock."""

    def __init__(self) -> None:
        self.inside: dict[str, list[Client]] = defaultdict(list)
        self.rooms: dict[str, list[Client]] = defaultdict(list)

    async def connect(self, client: Client) -> Any:
        await latency("accept")

    async def authenticate(self, client: Client, token: str) -> str | None:
        await latency("login")
        if not token.startswith("token-"):
            return None
        user = token.removeprefix("token-")
        client.state["user"] = user
        self.inside[user].append(client)
        return user

    async def send(self, clients: list[Client], event: Event) -> None:
        for client in list(clients):
            if client in clients:
                try:
                    await client.websocket.send_json(event.payload)
                except ConnectionError:
                    continue

    async def emit(self, event: Event) -> None:
        await self.send(self.inside[event.to or ""], event)

    async def emit_to_room(self, event: Event) -> None:
        await self.send(self.rooms[event.room or ""], event)

    async def broadcast(self, event: Event) -> None:
        for clients in list(self.inside.values()):
            await self.send(clients, event)

    @operation(audience="user")
    async def knock(self, client: Client, event: Event) -> None:
        await self.send(self.inside[event.to or ""], event)

    async def join(self, client: Client, room: str) -> None:
        await latency("may they?")
        if client in self.inside[client.state.get("user", "")] and client not in self.rooms[room]:
            self.rooms[room].append(client)

    async def leave(self, client: Client, room: str) -> None:
        await latency("goodbye")
        if client in self.rooms[room]:
            self.rooms[room].remove(client)

    async def disconnect(self, client: Client) -> None:
        for clients in (*self.inside.values(), *self.rooms.values()):
            if client in clients:
                clients.remove(client)

    async def expire(self, client: Client) -> None:
        await self.disconnect(client)

    async def clean_up(self, user: str) -> None:
        for client in list(self.inside[user]):
            await self.disconnect(client)
            await client.websocket.close()

    async def shut_down(self) -> None:
        for user in list(self.inside):
            await self.clean_up(user)
