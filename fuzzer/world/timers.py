"""What has a deadline: the world's timers, in a heap as the stock loop's, and which of them are due together."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from .entropy import CLOCK_START
from .handles import TimerHandle
from .outer import GRAIN, Outer

__all__ = ("TimerHeap", "Timers")

MANY = 100
"""Timers from which on the stock loop makes its heap anew, where half of them are cancelled (asyncio.base_events)."""


class TimerHeap(Outer):
    """What every world keeps of its timers, whoever runs those that are due."""

    _timers: list[tuple[float, TimerHandle]]
    """A heap of deadlines; those that were cancelled stay in it until they are met."""

    def note_deadline(self, when: float) -> None:
        """Somebody asks for an instant; whoever looks on is told when, and how long until then, in seconds."""
        if self.timers_set is not None:
            self.timers_set.append((self._now - CLOCK_START, when - self._now))

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        handle = TimerHandle((callback, args, copy_context() if context is None else context))
        handle.deadline = when
        heapq.heappush(self._timers, (when, handle))
        self.note_deadline(when)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)


class Timers(TimerHeap):
    """The part of a loop that keeps its timers; mixed into the world's loop, which runs those that are due."""

    def next_deadline(self) -> float | None:
        """Up to when the loop sleeps for its timers: the next deadline, or the last of those that are due with it."""
        timers = self._timers
        while timers and timers[0][1][0] is None:
            heapq.heappop(timers)
        return self._due_with(timers[0][0]) if timers else None

    def _due_with(self, deadline: float) -> float:
        limit = deadline + GRAIN
        if not any(when <= limit for when, _ in self._timers[1:3]):  # a heap: the others are later than these
            return deadline
        return max(when for when, handle in self._timers if when <= limit and handle[0] is not None)

    def _soon(self) -> float | None:
        """The next deadline that is not due yet."""
        now = self._now
        deadline = self.next_deadline()
        if deadline is None or deadline > now:
            return deadline
        later = [when for when, handle in self._timers if when > now and handle[0] is not None]
        return self._due_with(min(later)) if later else None

    def _forget_cancelled(self) -> None:
        """What the stock loop does before it looks at its timers, by its own numbers: it changes the heap."""
        timers = self._timers
        if len(timers) > MANY and 2 * sum(handle[0] is None for _, handle in timers) > len(timers):
            timers[:] = [timer for timer in timers if timer[1][0] is not None]
            heapq.heapify(timers)
        while timers and timers[0][1][0] is None:
            heapq.heappop(timers)
