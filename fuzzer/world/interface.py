"""What clocks, generators, networks and threads ask of the world they are part of, and what drivers ask of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from ..core.stacks import Place
from .errors import OutsideWorldError
from .external import Chooser, External, Key
from .handles import Around

__all__ = ("DrivenWorld", "World")

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

    def listening(self, port: int, server: Any) -> None:
        """A server takes connections at this port from now on."""
        raise NotImplementedError

    def deaf(self, port: int, server: Any) -> None:
        """It does so no longer."""
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


class DrivenWorld(Protocol):
    """What whoever plays a program asks of a world, whichever library the target's tasks are of.

    asyncio's and trio's are such, and the stock loops of both, gated.
    """

    entropy: Any
    """A context manager: the clocks and generators are held while it is entered."""
    chooser: Chooser
    idle: Callable[[], bool]
    """Asked when nothing is ready and nothing pending: whether there is anything to go on with."""
    clock_hook: Callable[[float], None]
    """Told before the clock is moved past pending events; for how many seconds of that the machine was busy."""
    over: Callable[[], None]
    """Told that the execution is over where tasks clean up before `run_world` returns: that is no part of it."""
    pending: list[External]
    visible: list[tuple[Key, bool]]
    """Which events became visible, in order, each with whether anything was ready then."""
    deviations: list[tuple[int, int]]
    unhandled: list[dict[str, Any]]
    """What nobody handled, as asyncio's exception handler is told it."""
    trespass: OutsideWorldError | None
    """The first call that left the world."""
    spinning: bool
    blocked_at: list[tuple[Place, float]]
    last_visible: float
    timers_set: list[tuple[float, float]] | None
    around: Around | None
    """What runs each callback, for those who watch what runs; looked at when an execution begins."""

    @property
    def instant(self) -> float:
        """What the clock would say, for those who watch: asking does not move it."""

    def alive(self) -> list[Any]:
        """All tasks that have not ended, the target's first."""

    def current_task(self) -> Any:
        """The task that runs; None in a callback."""

    def time(self) -> float:
        """The clock; each reading is later than the one before."""

    def next_deadline(self) -> float | None:
        """The deadline of the next timer, or None."""

    def move_clock(self, to: float) -> None:
        """Set the virtual clock; timers that fall due run at the next iteration."""

    def external(
        self, key: Key, callback: Callable[..., object] | None, *args: Any, context: Context | None = None
    ) -> External:
        """Add an event that the schedule makes visible when it decides to."""

    def withdraw(self, event: External) -> None:
        """Take a pending event back; one that is visible already is left alone."""

    def create_future(self) -> Any:
        """Something that is set once and can be awaited: ``set_result``, ``set_exception``, ``done``."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context) -> Any:
        """Call back in so many virtual seconds."""

    def run_world(self, context: Context, first: Callable[..., object], *args: Any) -> None:
        """Run ``first(*args)`` and all that follows from it in ``context``, until nothing can happen or `stop`."""

    def stop(self) -> None:
        """Run nothing more in this execution."""

    def is_running(self) -> bool: ...

    def reset(self) -> None:
        """Forget everything of the execution before."""

    def discard(self) -> None:
        """Before an execution: forget what destructors have asked for since the one before was over."""

    def rest(self) -> None:
        """No more executions for now: let go of what is kept from one to the next."""

    def close(self) -> None:
        """No more executions at all."""
