"""Whose connection an exception is about, told by where it was raised: the evidence that it only says who has left.

An exception that comes out of a client's own link, or of the object by which a library stands for that connection, says
something about that client.  Objects are known by what protocols and documentation give them: an ASGI scope's
``client``, an asyncio transport's ``peername``.  The class of the exception plays no part.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from traceback import walk_tb
from types import FrameType
from typing import Any

from ..clients.link import Link
from ..core.stacks import is_library
from ..targets.websocket import FakeWebSocket
from ..world.network import FIRST_CLIENT_PORT

__all__ = ("about",)

ASKS = ("receive", "recv", "read")
"""What functions that wait for a client's next message are called, from their beginning."""


def about(error: BaseException, names: Mapping[int, str], told: Container[str] = ()) -> str | None:
    """The connection that an exception, or every one of a group, is about; ``names`` are those of clients' numbers.

    One that a library raises because it was asked for a message of a client once more, after it had handed out the
    news that the client is gone (to those in ``told``), is about nobody: whoever asked knew.
    """
    if isinstance(error, BaseExceptionGroup):
        found = {about(one, names, told) for one in error.exceptions}
        return found.pop() if len(found) == 1 else None
    seen: BaseException | None = error
    chain: set[int] = set()
    while seen is not None and id(seen) not in chain:
        chain.add(id(seen))
        found_here = _raised_for(seen, names, told)
        if found_here is not None:
            return found_here
        if _inner(seen) == []:  # the target raised it itself
            return None
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


def _raised_for(error: BaseException, names: Mapping[int, str], told: Container[str]) -> str | None:
    client: str | None = None
    news, asked = False, False
    for frame in reversed(_inner(error)):
        own = frame.f_locals.get("self")
        if isinstance(own, Link | FakeWebSocket):
            return own.name
        peer = _peer(own)
        if peer is not None and peer in names:
            return names[peer]
        news = news or any(_is_news(value) for value in frame.f_locals.values())
        if client is None:
            scoped = _scoped(own)
            client = names.get(scoped) if scoped is not None else None
            asked = asked or frame.f_code.co_name.startswith(ASKS)
    return client if news or not asked or client not in told else None


def _is_news(value: Any) -> bool:
    """Whether a value is the message by which a server says that the client is gone (ASGI: Disconnect)."""
    return isinstance(value, Mapping) and value.get("type") == "websocket.disconnect"


def _scoped(value: Any) -> int | None:
    """The number of the client whose ASGI connection an object stands for."""
    scope = getattr(value, "scope", None)
    return _number(scope.get("client")) if isinstance(scope, Mapping) else None


def _peer(value: Any) -> int | None:
    """The number of the client at the far end of an object's transport."""
    for owner in _owners(value):
        told = getattr(owner, "get_extra_info", None)
        if callable(told):
            return _number(told("peername"))
    return None


def _owners(value: Any) -> Iterator[Any]:
    for name in ("transport", "_transport"):
        transport = getattr(value, name, None)
        if transport is not None:
            yield transport


def _number(address: Any) -> int | None:
    port = address[1] if isinstance(address, tuple | list) and len(address) >= 2 else None
    return port - FIRST_CLIENT_PORT if isinstance(port, int) and port >= FIRST_CLIENT_PORT else None
