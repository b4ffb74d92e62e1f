"""What a history is about: operations as they went, connections with their intervals, events with their deliveries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ...fuzzer.core.history import Detail, EventId, Failure, Mention, Outcome, RowKind, text_of
from ...fuzzer.core.program import CRITICAL_EVENTS, Operation
from .spans import NEVER, Span

__all__ = ("Connection", "Delivery", "Event", "Invocation")


@dataclass(slots=True)
class Invocation:
    """One operation as it went; ``finished`` is the kind of row that ended it, None while none has."""

    number: int
    op: Operation
    began: int
    began_at: float
    ended: int = NEVER
    ended_at: float = 0.0
    finished: RowKind | None = None
    detail: Detail = None
    cancelled: bool = False
    by_request: bool = False
    """It went by a request of its own over HTTP, and not over its client's connection."""
    wherever: bool = False
    """It joins or leaves a room that the server chooses."""
    hung_up: bool = False
    """It is a login that closed its own connection: whatever it returned, nobody was let in."""

    @property
    def indeterminate(self) -> bool:
        """Nobody answered: when it ended is not known, only that it has by the time everything rests."""
        return self.detail is Outcome.INDETERMINATE

    @property
    def cut_off(self) -> bool:
        """It was cancelled, by the program or with somebody else's: how far it had come is not known."""
        ended = isinstance(self.detail, Failure) and self.detail.error == "CancelledError"
        return self.finished == RowKind.CANCELLED or ended

    @property
    def went_well(self) -> bool:
        return self.finished == RowKind.RETURNED and self.detail is not False and not self.hung_up

    @property
    def said_no(self) -> bool:
        """It returned False."""
        return self.detail is False

    @property
    def how(self) -> str:
        """How it reported, without line numbers, which change with every edit of the target."""
        if isinstance(self.detail, Failure):
            error, place = self.detail.error, self.detail.place.function
            return f"it raised {error} in {place}" if place else f"it raised {error}"
        if self.indeterminate:
            return "nobody answered"
        if self.hung_up:
            return "it hung up"
        return "it reported failure" if self.detail is False else "it reported success"

    def __str__(self) -> str:
        return f"operation {self.number} ({self.op})"


GIVEN_UP = ", given up and left open"
"""In a circumstance: the client had once not read for longer than the policy's delay."""


def same_user(names: Iterable[str | None], others: Iterable[str | None]) -> bool:
    """Whether two may be one user's, of whom it is known by which names they go."""
    return not {name for name in names if name is not None}.isdisjoint(others)


