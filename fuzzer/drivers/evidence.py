"""What an exception says: in a row, and of whose connection, which is the evidence that it only says who has left.

Where it was raised tells whose.  An exception that comes out of a client's own link, or of an object by which a library
stands for that connection, says something about that client.  Such objects are the connection's transport and protocol
(asyncio), its socket (trio), what has one of them, and what has the connection's ASGI scope.  The class of the
exception plays no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from traceback import walk_tb
from types import FrameType
from typing import Any

from ..clients.link import Link
from ..core.history import Failure
from ..core.stacks import is_library, raised_at, raised_through, suspended, unwrapped
from ..core.text import cut, said
from ..targets.websocket import FakeWebSocket
from ..world.network import FIRST_CLIENT_PORT

__all__ = ("NAME", "Connections", "about", "brief", "failure", "says_closed")

NAME = 100
"""Characters of a name that are kept; what is longer is meant to hurt."""

ASKS = ("receive", "recv", "read")
"""What functions that wait for a client's next message are called, from their beginning."""


def failure(error: BaseException) -> Failure:
    """An exception as a row has it; a group of one exception is told as that one, whichever library made it."""
    error = unwrapped(error)
    through = raised_through(error)
    return Failure(brief(error), through[-1] if through else raised_at(error), cut(type(error).__name__, NAME), through)


def brief(error: object) -> str:
    """An exception in a line: its class and what it says."""
    return f"{cut(type(error).__name__, NAME)}: {said(error)}" if isinstance(error, BaseException) else said(error)


@dataclass(slots=True)
class Connections:
    """What is known of connections: their names by number and by the objects at the server's end.

    ``told``: those of which the target has been handed the news that the client is gone; ``parted``: those whose client
    took its leave properly, which whoever waits for its next message must expect.
    """

    numbers: dict[int, str] = field(default_factory=dict)
    ends: dict[int, tuple[str, object]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    parted: frozenset[str] = frozenset()

    def add(self, link: Link) -> None:
        self.numbers[len(self.numbers)] = link.name
        self.ends.update((id(end), (link.name, end)) for end in link.ends)
        if link.told:
            self.told.add(link.name)

    def of(self, value: Any) -> str | None:
        """The connection that an object is an end of, or has an end of."""
        if isinstance(value, Link | FakeWebSocket):
            return value.name
        has = (getattr(value, name, None) for name in ("transport", "protocol", "_protocol"))
        for owned in (value, *has, _socket_of(value)):
            if id(owned) in self.ends:
                return self.ends[id(owned)][0]
        return None

    def scoped(self, value: Any) -> str | None:
        """The connection whose ASGI scope an object has."""
        scope = getattr(value, "scope", None)
        address = scope.get("client") if isinstance(scope, Mapping) else None
        port = address[1] if isinstance(address, tuple | list) and len(address) > 1 else None
        return self.numbers.get(port - FIRST_CLIENT_PORT) if isinstance(port, int) else None

    def listens(self, task: Any, name: str) -> bool:
        """Whether a task waits for what a connection's client says next."""
        asked = (frame for frame in suspended(task, generators=True) if frame.f_code.co_name.startswith(ASKS))
        owners = (frame.f_locals.get("self") for frame in asked)
        return any(name in (self.of(owner), self.scoped(owner)) for owner in owners)


def _socket_of(value: Any) -> Any:
    """The socket under a stream of trio's, or under what has one; else None."""
    stream = getattr(value, "stream", value)
    stream = getattr(stream, "transport_stream", stream)
    return getattr(getattr(stream, "socket", None), "_sock", None)


def about(error: BaseException, known: Connections) -> str | None:
    """The connection that an exception, or every one of a group, is about.

    One that a library raises because it was asked for a message of a client once more, after it had handed out the
    news that the client is gone, is about nobody: whoever asked knew.  Nor is one by which a connection answers, when
    asked for the next message, that its client took its leave: every conversation ends so.  Nor one whose frames hold
    what raises when it is asked what it is.
    """
    try:
        return _about(error, known)
    except (Exception, SystemExit):
        return None


CLOSED = frozenset({("tornado.websocket", "WebSocketClosedError"), ("tornado.iostream", "StreamClosedError")})
"""Classes of exceptions that say of a connection that it is closed, and whose frames do not say of which."""


def says_closed(error: BaseException, served: bool) -> bool:
    """Whether an exception says that some connection is closed: the ``served`` one, or one of a library's own task.

    Tornado's ``write_message`` gives back such a task, which hardly anybody awaits.
    """
    kind = type(error)
    if (kind.__module__, kind.__qualname__) not in CLOSED:
        return False
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return served or (bool(frames) and all(is_library(frame.f_code.co_filename) for frame in frames))


def _about(error: BaseException, known: Connections) -> str | None:
    if isinstance(error, BaseExceptionGroup):
        found = {_about(one, known) for one in error.exceptions}
        return found.pop() if len(found) == 1 else None
    seen: BaseException | None = error
    chain: set[int] = set()
    while seen is not None and id(seen) not in chain:
        chain.add(id(seen))
        name = _raised_for(seen, known)
        if name is not None or not _inner(seen):  # the target raised it itself
            return name
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return None


def _inner(error: BaseException) -> list[FrameType]:
    """The frames of libraries and of ours inside the target's innermost one."""
    inner: list[FrameType] = []
    for frame, _ in walk_tb(error.__traceback__):
        if is_library(frame.f_code.co_filename) or _is_link(frame):
            inner.append(frame)
        else:
            inner = []
    return inner


def _is_link(frame: FrameType) -> bool:
    return isinstance(frame.f_locals.get("self"), Link | FakeWebSocket)


def _raised_for(error: BaseException, known: Connections) -> str | None:
    client: str | None = None
    news, asked = False, False
    for frame in reversed(_inner(error)):
        own = frame.f_locals.get("self")
        name = known.of(own)
        if name is not None:
            return None if name in known.parted and frame.f_code.co_name.startswith(ASKS) else name
        news = news or any(_is_news(value) for value in frame.f_locals.values())
        if client is None:
            client = known.scoped(own)
            asked = asked or frame.f_code.co_name.startswith(ASKS)
    return client if news or not asked or client not in known.told else None


def _is_news(value: Any) -> bool:
    """Whether a value is the message by which a server says that the client is gone (ASGI: Disconnect)."""
    return isinstance(value, Mapping) and value.get("type") == "websocket.disconnect"
