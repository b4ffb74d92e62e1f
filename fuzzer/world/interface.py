"""What clocks, generators, networks and threads ask of the world they are part of; the world's loops are such."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..core.stacks import Place
from .errors import OutsideWorldError
from .external import External, Key

__all__ = ("World",)

if TYPE_CHECKING:
    _Loop = asyncio.AbstractEventLoop
else:
    _Loop = object  # the loop it is mixed into


class World(_Loop):
    """A loop with pending external events and a virtual clock."""

    ways_out: frozenset[str]
    """Audit events that no target may raise here."""
    pending: list[External]
    transports: list[Any]
    """The ends of connections that were made in this execution."""
    last_visible: float
    """When an external event last became visible; heartbeats do not count."""

    threads: int
    """How many threads the target has."""
    jobs: int
    """How many of the pending events are threads'."""
    blocked_at: list[tuple[Place, float]]
    """Where the loop's own thread stood still, and for how many virtual seconds."""
    _now: float
    """The clock, without a reading of it."""

    def move_clock(self, to: float) -> None:
        """Set the virtual clock; timers that fall due run at the next iteration."""
        raise NotImplementedError

    def unnoticed(self) -> AbstractContextManager[None]:
        """Meanwhile, clocks and generators serve what is no part of the execution, which then goes on as if it was not.

        For the loop's own thread.
        """
        raise NotImplementedError

    def postponed(self, key: Key) -> External | None:
        """A thread could go on: the event that lets it do so later, where that is decided."""
        raise NotImplementedError

    def let_thread_go_on(self) -> bool:
        """Make a pending event visible that a thread waits for; whether there is one."""
        raise NotImplementedError

    def external(
        self, key: Key, callback: Callable[..., object] | None, *args: Any, context: Context | None = None
    ) -> External:
        """Add an event that the schedule makes visible when it decides to; events wait in order of creation."""
        raise NotImplementedError

    def withdraw(self, event: External) -> None:
        """Take a pending event back; one that is visible already is left alone."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` does here."""
        raise NotImplementedError

    def urandom(self, size: int) -> bytes:
        """What ``os.urandom`` gives here."""
        raise NotImplementedError

    def outside(self, call: str) -> OutsideWorldError:
        """The error for a call that leaves the world, remembered in case the target swallows it."""
        raise NotImplementedError
