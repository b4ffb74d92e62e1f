"""What may become visible to a target from outside, and who decides when.

The world holds a list of *pending* external events.  At every boundary between two iterations of the loop a
`Chooser` says which of them become visible, and in which order.  Everything else in an execution is determined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context, ContextVar
from typing import Any, Protocol

__all__ = (
    "CARRY_ON",
    "CLOCK",
    "LATE",
    "NO_VARIABLES",
    "REVERSED",
    "Chooser",
    "External",
    "InOrder",
    "Key",
    "operation",
    "operation_number",
    "option",
)

Key = tuple[str | int, ...]
"""Names an external event within one execution: ``("frame", "c0")``, ``("start", 3)``, ``("latency", "auth", 1)``."""

operation: ContextVar[int | None] = ContextVar("crosswire_operation", default=None)
"""The number of the operation on whose behalf code runs; tasks inherit it from whoever starts them."""


def operation_number() -> int:
    """The current operation's number for a `Key`; -1 outside operations."""
    number = operation.get()
    return -1 if number is None else number


CARRY_ON = -1
"""A chooser's answer at a busy boundary: nothing more becomes visible, run what is ready."""


class External:
    """One pending external event: making it visible puts ``callback(*args)`` behind what is already ready."""

    __slots__ = ("args", "callback", "context", "key", "since", "thread")

    def __init__(
        self,
        key: Key,
        callback: Callable[..., object] | None,
        args: tuple[Any, ...],
        context: Context,
        since: float,
    ) -> None:
        self.key = key
        self.callback = callback
        self.args = args
        self.context = context
        self.since = since
        self.thread: Any = None
        """The thread that goes on once this has become visible (a `lockstep.Member`)."""

    def __repr__(self) -> str:
        return f"<External {' '.join(map(str, self.key))}>"


NO_VARIABLES = Context()
"""For callbacks that only complete a future: whoever waits for it has a context of its own."""


def option(*key: str | int) -> External:
    """Something to choose that is no event: making it visible does nothing."""
    return External(key, None, (), NO_VARIABLES, 0.0)


CLOCK = option("clock")
"""While callbacks are ready: the machine is busy with something else until the next timer's deadline."""

LATE = option("late")
"""With nothing ready: the event that was chosen comes shortly before the next timer's deadline."""


REVERSED = option("reversed")
"""On trio: of the tasks that are ready together, two or more, the last runs first."""


class Chooser(Protocol):
    """Takes the decisions of one execution: a scheduling strategy, or a recorded schedule.

    A chooser without `extra` is asked by `busy` instead.
    """

    def busy(self, pending: Sequence[External]) -> int:
        """With callbacks ready: the index of the event that becomes visible now, or `CARRY_ON`."""

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        """With nothing ready: the index of the next event; ``len(pending)`` moves the clock where ``clock`` is true."""

    def extra(self, options: Sequence[External]) -> int:
        """What the order of events leaves open: the index of what happens besides, or `CARRY_ON`.

        That the machine is busy until the next deadline, that an event comes just before one or together with one,
        that a thread goes on later, that a batch of trio's runs the other way round.  These decisions are numbered
        apart, so that schedules made before there were such mean what they meant.
        """


class InOrder:
    """The chooser that never deviates: each event is handled to the end before the next becomes visible."""

    def busy(self, pending: Sequence[External]) -> int:
        return CARRY_ON

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        return 0

    def extra(self, options: Sequence[External]) -> int:
        return CARRY_ON
