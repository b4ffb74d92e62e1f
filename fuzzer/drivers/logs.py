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
from io import TextIOWrapper

from ..world.server import connection
from .evidence import brief
from .remarks import Remarks

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

    def __init__(self, remarks: Remarks) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[tuple[BaseException, str | None]] = []
        """exceptions, each with the connection that was being served"""
        self.remarks = remarks
        """where to put what else is logged as an error, or printed"""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        begins = UNHANDLED.get(record.name)
        if error is None or begins is None or not str(record.msg).startswith(begins):
            self.remarks.add(f"{record.name} logged", _said(record, error))
            return
        if not any(error is known for known, _ in self.heard):  # by way of two handlers
            self.heard.append((error, connection.get()))


class Overheard(TextIOWrapper):
    """Standard output and error of an application: nothing of it is shown, and the last of it is kept."""

    remarks: Remarks | None = None

    def write(self, text: str, /) -> int:
        written = super().write(text)
        if self.remarks is not None:
            self.remarks.printed(text)
        return written


_OVERHEARD = Overheard(open(os.devnull, "wb"), encoding="utf-8")  # noqa: SIM115  # for the life of the process
atexit.register(_OVERHEARD.close)


def _said(record: logging.LogRecord, error: BaseException | None) -> str:
    try:
        said = record.getMessage()
    except Exception:  # its arguments do not fit: the logging of Python's own tells it, and goes on
        said = str(record.msg)
    return said if error is None else f"{said} ({brief(error)})"


@contextmanager
def watched_logs(watch: LogWatch) -> Iterator[None]:
    """Listen to what libraries log as an error, and to what applications print; nothing of it is shown."""
    root = logging.getLogger()
    handlers, printed = root.handlers, (sys.stdout, sys.stderr)
    root.handlers, sys.stdout, sys.stderr = [watch], _OVERHEARD, _OVERHEARD
    _OVERHEARD.remarks = watch.remarks
    try:
        yield
    finally:
        _OVERHEARD.remarks = None
        root.handlers, (sys.stdout, sys.stderr) = handlers, printed
