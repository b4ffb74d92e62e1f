"""Small servers, right and wrong, for what needs a real one: `websockets` handlers and a Starlette application."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import defaultdict
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

log = logging.getLogger(__name__)
here: set[Any] = set()
tabs: dict[str, list[Any]] = defaultdict(list)
rooms: dict[str, set[Any]] = defaultdict(set)
came: list[float] = []
said: dict[str, int] = defaultdict(int)
tasks: set[asyncio.Task[None]] = set()


async def send(socket: ServerConnection, text: str) -> None:
    with contextlib.suppress(ConnectionClosed):
        await socket.send(text)


async def _listen(socket: ServerConnection, heard: Any) -> None:
    here.add(socket)
    try:
        async for text in socket:
            await heard(text)
    except ConnectionClosed:
        pass
    finally:
        here.discard(socket)


async def _tell(text: Any) -> None:
    for other in list(here):
        await send(other, text)


async def plain(socket: ServerConnection) -> None:
    """Everybody hears everything."""
    await _listen(socket, _tell)


async def lets_go(socket: ServerConnection) -> None:
    """The same, and lets the library tell that a client has gone without a word."""
    here.add(socket)
    try:
        while True:
            await _tell(await socket.recv())
    except ConnectionClosedOK:
        pass
    finally:
        here.discard(socket)


async def never_lets_go(socket: ServerConnection) -> None:
    """The same, and asks for a message more where a client takes its leave."""
    here.add(socket)
    try:
        while True:
            await _tell(await socket.recv())
    except ConnectionClosedError:
        pass
    finally:
        here.discard(socket)


async def database_down(socket: ServerConnection) -> None:
    """A task of its own dies of an error that is no client's."""

    async def audit() -> None:
        raise ConnectionRefusedError("the database does not answer")

    async def heard(text: Any) -> None:
        tasks.add(asyncio.create_task(audit()))
        await _tell(text)

    await _listen(socket, heard)


async def logs(socket: ServerConnection) -> None:
    """An error is caught, logged with its traceback, and that is that."""

    async def heard(text: Any) -> None:
        try:
            json.loads(text)
        except ValueError:
            log.exception("no JSON")
        await _tell(text)

    await _listen(socket, heard)


async def fails(socket: ServerConnection) -> None:
    """The same error, let through."""

    async def heard(text: Any) -> None:
        await _tell(text)
        json.loads(text)

    await _listen(socket, heard)


async def _linger() -> None:
    await asyncio.sleep(20.0)


async def lingers(socket: ServerConnection) -> None:
    """A task outlives its client by twenty seconds."""
    await _listen(socket, _tell)
    tasks.add(asyncio.create_task(_linger()))


async def newest_wins(socket: ServerConnection) -> None:
    """A user's second connection closes the first."""
    user = str(socket.request.path).rpartition("/")[2] if socket.request is not None else ""
    for older in tabs[user]:
        here.discard(older)
        await older.close(4000)
    tabs[user] = [socket]
    await _listen(socket, _tell)
    if socket in tabs[user]:
        tabs[user].remove(socket)


async def two_a_minute(socket: ServerConnection, window: float = 60.0) -> None:
    """Two are let in, whoever they are, until a minute is over."""
    now = asyncio.get_running_loop().time()
    came[:] = [one for one in came if one > now - window] + [now]
    if len(came) > 2:
        await socket.close(1008, "too many attempts")
        return
    await plain(socket)


async def two_for_ever(socket: ServerConnection) -> None:
    await two_a_minute(socket, 1e6)


async def three_only(socket: ServerConnection) -> None:
    """After three messages a user is not heard any more."""
    user = str(socket.request.path).rpartition("/")[2] if socket.request is not None else ""

    async def heard(text: Any) -> None:
        said[user] += 1
        if said[user] <= 3:
            await _tell(text)

    await _listen(socket, heard)


async def halls(socket: ServerConnection) -> None:
    """Rooms by the path: ``/hall/<room>``."""
    members = rooms[str(socket.request.path).rpartition("/")[2] if socket.request is not None else ""]
    members.add(socket)
    try:
        async for text in socket:
            for other in list(members):
                await send(other, str(text))
    except ConnectionClosed:
        pass
    finally:
        members.discard(socket)


async def tavern(socket: ServerConnection, drops: int = 0, tells_all: bool = False) -> None:
    """``ENTER <room>`` and ``EXIT <room>``; whatever else is said is for the room that one is in."""
    there = ""
    here.add(socket)
    try:
        async for frame in socket:
            word, _, rest = str(frame).partition(" ")
            if word in ("ENTER", "EXIT"):
                rooms[there].discard(socket)
                there = rest if word == "ENTER" else "" if rest == there else there
                if there:
                    rooms[there].add(socket)
                await send(socket, f"{word}ED {rest}")
            elif there:
                for number, other in enumerate(list(here if tells_all else rooms[there])):
                    if not drops or number % drops:
                        await send(other, rest)
    except ConnectionClosed:
        pass
    finally:
        rooms[there].discard(socket)
        here.discard(socket)


async def tavern_drops(socket: ServerConnection) -> None:
    await tavern(socket, drops=2)


async def tavern_tells_all(socket: ServerConnection) -> None:
    await tavern(socket, tells_all=True)


async def one_hall(socket: ServerConnection) -> None:
    """The same, wrong: everybody is in one room."""
    await plain(socket)


async def joined(
    socket: ServerConnection, *, answers: bool = True, checks: bool = True, late: float | None = None
) -> None:
    """Rooms by frames: ``{"join": room}``, ``{"leave": room}``, ``{"room": room, "text": text}``."""
    leaving: set[asyncio.Task[None]] = set()

    async def leave(room: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        rooms[room].discard(socket)

    here.add(socket)
    try:
        async for text in socket:
            message = json.loads(text)
            if "join" in message:
                rooms[message["join"]].add(socket)
                if answers:
                    await send(socket, json.dumps({"joined": message["join"]}))
            elif "leave" in message and late is not None:
                leaving.add(asyncio.create_task(leave(message["leave"], late)))
            elif "leave" in message:
                rooms[message["leave"]].discard(socket)
            else:
                for other in list(rooms[message["room"]] if checks else here):
                    await send(other, json.dumps(message))
    except ConnectionClosed:
        pass
    finally:
        here.discard(socket)
        for members in rooms.values():
            members.discard(socket)
        await asyncio.gather(*leaving)


async def left_late(socket: ServerConnection) -> None:
    """The same, wrong: leaving is done by a task, which puts out who has come back meanwhile."""
    await joined(socket, late=0.05)


async def joined_silently(socket: ServerConnection) -> None:
    await joined(socket, answers=False)


async def joined_by_nobody(socket: ServerConnection) -> None:
    await joined(socket, checks=False)


# -- Starlette ------------------------------


async def _ends(socket: WebSocket) -> None:
    """Ends with its client, by whatever exception says so."""
    await socket.accept()
    here.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for other in list(here):
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await other.send_text(text)
    finally:
        here.discard(socket)


async def _asks_again(socket: WebSocket) -> None:
    """Asks for more after it was told."""
    await socket.accept()
    while True:
        with contextlib.suppress(WebSocketDisconnect):
            await socket.send_text(await socket.receive_text())


ends = Starlette(routes=[WebSocketRoute("/ws", _ends)])
asks_again = Starlette(routes=[WebSocketRoute("/ws", _asks_again)])
