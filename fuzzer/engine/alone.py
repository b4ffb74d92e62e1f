"""Executions in processes of their own, each forked from one in which nothing was executed yet.

That process is forked once, and waits.  It forks another for each execution it is asked for, so that whatever an
execution does to its process is gone when it is over.  On systems without ``fork`` there is none of this.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any, BinaryIO, Generic, TypeVar, cast

from ..core.processes import go_by
from ..core.program import Program
from ..world import Chooser, External, Key

__all__ = ("CAN_FORK", "Alone", "AloneError", "in_fork")

CAN_FORK = hasattr(os, "fork")

Shown = TypeVar("Shown")
"""What performing an execution returns; it can be pickled."""

Perform = Callable[[Program, Chooser], Shown]

TICK = 0.5
"""Real seconds between two looks at whether an execution keeps its thread."""

HEADER = struct.Struct("!Q")

ANSWERED = 73
"""Exit code of an execution's process that has said what it showed; targets end theirs with any other."""

_leave = os._exit
"""As it was before a target could put anything in its place."""

_ours: set[int] = set()
"""File descriptors that keep another such process waiting; a new one closes them, or that would never end."""


class AloneError(Exception):
    """An execution in a process of its own failed; the message is what it said, or how the process ended.

    ``code`` is the exit code of a process that ended before it said anything, a signal's number below zero.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Alone(Generic[Shown]):
    """A process that runs each execution in one of its own; fork it before anything was executed.

    ``perform`` is called there, and what it raises comes back as `AloneError`.
    """

    def __init__(self, perform: Perform[Shown]) -> None:
        known_as = os.getpid()
        asked, ask = os.pipe()
        answer, answered = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of other threads: none of them is waited for there
            self.pid = os.fork()
        if not self.pid:
            try:
                for descriptor in (ask, answer, *_ours):
                    os.close(descriptor)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                with _open(asked, "rb") as jobs, _open(answered, "wb") as answers:
                    _wait(jobs, answers, perform, known_as)
            finally:
                _leave(0)
        os.close(asked)
        os.close(answered)
        self._code: int | None = None
        self._descriptors = {ask, answer}
        _ours.update(self._descriptors)
        self._ask, self._answer = _open(ask, "wb"), _open(answer, "rb")

    def run(self, program: Program, chooser: Chooser) -> Shown:
        """Execute; raises `AloneError`.  The chooser decides here, whatever generator it shares with others."""
        with suppress(BrokenPipeError):
            return self._run(program, chooser)
        raise self._gone()

    def _run(self, program: Program, chooser: Chooser) -> Shown:
        _write(self._ask, program)
        events: dict[int, External] = {}
        while True:
            match _read(self._answer):
                case "busy", told:
                    _write(self._ask, chooser.busy(_pending(events, told)))
                case "extra", told:
                    extra = getattr(chooser, "extra", chooser.busy)
                    _write(self._ask, extra(_pending(events, told)))
                case "idle", told, clock:
                    _write(self._ask, chooser.idle(_pending(events, told), clock))
                case "done", shown:
                    return shown  # type: ignore[no-any-return]
                case "failed", why:
                    raise AloneError(why)
                case "ended", code:
                    raise AloneError(f"the process of an execution {_ended(code)}", code)
                case _:
                    raise self._gone()

    def _gone(self) -> AloneError:
        """Somebody has ended the process that others are forked from."""
        if self._code is None:
            with suppress(ChildProcessError):
                self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        how = "has gone" if self._code is None else _ended(self._code)
        killed = self._code if self._code is not None and self._code < 0 else None
        return AloneError(f"the process that executions are forked from {how}", killed)

    def close(self) -> None:
        """End the process."""
        _ours.difference_update(self._descriptors)
        with suppress(OSError):
            self._ask.close()
        with suppress(OSError):
            self._answer.close()
        if self._code is None:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)


Told = list[tuple[int, Key, float]]
"""Pending events: a number for each, its key, and since when it is pending."""


def _pending(events: dict[int, External], told: Told) -> list[External]:
    """The events as a chooser knows them: the same object for the same event throughout an execution."""
    for number, key, since in told:
        if number not in events:
            events[number] = External(key, _nothing, (), _NO_VARIABLES, since)
    return [events[number] for number, _, _ in told]


def _nothing() -> None: ...


_NO_VARIABLES = Context()


class _Asking:
    """The chooser of an execution whose decisions are taken in another process."""

    def __init__(self, ask: BinaryIO, answers: BinaryIO) -> None:
        self._ask, self._answers = ask, answers
        self._numbers: dict[External, int] = {}

    def _told(self, pending: Sequence[External]) -> Told:
        numbers = self._numbers
        return [(numbers.setdefault(event, len(numbers)), event.key, event.since) for event in pending]

    def busy(self, pending: Sequence[External]) -> int:
        _write(self._ask, ("busy", self._told(pending)))
        return int(_read(self._answers))

    def extra(self, options: Sequence[External]) -> int:
        _write(self._ask, ("extra", self._told(options)))
        return int(_read(self._answers))

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        _write(self._ask, ("idle", self._told(pending), clock))
        return int(_read(self._answers))


def _wait(jobs: BinaryIO, answers: BinaryIO, perform: Perform[Any], known_as: int) -> None:
    while (program := _read(jobs)) is not None:
        child = os.fork()
        if not child:
            code = 1
            go_by(known_as)
            try:
                _write(answers, _performed(program, _Asking(answers, jobs), perform))
                code = ANSWERED
            finally:
                _leave(code)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code != ANSWERED:
            _write(answers, ("ended", code))


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _performed(program: Program, chooser: Chooser, perform: Perform[Any]) -> tuple[str, Any]:
    if hasattr(signal, "setitimer"):  # a process that is forked has no timer of its parent's
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    try:
        return "done", perform(program, chooser)
    except Exception as error:
        return "failed", str(error)
    except BaseException as error:
        return "failed", f"{type(error).__name__}: {error}"


def in_fork(call: Callable[[], Any]) -> Any:
    """What a function returns in a process forked for it alone; raises `AloneError` where it raises."""
    known_as = os.getpid()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            go_by(known_as)
            with _open(writing, "wb") as into:
                try:
                    _write(into, ("done", call()))
                except Exception as error:
                    _write(into, ("failed", f"{type(error).__name__}: {error}"))
        finally:
            _leave(0)
    os.close(writing)
    with _open(reading, "rb") as file:
        said = _read(file)
    _, status = os.waitpid(child, 0)
    match said:
        case "done", result:
            return result
        case "failed", why:
            raise AloneError(why)
        case _:
            raise AloneError(f"the process of a trial {_ended(os.waitstatus_to_exitcode(status))}")


def _open(descriptor: int, mode: str) -> BinaryIO:
    """Without a buffer: several processes read from one pipe, in turns."""
    return cast(BinaryIO, os.fdopen(descriptor, mode, buffering=0))


def _write(file: BinaryIO, message: object) -> None:
    data = pickle.dumps(message)
    left = memoryview(HEADER.pack(len(data)) + data)
    while left:
        left = left[file.write(left) :]


def _read(file: BinaryIO) -> Any:
    """The next message, or None where there will be none."""
    header = _exactly(file, HEADER.size)
    data = _exactly(file, HEADER.unpack(header)[0]) if header is not None else None
    return pickle.loads(data) if data is not None else None


def _exactly(file: BinaryIO, size: int) -> bytes | None:
    parts = []
    while size:
        part = file.read(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if sys.platform == "win32":  # pragma: no cover  # nothing of the above is called there
    CAN_FORK = False
