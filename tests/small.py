"""A process that holds little more than the command does, and calls functions in forks of itself.

The tests' own process has imported every test there is, with dozens of frameworks: whatever is forked from that has all
of it to look through before the first execution.  This one is forked before they are collected.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeVar

import crosswire.fuzzer.campaigns.replays
import crosswire.fuzzer.campaigns.supervisor  # noqa: F401  # what the command has imported

__all__ = ("call_in_small", "start_small")

Result = TypeVar("Result")

_pipe: Connection | None = None


def start_small() -> None:
    """Fork the process from this one as it is now; on Linux, elsewhere forking is not sound."""
    global _pipe
    if _pipe is None and sys.platform == "linux":
        _pipe, other = multiprocessing.Pipe()
        if not os.fork():
            _pipe.close()
            _serve(other)
        other.close()


def call_in_small(function: Callable[..., Result], *args: object, **options: object) -> Result:
    """Call a function of a module in a fork of the small process; gives what it gives, and raises what it raises."""
    if _pipe is None:
        return function(*args, **options)
    _pipe.send((function.__module__, function.__name__, args, options))
    result, error = _pipe.recv()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _serve(pipe: Connection) -> NoReturn:
    while True:
        try:
            asked = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        child = os.fork()
        if not child:
            pipe.send_bytes(_answer(*asked))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            code = os.waitstatus_to_exitcode(status)
            pipe.send((None, RuntimeError(f"{asked[1]} ended its process: {code}")))


def _answer(module: str, name: str, args: tuple[object, ...], options: dict[str, Any]) -> bytes:
    result: object = None
    error: BaseException | None = None
    try:
        result = getattr(import_module(module), name)(*args, **options)
    except BaseException as raised:
        error = raised
    try:
        return pickle.dumps((result, error))
    except Exception:
        return pickle.dumps((None, RuntimeError(traceback.format_exc())))
