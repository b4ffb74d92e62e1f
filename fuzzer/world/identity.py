"""Objects that hash by the order in which they were first hashed, rather than by their address.

A set of connections, `websockets.broadcast` over it or a loop that sends to each, visits them in the order of their
hashes.  By default these are addresses, which differ from one execution to the next; then a schedule would not replay.
Which order a set has is nobody's promise, so any fixed one is as good.  Equality is not touched.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Any

__all__ = ("NumberedTask", "number_classes", "number_libraries", "numbered_hash", "restart")

NUMBER = "_crosswire_number"

LIBRARY_CLASSES = (
    ("aiohttp.web_request", "BaseRequest"),
    ("aiohttp.web_response", "StreamResponse"),
    ("aiohttp.web_protocol", "RequestHandler"),
    ("asyncio.streams", "StreamWriter"),
    ("litestar.connection.websocket", "WebSocket"),
    ("quart.wrappers.websocket", "Websocket"),
    ("redis.asyncio.connection", "AbstractConnection"),
    ("redis.asyncio.connection", "Connection"),
    ("starlette.requests", "HTTPConnection"),
    ("starlette.websockets", "WebSocket"),
    ("uvicorn.protocols.websockets.websockets_impl", "WebSocketProtocol"),
    ("uvicorn.protocols.websockets.websockets_sansio_impl", "WebSocketsSansIOProtocol"),
    ("uvicorn.protocols.websockets.wsproto_impl", "WSProtocol"),
    ("websockets.asyncio.connection", "Connection"),
    ("websockets.legacy.protocol", "WebSocketCommonProtocol"),
)
"""What servers and their database clients keep in sets, by module and class."""

_count = 0


def restart() -> None:
    """An execution begins: numbers begin at 1 again."""
    global _count
    _count = 0


def numbered_hash(self: object) -> int:
    """A ``__hash__`` by number; an object without a ``__dict__`` keeps hashing by address."""
    global _count
    try:
        known = self.__dict__
    except AttributeError:
        return object.__hash__(self)
    number = known.get(NUMBER)
    if number is None:
        _count += 1
        number = known[NUMBER] = _count
    return int(number)


class NumberedTask(asyncio.Task):  # type: ignore[type-arg]  # asyncio.Task is generic only to type checkers
    """A task that hashes by number: task groups and cancel scopes keep theirs in sets, and cancel in that order."""

    __hash__ = numbered_hash


def number_classes(classes: Iterable[type]) -> None:
    """Let instances of these classes hash by number, where they hash by address now."""
    for cls in classes:
        by_address: Any = object.__hash__
        if cls.__hash__ is by_address and not issubclass(cls, type | BaseException):
            try:
                setattr(cls, "__hash__", numbered_hash)  # noqa: B010  # typeshed's object has no other
            except TypeError:
                continue  # a class made in C


def number_libraries() -> None:
    """The same for the classes of `LIBRARY_CLASSES` whose modules are loaded."""
    for module, name in LIBRARY_CLASSES:
        if module in sys.modules:
            found = getattr(sys.modules[module], name, None)
            if isinstance(found, type):
                setattr(found, "__hash__", numbered_hash)  # noqa: B010  # typeshed's object has no other
