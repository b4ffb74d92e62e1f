"""Where a task waits and where an exception came from, in the target's own code.

The one place that reads a private attribute of asyncio: ``Task._log_traceback``, which is true while nobody has looked
at a failed task's exception (what its destructor would complain about).  `unretrieved` fails loudly where it is gone.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from traceback import walk_stack, walk_tb
from types import CodeType, FrameType
from typing import Any, NamedTuple

__all__ = (
    "Caller",
    "Listening",
    "Place",
    "awaited_by",
    "called_from",
    "coroutine",
    "innermost",
    "innermost_of",
    "is_library",
    "is_own",
    "raised_at",
    "raised_through",
    "suspended",
    "unretrieved",
    "unwrapped",
    "waits_at",
)

_ASYNCIO = os.path.dirname(os.path.abspath(asyncio.__file__)) + os.sep
_ENGINE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STANDING = os.path.join(os.path.dirname(os.path.realpath(_ENGINE)), "models") + os.sep
_INSTALLED = tuple(
    {
        os.path.realpath(path) + os.sep
        for path in (*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages())
    }
)

_SITE = frozenset({"site-packages", "dist-packages"})


@cache
def _ours(filename: str) -> bool:
    """Whether a file belongs to asyncio or to the engine, rather than to the target or a library of its."""
    return filename.startswith((_ASYNCIO, _ENGINE)) or os.path.realpath(filename).startswith(os.path.realpath(_ENGINE))


@cache
def is_library(filename: str) -> bool:
    """Whether a file is installed, rather than the target's own; the bundled managers count as targets.

    What ``pip install --target`` puts elsewhere is: such a folder is called as they are, or says what is installed.
    What a library generates has no file.
    """
    if not filename or filename.startswith("<"):
        return True
    path = os.path.realpath(filename)
    if path.startswith(_STANDING):
        return False
    return path.startswith(_INSTALLED) or not _SITE.isdisjoint(path.split(os.sep)) or _holds_packages(_root(path))


def _root(path: str) -> str:
    """The folder from which a file is imported; empty where there is none."""
    folders = (os.path.realpath(entry) for entry in sys.path if entry)
    return max((folder for folder in folders if path.startswith(folder + os.sep)), key=len, default="")


@cache
def _holds_packages(folder: str) -> bool:
    """Whether packages are installed in a folder: each leaves its metadata there (PEP 376)."""
    try:
        return any(name.endswith(".dist-info") for name in os.listdir(folder)) if folder else False
    except OSError:
        return False


@cache
def is_own(filename: str) -> bool:
    """Whether a file is the target's own: neither installed, nor asyncio's or the engine's."""
    return not is_library(filename) and not _ours(filename)


class Place(str):
    """Where code stands, ``qualname (file:line)``; ``function``, the qualname, stays as it is under edits elsewhere.

    ``file`` is a name without folders, ``line`` 0 where there is none.
    """

    __slots__ = ("file", "function", "line")
    function: str
    file: str
    line: int

    def __new__(cls, function: str = "", file: str = "", line: int = 0) -> Place:
        place = super().__new__(cls, f"{function} ({file}:{line})" if file else function)
        place.function, place.file, place.line = function, file, line
        return place


class Listening(Place):
    """Where code waits for what its client says next: nothing holds it up."""

    __slots__ = ()


NOWHERE = Place()


class _Innermost:
    """Of the frames it is shown, outermost first: the last of the target's own, else the last of a library's."""

    def __init__(self) -> None:
        self.own = self.any = NOWHERE

    def see(self, code: CodeType, line: int) -> None:
        filename = code.co_filename
        if not _ours(filename):
            self.any = Place(code.co_qualname, os.path.basename(filename), line)
            if not is_library(filename):
                self.own = self.any


def coroutine(task: Any) -> Any:
    """What a task of asyncio's or trio's runs."""
    return task.get_coro() if hasattr(task, "get_coro") else task.coro


def suspended(task: Any, *, generators: bool = False) -> Iterator[FrameType]:
    """The frames in which a task, asyncio's or trio's, is suspended, outermost first.

    Those of asynchronous ``generators`` too, if so asked: what waits for one names it to the collector only.
    """
    awaited: Any = coroutine(task)
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if generators and inspect.isasyncgen(awaited):
            frame = awaited.ag_frame
        if frame is not None:
            yield frame
        awaited = _awaited(awaited, generators=generators)


