"""What a program does beside its work, inside a world: logging, also by a thread of its own, and plans for its exit.

A `logging.handlers.QueueHandler` hands records to a listener's thread, so that whoever logs need not wait (Litestar's
default); others write to the streams that were there when they were made (Sanic's, hypercorn's).  In a world nothing is
printed and nobody waits: such records go to the handlers of the root logger at once, and listeners start no thread.
What is registered with `atexit` would pile up over thousands of executions, and is dropped.
"""

from __future__ import annotations

import atexit
import logging
import logging.handlers
from collections.abc import Callable
from typing import Any

__all__ = ("gate_logs",)

STANDARD = frozenset({"<stdout>", "<stderr>"})
"""What the streams of a terminal are called."""


def gate_logs(here: Callable[[], object]) -> None:
    """Put the gated functions in place, once for the life of the process; outside a world they only pass through."""
    handler: Any = logging.handlers.QueueHandler
    listener: Any = logging.handlers.QueueListener
    stream: Any = logging.StreamHandler
    emit_outside, start_outside, stop_outside = handler.emit, listener.start, listener.stop
    print_outside = stream.emit
    register_outside = atexit.register

    def emit(self: logging.handlers.QueueHandler, record: logging.LogRecord) -> None:
        if here() is None:
            emit_outside(self, record)
        else:
            _to_root(self, record)

    def to_stream(self: logging.StreamHandler[Any], record: logging.LogRecord) -> None:
        if here() is None or getattr(self.stream, "name", None) not in STANDARD:
            print_outside(self, record)
        else:
            _to_root(self, record)

    def start(self: logging.handlers.QueueListener) -> None:
        if here() is None:
            start_outside(self)

    def stop(self: logging.handlers.QueueListener) -> None:
        if getattr(self, "_thread", None) is not None:  # in a world it was never started
            stop_outside(self)

    def register(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        return register_outside(func, *args, **kwargs) if here() is None else func

    handler.emit, stream.emit, listener.start, listener.stop = emit, to_stream, start, stop
    atexit.register = register


def _to_root(handler: logging.Handler, record: logging.LogRecord) -> None:
    for one in logging.getLogger().handlers:
        if record.levelno >= one.level and not isinstance(one, type(handler)):
            one.handle(record)