@dataclass(slots=True)
class Connection:
    """One connection under one login: who it is, when it was logged in, when it did not read, which rooms it was in.

    Where a client logs in again, the connection is another one from then on, with the same name and socket.
    """

    name: str
    user: str
    identity: str | None
    asked: int
    came_at: float = 0.0
    heard_at: float = 0.0
    """When there was traffic last: what the client did, and where a manager is called directly what it was sent."""
    login: Span = field(default_factory=Span)
    failed: int = NEVER
    unconfirmed: bool = False
    """The server never says that a login is done; that it was is known at rest only."""
    closed: int = NEVER
    gone: int = NEVER
    ended_by: str = ""
    ends: list[tuple[int, str]] = field(default_factory=list)
    stalls: list[tuple[int, int, bool]] = field(default_factory=list)
    """(from row, to row, whether everything else had come to rest before it read again)"""
    lapses: list[tuple[int, int]] = field(default_factory=list)
    """(from row, to row): a frame lay unread, or it did not read at all, for longer than the policy's delay"""
    waited: tuple[int, float, float] | None = None
    """What it read last, or began to read again, was sent at this row and time, and read at this time."""
    rooms: dict[str, list[Span]] = field(default_factory=dict)
    moves: list[tuple[int, str, bool]] = field(default_factory=list)
    """(row, room, whether it asked to join it and not to leave it)"""
    in_flight: deque[tuple[int, float, list[Delivery]]] = field(default_factory=deque)
    stalled_since: tuple[int, float] | None = None
    before: Connection | None = None
    """The same connection under the login before this one, where it has logged in again."""

    @property
    def names(self) -> tuple[str | None, ...]:
        """Whom it may be taken for: who asked, whose token it showed, and the same of its logins before."""
        own = (self.user, self.identity)
        return own if self.before is None else (*own, *self.before.names)

    def shares_user(self, other: Connection) -> bool:
        """Whether a server may take both for one user's."""
        return same_user(self.names, other.names)

    @property
    def genuine(self) -> bool:
        """It showed its own, good token."""
        return self.identity == self.user

    @property
    def last(self) -> int:
        """The row after which the client certainly takes nothing more."""
        return min(self.closed, self.gone)

    def ends_at(self, row: int, how: str) -> None:
        self.ends.append((row, how))
        if row < self.login.sure_until:
            self.login.ends(row)
            self.ended_by = how

    def given_up(self, row: int) -> str:
        """For a circumstance: whether it had once not read, which tells being forgotten from never being known."""
        return GIVEN_UP if any(since < row for since, _ in self.lapses) else ""

    def logs_in_again(self, row: int, user: str, identity: str | None) -> Connection:
        """The connection under a login that begins now, and ends the one before if it succeeds.

        Whether it stays in its rooms is the server's affair.
        """
        self.ends_at(row, "authenticate")
        again = replace(self, user=user, identity=identity, asked=row, login=Span(), before=self)
        again.failed, again.unconfirmed, again.ended_by, again.ends = NEVER, False, "", []
        again.moves = list(self.moves)
        again.rooms = {room: [Span(may_from=row, sure_until=row, doubtful=row)] for room in self.rooms}
        again.login.begins(row)
        return again

    def stalled(self, since: int, until: int) -> bool:
        return any(a < until and b > since for a, b, _ in self.stalls) or (
            self.stalled_since is not None and self.stalled_since[0] < until
        )

    def may_be_member(self, room: str, since: int, until: int) -> bool:
        return any(span.may(since, until) for span in self.rooms.get(room, ()))

    def has_joined(self, room: str, row: int) -> bool:
        """Whether it has asked to be a member before a row, and not yet for that to end."""
        return any(span.may_from < row <= span.sure_until for span in self.rooms.get(room, ()))

    def last_asked_in(self, room: str, row: int) -> bool:
        """Whether the last that it asked of a room before a row was to join it, whatever came of that."""
        return next((joins for at, moved, joins in reversed(self.moves) if moved == room and at < row), False)

    def must_be_member(self, room: str, since: int, until: int) -> bool:
        return any(span.must(since, until) for span in self.rooms.get(room, ()))


@dataclass(slots=True)
class Delivery:
    """One event in one frame of one connection, and what the frame says of it."""

    event: Event
    connection: Connection
    sent: int
    says: Mention
    received: int = NEVER
    retold: bool = False
    """The frame tells once more what may have been told before, or tells one event in several steps."""


@dataclass(slots=True, eq=False)
class Event:
    """Something emitted, its audience (a user, rooms, or everybody), and where it turned up."""

    id: EventId
    by: Invocation
    emitter: Connection | None
    to: str | None
    rooms: tuple[str, ...] = ()
    wherever: bool = False
    """It is for the room that its emitter is in by then: ``rooms`` are those that it may have been in."""
    deliveries: list[Delivery] = field(default_factory=list)
    turned_away: bool = False
    """Whether it was sent to a client that had gone before, whether the server was told or not."""

    def is_for(self, identity: str | None) -> bool:
        """Whether it is for a user as such, whatever rooms the user is in: it names that user, or is for everybody."""
        return identity == self.to if self.to is not None else not self.rooms

    @property
    def sender(self) -> str | None:
        return self.emitter.identity if self.emitter is not None else self.by.op.user

    @property
    def step(self) -> int:
        return CRITICAL_EVENTS.index(self.id.step) if self.id.step else -1

    @property
    def path(self) -> str:
        """The way it took into the target."""
        op = self.by.op
        return "emit" if op.kind == "emit_to_thread" and op.thread == op.to else op.called

    @property
    def text(self) -> str:
        return text_of(self.id)

    @property
    def audience(self) -> str:
        rooms = f"room {' and '.join(self.rooms)}" if self.rooms else ""
        return " and ".join(filter(None, (self.to, rooms))) or str(self.to)
