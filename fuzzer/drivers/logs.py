"""What servers log of an application: that is where they say that an exception was let through.

An application that catches an exception and logs it itself has handled it.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..world.server import connection

__all__ = ("LogWatch", "watched_logs")

UNHANDLED: dict[str, tuple[str, ...]] = {
    "aiohttp.server": ("Error handling request", "Unhandled exception"),
    "asyncio": ("",),
    "daphne.server": ("",),
    "engineio.server": ("",),
    "hypercorn.error": ("Error in ASGI Framework",),
    "socketio.server": ("",),
    "tornado.application": ("Uncaught exception",),
    "tornado.general": ("Uncaught exception",),
    "uvicorn.error": ("Exception in ASGI application", "Exception in 'lifespan' protocol"),
    "websockets.server": ("connection handler failed", "opening handshake failed"),
    "quart.app": ("Exception on",),
    "sanic.error": ("Exception occurred",),
}
"""How servers begin to log, by logger, an exception that the application let through; others somebody caught."""


class LogWatch(logging.Handler):
    """Servers log a handler's exception and go on; that is where nobody else handles it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[tuple[BaseException, str | None]] = []
        """exceptions, each with the connection that was being served"""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        begins = UNHANDLED.get(record.name)
        if error is None or begins is None or not str(record.msg).startswith(begins):
            return
        if not any(error is known for known, _ in self.heard):  # by way of two handlers
            self.heard.append((error, connection.get()))


_NOWHERE = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for the life of the process
atexit.register(_NOWHERE.close)


@contextmanager
def watched_logs(watch: LogWatch) -> Iterator[None]:
    """Listen to what libraries log as an error; what applications print is not shown."""
    root = logging.getLogger()
    handlers, printed = root.handlers, (sys.stdout, sys.stderr)
    root.handlers, sys.stdout, sys.stderr = [watch], _NOWHERE, _NOWHERE
    try:
        yield
    finally:
        root.handlers, (sys.stdout, sys.stderr) = handlers, printed
