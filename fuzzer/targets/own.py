"""Operations of a target's own: what users do with it besides connecting, logging in and speaking.

They are declared: a method of an adapter by `operation`, what clients of a wire can ask for by `Action`.  Who does it
and who hears of it is all that is said; programs then have it, schedules overlap it with everything else, and the
isolation model judges what it tells to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from ..core.errors import UsageError
from ..core.history import Aim
from ..core.program import Operation
from .login import Http
from .templates import Template, names

__all__ = (
    "FOR_A_ROOM",
    "FOR_A_USER",
    "Action",
    "Audience",
    "By",
    "Own",
    "Returns",
    "aim_of",
    "declared_in",
    "operation",
)

By = Literal["client", "user", "server"]
"""Who does it: a client that is logged in, over its connection; a user's backend; the server of its own accord."""

Audience = Literal["user", "room", "user and room", "own", "sender", "everybody"]
"""Who hears of it: another user, the members of a room, or both (a mention), the user's own connections, only the one
that did it, or all that are connected."""

FOR_A_USER = frozenset({"user", "user and room"})
FOR_A_ROOM = frozenset({"room", "user and room"})

Returns = Literal["delivered", "accepted", "user"]
"""What it gives back: False where the event was not delivered; False where it was refused, and is owed to nobody; the
user whom the server takes the client for."""

METHOD = TypeVar("METHOD", bound=Callable[..., Any])

MARK = "crosswire_operation"
"""The attribute by which a method is known as an operation."""


@dataclass(frozen=True, slots=True)
class Own:
    """One operation of a target's own, as it is declared."""

    name: str
    by: By = "client"
    audience: Audience | None = None
    returns: Returns | None = None
    removes: bool = False
    """It takes another user out of a room."""
    about: bool = False
    """It concerns another user, whom it names, though that user hears nothing of it."""

    @property
    def opaque(self) -> bool:
        """Whether nothing tells what it does: it carries no event, and does not ask whom the server takes one for."""
        return self.audience is None and self.returns != "user"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Action:
    """What clients of an application can do by a frame or by a request over HTTP.

    ``say`` is the frame or the request, by a wire's templates; ``audience`` who receives the event that it carries (its
    ``{event}``), None where it carries none.  ``answer`` is what a frame, or the answer's JSON, contains once it is
    done; ``user`` the field of it that names the user whom the server takes the client for.  ``removes``: it takes the
    user ``{to}`` out of the room ``{room}``, or of all rooms where it does not say which.  One that has no audience and
    names a user, by ``{to}`` or as such, may do anything to that user: put out, mute, end the connection.
    """

    say: Template | Http
    audience: Audience | None = None
    answer: Mapping[str, Any] | None = None
    user: str | None = None
    removes: bool = False

    def own(self, name: str) -> Own:
        """The operation as programs and the model know it."""
        returns: Returns = "user" if self.user is not None else "accepted" if self.removes else "delivered"
        return Own(name, "client", self.audience, returns, self.removes, self.about)

    @property
    def about(self) -> bool:
        """Whether it concerns somebody who hears nothing of it: a kick, a mute, a block."""
        return self.audience is None and names("{to}", self.say)

    def answered_by(self, data: object) -> bool:
        """Whether this says that it is done."""
        return isinstance(data, Mapping) and (self.answer or {}).items() <= data.items()


def operation(
    *,
    name: str | None = None,
    by: By = "client",
    audience: Audience | None = None,
    returns: Returns | None = None,
    removes: bool = False,
) -> Callable[[METHOD], METHOD]:
    """Mark a method of an adapter as an operation of the target's own.

    It is called with the client or the user who does it, where somebody does, and with an event, where it has an
    audience; where it ``removes`` somebody from a room, with the user and the room.  What it returns means nothing
    unless ``returns`` says what.  Raises `UsageError` where that cannot be.
    """
    for value, known in ((by, get_args(By)), (audience, get_args(Audience)), (returns, get_args(Returns))):
        if value is not None and value not in known:
            raise UsageError(f"an operation declares {value!r}, where it may say {', '.join(known)}")
    if by == "server" and audience in ("own", "sender"):
        raise UsageError("an operation of the server's is nobody's own: its audience is user, room or everybody")
    if by == "user" and audience == "sender":
        raise UsageError("a user's backend has no connection of its own to be answered on: its audience is own")

    if removes and audience is not None:
        raise UsageError("an operation that removes somebody carries no event: it has no audience")

    def mark(method: METHOD) -> METHOD:
        setattr(method, MARK, Own(name or method.__name__, by, audience, returns, removes, removes))
        return method

    return mark


def declared_in(owner: type) -> dict[str, tuple[Own, str]]:
    """The operations that a class declares, inherited ones too: name -> what is declared, and the method's name."""
    found: dict[str, tuple[Own, str]] = {}
    for cls in reversed(owner.__mro__):
        for attribute, value in vars(cls).items():
            own = getattr(value, MARK, None)
            if isinstance(own, Own):
                found[own.name] = own, attribute
    return {name: (own, method) for name, (own, method) in found.items() if getattr(owner, method, None) is not None}


def aim_of(own: Own, op: Operation) -> Aim | None:
    """Whom the event of an operation in a program is for; None where there is no event."""
    match own.audience:
        case "user":
            return Aim(op.to)
        case "own" | "sender":
            return Aim(op.user)
        case "room":
            return Aim(rooms=(op.room or "",))
        case "user and room":
            return Aim(op.to, (op.room or "",))
        case "everybody":
            return Aim()
    return None
