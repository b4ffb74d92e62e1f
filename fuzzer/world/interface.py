"""What clocks, generators, networks and threads ask of the world they are part of; the world's loops are such."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

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

    def external(
        self, key: Key, callback: Callable[..., object], *args: Any, context: Context | None = None
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
