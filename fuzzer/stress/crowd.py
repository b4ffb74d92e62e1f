"""The clients of one round on real sockets, and what they see: a program and a history of its own.

Operations are numbered as they start, and rows are written in the order in which this one process sees things: an
operation is invoked before its first byte goes out, and a frame is received after its last byte has come in.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from ..clients.link import Link
from ..core.errors import UsageError
from ..core.handshake import Sent
from ..core.history import Content, Detail, EventId, Farewell, Outcome, Refusal, Row, RowKind
from ..core.http import HttpAnswer
from ..core.program import AT_ONCE, Operation
from ..drivers import Remarks
from ..drivers.base import Lane
from ..drivers.client import WireClient
from ..drivers.evidence import brief
from ..drivers.speaking import Speaking
from ..targets.adapter import Target
from ..targets.login import Http
from ..targets.traits import WireTraits
from .asking import Asking
from .figures import Figures
from .hub import Hub
from .link import Address, SocketLink

__all__ = ("Crowd", "Track")

NARROW = 0.25
"""Share of the clients with small receive buffers."""

BACK, LONGEST_AWAY = 0.1, 3.0
"""Seconds after which a client that was dropped comes back: twice as many each time, and how many at most."""

UNCONFIRMED = frozenset({"leave", "log_out", "expire"})
"""Operations that nobody confirms: from outside it is never known that they have had their effect."""


Task = tuple[float, int, Callable[[], object]]
"""When, the how manieth, and what."""


class Track(Lane):
    """The operations that are still to be done on one lane, and the one under way."""

    __slots__ = ("operations", "stays", "waiting")

    def __init__(self, operations: tuple[Operation, ...] = (), *, stays: bool = False) -> None:
        super().__init__(())
        self.operations = deque(operations)
        self.waiting = False
        self.stays = stays
        """Its client comes back when it is dropped."""


class Crowd(Speaking):
    """Everybody who is connected, was, or is about to be."""

    stopped = False

    def __init__(
        self, target: Target, hub: Hub, address: Address, started: float, base: int, names: int, random: Random
    ) -> None:
        assert isinstance(target.traits, WireTraits)
        self.target, self.wire, self.hub, self.address, self.random = target, target.traits.wire, hub, address, random
        self.started, self.base = started, base
        self.pages: list[tuple[float, Figures]] = []
        """when, and what was measured from then on until the next"""
        self.turn_page()
        self.operations: list[Operation] = []
        self.history: list[Row] = []
        self.remarks = Remarks()
        self.frames: list[Sent] = []
        self.clients: dict[str, WireClient] = {}
        self.made: dict[str, EventId] = {}
        self.up: dict[str, bool] = {}
        self.malformed: set[str] = set()
        self.parted: set[str] = set()
        self.emitting: dict[int, str] = {}
        self.asking: dict[int, str] = {}
        self._methods: dict[str, Callable[[int, Operation, Lane], None]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }
        self.names = names
        """How many connections there have been."""
        self.intended: dict[int, float] = {}
        """operation -> when it was to be said"""
        self.resumed: dict[str, float] = {}
        """connection -> when it began to read again, or went into a room, whose history it may be shown"""
        self.known: set[str] = set()
        """users who were let in"""
        self.setbacks: dict[str, int] = {}
        """user -> how often in a row a client of that user was turned away or dropped"""
        self.heard = 0.0
        """when an event was received last"""
        self.quiet = False
        """Nobody begins anything any more."""
        self.ending = False
        self._requests: list[Asking] = []
        self._later: list[Task] = []
        self._order = 0

    def misread(self, what: str, error: Exception) -> None:
        raise UsageError(f"{what} failed: {brief(error)}") from error

    # -- what is written down ------------------------------

    def turn_page(self) -> None:
        """Begin to measure anew; what was measured is kept apart."""
        self.figures = Figures()
        self.pages.append((time.perf_counter(), self.figures))

    @property
    def lag(self) -> float:
        """By how much the clients were late at most, in seconds."""
        return max(figures.lag for _, figures in self.pages)

    def record(self, kind: RowKind, number: int | None, connection: str | None, detail: Detail) -> None:
        now = time.perf_counter()
        if kind is RowKind.RECEIVED:
            assert isinstance(detail, Content)
            self.figures.frames += 1
            if detail.mentions:
                self._arrived(now, connection or "", detail)
            elif detail.recipient is None:
                return
        elif kind is not RowKind.INVOKED:  # these two are nearly all
            self._count(kind, now, connection or "", detail)
        self.history.append(Row(now - self.started, kind, number, connection, detail))

    def _count(self, kind: RowKind, now: float, connection: str, detail: Detail) -> None:
        if kind is RowKind.CLOSED:
            client = self.clients[connection]
            if client.login.identity == client.login.user:  # who shows a bad token had better be turned away
                self.figures.errors[_kind_of(detail)] += 1
            self._comes_back(client)
        elif kind is RowKind.GONE:
            self.figures.left += 1
        elif kind is RowKind.RESUMED:
            self.resumed[connection] = now

    def _arrived(self, now: float, connection: str, content: Content) -> None:
        self.heard = now
        self.figures.heard += len(content.mentions)
        link = self.clients[connection].link
        if content.retells or link.stalled:
            return
        opened = link.opened_at if isinstance(link, SocketLink) else 0.0
        since = max(self.resumed.get(connection, 0.0), opened)
        for mention in content.mentions:
            due = self.intended.get(mention.event.number)
            if due is not None and due > since:
                self.figures.delivery.record(now - due)

    def begins(self, op: Operation, due: float | None = None) -> int:
        """Number an operation that begins now; an event of it is measured from when it was to be said."""
        self.operations.append(op)
        number = len(self.operations) - 1
        if due is not None:
            self.intended[number] = due
        return number

    def event(self, number: int, op: Operation) -> str:
        self.figures.said += 1
        return super().event(number, op)

    def do_join(self, number: int, op: Operation, lane: Lane) -> None:
        self.resumed[op.connection or ""] = time.perf_counter()
        super().do_join(number, op, lane)

    # -- lanes ------------------------------

    def skip(self, number: int) -> None:
        self.record(RowKind.SKIPPED, number, self.operations[number].connection, None)

    def offer(self, lane: Lane) -> None:
        assert isinstance(lane, Track)
        if lane.operations and not lane.waiting and (lane.running is None or lane.operations[0].kind in AT_ONCE):
            lane.waiting = True
            self.later(0.0, self._next, lane)

    def _next(self, lane: Track) -> None:
        lane.waiting = False
        if lane.operations and not self.ending:
            self.do(lane.operations.popleft(), lane)
            self.offer(lane)

    def do(self, op: Operation, lane: Lane, due: float | None = None) -> int:
        """Begin an operation; gives its number."""
        number = self.begins(op, time.perf_counter() if due is None else due)
        self._methods[op.kind](number, op, lane)
        return number

    def later(self, seconds: float, act: Callable[..., object], *arguments: object) -> None:
        self._order += 1
        due: tuple[float, int, Callable[[], object]] = (
            time.perf_counter() + seconds,
            self._order,
            partial(act, *arguments),
        )
        heapq.heappush(self._later, due)

    def turn(self) -> float:
        """Do what is due; gives when something is due next."""
        while self._later and self._later[0][0] <= time.perf_counter():
            heapq.heappop(self._later)[2]()
        return self._later[0][0] if self._later else float("inf")

    # -- connections ------------------------------

    def name(self) -> str:
        """A name for a new connection."""
        self.names += 1
        return f"c{self.names - 1}"

    def do_connect(self, number: int, op: Operation, lane: Lane) -> None:
        narrow = op.pace == "slow" or self.random.random() < NARROW

        def make(client: WireClient) -> Callable[[], Link]:
            name, user = client.login.connection, client.login.user
            told = partial(self._opened, user), partial(self._failed, client)
            return partial(SocketLink, name, client, op.pace, self.hub, self.address, *told, narrow=narrow)

        self.come(number, op, lane, make)

    def _opened(self, user: str, took: float) -> None:
        self.setbacks.pop(user, None)
        self.figures.connects += 1
        self.figures.connecting.record(took)

    def _failed(self, client: WireClient, why: str) -> None:
        """There is no connection, and nobody can say whose fault it is."""
        self.figures.errors[f"no connection: {why}"] += 1
        client.hung_up = True
        self.connected(client, RowKind.CANCELLED, None)
        self._comes_back(client)

    def _comes_back(self, client: WireClient) -> None:
        lane = client.lane
        if isinstance(lane, Track) and lane.stays and not self.quiet and not client.gone:
            user = client.login.user
            times = self.setbacks[user] = self.setbacks.get(user, 0) + 1
            self.later(min(BACK * 2**times, LONGEST_AWAY), self.arrive, user)

    def arrive(self, user: str) -> None:
        """A client of a user comes, and stays."""
        if not self.quiet:
            room = self.random.choice(self.wire.room_names) if self.wire.rooms_at_connect else None
            op = Operation("connect", self.name(), user, token="valid", room=room)
            joins = self.wire.offers("join") and not self.wire.rooms_at_connect
            entered = (Operation("join", op.connection, room=self.random.choice(self.wire.room_names)),)
            self.do(op, Track(entered if joins else (), stays=True))

    def ask(self, client: WireClient, http: Http, said: Mapping[str, Any], heard: Callable[[HttpAnswer], None]) -> None:
        asked = http.request(said, client.cookies)
        self._requests.append(Asking(self.hub, self.address, asked, heard, self._unanswered))

    def _unanswered(self, why: str) -> None:
        self.figures.errors[f"no answer to a request: {why}"] += 1

    def logged_in(self, client: WireClient, connect: Callable[[], Link], answer: HttpAnswer) -> None:
        if answer.status:
            super().logged_in(client, connect, answer)
        elif not client.gone:
            self._failed(client, "no answer to the login")

    def answered(self, number: int, lane: Lane, heard: Callable[[HttpAnswer], Detail], answer: HttpAnswer) -> None:
        if answer.status:
            super().answered(number, lane, heard, answer)
        else:
            self.record(RowKind.CANCELLED, number, self.asking.pop(number), None)
            lane.running = None
            self.offer(lane)

    # -- what clients tell ------------------------------

    def connected(self, client: WireClient, kind: RowKind, detail: Detail) -> None:
        good = kind == RowKind.RETURNED and detail is not False and client.login.identity == client.login.user
        if good and client.connecting is not None:
            self.known.add(client.login.user)
        super().connected(client, kind, detail)

    # -- the end ------------------------------

    def open_links(self) -> list[tuple[WireClient, SocketLink]]:
        """The clients that are there, with their links."""
        return [
            (client, client.link)
            for client in self.clients.values()
            if isinstance(client.link, SocketLink) and client.link.state == "open" and not client.gone
        ]

    def look_after(self, now: float) -> None:
        """Give up what takes too long."""
        for client in self.clients.values():
            if isinstance(client.link, SocketLink):
                client.link.late(now)
        self._requests = [asking for asking in self._requests if not asking.late(now)]

    def at_rest(self, calm: bool) -> list[Row]:
        """Return the rows that end a history: what nobody answers counts as done, where all has come to rest."""
        now = time.perf_counter() - self.started
        rows = []
        for client in self.clients.values():
            name, login = client.login.connection, client.login
            if client.connecting is not None and client.open and self.unanswered(client) and not client.gone:
                good = login.identity == login.user
                kind = RowKind.RETURNED if good else RowKind.CANCELLED
                rows.append(Row(now, kind, client.connecting, name, Outcome.INDETERMINATE))
            if client.leaving is not None:
                rows.append(Row(now, RowKind.RETURNED, client.leaving, name, Outcome.INDETERMINATE))
        for number, name in self.emitting.items():
            emitter = self.clients[name]
            if not emitter.link.unread or emitter.gone:
                known = not self.awaits(number) and self.operations[number].kind not in UNCONFIRMED
                kind = RowKind.RETURNED if known else RowKind.CANCELLED
                rows.append(Row(now, kind, number, name, Outcome.INDETERMINATE))
        if calm:  # a server that never came to rest owes nothing yet
            rows.append(Row(now, RowKind.REST, None, None, None))
        return rows

    def resting(self) -> None:
        """Begin nothing more, and have everybody read."""
        self._later.clear()
        self.quiet = True
        for client in self.clients.values():
            if isinstance(client.lane, Track):
                client.lane.operations.clear()
        for client, link in self.open_links():
            if link.stalled:
                link.resume()
                self.record(RowKind.RESUMED, None, client.login.connection, None)

    def shut(self) -> None:
        """Close every connection."""
        self.ending = True
        for client in self.clients.values():
            if isinstance(client.link, SocketLink):
                client.link.shut()
        for asking in self._requests:
            asking.end("the round is over")


def _kind_of(detail: Detail) -> str:
    """A server's word in few: kinds of errors are counted, and what each one says is in the history."""
    if isinstance(detail, Refusal):
        return f"HTTP {detail.status}"
    if isinstance(detail, Farewell) and detail.code is not None:
        return f"closed with {detail.code}"
    return "closed without a close frame" if isinstance(detail, Farewell) else "refused"
