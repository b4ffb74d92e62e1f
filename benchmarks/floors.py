"""What no event loop in Python can be faster than: the same coroutines without one, and with next to none.

* `by_hand` steps bare coroutines in turns: no tasks, no futures, no contexts.
* `TaskLoop` runs the handles of asyncio's C tasks, first in, first out, and can do nothing else: no clock, no
  cancelling, no failures, nothing from outside.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from typing import Any

__all__ = ("TaskLoop", "by_hand")


def by_hand(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> None:
    """Run coroutines that suspend with bare yields only, as ``sleep(0)`` does."""
    ready = deque(coroutines)
    while ready:
        coroutine = ready.popleft()
        try:
            coroutine.send(None)
        except StopIteration:
            continue
        ready.append(coroutine)


class TaskLoop:
    """The least that C tasks run on; a loop to them, though not to the type checker."""

    def __init__(self) -> None:
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...], Context]] = deque()

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> None:
        assert context is not None  # tasks and futures always give one
        self._ready.append((callback, args, context))

    def create_task(self, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **kwargs)  # type: ignore[arg-type]

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run one coroutine, and the tasks it makes, to the end."""
        previous = events._get_running_loop()
        events._set_running_loop(self)  # type: ignore[arg-type]
        try:
            task = asyncio.Task(main, loop=self)  # type: ignore[arg-type]
            ready = self._ready
            while ready:
                callback, args, context = ready.popleft()
                if args:
                    context.run(callback, *args)
                else:
                    context.run(callback)
            return task.result()
        finally:
            events._set_running_loop(previous)
