"""What is under way over a wire's connections: what was said, and what the server answers to it.

What a client says is in flight until the server confirms it, or until whoever drives the clients counts it as done.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.handshake import Sent
from ..core.history import Detail, EventId, Outcome, Row, RowKind
from ..core.http import HttpAnswer
from ..core.program import CRITICAL_EVENTS, EMITS, Operation
from ..targets.adapter import Target
from ..targets.login import Http
from ..targets.wire import Wire
from .base import Lane
from .client import WireClient
from .remarks import Remarks

__all__ = ("Saying",)


TURNED_DOWN: tuple[Detail, RowKind] = False, RowKind.RETURNED
UNCLEAR: tuple[Detail, RowKind] = Outcome.INDETERMINATE, RowKind.CANCELLED
"""How something ends that a server may have turned down: nobody can say whether it did."""


class Saying:
    """What operations say over a wire, as far as it is under way."""

    base = 0
    """What markers begin to count from, so that they differ from those of another history of the same server."""
    target: Target
    wire: Wire
    operations: list[Operation]
    history: list[Row]
    frames: list[Sent]
    remarks: Remarks
    clients: dict[str, WireClient]
    made: dict[str, EventId]
    up: dict[str, bool]
    malformed: set[str]
    """connections whose clients have sent a message that means nothing"""
    parted: set[str]
    """connections whose clients were logged in, and took their leave properly"""
    emitting: dict[int, str]
    """operations sent and not yet done, with the connection they were sent on"""
    asking: dict[int, str]
    """operations that wait for an answer over HTTP, with their client's connection"""

    @abstractmethod
    def record(self, kind: RowKind, number: int | None, connection: str | None, detail: Detail) -> None: ...

    @abstractmethod
    def skip(self, number: int) -> None:
        """The operation's connection is not there: nothing to do."""

    @abstractmethod
    def offer(self, lane: Lane) -> None:
        """Make the lane's next operation pending, where it may start."""

    @abstractmethod
    def ask(self, client: WireClient, http: Http, said: Mapping[str, Any], heard: Callable[[HttpAnswer], None]) -> None:
        """Send a client's request over HTTP, over a connection of its own."""

    @property
    @abstractmethod
    def stopped(self) -> bool:
        """The server has been told to end."""

    @abstractmethod
    def later(self, seconds: float, act: Callable[..., object], *arguments: object) -> None:
        """Have something done after so many seconds."""

    @abstractmethod
    def misread(self, what: str, error: Exception) -> None:
        """The wire cannot read a frame, and raises this: its author's affair."""

    def wait_for_room(self, number: int, lane: Lane) -> None:
        """The client is in no room that it could speak in: nothing to do, unless a driver can wait for one."""
        self.skip(number)

    # -- what is said ------------------------------

    def event(self, number: int, op: Operation) -> str:
        """The marker of an operation's event, known by its id from now on."""
        text = str(EventId(self.base + number))
        self.made[text] = EventId(number)
        if op.kind == "run_agent":
            for step in CRITICAL_EVENTS:
                self.made[str(EventId(self.base + number, step))] = EventId(number, step)
        return f"cw-{text}"

    def done(self, text: str) -> None:
        """The server confirms that an event was emitted."""
        event = self.made.get(text)
        if event is not None and event.number in self.emitting:
            self.ended(event.number, None)

    def joined(self, client: WireClient, room: str) -> None:
        """The server confirms that a room was joined; without a name, the one that was asked for first."""
        self._answered(client, lambda op: op.kind == "join" and room in ("", op.room))

    def placed(self, client: WireClient, room: str) -> None:
        """The server says that it has put the client into a room: that is what was asked for, where anything was."""
        client.rooms.pop(room, None)
        client.rooms[room] = None
        self.record(RowKind.PLACED, None, client.login.connection, room)
        if self.wire.chooses_rooms:
            self._answered(client, lambda op: op.kind == "join")

    def removed(self, client: WireClient, room: str) -> None:
        """The server says that it has taken the client out of a room, or out of all that it is in."""
        for gone in [room] if room else list(client.rooms):
            client.rooms.pop(gone, None)
        self.record(RowKind.REMOVED, None, client.login.connection, room)

    def logged_out(self, client: WireClient) -> None:
        """The server confirms that the client is logged out: the log-out that was asked for first is done."""
        self._answered(client, lambda op: op.kind == "log_out")

    def acted(self, client: WireClient, name: str, user: str | None) -> None:
        """The server confirms that an action is done: the one of that name that was asked for first."""
        self._answered(client, lambda op: op.kind == "act" and op.name == name, user)

    def _answered(self, client: WireClient, asked: Callable[[Operation], bool], detail: Detail = None) -> None:
        """The first operation of a client's that this answers has ended."""
        number = next((number for number in self._under_way(client) if asked(self.operations[number])), None)
        if number is not None:
            self.ended(number, detail)

    def _under_way(self, client: WireClient) -> list[int]:
        """The operations that a client has sent and that are not done, in order."""
        return [number for number, name in self.emitting.items() if name == client.login.connection]

    def awaits(self, number: int) -> bool:
        """Whether the server was to say when an operation is done."""
        op = self.operations[number]
        if op.kind == "act":
            action = self.wire.actions.get(op.name or "")
            return action is not None and action.answer is not None
        confirms_joins = self.wire.confirms_joins or self.wire.chooses_rooms
        return (op.kind == "join" and confirms_joins) or (op.kind == "log_out" and self.wire.confirms_log_out)

    def makes_event(self, number: int) -> bool:
        """Whether an action carries an event, which is owed to whom it is for, whether that is confirmed or not."""
        op = self.operations[number]
        action = self.wire.actions.get(op.name or "") if op.kind == "act" else None
        return action is not None and action.audience is not None

    def rejected(self, client: WireClient, quoted: Sequence[str]) -> None:
        """The server turns down what it quotes, or the one thing under way; of several, nobody knows which."""
        mine = self._under_way(client)
        named = {self.made[text].number for text in quoted if text in self.made}
        clear = named or (len(mine) == 1 and client.connecting is None and not client.unclear)
        for number in mine:
            if self.operations[number].kind in (*EMITS, "act") and (not named or number in named):
                self.ended(number, *(TURNED_DOWN if clear else UNCLEAR))
        client.unclear = client.unclear or not clear

    def ended(self, number: int, detail: Detail, kind: RowKind = RowKind.RETURNED) -> None:
        name = self.emitting.pop(number)
        self.record(kind, number, name, detail)