def _awaited(awaiting: Any, *, generators: bool) -> Any:
    """What something waits for that is itself waited for; None at the innermost."""
    inner = getattr(awaiting, "cr_await", None) or getattr(awaiting, "gi_yieldfrom", None)
    if inner is None and generators:
        if inspect.isasyncgen(awaiting):
            return awaiting.ag_await
        if type(awaiting).__name__.startswith("async_generator_"):  # ``async_generator_asend``: what ``anext`` gives
            return next(filter(inspect.isasyncgen, gc.get_referents(awaiting)), None)
    return inner


def waits_at(task: Any, *, own: bool = False) -> Place:
    """The innermost frame of the target that the task is suspended in, ``qualname (file:line)``.

    Where there is none, that of a library, unless only the target's ``own`` will do; else nothing.
    """
    innermost = _Innermost()
    for frame in suspended(task):
        innermost.see(frame.f_code, frame.f_lineno)
    return innermost.own or (NOWHERE if own else innermost.any)


def innermost(frame: FrameType | None) -> Place:
    """The innermost frame of the target on a thread's stack."""
    seen = _Innermost()
    for inner, line in reversed(list(walk_stack(frame))):
        seen.see(inner.f_code, line)
    return seen.own or seen.any or Place("an unknown place")


class Caller(NamedTuple):
    """Where the target's own code has called something, and through which libraries, outermost first.

    Empty where nobody can tell.
    """

    place: Place = NOWHERE
    libraries: tuple[str, ...] = ()


def called_from(frame: FrameType | None) -> Caller:
    """Who called what runs on a thread's stack, within the current step of the loop."""
    frames = [(inner.f_code, line) for inner, line in walk_stack(frame)]
    while frames and _ours(frames[0][0].co_filename):
        del frames[0]
    step = next((number for number, (code, _) in enumerate(frames) if _ours(code.co_filename)), len(frames))
    return _caller(reversed(frames[:step]))


def awaited_by(task: asyncio.Task[Any]) -> Caller:
    """What the target's own code in a task waits for, and through which library."""
    return _caller((frame.f_code, frame.f_lineno) for frame in suspended(task))


def _caller(frames: Iterable[tuple[CodeType, int]]) -> Caller:
    place = NOWHERE
    libraries: dict[str, None] = {}
    for code, line in frames:
        filename = code.co_filename
        if _ours(filename):
            continue
        if not is_library(filename):
            place = Place(code.co_qualname, os.path.basename(filename), line)
            libraries.clear()
        else:
            parts = os.path.realpath(filename).split(os.sep)
            site = next((number for number, part in enumerate(parts) if part in _SITE), None)
            if site is not None and site + 1 < len(parts):
                libraries[parts[site + 1].removesuffix(".py")] = None
    return Caller(place, tuple(libraries))


def raised_at(error: BaseException) -> Place:
    """The innermost frame of the target that the exception passed through."""
    seen = _Innermost()
    for frame, line in walk_tb(error.__traceback__):
        seen.see(frame.f_code, line)
    return seen.own or seen.any


def raised_through(error: BaseException) -> tuple[Place, ...]:
    """The frames of the target's own that the exception passed through, outermost first."""
    return tuple(
        Place(frame.f_code.co_qualname, os.path.basename(frame.f_code.co_filename), line)
        for frame, line in walk_tb(error.__traceback__)
        if is_own(frame.f_code.co_filename)
    )


def unwrapped(error: BaseException) -> BaseException:
    """The exception itself, where it is one that nurseries have put into groups, and groups of those."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def unretrieved(task: asyncio.Task[Any]) -> BaseException | None:
    """The exception of a failed task that nobody has looked at yet, or None."""
    if not task.done() or task.cancelled() or not task._log_traceback:
        return None
    return task.exception()


def innermost_of(frames: Iterable[tuple[str, int, str]]) -> Place:
    """The innermost frame of the target among another process's, as ``(file, line, function)``, outermost first."""
    own = library = NOWHERE
    for filename, line, function in frames:
        if _ours(filename):
            library = NOWHERE
        else:
            library = Place(function, os.path.basename(filename), line)
            if not is_library(filename):
                own = library
    return own or library
