"""Where a task waits and where an exception came from, in the target's own code.

The one place that reads a private attribute of asyncio: ``Task._log_traceback``, which is true while nobody has looked
at a failed task's exception (what its destructor would complain about).  `unretrieved` fails loudly where it is gone.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache
from types import FrameType
from typing import Any

__all__ = ("innermost", "raised_at", "unretrieved", "waits_at")

_LIBRARY = os.path.dirname(os.path.abspath(asyncio.__file__))
_ENGINE = os.path.dirname(os.path.abspath(__file__))


@cache
def _ours(filename: str) -> bool:
    """Whether a file belongs to asyncio or to the engine, rather than to the target."""
    return filename.startswith((_LIBRARY, _ENGINE)) or os.path.realpath(filename).startswith(os.path.realpath(_ENGINE))


def _place(frame: FrameType, line: int) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({os.path.basename(code.co_filename)}:{line})"


def waits_at(task: asyncio.Task[Any]) -> str:
    """The innermost frame of the target that the task is suspended in, ``qualname (file:line)``."""
    awaited: Any = task.get_coro()
    place = ""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None and not _ours(frame.f_code.co_filename):
            place = _place(frame, frame.f_lineno)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return place


def innermost(frame: FrameType | None) -> str:
    """The innermost frame of the target on a thread's stack."""
    while frame is not None:
        if not _ours(frame.f_code.co_filename):
            return _place(frame, frame.f_lineno)
        frame = frame.f_back
    return "an unknown place"


def raised_at(error: BaseException) -> str:
    """The innermost frame of the target that the exception passed through."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        if not _ours(trace.tb_frame.f_code.co_filename):
            place = _place(trace.tb_frame, trace.tb_lineno)
        trace = trace.tb_next
    return place


def unretrieved(task: asyncio.Task[Any]) -> BaseException | None:
    """The exception of a failed task that nobody has looked at yet, or None."""
    if not task.done() or task.cancelled() or not task._log_traceback:
        return None
    return task.exception()
