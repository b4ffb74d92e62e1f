"""Plays programs to targets behind real servers on real sockets: what a finding is confirmed by.

An application called directly is put behind uvicorn.  A manager is put behind a server of `websockets`: its adapter is
handed that server's connections, wrapped in the few methods that its clients' websockets have.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from ..clients.link import Link
from ..clients.loopback import LoopbackLink
from ..core.handshake import Frame, Request
from ..core.history import Content, Farewell, Remains, RowKind
from ..core.jsons import read_json
from ..core.program import Operation, Program
from ..core.stacks import is_library, waits_at
from ..targets.adapter import Target
from ..targets.frames import in_payload
from ..targets.preparing import Prepared
from ..targets.real import RealService, real
from ..targets.serving import PORT, Surrounded
from ..targets.websocket import ClientDisconnectedError, FakeWebSocket
from ..world import Outer
from ..world.external import operation
from ..world.network import FIRST_CLIENT_PORT
from ..world.stock import StockLoop
from .base import Driver, Lane
from .evidence import Connections
from .manager import ManagerDriver
from .wire import WireDriver

__all__ = ("served_driver",)


def served_driver(target: Target, program: Program, loop: Outer) -> Driver:
    """Return the driver for one execution of a target behind a real server."""
    kind = ServedApplicationDriver if target.traits.by_wire else ServedManagerDriver
    return kind(target, program, loop)


# -- applications ------------------------------


class ServedApplicationDriver(WireDriver):
    """One execution of an application over real sockets."""

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(replace(target, create=lambda: real(target.create())), program, loop)

    def _heard(self) -> set[int]:
        """The ports of clients that the application has been told are gone."""
        service = self.service
        while isinstance(service, Surrounded | Prepared):
            service = service.service
        return cast(RealService, service).told

    def connections(self) -> Connections:
        told, known = self._heard(), super().connections()
        for name, client in self.clients.items():
            port = _port(client.link)
            known.numbers[port - FIRST_CLIENT_PORT] = name
            if port in told:
                known.told.add(name)
        return known

    def end(self) -> None:
        """A server that waits for its handlers for ever has not shut down: say what it waits for."""
        if any(row.kind == RowKind.STUCK and row.operation == self.ending for row in self.history):
            for remains in self.left_behind():
                self.record(RowKind.LEFT, None, None, remains)
        super().end()


def _port(link: Link) -> int:
    return link.end.address[1] if isinstance(link, LoopbackLink) else 0


# -- managers ------------------------------


class RealWebSocket(FakeWebSocket):
    """A connection of `websockets`, with a record of what is done with it.

    Of the websocket in memory it has the interface, and nothing else: every method is its own.
    """

    def __init__(self, name: str, number: int, driver: ServedManagerDriver, connection: ServerConnection) -> None:
        self.name = name
        self._hash = number + 1
        self._driver = driver
        self._connection = connection
        self._senders: deque[int | None] = deque()
        self.gone = False
        self.closed = False
        self.accepted = False

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<RealWebSocket {self.name}>"

    # -- what the target calls ------------------------------

    async def accept(self, *args: Any, **kwargs: Any) -> None:
        self.accepted = True  # a server of `websockets` has shaken hands before it hands a connection on

    async def send_json(self, data: Any, mode: str = "text") -> None:
        text = json.dumps(data)
        await self._send(text if mode == "text" else text.encode())

    async def send_text(self, data: str) -> None:
        await self._send(data)

    async def send_bytes(self, data: bytes) -> None:
        await self._send(data)

    async def send(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("type") == "websocket.send":  # as ASGI has it
            data = data.get("text") if data.get("text") is not None else data.get("bytes")
        await self._send(data if isinstance(data, str | bytes) else json.dumps(data))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        if self.closed:
            return
        self.closed = True
        if not self.gone:
            self._driver.record(RowKind.CLOSED, operation.get(), self.name, code)
        self._driver.links[self.name].released_after(len(self._senders))
        await self._connection.close(code, reason or "")

    async def _send(self, data: str | bytes) -> None:
        number = operation.get()
        sendable = self._connection.state is State.OPEN
        kind = RowKind.SENT if sendable else RowKind.REFUSED
        self._driver.record(kind, number, self.name, content(data, self._driver))
        if sendable:
            self._senders.append(number)
        try:
            await self._connection.send(data)
        except ConnectionClosed as error:
            raise ClientDisconnectedError(f"connection {self.name} is closed") from error

    # -- what the client does and hears ------------------------------

    def received(self, frame: Frame) -> None:
        """The client has read a frame; frames of a connection arrive in the order they were sent in."""
        number = self._senders.popleft() if self._senders else None
        if not self.gone:
            self._driver.record(RowKind.RECEIVED, number, self.name, content(frame, self._driver))

    @property
    def in_flight(self) -> bool:
        return bool(self._senders)

    @property
    def stalled(self) -> bool:
        return self._driver.links[self.name].stalled

    def stall(self) -> None:
        self._driver.links[self.name].stall()

    def resume(self) -> None:
        self._driver.links[self.name].resume()

    def leave(self, how: str = "abort") -> None:
        self.gone = True
        link = self._driver.links[self.name]
        if how == "disconnect":
            link.close()
        else:
            link.abort()


def content(frame: Frame, driver: Driver) -> Content:
    """What a frame says, as JSON where it is."""
    try:
        data = read_json(frame)
    except ValueError:
        data = frame
    return in_payload(data if isinstance(data, dict | list) else frame, driver.made)


class _Reader:
    """The client's own end: what it is told goes into the record."""

    def __init__(self, name: str, driver: ServedManagerDriver) -> None:
        self._name = name
        self._driver = driver

    def opened(self) -> None:
        self._driver.awaited -= 1
        self._driver.ready()

    def written(self, frame: Frame) -> bool:
        return False

    def received(self, frame: Frame) -> None:
        websocket = self._driver.websockets.get(self._name)
        if websocket is not None:
            websocket.received(frame)

    def unheard(self, frame: Frame) -> None:
        pass

    def refused(self, why: str) -> None:
        pass

    def closed(self, why: Farewell) -> None:
        pass

    def served(self) -> None:
        pass


