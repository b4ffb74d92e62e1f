"""Pools of threads that a target uses: its loop's own, and others, which begin anew where they outlive an execution.

The threads themselves are in lockstep like any others.
"""

from __future__ import annotations

import itertools
import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .interface import World

__all__ = ("Pools", "forget_workers")

EXECUTOR_THREADS = 32
"""Threads of a loop's own executor: the most that asyncio's has, on however many processors."""


class Pools:
    """The pools of one execution."""

    def __init__(self) -> None:
        self.default: ThreadPoolExecutor | None = None
        """The loop's own, where it has been asked for."""
        self._used: dict[ThreadPoolExecutor, None] = {}

    def chosen(self, given: Any = None) -> ThreadPoolExecutor:
        """The one given, where it is a pool of threads; else the loop's own."""
        if isinstance(given, ThreadPoolExecutor) and type(given).__name__ != "InterpreterPoolExecutor":
            return given
        if self.default is None:
            self.default = ThreadPoolExecutor(EXECUTOR_THREADS, thread_name_prefix="asyncio")
        return self.default

    def uses(self, executor: ThreadPoolExecutor) -> None:
        """Something is submitted to a pool, which may have been made outside of this world, or have been put back into
        a state in which it had threads: none of them is alive in this execution."""
        if executor not in self._used:
            self._used[executor] = None
            _renew(executor)

    def clear(self) -> None:
        """The execution is over."""
        for executor in self._used:
            _renew(executor)
        self._used.clear()
        self.default = None


# -- private parts of the standard library and of anyio ------------------------------


def _renew(executor: ThreadPoolExecutor) -> None:
    """A pool whose threads have ended is as if it had never had any."""
    executor._threads.clear()  # type: ignore[attr-defined]
    executor._work_queue = queue.SimpleQueue()
    executor._idle_semaphore = threading.Semaphore(0)


def forget_workers(world: World) -> None:
    """anyio keeps idle threads for each loop; names of threads count on for as long as the process lives."""
    known = getattr(sys.modules.get("anyio.lowlevel"), "_run_vars", None)
    if known is not None:
        known.pop(world, None)
    if hasattr(threading, "_counter"):
        threading._counter = itertools.count(1).__next__
