"""What comes into a world from outside: pending external events, and the decisions which of them become visible.

Shared by the world's own loop and by asyncio's, gated; both keep their callbacks and timers, and ask here at every
boundary between two iterations.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import Future, events
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from typing import Any

from ..core.stacks import Caller, Place, awaited_by, called_from, innermost
from .entropy import CLOCK_START, WAYS_OUT, Entropy
from .errors import OutsideWorldError
from .external import CARRY_ON, CLOCK, LATE, NO_VARIABLES, Chooser, External, InOrder, Key, operation_number, option
from .handles import Around
from .identity import restart
from .lockstep import Lockstep, here, member_here
from .network import Networked
from .server import connection
from .tasks import Tasks

__all__ = ("BUSY", "GRAIN", "NEARLY", "PATIENCE", "TICK", "Outer", "latency", "unheard", "world_here")

BUSY = 0.25
"""For how long, in virtual seconds, a machine may be busy before the loop gets round to its timers."""

NEARLY = 0.01
"""How long before a deadline, in virtual seconds, an event comes that comes late."""

GRAIN = 1e-4
"""Timers due within so many virtual seconds of each other are due together: no kernel wakes a sleeper that exactly."""

TICK = 1e-6
"""How much later, in virtual seconds, each reading of a clock is than the one before."""

PATIENCE = 10.0
"""For how long, in virtual seconds, the clock may move while one and the same external event stays pending."""


class Outer(Tasks, Networked):
    """The part of a loop that faces outwards; mixed into a loop, which brings callbacks and timers.

    After an execution, `deviations` holds the decisions that differed from the order of arrival, as
    ``(decision number, choice)``, and `visible` the keys of the events that became visible, in order, each with
    whether callbacks were ready then.
    """

    ways_out = WAYS_OUT

    __hash__ = (1 << 20).__hash__  # a number, like others'; asked by C before each step

    entropy: Entropy
    lockstep: Lockstep
    idle: Callable[[], bool]
    """Asked when nothing is ready and nothing pending: whether there is anything to go on with."""
    clock_hook: Callable[[float], None]
    """Told before the clock is moved past pending events; for how many seconds of that the machine was busy."""

    over: Callable[[], None]
    """Told that the execution is over where tasks clean up before `run_world` returns: that is no part of it."""

    around: Around | None = None
    """What runs each callback, for those who watch what runs; looked at when an execution begins."""

    timers_set: list[tuple[float, float]] | None = None
    """Where a list is put here, it is told of every timer: when it was set, and for how long, in seconds."""

    def outer_clear(self) -> None:
        """Forget the execution before."""
        self._now = CLOCK_START
        self._busy_for = 0.0
        """For how many seconds the machine has been busy since it last had nothing to do."""
        self._extra_point = 0
        self.chooser: Chooser = InOrder()
        self.pending: list[External] = []
        self.point = 0
        self.last_visible = CLOCK_START
        self.deviations: list[tuple[int, int]] = []
        self.visible: list[tuple[Key, bool]] = []
        self.tasks: list[Any] = []
        """the target's, those that have ended too; of trio's, those given to trio itself"""
        self.started_by: list[int | None] = []
        """for each of the tasks the operation, if any, on whose behalf it was started"""
        self.drivers: list[asyncio.Task[Any]] = []
        self.unhandled: list[dict[str, Any]] = []
        self.trespass: OutsideWorldError | None = None
        self.spinning = False
        self.granted = 0
        """further iterations that an execution may take before it counts as spinning: much is done, or for long"""
        self.jobs = 0
        self.threads = 0
        self.numbered = False
        self.labels: dict[asyncio.Task[Any], str | None] = {}
        self.blocked_at: list[tuple[Place, float]] = []
        self.network_clear()
        restart()

    def next_deadline(self) -> float | None:
        """The deadline of the next timer that was not cancelled, or None."""
        raise NotImplementedError

    def _when_idle(self) -> bool:
        """Nothing ready, nothing pending: move to the next deadline, or end."""
        deadline = self.next_deadline()
        if deadline is None:
            return False
        self.move_clock(deadline)
        return True

    def time(self) -> float:
        """The clock; each reading is later than the one before."""
        self._now += TICK
        return self._now

    @property
    def instant(self) -> float:
        """What the clock would say, for those who watch: asking does not move it."""
        return self._now

    # -- decisions ------------------------------

    def _choose_idle(self, deadline: float | None) -> External | None:
        """Nothing is ready and something pending: the event that becomes visible; None where the clock moves instead.

        The clock moves to ``deadline``, that of the next timer.
        """
        pending = self.pending
        clock = deadline is not None and self._may_move_clock(deadline)
        self._busy_for = 0.0
        self.point = point = self.point + 1
        choice = self.chooser.idle(pending, clock)
        if choice:
            self.deviations.append((point, choice))
            if choice == len(pending):
                assert deadline is not None
                self.visible.append((CLOCK.key, False))
                self.clock_hook(0.0)
                self.move_clock(deadline)
                return None
        if clock and deadline is not None and deadline - self._now > BUSY and self._extra((LATE,)) is LATE:
            self.visible.append((LATE.key, False))
            self.clock_hook(0.0)
            self.move_clock(deadline - NEARLY)
        return self._show(choice, False)

    def _choose_busy(self, pending: list[External]) -> External | None:
        """Callbacks are ready and these pending: the event that becomes visible before they run, if any."""
        self.point = point = self.point + 1
        choice = self.chooser.busy(pending)
        if choice == CARRY_ON:
            return None
        self.deviations.append((point, choice + 1))
        return self._show(choice if pending is self.pending else self.pending.index(pending[choice]), True)

    def _extra(self, options: Sequence[External]) -> External | None:
        """A decision of the kinds that schedules did not have at first: what happens besides, if anything.

        They are counted apart and kept under negative numbers, so that older schedules mean what they meant.
        """
        self._extra_point = point = self._extra_point - 1
        chooser = self.chooser
        choice = chooser.extra(options) if hasattr(chooser, "extra") else chooser.busy(options)
        if choice == CARRY_ON:
            return None
        self.deviations.append((point, choice + 1))
        return options[choice]

    def _choose_together(self) -> External | None:
        """Timers are due, and nothing is ready: the pending event that came in together with them, if any."""
        event = self._extra(self.pending) if self.pending else None
        return event and self._show(self.pending.index(event), True)

    def _be_busy(self, soon: float | None) -> bool:
        """Something is to be run: whether the machine was busy until a deadline that is near, before it got there.

        What is waited for meanwhile has that long more to come, before the world is at rest.
        """
        if soon is None or self._busy_for + soon - self._now > BUSY or self._extra((CLOCK,)) is None:
            return False
        self.visible.append((CLOCK.key, True))
        seconds = soon - self._now
        self.clock_hook(seconds)
        self._busy_for += seconds
        self.last_visible += seconds
        self.move_clock(soon)
        return True

    def _show(self, index: int, busy: bool) -> External:
        """Take out the pending event there, which becomes visible, while callbacks are ready or while none are."""
        event = self.pending.pop(index)
        self.visible.append((event.key, busy))
        if event.thread is not None:
            self.lockstep.shown(event.thread)
        if event.key[0] != "pong":  # a heartbeat's echo is no sign of life: it would keep the world from ever resting
            self.last_visible = self._now
        return event

    def _may_move_clock(self, deadline: float) -> bool:
        """Whether the clock may move to a timer's deadline although something is pending."""
        pending = self.pending
        if deadline - _oldest(pending) > PATIENCE + GRAIN:
            return False
        if self.patience and any(
            deadline - event.since > self.patience.get(str(event.key[1]), PATIENCE) for event in pending
        ):
            return False
        # Heartbeats alone hold nothing up, and one after the other would keep a world from resting.
        return pending[0].key[0] != "pong" or any(event.key[0] != "pong" for event in pending)

    # -- external events ------------------------------

    def external(
        self, key: Key, callback: Callable[..., object] | None, *args: Any, context: Context | None = None
    ) -> External:
        event = External(key, callback, args, copy_context() if context is None else context, self._now)
        pending = self.pending
        # Operations not yet started wait behind the effects of those that were: the default order is sequential.
        if key[0] == "start":
            pending.insert(bisect_right(pending, key, lo=_effects(pending), key=_key), event)
        elif pending and pending[-1].key[0] == "start":
            pending.insert(_effects(pending), event)
        else:
            pending.append(event)
        return event

    def withdraw(self, event: External) -> None:
        with suppress(ValueError):
            self.pending.remove(event)

    def move_clock(self, to: float) -> None:
        if to > self._now:
            self._now = to

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` does here: on the loop's own thread everybody waits, in another only that."""
        if member_here() is not None:
            self.lockstep.sleep(seconds)
        else:
            self.blocked_at.append((innermost(sys._getframe(1)), seconds))
            self.move_clock(self._now + seconds)

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        now = self._now
        try:
            with self.entropy.unnoticed():
                yield
        finally:
            self._now = now

    def urandom(self, size: int) -> bytes:
        return self.entropy.urandom(size)

    # -- jobs, and the ways out ------------------------------

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Give the job to the pool's threads, or to the loop's own where that is no pool of threads."""
        return asyncio.wrap_future(self.lockstep.pools.chosen(executor).submit(func, *args), loop=self)

    def postponed(self, key: Key) -> External | None:
        if self._extra((option(*key),)) is None:
            return None
        self.jobs += 1
        return self.external(key, None, context=NO_VARIABLES)

    def let_thread_go_on(self) -> bool:
        for index, event in enumerate(self.pending):
            if event.thread is not None:
                self.enter(self._show(index, True))
                return True
        return False

    def enter(self, event: External) -> None:
        """Put the callback of an event that has become visible behind what is ready."""
        raise NotImplementedError

    async def latency(self, name: str) -> None:
        """What `latency` does where asyncio's loop is not the one that runs."""
        raise NotImplementedError

    def discard(self) -> None:
        """Forget what destructors have asked for since the last execution was over."""

    def rest(self) -> None:
        """No more executions for now: let go of what is kept from one to the next."""

    def set_default_executor(self, executor: Any) -> None:
        self.lockstep.pools.default = self.lockstep.pools.chosen(executor)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        if self.lockstep.pools.default is not None:
            self.lockstep.pools.default.shutdown(wait=False)

    def _waiting(self, task: Any) -> Caller | None:
        if self.numbered and self.served_in(task) != connection.get():
            return None
        caller = awaited_by(task)
        return caller if caller.place and caller.libraries else None

    def outside(self, call: str) -> OutsideWorldError:
        caller = called_from(sys._getframe(1))
        if not caller.place:  # in a task of a library's: whoever waits meanwhile, on behalf of the same connection
            caller = next(filter(None, map(self._waiting, self.targets())), caller)
        error = OutsideWorldError(call, caller.place, caller.libraries)
        if self.trespass is None:
            self.trespass = error
        return error


def unheard(seconds: float) -> None:
    """The clock's hook where nobody wants to be told."""


def _key(event: External) -> Key:
    return event.key


def _is_start(event: External) -> bool:
    return event.key[0] == "start"


def _effects(pending: list[External]) -> int:
    """How many of the pending events are no operation's start; they stand first."""
    return bisect_left(pending, True, key=_is_start)


def _oldest(pending: list[External]) -> float:
    """Since when the event that has waited longest is pending; effects stand in order of creation, starts may not."""
    if not _is_start(pending[-1]):
        return pending[0].since
    return min(event.since for event in pending[max(0, _effects(pending) - 1) :] + pending[:1])


def world_here() -> Outer:
    """The world that runs on the calling thread; for what is part of an execution."""
    world = here()
    assert isinstance(world, Outer)
    return world


async def latency(name: str) -> None:
    """A simulated backend call of this ``name`` (``"auth"``, ``"db"``): suspends until the schedule lets it answer.

    On any other event loop it only gives the other tasks a turn, so an adapter that uses it runs there too.
    """
    try:
        loop = events.get_running_loop()
    except RuntimeError:
        await _on_trio(name)
        return
    if not isinstance(loop, Outer):
        await asyncio.sleep(0)
        return
    future: Future[None] = Future(loop=loop)
    event = loop.external(("latency", name, operation_number()), _answer, future, context=NO_VARIABLES)
    try:
        await future
    except asyncio.CancelledError:
        loop.withdraw(event)
        raise


async def _on_trio(name: str) -> None:
    world = here()
    if isinstance(world, Outer):
        await world.latency(name)
    else:
        await sys.modules["trio"].lowlevel.checkpoint()


def _answer(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)
