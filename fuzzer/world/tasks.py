"""What drivers, links and services ask of a world about tasks: asyncio's here, trio's in the world for that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any

from ..core.choices import Backend
from ..core.stacks import unretrieved

__all__ = ("Tasks",)


class Tasks:
    """A world's tasks, where they are asyncio's; mixed into it."""

    tasks: list[Any]
    """the target's, those that have ended too; of trio's, those given to trio itself"""
    drivers: list[asyncio.Task[Any]]
    labels: dict[asyncio.Task[Any], str | None]

    backend: Backend = "asyncio"
    """The library whose tasks they are."""
    cancelled: type[BaseException] = asyncio.CancelledError
    """What a task that is cancelled is told so by."""

    def drive(self: Any, context: Context, start: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> Any:
        """Start a task that is no part of the target, for a driver."""
        task = asyncio.Task(start(*args), loop=self, context=context)
        self.drivers.append(task)
        return task

    def serve(self: Any, start: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> Any:
        """Start a task of the target's as servers do; gives what can be awaited, and asked whether it is ``done()``.

        What it raises ends no other task: `failed` tells, unless it was awaited.
        """
        return self.create_task(start(*args))

    def as_io(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A function that stands for reading or writing, as the library whose tasks call it has that."""
        return call

    def targets(self) -> list[Any]:
        """The target's tasks that have not ended."""
        return [task for task in self.tasks if not task.done()]

    def left(self) -> list[Any]:
        """Those for whose end nobody waits, so that they may outlive what they serve."""
        return self.targets()

    def served_in(self, task: Any) -> str | None:
        """The connection that a task of the target's serves, as far as that is known."""
        return self.labels.get(task) if isinstance(task, asyncio.Task) else None

    def failed(self) -> Iterator[tuple[BaseException, str | None]]:
        """What tasks of the target's have raised that nobody has looked at, each with the connection it served."""
        for task in self.tasks:
            error = unretrieved(task)
            if error is not None:
                yield error, self.labels.get(task)

    def alive(self) -> list[Any]:
        """All tasks that have not ended, the target's first."""
        return [task for task in (*self.tasks, *self.drivers) if not task.done()]

    def current_task(self: Any) -> Any:
        """The task that runs; None in a callback."""
        return asyncio.current_task(self)
