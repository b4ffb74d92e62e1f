"""Callbacks that wait to be run: what `call_soon` and `call_at` give, made as soon as a list is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, cast

__all__ = ("Around", "Entry", "Handle", "TimerHandle", "run_handle", "watched")

Around = Callable[..., object]
"""Called with a function and what it takes, and calls it so: what runs callbacks, for those who watch what runs."""

Entry = tuple[Callable[..., object] | None, tuple[Any, ...], Context]
"""A callback in the ready queue: ``(callback, args, context)``; a `Handle` where somebody may want to cancel it."""


class Handle(list[Any]):
    """A scheduled callback that can be cancelled: ``[callback, args, context]``, which a list makes soonest."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def cancel(self) -> None:
        self[0] = None
        self[1] = ()

    def cancelled(self) -> bool:
        return self[0] is None

    def get_context(self) -> Context:
        return cast(Context, self[2])


class TimerHandle(Handle):
    """A callback with a deadline.

    In the heap of timers no handle is less than another, as on the stock loop, where deadlines alone are compared: so
    equal deadlines leave the heap in the same order as there.
    """

    __slots__ = ("deadline",)
    deadline: float

    def when(self) -> float:
        return self.deadline

    def __lt__(self, other: object) -> bool:
        return False


def run_handle(handle: Handle) -> None:
    """What a thread has handed over, unless it was cancelled since."""
    if handle[0] is not None:
        handle[0](*handle[1])


class _Watched:
    """Stands for the context of a callback, and has it run in there by whoever watches."""

    __slots__ = ("_around", "_context")

    def __init__(self, context: Context, around: Around) -> None:
        self._context, self._around = context, around

    def run(self, callback: Callable[..., object], *args: Any) -> object:
        return self._around(self._context.run, callback, *args)


def watched(ready: deque[Entry | Handle], around: Around) -> Entry:
    """The first of what is ready, to be run by those who watch."""
    callback, args, context = ready.popleft()
    return callback, args, cast(Context, _Watched(context, around))
