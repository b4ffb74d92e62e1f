"""Drives an application through its own protocol: clients outside the loop speak a wire over links.

A client knows what the server tells it and no more.  Where the wire has no answer to an operation, the operation counts
as done when everything has come to rest: until then its effects may be seen, and need not be.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..clients.link import Link
from ..core.departures import is_departure
from ..core.history import SETTLED, Detail
from ..core.program import Operation, Program
from ..core.stacks import waits_at
from ..targets.adapter import Target
from ..targets.serving import Service
from ..targets.traits import WireTraits
from ..targets.wire import Frame, Login, Outgoing, Reading, Wire
from ..world import Outer
from .base import Driver, Lane, TargetError, brief
from .manager import credentials

__all__ = ("WireDriver",)


class WireClient:
    """One simulated client: its link, its login, and the operation that waits for an answer."""

    def __init__(self, driver: WireDriver, number: int, lane: Lane, login: Login, wire: Wire) -> None:
        self.driver = driver
        self.login = login
        self.wire = wire
        self.lane = lane
        self.connecting: int | None = number
        self.leaving: int | None = None
        self.open = False
        self.gone = False
        self.hung_up = False
        self.link: Link
        self._last: tuple[Frame, Reading] | None = None

    # -- what the link tells ------------------------------

    def opened(self) -> None:
        self.open = True
        for frame in self.wire.login(self.login):
            self.link.send(frame)
        if not self.wire.waits_for_ready:
            self.driver.go_on(self)

    def refused(self, why: str) -> None:
        self.hung_up = True
        self.driver.record("closed", None, self.login.connection, why)
        self.driver.connected(self, "returned", False)

    def written(self, frame: Frame) -> bool:
        reading = self.wire.read(frame, self.login)
        self._last = frame, reading
        self._note("sent", reading)
        return reading.heartbeat

    def _note(self, kind: str, reading: Reading) -> None:
        record, name = self.driver.record, self.login.connection
        for event in reading.events:
            record(kind, int(event[1:].partition(".")[0]), name, event)
        if not reading.events and not reading.heartbeat:
            word = f"@{reading.recipient}" if reading.recipient is not None else f"<{reading.kind}>"
            record(kind, None, name, word)

    def received(self, frame: Frame) -> None:
        if self._last is not None and self._last[0] is frame:  # most are read the moment they are written
            reading = self._last[1]
        else:
            reading = self.wire.read(frame, self.login)
        driver = self.driver
        self._note("received", reading)
        if reading.answer is not None:
            self.link.send(reading.answer, heartbeat=reading.heartbeat)
        for following in reading.follow:
            self.link.send(following)
        if reading.done is not None:
            driver.done(reading.done)
        if reading.refused:
            driver.connected(self, "returned", False)
        elif reading.ready:
            driver.connected(self, "returned", reading.user)

    def closed(self, why: str) -> None:
        self.hung_up = True
        self.driver.record("closed", None, self.login.connection, why)
        if self.connecting is not None:
            self.driver.connected(self, "returned", False)

    def served(self) -> None:
        self.driver.served(self)


class _LogWatch(logging.Handler):
    """Servers log a handler's exception and go on; that is where nobody else handles it."""

    def __init__(self, loop: Outer) -> None:
        super().__init__(logging.ERROR)
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._loop.logged.append(error)


_NOWHERE = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for the life of the process


