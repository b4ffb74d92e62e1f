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
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import crosswire.fuzzer.campaigns.replays
import crosswire.fuzzer.campaigns.supervisor  # noqa: F401  # what the command has imported
from crosswire.fuzzer.campaigns.beginning import fork_from_here

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


def call_in_small(folder: Path, function: Callable[..., Result], *args: object, **options: object) -> Result:
    """Call a function of a module in a fork of the small process; gives what it gives, and raises what it raises.

    It runs in that folder, with all that it prints in a file ``printed`` there.
    """
    asked = str(folder), function.__module__, function.__name__, args, options
    if _pipe is None:
        answer = _answer(*asked)
    else:
        _pipe.send(asked)
        answer = _pipe.recv_bytes()
    result, error = pickle.loads(answer)
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
            pipe.send_bytes(pickle.dumps((None, RuntimeError(f"{asked[2]} ended its process: {code}"))))


@contextmanager
def _printing(file: str) -> Iterator[None]:
    """Have what is printed, also by processes that are forked, be in a file."""
    kept = [(number, os.dup(number)) for number in (1, 2)]
    with open(file, "wb") as printed:
        for number, _ in kept:
            os.dup2(printed.fileno(), number)
    try:
        yield
    finally:
        for number, before in kept:
            os.dup2(before, number)
            os.close(before)


def _answer(folder: str, module: str, name: str, args: tuple[object, ...], options: dict[str, Any]) -> bytes:
    result: object = None
    error: BaseException | None = None
    try:
        with chdir(folder), _printing("printed"):
            fork_from_here()
            result = getattr(import_module(module), name)(*args, **options)
    except BaseException as raised:
        error = raised
    try:
        return pickle.dumps((result, error))
    except Exception:
        return pickle.dumps((None, RuntimeError(traceback.format_exc())))