class ServedManagerDriver(ManagerDriver):
    """One execution of a manager over real sockets.

    The clients have shaken hands before the program begins; a connect operation hands their connection to the adapter.
    That a client has gone is what the server notices by itself.
    """

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(target, program, loop)
        names = dict.fromkeys(op.connection for op in self.operations if op.kind == "connect" and op.connection)
        self.links: dict[str, LoopbackLink] = {
            name: LoopbackLink(name, _Reader(name, self), None, cast(StockLoop, loop), PORT, whole=True, prompt=True)
            for name in names
        }
        self.websockets: dict[str, RealWebSocket] = {}
        self.awaited = 2 * len(self.links)
        self._connections: dict[str, ServerConnection] = {}
        self._over: set[str] = set()
        self._departures: dict[str, tuple[int, Lane]] = {}

    def begin(self) -> None:
        self._all_there = self.loop.create_future()
        self.ready()
        self.loop.drivers.append(asyncio.Task(self._serve(), loop=self.loop, context=self.context))

    async def _serve(self) -> None:
        try:
            async with serve(self._handle, "127.0.0.1", PORT):
                for name, link in self.links.items():
                    link.open(Request(f"/{name}"))
                await self._all_there
                for link in self.links.values():
                    link.pace = "slow"  # what it reads, and when, is the schedule's affair from now on
                super().begin()
                await self.loop.create_future()
        except Exception as error:
            self.error = error

    def ready(self) -> None:
        """Go on once every client and its server have shaken hands."""
        if not self.awaited and not self._all_there.done():
            self._all_there.set_result(None)

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        name = connection.request.path[1:]
        self._connections[name] = connection
        self.awaited -= 1
        self.ready()
        await connection.wait_closed()
        self._over.add(name)
        self._departed(name)

    def left_behind(self) -> Iterator[Remains]:
        """Leave out the server's own tasks, and those that wait for its clients."""
        for task in self.loop.tasks:
            code = getattr(task.get_coro(), "cr_code", None)
            if not task.done() and (code is None or not is_library(code.co_filename)):
                yield self.remaining(task, waits_at(task), self.served_by(task))

    # -- operations ------------------------------

    def websocket(self, connection: str) -> FakeWebSocket:
        real = RealWebSocket(connection, len(self.clients), self, self._connections[connection])
        self.websockets[connection] = real
        return real

    def _leave(self, number: int, connection: str, how: str) -> None:
        self.record(RowKind.GONE, number, connection, how)
        self.websockets[connection].leave(how)

    def do_disconnect(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.connection is not None
        client = self.clients.get(op.connection)
        if client is None or client.websocket.gone or (lane.running is None and not self.up[op.connection]):
            self.skip(number)
            return
        self.record(RowKind.INVOKED, number, op.connection, None)
        self._leave(number, op.connection, op.kind)
        if lane.running is not None and not self.adapter.disconnect_overlaps:
            lane.noticed = number
            return
        lane.running = number if lane.running is None else lane.running
        self._departures[op.connection] = number, lane
        self._departed(op.connection)

    do_abort = do_disconnect

    def _departed(self, name: str) -> None:
        """The server has noticed that a client is gone: where it left by itself, tell the adapter."""
        if name in self._over and name in self._departures:
            number, lane = self._departures.pop(name)
            self._task(number, lane, self.adapter.disconnect, (self.clients[name],))