class WireDriver(Driver):
    """One execution of an application with a wire."""

    making = "starting it"

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(target, program, loop)
        assert isinstance(target.traits, WireTraits)
        self.wire = target.traits.wire
        self.clients: dict[str, WireClient] = {}
        self.service: Service
        self.started = False
        self.stop: asyncio.Future[None] | None = None
        self.ending: int | None = None
        self.emitting: dict[int, str] = {}
        """operations sent and not yet done, with the connection they were sent on"""
        loop.numbered = True

    @contextmanager
    def around(self) -> Iterator[None]:
        """Listen to what libraries log as an error; what applications print is not shown."""
        root, watch = logging.getLogger(), _LogWatch(self.loop)
        handlers, printed = root.handlers, sys.stdout
        root.handlers, sys.stdout = [watch], _NOWHERE
        try:
            yield
        finally:
            root.handlers, sys.stdout = handlers, printed

    def begin(self) -> None:
        task = asyncio.Task(self._serve(), loop=self.loop, context=self.context)
        self.loop.drivers.append(task)

    async def _serve(self) -> None:
        try:
            self.service = self.target.create()
            async with self.service:
                self.started = True
                self.stop = self.loop.create_future()
                self.enter_stage()
                await self.stop
        except BaseException as error:
            if not self.started:
                self.error = error
            elif self.ending is not None and not isinstance(error, asyncio.CancelledError):
                self.record("raised", self.ending, None, brief(error))
                self.ending = None
            else:
                raise
        else:
            self.record("returned", self.ending, None, None)
            self.ending = None

    def end(self) -> None:
        if self.error is None and not self.started and self.loop.trespass is None:
            raise TargetError(f"{self.target.name}: it never finished starting, with nothing left to wait for")
        super().end()
        for error in self.loop.logged:
            self.unhandled(error)

    def unhandled(self, error: object) -> None:
        if not (isinstance(error, BaseException) and is_departure(error)):
            super().unhandled(error)

    def when_idle(self) -> bool:
        if not self.started and self.loop.next_deadline() is None:
            return False
        return super().when_idle()

    # -- at rest ------------------------------

    def resume_stalled(self) -> bool:
        stalled = [client for client in self.clients.values() if client.link.stalled and not client.gone]
        for client in stalled:
            client.link.resume()
            self.record("resumed", None, client.login.connection, None)
        return bool(stalled)

    def settle(self) -> None:
        """Nothing more will come: a connection that is open is connected, what was sent has had its effect."""
        for client in self.clients.values():
            if client.connecting is not None and client.open and not self.wire.waits_for_ready:
                self.connected(client, "returned", SETTLED)
            if client.leaving is not None:
                self._left(client, SETTLED)
        for number, name in list(self.emitting.items()):
            emitter = self.clients[name]
            if not emitter.link.unread or emitter.gone:
                self._done(number, SETTLED)

    def unfinished(self) -> Iterator[tuple[int, str]]:
        for name, client in self.clients.items():
            if client.connecting is not None:
                yield client.connecting, self.place(name)
        for number, name in self.emitting.items():
            yield number, self.place(name)
        if self.ending is not None:
            yield self.ending, self.place(None)

    def place(self, name: str | None) -> str:
        """Where the code waits that serves a connection; any code of the target's, where there is none for it."""
        label = self.loop.labels
        tasks = [task for task in self.loop.tasks if not task.done()]
        own = [task for task in tasks if name is not None and label.get(task) == name]
        places = [waits_at(task) for task in own or tasks]
        return next((place for place in places if place), "")

    def observe(self) -> None:
        pass

    def leavers(self) -> list[str]:
        return [name for name, client in self.clients.items() if not client.gone and not client.link.over]

    def shut_down(self) -> bool:
        number = len(self.operations)
        self.operations.append(Operation("shut_down"))
        self.record("invoked", number, None, None)
        self.ending = number
        assert self.stop is not None
        self.stop.set_result(None)
        self.rested_at = self.loop.time()
        return True

    def left_behind(self) -> Iterator[tuple[str, str]]:
        for task in self.loop.tasks:
            place = waits_at(task, own=True) if not task.done() else ""
            if place:  # what libraries leave running is their own affair
                yield f"task {task.get_coro().__qualname__}", place  # type: ignore[union-attr]
        for name, client in self.clients.items():
            if not client.link.over:
                yield f"connection {name}", self.place(name)

    # -- how operations end ------------------------------

    def connected(self, client: WireClient, kind: str, detail: Detail) -> None:
        number, client.connecting = client.connecting, None
        if number is not None:
            name = client.login.connection
            self.record(kind, number, name, detail)
            self.up[name] = kind == "returned" and detail is not False
            self.go_on(client)

    def go_on(self, client: WireClient) -> None:
        """The client may do what comes next."""
        client.lane.running = None
        self.offer(client.lane)

    def done(self, event: str) -> None:
        """The server confirms that an event was emitted."""
        number = int(event[1:])
        if number in self.emitting:
            self._done(number, None)

    def _done(self, number: int, detail: Detail) -> None:
        name = self.emitting.pop(number)
        self.record("returned", number, name, detail)

    def served(self, client: WireClient) -> None:
        if client.leaving is not None and client.link.over:
            self._left(client, None)

    def _left(self, client: WireClient, detail: Detail) -> None:
        number, client.leaving = client.leaving, None
        assert number is not None
        self.record("returned", number, client.login.connection, detail)

    # -- operations ------------------------------

    def do_connect(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.connection is not None and op.user is not None
        name = op.connection
        if name in self.clients:
            self.skip(number)
            return
        token, identity = credentials(op)
        login = Login(name, op.user, token, identity)
        client = WireClient(self, number, lane, login, self.wire)
        client.link = self.service.connect(name, len(self.clients), client, op.pace)
        self.clients[name] = client
        self.up[name] = False
        lane.running = number
        self.record("invoked", number, name, None)
        client.link.open(self.wire.request(login))

    def _client(self, number: int, op: Operation) -> WireClient | None:
        """The operation's client where its connection is open; else the operation is skipped."""
        client = self.clients.get(op.connection or "")
        if client is None or client.gone or client.hung_up or not client.open:
            self.skip(number)
            return None
        return client

    def _say(self, number: int, op: Operation, speak: Any, marker: str) -> None:
        client = self._client(number, op)
        if client is not None:
            self.record("invoked", number, op.connection, None)
            self.emitting[number] = client.login.connection
            client.link.send(speak(Outgoing(marker, op.to, client.login)))

    def do_emit(self, number: int, op: Operation, lane: Lane) -> None:
        self._say(number, op, self.wire.emit, f"cw-e{number}")

    def do_broadcast(self, number: int, op: Operation, lane: Lane) -> None:
        self._say(number, op, self.wire.broadcast, f"cw-e{number}")

    def do_run_agent(self, number: int, op: Operation, lane: Lane) -> None:
        self._say(number, op, self.wire.run_agent, f"cw-e{number}")

    def do_log_out(self, number: int, op: Operation, lane: Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            self.record("invoked", number, op.connection, None)
            self.emitting[number] = client.login.connection
            self.up[client.login.connection] = False
            for frame in self.wire.log_out(client.login):
                client.link.send(frame)

    def _leave(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        if client is None or client.gone or client.hung_up:
            self.skip(number)
            return
        name = client.login.connection
        self.record("invoked", number, name, None)
        self.record("gone", number, name, op.kind)
        client.gone = True
        client.leaving = number
        self.up[name] = False
        if client.connecting is not None:  # one that is open may have been logged in long since: nobody would say
            known = self.wire.waits_for_ready or not client.open
            self.connected(client, "cancelled", None if known else SETTLED)
        if op.kind == "disconnect":
            client.link.close()
        elif op.kind == "abort":
            client.link.abort()
        else:
            client.link.misbehave(op.kind)

    do_disconnect = do_abort = do_garble = do_truncate = _leave

    def do_flood(self, number: int, op: Operation, lane: Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            client.link.misbehave(op.kind)

    def do_stall(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        if client is None or client.gone or client.hung_up or client.link.stalled == (op.kind == "stall"):
            self.skip(number)
        elif op.kind == "stall":
            client.link.stall()
            self.record("stalled", number, client.login.connection, None)
        else:
            client.link.resume()
            self.record("resumed", number, client.login.connection, None)

    do_unstall = do_stall
