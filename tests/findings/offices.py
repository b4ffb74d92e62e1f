"""More wrong servers for the tests of causes: ``# here`` stands at the lines that a cause must name among the first."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from crosswire.fuzzer import Adapter, Policy
from crosswire.fuzzer.targets.adapter import Client, Event


class Newest(Adapter):
    """The newest tab counts; an older one that leaves takes the entry of the newer along."""

    policy = Policy(per_user=1, at_limit="close")

    def __init__(self) -> None:
        self._entry: dict[str, Client] = {}

    async def connect(self, client: Client) -> None:
        older = self._entry.get(client.user)
        self._entry[client.user] = client
        if older is not None:
            await older.websocket.close(4000)

    async def emit(self, event: Event) -> bool:
        client = self._entry.get(event.to or "")
        if client is None:
            return False
        await client.websocket.send_json(event.payload)
        return True

    async def disconnect(self, client: Client) -> None:
        self._entry.pop(client.user, None)  # here: Newest

    def registry(self) -> list[object]:
        return [client.websocket for client in self._entry.values()]


class Subscribing(Adapter):
    """Who comes first has a set made for it, and gives way to others who are ready in between."""

    def __init__(self) -> None:
        self._members: list[Client] | None = None

    async def connect(self, client: Client) -> None:
        if self._members is None:
            await asyncio.sleep(0)  # here: Subscribing
            self._members = [client]
        else:
            self._members.append(client)

    async def broadcast(self, event: Event) -> None:
        await self._tell(list(self._members or ()), event)

    async def emit(self, event: Event) -> bool:
        told = [member for member in self._members or () if member.user == event.to]
        await self._tell(told, event)
        return bool(told)

    async def _tell(self, members: list[Client], event: Event) -> None:
        for member in members:
            with suppress(ConnectionError):
                await member.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        if self._members is not None and client in self._members:
            self._members.remove(client)


class Gathers(Adapter):
    """Who tells everybody holds a lock, which whoever cannot be told asks for."""

    def __init__(self) -> None:
        self._books = asyncio.Lock()
        self._tabs: dict[str, list[Client]] = defaultdict(list)

    async def connect(self, client: Client) -> None:
        async with self._books:
            self._tabs[client.user].append(client)

    async def emit(self, event: Event) -> None:
        async with self._books:  # here: Gathers
            await asyncio.gather(*(self._tell(tab, event) for tab in self._tabs[event.to or ""]))  # here: Gathers

    async def _tell(self, tab: Client, event: Event) -> None:
        try:
            await tab.websocket.send_json(event.payload)
        except ConnectionError:
            await self.disconnect(tab)

    async def disconnect(self, client: Client) -> None:
        async with self._books:  # here: Gathers
            with suppress(ValueError):
                self._tabs[client.user].remove(client)


class Metered(Adapter):
    """Everybody together may say three things."""

    def __init__(self) -> None:
        self._tabs: dict[str, list[Client]] = defaultdict(list)
        self._said = 0

    async def connect(self, client: Client) -> None:
        self._tabs[client.user].append(client)

    async def emit(self, event: Event) -> None:
        if self._said >= 3:  # here: Metered
            return
        self._said += 1
        for client in self._tabs[event.to or ""]:
            await client.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        self._tabs[client.user].remove(client)


class Reporter(Adapter):
    """Whom to tell of what is asked for is kept in one place for all."""

    def __init__(self) -> None:
        self._tabs: dict[str, list[Client]] = defaultdict(list)
        self._tell: Callable[[Event], list[Client]] = lambda event: []

    async def connect(self, client: Client) -> None:
        self._tabs[client.user].append(client)

    async def emit(self, event: Event) -> None:
        tabs = list(self._tabs[event.to or ""])
        self._tell = lambda event: tabs  # here: Reporter
        await asyncio.sleep(0.1)
        for client in self._tell(event):  # here: Reporter
            await client.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        self._tabs[client.user].remove(client)


app = FastAPI()
_one_at_a_time = asyncio.Lock()
_seats: dict[str, list[WebSocket]] = defaultdict(list)


async def _hand_over(user: str, text: str) -> None:
    async with _one_at_a_time:  # here: app
        for seat in list(_seats[user]):
            try:
                await seat.send_json({"type": "message", "text": text})  # here: app
            except (WebSocketDisconnect, RuntimeError):
                continue


@app.websocket("/desk/{user}")
async def desk(seat: WebSocket, user: str) -> None:
    """Whoever does not read holds everybody up."""
    await seat.accept()
    async with _one_at_a_time:
        _seats[user].append(seat)
    await seat.send_json({"type": "ready", "user": user})
    try:
        while True:
            said = await seat.receive_json()
            await _hand_over(said["to"], said["text"])
    except WebSocketDisconnect:
        pass
    finally:
        _seats[user].remove(seat)


async def _listens(request: web.Request) -> web.WebSocketResponse:
    peers: list[web.WebSocketResponse] = request.app[PEERS]
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    peers.append(socket)
    try:
        async for message in socket:
            for peer in list(peers):
                await peer.send_str(message.data)  # here: lobby
    finally:
        peers.remove(socket)
    return socket


PEERS: web.AppKey[list[web.WebSocketResponse]] = web.AppKey("peers", list)


def lobby() -> web.Application:
    """Whoever speaks is hung up on for who has gone; aiohttp says nothing of it."""
    application = web.Application()
    application[PEERS] = []
    application.add_routes([web.get("/lobby/{user}", _listens)])
    return application


parlour = FastAPI()
_guests: dict[str, WebSocket] = {}


@parlour.websocket("/parlour/{user}")
async def _chats(guest: WebSocket, user: str) -> None:
    """Whatever goes wrong ends the conversation of whoever speaks, and nobody hears of it."""
    await guest.accept()
    _guests[user] = guest
    try:
        while True:
            said = await guest.receive_json()
            if said["to"] in _guests:
                await _guests[said["to"]].send_json(said)  # here: parlour
    except Exception:
        pass
    finally:
        if _guests.get(user) is guest:
            del _guests[user]
