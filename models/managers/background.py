"""Named background tasks of a manager, and a watch that restarts those that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

__all__ = ("BackgroundTasks",)

WATCH_INTERVAL = 60.0


class BackgroundTasks:
    """Tasks by name; each can be started again from what it was made of."""

    def __init__(self) -> None:
        self._recipes: dict[str, Callable[[], Awaitable[Any]]] = {}
        self._tasks: dict[str, asyncio.Future[Any]] = {}
        self._watch: asyncio.Task[None] | None = None

    @property
    def watching(self) -> bool:
        return self._watch is not None and not self._watch.done()

    def start(self, name: str, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> bool:
        """Run a coroutine function under a name; False where one of that name is running."""
        known = self._tasks.get(name)
        if known is not None and not known.done():
            return False
        self._recipes[name] = partial(function, *args, **kwargs)
        self._tasks[name] = asyncio.ensure_future(self._recipes[name]())
        return True

    async def stop(self, name: str) -> bool:
        """Cancel a task and wait for its end; False where there is none of that name."""
        task = self._tasks.pop(name, None)
        self._recipes.pop(name, None)
        if task is None:
            return False
        task.cancel()
        await asyncio.wait([task])
        return True

    def states(self) -> dict[str, str]:
        """Of each task whether it is running, failed, cancelled or finished."""
        return {name: _state(task) for name, task in self._tasks.items()}

    def restart_failed(self) -> None:
        """Start again whatever has failed."""
        for name, state in self.states().items():
            if state == "failed":
                self._tasks[name] = asyncio.ensure_future(self._recipes[name]())

    def watch(self) -> None:
        """Look after the tasks from now on."""
        if self._watch is not None:
            self._watch.cancel()
        self._watch = asyncio.create_task(self._watch_over())

    async def _watch_over(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            self.restart_failed()

    async def end(self) -> None:
        """Stop every task and the watch."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for name in list(self._tasks):
            await self.stop(name)


def _state(task: asyncio.Future[Any]) -> str:
    if not task.done():
        return "running"
    if task.cancelled():
        return "cancelled"
    return "failed" if task.exception() is not None else "finished"
