"""Lets a server's sends wait for a client that does not read, where its library would only after so many bytes.

A client that does not read stands for one with a backlog: the transport under it is full from the beginning, and says
so.  `aiohttp` hears it, and looks there only once it has sent 64 KiB (or 256) since it last looked
(`WebSocketWriter._limit` and ``_output_size``, private, here alone): an execution sends less, and no send would ever
wait.  Nothing is known of what a server had sent when a backlog was full, so any send may be the one that looks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ("sends_that_wait",)

PARTS = frozenset({"_limit", "_output_size", "protocol"})
"""Attributes that a writer is made with."""


@contextmanager
def sends_that_wait() -> Iterator[None]:
    """Meanwhile, what `aiohttp` sends to a client whose transport is full waits until there is room.

    Nothing is done for a release of other parts: its sends go on until the limit, as before.
    """
    writer: Any = getattr(sys.modules.get("aiohttp.http"), "WebSocketWriter", None)
    if not knows(writer):
        yield
        return
    writer._limit = property(_limit, _set_limit)
    try:
        yield
    finally:
        del writer._limit


def knows(writer: Any) -> bool:
    """Whether a class is a writer with the parts that are needed here, and no more than instances of it have them."""
    code = getattr(getattr(writer, "__init__", None), "__code__", None)
    return code is not None and set(code.co_names) >= PARTS and not hasattr(writer, "_limit")


def _limit(writer: Any) -> int:
    limit: int = writer.__dict__["_limit"]
    return -1 if getattr(writer.protocol, "_paused", False) else limit


def _set_limit(writer: Any, limit: int) -> None:
    writer.__dict__["_limit"] = limit
