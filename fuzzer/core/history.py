"""What an execution showed: the rows an oracle judges, typed from creation to verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum, StrEnum
from functools import cache
from typing import NamedTuple

from .stacks import Place
from .text import said

__all__ = (
    "Aim",
    "Content",
    "Detail",
    "EventId",
    "FAULT",
    "Farewell",
    "EventKey",
    "Failure",
    "History",
    "Kept",
    "Mention",
    "Outcome",
    "Refusal",
    "Remains",
    "Row",
    "RowKind",
    "Sleep",
    "Spin",
    "text_of",
    "to_json",
    "usable",
)


class RowKind(StrEnum):
    """What happened.

    Of operations: `INVOKED` (detail: an `Aim`, or the number of the operation that is cancelled), `RETURNED` (what the
    target said, or `Outcome.INDETERMINATE`), `RAISED` (a `Failure`), `CANCELLED`, `SKIPPED` (its connection was not
    there), `STUCK` (at rest and not finished; where it waits).

    Of connections: `SENT` and `RECEIVED` (a `Content`), `REFUSED` (the server sent after the peer had gone, whether it
    was told so or not), `CLOSED` (by the server; why, which is a `Farewell` where a client has seen it), `GONE` (by the
    client; how), `STALLED`, `RESUMED` (with an operation's number; without one nothing else could happen any more),
    `PLACED` (the server says that it has put the client into a room), `REMOVED` (out of one; "" for all).

    Of the target: `UNHANDLED` (a `Failure` nobody handled), `REST`, `REGISTRY` (the connections it knows), `ACTIVE`
    (the users it calls connected), `EMPTIED` (everybody has left), `LEFT` (`Remains` that outlived everything), `KEPT`
    (what has an entry for everybody who ever came: a `Kept`), `BLOCKED` (it slept on the loop's thread: a `Sleep`),
    `SPINNING` (a `Spin`).

    Of the world: `CLOCK` (it moved on although events were pending; their keys), `BUSY` (the machine had no time for
    the target; for how many seconds, by which the clock moves next).
    """

    INVOKED = "invoked"
    RETURNED = "returned"
    RAISED = "raised"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    STUCK = "stuck"
    SENT = "sent"
    RECEIVED = "received"
    REFUSED = "refused"
    CLOSED = "closed"
    GONE = "gone"
    STALLED = "stalled"
    RESUMED = "resumed"
    PLACED = "placed"
    REMOVED = "removed"
    UNHANDLED = "unhandled"
    REST = "rest"
    REGISTRY = "registry"
    ACTIVE = "active"
    EMPTIED = "emptied"
    LEFT = "left"
    KEPT = "kept"
    BLOCKED = "blocked"
    SPINNING = "spinning"
    CLOCK = "clock"
    BUSY = "busy"

    __hash__ = str.__hash__  # histories are looked up whole, and Enum's own is slow


class Outcome(Enum):
    """How an operation ended.

    ``INDETERMINATE``: nobody answered; when it ended is not known, only that it has once everything is at rest.
    """

    OK = "ok"
    FAIL = "fail"
    INDETERMINATE = "indeterminate"


class Spin(Enum):
    """Why a target never comes to rest: it keeps the loop busy, or time passes, and it has something to do again."""

    BUSY = "busy"
    PERIOD = "period"


class EventId(NamedTuple):
    """An event that a driver emitted: the number of the operation, and which step of an agent's run it is."""

    number: int
    step: str = ""

    def __str__(self) -> str:
        return f"e{self.number}.{self.step}" if self.step else f"e{self.number}"


@cache
def text_of(event: EventId) -> str:
    """What an event says, where a payload has a text of its own: another for each."""
    return f"said in {event}"


class Mention(NamedTuple):
    """An event in a frame, and whose the object that carries it says it is; None where it says nothing."""

    event: EventId
    sender: str | None = None
    recipient: str | None = None
    room: str | None = None
    run: str | None = None
    text: str | None = None


class Content(NamedTuple):
    """What a frame says: the events it carries; where it carries none, whom it is for and a word for what it is.

    ``retells``: it tells once more what may have been told before.
    """

    mentions: tuple[Mention, ...] = ()
    recipient: str | None = None
    kind: str = ""
    retells: bool = False

    def __str__(self) -> str:
        if self.mentions:
            return ", ".join(str(mention.event) for mention in self.mentions)
        return f"@{self.recipient}" if self.recipient is not None else f"<{self.kind}>"


class Aim(NamedTuple):
    """What an operation is aimed at: the user or the rooms an event is for, or the rooms that are joined or left.

    ``by_request``: it went by a request of its own over HTTP, beside its client's connection.  ``wherever``: an event
    is for whichever room the client is in by then, and a leaving out of it; the server chooses that.
    """

    to: str | None = None
    rooms: tuple[str, ...] = ()
    by_request: bool = False
    wherever: bool = False


FAULT = 1011
"""The close code of a server in which something went wrong."""


class Farewell(str):
    """How a server ended a connection, in words, with the ``code`` of its close frame; None where it sent none.

    ``failed``: it says that something went wrong in it (RFC 6455, section 7.4.1: 1011), or an exception ended it.
    """

    code: int | None = None
    failed = False
    words = ""
    """What the exception says that ended it; no part of the farewell, which tells one kind of end from another."""

    @classmethod
    def of(cls, code: int, reason: str = "") -> Farewell:
        said = cls(f"closed with {code}" + (f": {reason}" if reason else ""))
        said.code, said.failed = code, code == FAULT
        return said

    @classmethod
    def by(cls, error: BaseException) -> Farewell:
        """That of an application which has raised something."""
        farewell = cls(f"the application raised {type(error).__name__}")
        farewell.failed, farewell.words = True, said(error)
        return farewell


class Refusal(str):
    """How a server turned a handshake down, in words, with the ``status`` of its answer over HTTP."""

    status: int | None = None

    @property
    def failed(self) -> bool:
        """Whether something went wrong in the server (RFC 9110, section 15.6.1)."""
        return self.status == 500

    @classmethod
    def of(cls, status: int, words: str) -> Refusal:
        said = cls(words)
        said.status = status
        return said


class Failure(NamedTuple):
    """An exception: in a line, where it was raised in the target's code, its class, and what it passed."""

    brief: str
    place: Place
    error: str
    through: tuple[Place, ...] = ()


class Remains(NamedTuple):
    """What should not be there any more: in words, where it waits, its name, and on whose behalf it was made.

    ``of`` is None where no client and no operation had anything to do with it: the program's end cancels such tasks.
    """

    what: str
    place: Place
    name: str
    is_task: bool
    of: str | int | None = None


class Kept(NamedTuple):
    """A container of the target's, by the way to it, that has an entry for each of so many clients that have left."""

    path: str
    clients: int


class Sleep(NamedTuple):
    """The loop's own thread stood still."""

    place: Place
    seconds: float


EventKey = tuple[str | int, ...]
"""The key of a pending external event, as the world has it."""

Detail = (
    str
    | int
    | float
    | bool
    | Outcome
    | Spin
    | Content
    | Aim
    | Failure
    | Remains
    | Kept
    | tuple[str, ...]
    | Sleep
    | tuple[EventKey, ...]
    | None
)


class Row(NamedTuple):
    """One thing that happened.

    ``time`` is in virtual seconds since the execution began, to the millisecond; ``operation`` the number of the
    operation it belongs to; what ``detail`` is depends on the `RowKind`.
    """

    time: float
    kind: RowKind
    operation: int | None
    connection: str | None
    detail: Detail

    @property
    def outcome(self) -> Outcome | None:
        """How the operation ended, of a row that says so: returning False is failing."""
        if self.kind == RowKind.RETURNED:
            if self.detail is Outcome.INDETERMINATE:
                return Outcome.INDETERMINATE
            return Outcome.FAIL if self.detail is False else Outcome.OK
        return Outcome.FAIL if self.kind in (RowKind.RAISED, RowKind.CANCELLED) else None


History = tuple[Row, ...]


def usable(history: History, since: int, until: int) -> float:
    """The seconds between two rows less those in which the machine had no time for the target; to a hundredth."""
    busy = (row.detail for row in history[since:until] if row.kind == RowKind.BUSY)
    seconds = history[until].time - history[since].time - sum(part for part in busy if isinstance(part, float))
    return round(seconds, 2)


def to_json(history: Iterable[Row]) -> str:
    """The history as canonical JSON lines: the same execution gives the same bytes."""
    return "\n".join(json.dumps(list(row), separators=(",", ":"), default=_enum) for row in history)


def _enum(value: object) -> dict[str, object]:
    assert isinstance(value, Enum)
    return {type(value).__name__.lower(): value.value}
