"""A process of its own for whatever runs a target's code: what it tells, how it is watched, and how it ended.

The process is told what to do (a `Job`), tells what it has to (any plain data of ours), and can end, hang, eat memory
or close its files: `Child.hear` says so in an `Ending`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from ..core.stacks import Place
from ..core.text import cut, plain
from .beginning import in_main_thread, processes, start
from .endings import Ending, How, place_in
from .inside import begin
from .messages import EXHAUSTED, Done, Exhausted, Inbox, Job, Said, packed
from .usage import memory_used, processor_time

__all__ = ("MEMORY", "PATIENCE", "Care", "Child", "awaited")

PATIENCE = 10.0
"""Seconds of processor time an execution may take in a process before the process is ended."""

STARTING = 6
"""So many times as long may pass before the first execution: libraries are imported."""

WAITING = 60.0
"""Real seconds in which a process may neither get on nor use the processor."""

MEMORY = 4096
"""MiB of memory a process may hold."""

TICK = 0.25
"""Real seconds between two looks at a process."""

TALK = 5
"""Lines of what a target prints that are passed on."""


@dataclass(frozen=True, slots=True)
class Care:
    """How a process that runs a target's code is watched: seconds of processor time, and MiB of memory."""

    patience: float = PATIENCE
    memory: int = MEMORY


class Child:
    """A process that does a job, from its start to its end; a context manager that leaves none behind."""

    def __init__(self, job: Job, care: Care, daemon: bool = False) -> None:
        """Start it; a ``daemon`` starts no process by multiprocessing, which ends it with this one at the latest."""
        context = processes()
        self.care = care
        self.ending: Ending | None = None
        self.done: Done | None = None
        self._pulse = context.RawArray("Q", 2)
        told, tell = context.Pipe(duplex=False)
        asked, self._ask = context.Pipe(duplex=False)
        said, say = context.Pipe(duplex=False)
        faults, fault = context.Pipe(duplex=False)
        self._inbox, self._output, self._faults = Inbox(told), Inbox(said), Inbox(faults)
        self._talk, self._lines, self._stack = "", 0, ""
        self._exhausted = False
        self._process = context.Process(
            target=begin,
            args=(job, tell, asked, say, fault, self._pulse, care.memory, in_main_thread()),
            daemon=daemon,
        )
        try:
            start(self._process)
        finally:
            for end in (tell, asked, say, fault):
                end.close()
        self._beats = self._since = self._used = self._moved = 0.0
        self._seen()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def waitables(self) -> list[Any]:
        """What to wait on for news (`awaited`)."""
        if self.ending is not None:
            return []
        return [box.pipe for box in (self._inbox, self._output) if not box.over] + [self._process.sentinel]

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.done is not None or self.ending is not None

    def ask(self, message: object) -> None:
        """Send the child something to do."""
        data = packed(message)
        try:
            os.write(self._ask.fileno(), data)  # small: fits the pipe, or nobody reads it any more
        except OSError:
            return

    def hear(self) -> Iterator[Any]:
        """Yield what has come in, without waiting; sees to it that the child does not go wrong unnoticed."""
        if self.over:
            return
        gone = self._process.exitcode is not None or not self._process.is_alive()
        try:
            for message in self._inbox.read():
                if isinstance(message, Done):
                    self.done = message
                elif isinstance(message, Exhausted):
                    self._exhausted = True
                else:
                    yield message
        except ValueError as error:
            self._end(How.CHANNEL, str(error))
        yield from self._printed()
        self._written()
        if self.done is not None or self.ending is not None:
            return
        if self._inbox.over:
            self._process.join(1.0)  # it may only be that its files are closed before it counts as ended
            gone = self._process.exitcode is not None
        if gone:
            self._ended()
        elif self._inbox.over:
            self._end(How.CHANNEL, "it closed the pipe that Crosswire hears it by")
        else:
            self._watch()

    def _printed(self) -> Iterator[Said]:
        self._talk += self._output.text()
        *whole, self._talk = self._talk.split("\n")
        self._talk = self._talk[-10_000:]
        for line in whole:
            if line.strip() and self._lines < TALK:
                self._lines += 1
                yield Said(plain(cut(line, 300)))

    def _written(self) -> str:
        """What the child's fault handler has written, the last of it."""
        self._stack = (self._stack + self._faults.text())[-30_000:]
        return self._stack

    def _seen(self) -> None:
        self._beats = self._pulse[0]
        self._since = self._moved = time.monotonic()
        self._used = self._began_with = -1.0

    def _watch(self) -> None:
        """End the child where it does not get on, or holds too much memory."""
        held = memory_used(self._process.pid)
        if held > self.care.memory:
            self._end(How.MEMORY, f"{held:,.0f} MiB, and may hold {self.care.memory:,}")
            return
        if self._pulse[0] != self._beats:
            self._seen()
            return
        patience = self.care.patience * (1 if self._pulse[1] else STARTING)
        now = time.monotonic()
        if now - self._since < 1.0:  # nothing takes that much processor time in less
            return
        used = processor_time(self._process.pid, group=True)
        if self._began_with < 0:
            self._began_with = self._used = used
        if used - self._used > (now - self._moved) / 50:
            self._moved = now
        self._used = used
        if used - self._began_with >= patience:
            self._end(How.BUSY, f"{patience:g}")
        elif now - self._moved >= max(WAITING, patience):
            self._end(How.WAITING, f"{max(WAITING, patience):g}")

    def _ended(self) -> None:
        """Say how the child ended by itself."""
        self._process.join()
        code = self._process.exitcode or 0
        stack = self._written()
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            self.ending = Ending(How.SIGNAL, name, place_in(stack), stack)
        elif code == EXHAUSTED and self._exhausted:
            self.ending = Ending(How.MEMORY, f"no more than {self.care.memory:,} MiB, and asked for more", Place(), "")
        else:
            self.ending = Ending(How.EXIT, str(code), place_in(stack), stack)
        self._close()

    def _end(self, how: How, detail: str) -> None:
        """End the child, having it say first where it is."""
        if how is not How.MEMORY:
            self._abort()
            self._process.join(1.0)
        stack = self._written()
        self.ending = Ending(how, detail, place_in(stack), stack)
        self.close()

    def _abort(self) -> None:
        """Have it, and what it has forked, say where it stands: Python's fault handler does so at this signal."""
        with suppress(OSError):
            if self._process.pid is not None and hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGABRT)

    def close(self) -> None:
        """End the child, and whatever it started in its process group."""
        pid = self._process.pid
        if self.done is not None:
            self._process.join(1.0)
        if pid is not None and hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._close()

    def _close(self) -> None:
        for pipe in (self._inbox.pipe, self._output.pipe, self._faults.pipe, self._ask):
            pipe.close()


def awaited(children: list[Child], seconds: float = TICK) -> None:
    """Wait until one of some children has something to say, at most so many real seconds."""
    wait([waitable for child in children for waitable in child.waitables], seconds)
