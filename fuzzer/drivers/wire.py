"""Drives an application through its own protocol: clients outside the loop speak a wire over links.

A client knows what the server tells it and no more.  Where the wire has no answer to an operation, the operation counts
as done when everything has come to rest: until then its effects may be seen, and need not be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..clients.asgi import AsgiLink
from ..core.history import Outcome, Remains, RowKind
from ..core.http import HttpAnswer
from ..core.program import Operation, Program
from ..core.stacks import Listening, Place, coroutine, unwrapped, waits_at
from ..targets.adapter import Target
from ..targets.login import Http
from ..targets.serving import Service
from ..targets.traits import WireTraits
from ..world import Outer
from .base import Driver, Lane
from .client import WireClient
from .evidence import Connections, failure
from .logs import LogWatch, watched_logs
from .retained import Root
from .speaking import Speaking

__all__ = ("WireDriver",)

PATIENCE = 120.0
"""Seconds for which servers wait for clients to leave before they end all the same; the usual ones wait for 60."""


def _code(task: Any) -> object:
    return getattr(coroutine(task), "cr_code", None)


class WireDriver(Driver, Speaking):
    """One execution of an application with a wire."""

    making = "starting it"

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(target, program, loop)
        assert isinstance(target.traits, WireTraits)
        self.wire = target.traits.wire
        self.clients: dict[str, WireClient] = {}
        self.service: Service
        self.logs = LogWatch(self.remarks)
        self.stop: Any = None
        self.ending: int | None = None
        self.emitting: dict[int, str] = {}
        """operations sent and not yet done, with the connection they were sent on"""
        self.asking: dict[int, str] = {}
        """operations that wait for an answer over HTTP, with their client's connection"""
        self.waiting: list[tuple[int, Lane]] = []
        """what clients want to say once they are in a room, each with its lane"""
        self.requests = 0
        if self.wire.before is not None:
            self.two_days = None  # who logged in over HTTP may stay logged in when the socket is closed
        loop.numbered = True

    @contextmanager
    def around(self) -> Iterator[None]:
        with watched_logs(self.logs), super().around():
            yield

    def begin(self) -> None:
        self.loop.drive(self.context, self._serve)

    async def _serve(self) -> None:
        try:
            self.service = self.target.create()
            async with self.service:
                self.started = True
                self.stop = self.loop.create_future()
                self.enter_stage()
                await self.stop
        except BaseException as error:
            if not self.loop.is_running():  # the execution is over
                raise
            if not self.started:
                self.error = unwrapped(error)
            elif self.ending is not None and not isinstance(error, self.loop.cancelled):
                self.record(RowKind.RAISED, self.ending, None, failure(error))
                self.ending = None
            elif isinstance(error, self.loop.cancelled):
                raise
            else:  # the server has failed, and serves nobody any more
                self.record(RowKind.UNHANDLED, None, None, failure(error))
        else:
            self.record(RowKind.RETURNED, self.ending, None, None)
            self.ending = None

    def misread(self, what: str, error: Exception) -> None:
        if self.error is None:
            self.error, self.making = error, what

    def roots(self) -> list[Root]:
        return list(self.target.state.roots)

    def connections(self) -> Connections:
        known = Connections()
        for client in self.clients.values():
            known.add(client.link)
        return known

    def uncaught(self) -> Iterator[tuple[BaseException, str | None]]:
        heard, self.logs.heard = self.logs.heard, []
        yield from heard

    # -- at rest ------------------------------

    def resume_stalled(self) -> bool:
        stalled = [client for client in self.clients.values() if client.link.stalled and not client.gone]
        for client in stalled:
            client.link.resume()
            self.record(RowKind.RESUMED, None, client.login.connection, None)
        if stalled or not self.waiting:
            return bool(stalled)
        waiting, self.waiting = self.waiting, []
        for number, lane in waiting:  # nobody will put them into one
            self.skip(number)
            lane.running = None
            self.offer(lane)
        return True

    def wait_for_room(self, number: int, lane: Lane) -> None:
        lane.running = number
        self.waiting.append((number, lane))

    def placed(self, client: WireClient, room: str) -> None:
        super().placed(client, room)
        ready = [one for one in self.waiting if self.operations[one[0]].connection == client.login.connection]
        self.waiting = [one for one in self.waiting if one not in ready]
        for number, lane in ready:
            lane.running = None
            op = self.operations[number]
            getattr(self, f"do_{op.kind}")(number, op, lane)
            self.offer(lane)

    def settle(self) -> None:
        """Nothing more will come: a connection that is open is connected, what was sent has had its effect."""
        for client in self.clients.values():
            if client.connecting is not None and client.open and self.unanswered(client):
                self.connected(client, RowKind.RETURNED, Outcome.INDETERMINATE)
            if client.leaving is not None:
                self.has_left(client, Outcome.INDETERMINATE)
            client.unclear = False
        for number, name in list(self.emitting.items()):
            emitter = self.clients[name]
            if not emitter.link.unread or emitter.gone:
                doubtful = self.awaits(number) and not self.makes_event(number)
                kind = RowKind.CANCELLED if doubtful else RowKind.RETURNED
                self.ended(number, Outcome.INDETERMINATE, kind)

    def under_way(self) -> bool:
        return self.ending is not None or any(
            client.connecting is not None and not self.unanswered(client) for client in self.clients.values()
        )

    def unfinished(self) -> Iterator[tuple[int, Place]]:
        for name, client in self.clients.items():
            if client.connecting is not None:
                yield client.connecting, self._waits(name)
        for number, name in (*self.emitting.items(), *self.asking.items()):
            yield number, self._waits(name)
        if self.ending is not None:
            yield self.ending, self.place(None)

    def place(self, name: str | None) -> Place:
        """Where the code waits that serves a connection; any code of the target's, where there is none for it."""
        places = map(waits_at, self._serving(name) or self.loop.targets())
        return next((place for place in places if place), Place())

    def _waits(self, name: str) -> Place:
        """The same, and whether it is for its client's next word that it waits."""
        place, known = self.place(name), self.connections()
        listens = any(known.listens(task, name) for task in self._serving(name))
        return Listening(place.function, place.file, place.line) if listens else place

    def _serving(self, name: str | None) -> list[Any]:
        """The tasks that serve a connection."""
        return [task for task in self.loop.targets() if name is not None and self.loop.served_in(task) == name]

    def observe(self) -> None:
        for name, client in self.clients.items():
            if client.online is not None and not client.gone and not client.hung_up:
                self.record(RowKind.ACTIVE, None, name, client.online)

    def leavers(self) -> list[str]:
        return [name for name, client in self.clients.items() if not client.gone and not client.link.over]

    def shut_down(self) -> bool:
        if not self.stopped:
            self.operations.append(Operation("shut_down"))
            self._stop(len(self.operations) - 1)
        self.rested_at = self.loop.time()
        return True

    @property
    def stopped(self) -> bool:
        """The server has been told to end."""
        return self.stop is not None and self.stop.done()

    def _stop(self, number: int) -> None:
        self.record(RowKind.INVOKED, number, None, None)
        self.ending = number
        assert self.stop is not None
        self.stop.set_result(None)

    def horizon(self) -> float:
        """The same; a server that ends while clients are there may give them some time to leave."""
        return super().horizon() + (PATIENCE if self.ending is not None else 0.0)

    def served_by(self, task: Any) -> str | None:
        """The client; none of a task that is the only one of its kind, which the first to come may have set going.

        What an application begins once, on whatever occasion, is its own: the program's end cancels it.
        """
        code = _code(task)
        alone = code is not None and sum(_code(other) is code for other in self.loop.tasks) == 1
        return None if alone else self.loop.served_in(task)

    def left_behind(self) -> Iterator[Remains]:
        told = {client.link.task for client in self.clients.values() if isinstance(client.link, AsgiLink)}
        for task in self.loop.left():
            place = waits_at(task, own=True) if task not in told else Place()
            if place:  # what libraries leave running is their own affair
                yield self.remaining(task, place, self.served_by(task))
        for name, client in self.clients.items():
            if not client.link.over:
                yield Remains(f"connection {name}", self.place(name), "connection", False, name)

    # -- operations ------------------------------

    def do_connect(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.connection is not None
        if op.connection in self.clients or self.stopped:
            self.skip(number)
        else:
            connect = partial(self.service.connect, op.connection, len(self.clients))
            self.come(number, op, lane, lambda client: partial(connect, client, op.pace))

    def ask(self, client: WireClient, http: Http, said: Mapping[str, Any], heard: Callable[[HttpAnswer], None]) -> None:
        self.requests += 1
        self.service.ask(client.login.connection, self.requests, http.request(said, client.cookies), heard)

    def do_shut_down(self, number: int, op: Operation, lane: Lane) -> None:
        coming = any(client.connecting is not None and not client.open for client in self.clients.values())
        if self.stopped or coming:  # what a library does with a handshake then is not the application's affair
            self.skip(number)
        else:
            there = {name for name, client in self.clients.items() if not client.link.over}
            self.left |= there  # it hangs up on all: an exception that says so says nothing new
            self.parted -= there  # nor has it had the leave that any of them took
            self._stop(number)
