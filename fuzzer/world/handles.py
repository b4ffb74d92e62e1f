"""Callbacks that wait to be run: what `call_soon` and `call_at` give, made as soon as a list is."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any, cast

__all__ = ("Entry", "Handle", "TimerHandle", "run_handle")

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
