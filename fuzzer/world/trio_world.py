"""A world for trio: its own scheduler, stepped, under the same pending events, decisions, clock and entropy.

Which way round a batch of ready tasks runs, first in first out or the reverse, is all the freedom that trio's scheduler
has; it is a decision of its own, `REVERSED`, of those that are counted apart.  As on asyncio, what comes in enters
before the deadlines that are due, and those before what is ready runs.

One run serves many executions.  Each has a nursery; where tasks are left in it, or shielded ones, they are cancelled
and run to their end, and where that does not help, or a system task is left, the run is given up for a new one.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from itertools import count
from math import inf
from typing import Any, cast

from ..core.stacks import unwrapped
from .entropy import CLOCK_START, Entropy
from .external import NO_VARIABLES, REVERSED, External, operation_number
from .identity import restart
from .lockstep import Lockstep
from .loop import MAX_ITERATIONS
from .outer import BUSY, GRAIN, unheard
from .server import connection
from .timers import TimerHeap
from .trio_private import Replaced, begin, trio
from .trio_run import STEPS, Clock, Run, Running, try_release
from .trio_sockets import TrioSockets
from .trio_tasks import Served, Waiter, as_io

__all__ = ("TrioWorld", "make")

OURS = 4
"""Tasks of a run in which nothing is under way: trio's two, the main one, and the one that keeps its nursery open."""


def make() -> TrioWorld:
    """Make a world for trio; raises `UnfitTrioError`."""
    world: TrioWorld = cast(Any, TrioWorld)()  # to type checkers it is a loop of asyncio's, and lacks most of one
    return world


class TrioWorld(TrioSockets, TimerHeap):
    """Runs executions on trio, one after the other."""

    def __init__(self) -> None:
        try_release()
        self.lockstep = Lockstep(self)
        self.entropy = Entropy(self, self.lockstep)
        self.given_up = 0
        """Runs that were given up, since something was left in them."""
        self._replaced = Replaced()
        self._run: Running | None = None
        self._kept: Run | None = None
        """The run that is stepped, where it is one that can be."""
        self._running = self._broken = self._ending = False
        self._parked: Any = None
        self._nursery: Any = None
        self._timers = []
        self._clear()

    def _clear(self) -> None:
        self._timers.clear()
        self._served: list[Served] = []
        self._stopping = False
        self.outer_clear()
        self.sockets_clear()
        self.idle = self._when_idle
        self.clock_hook = unheard

    # -- what drivers, links and websockets ask for ------------------------------

    backend = "trio"
    cancelled = trio.Cancelled

    def create_future(self) -> Any:
        return Waiter()

    def spawn(self, context: Context, name: str, start: Callable[..., Any], *args: Any) -> Any:
        """Start a task, a child of the execution's own nursery."""
        assert self._run is not None
        return self._run.runner.spawn_impl(start, args, self._nursery, name, context=context)

    def drive(self, context: Context, start: Callable[..., Awaitable[None]], *args: Any) -> Any:
        return self.spawn(context.copy(), start.__qualname__, start, *args)

    def serve(self, start: Callable[..., Awaitable[None]], *args: Any) -> Served:
        served = Served(self.is_running)
        served.task = self.spawn(copy_context(), start.__qualname__, served.run, start, args)
        self._served.append(served)
        return served

    def as_io(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        return as_io(call)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> None:
        """Have a task call it, in the next batch; what an execution that is over asks for is not done."""
        if self._running:
            called = copy_context() if context is None else context.copy()
            self.spawn(called, "call_soon", _call, callback, args)

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._running:
            self.unhandled.append(context)

    def alive(self) -> list[Any]:
        return [task for task in self._run.targets() if task is not self._parked] if self._run is not None else []

    def current_task(self) -> Any:
        try:
            return trio.lowlevel.current_task()
        except RuntimeError:
            return None

    def targets(self) -> list[Any]:
        return self.alive()

    def left(self) -> list[Any]:
        """Tasks that the target has given to trio itself and that are still there; others end with their parents."""
        return self._run.system_tasks() if self._run is not None else []

    def served_in(self, task: Any) -> str | None:
        return task.context.get(connection) if isinstance(task, trio.lowlevel.Task) else None

    def failed(self) -> Iterator[tuple[BaseException, str | None]]:
        for served in self._served:
            if served.error is not None and not served.awaited:
                yield unwrapped(served.error), self.served_in(served.task)

    async def latency(self, name: str) -> None:
        """Suspend until the schedule lets a backend answer."""
        answer = Waiter()
        event = self.external(("latency", name, operation_number()), _answer, answer, context=NO_VARIABLES)
        try:
            await answer
        except trio.Cancelled:
            self.withdraw(event)
            raise

    # -- deadlines: trio's, and the world's own timers ------------------------------

    def _first(self) -> float:
        timers = self._timers
        while timers and timers[0][1][0] is None:
            heapq.heappop(timers)
        assert self._run is not None
        soonest = self._run.soonest()
        return min(soonest, timers[0][0]) if timers else soonest

    def next_deadline(self) -> float | None:
        """The next deadline, or the last of those that are due with it."""
        first = self._first()
        return None if first == inf else self._due_with(first)

    def _due_with(self, first: float) -> float:
        run, limit = self._run, first + GRAIN
        assert run is not None
        last = max((when for when, handle in self._timers if when <= limit and handle[0] is not None), default=first)
        return max(last, run.due_with(limit)) if run.soonest() <= limit else last

    def _soon(self) -> float | None:
        """The next deadline that is not due yet."""
        assert self._run is not None
        now = self._now
        mine = min((when for when, handle in self._timers if when > now and handle[0] is not None), default=inf)
        first = min(mine, self._run.later(now))
        return None if first == inf else self._due_with(first)

    def _fire(self) -> None:
        timers, now = self._timers, self._now
        while timers and timers[0][0] <= now:
            callback, args, context = heapq.heappop(timers)[1]
            if callback is not None:
                context.run(callback, *args)

    # -- running ------------------------------

    def _turned(self) -> bool:
        """Which way round a batch runs; while nothing of the target's is under way, in order."""
        if not self._running or self._extra((REVERSED,)) is None:
            return False
        self.visible.append((REVERSED.key, True))
        return True

    def enter(self, event: External) -> None:
        """Run the callback between two batches, where trio's I/O manager would have woken tasks."""
        if event.callback is not None:
            event.context.run(event.callback, *event.args)

    def _decide(self, run: Running) -> bool:
        """Take the decisions due at this boundary; False when nothing can ever happen again."""
        ready, pending = run.runner.runq, self.pending
        first = self._first()
        if not ready and not run.runner.waiting_for_idle:
            if pending:
                event = self._choose_idle(None if first == inf else self._due_with(first))
                if event is not None:
                    self.enter(event)
            elif first > self._now and not self.idle():
                return False
            first = self._first()
            if not ready and first <= self._now:
                while (together := self._choose_together()) is not None:
                    self.enter(together)
                while self._be_busy(self._soon()):
                    pass
                self._fire()
                return True
        while pending and ready and (more := self._choose_busy(pending)) is not None:
            self.enter(more)
        if ready and first - self._now <= BUSY:
            while self._be_busy(self._soon()):
                pass
            self._fire()
        return True

    def _loop(self, run: Run) -> None:
        runner, due, settle = run.runner, self.lockstep.due, self.lockstep.settle
        step = run.step if self.around is None else partial(self.around, run.step)
        for iterations in count():
            if iterations >= MAX_ITERATIONS + self.granted:
                self.spinning = True
                return
            if due:
                settle()
            if not self._decide(run):
                return
            if due:
                settle()
            if runner.runq or runner.waiting_for_idle or run.soonest() <= self._now:
                step()
            if self._stopping:
                return

    def run_world(self, context: Context, first: Callable[..., object], *args: Any) -> None:
        """Run ``first(*args)`` and all that follows from it in ``context``, until nothing can happen or `stop`."""
        with self._replaced:
            run = self._kept if self._kept is not None else self._new_run()
            begin()
            before = run.enter()
            self.entropy.enter()
            self._running = True
            try:
                context.run(first, *args)
                self._loop(run)
            except StopIteration:
                self._broken = True
            except trio.TrioInternalError as error:  # a system task failed, and with it the run: the target's doing
                self._broken = True
                self.unhandled.append(
                    {"message": "a system task failed", "exception": unwrapped(error.__cause__ or error)}
                )
            finally:
                self._running = False
                self.entropy.leave()
                run.leave(before)

    def _new_run(self) -> Run:
        self._run = self._kept = run = Run(self._serve, Clock(self), self._turned, self.note_deadline)
        while run.runner.runq:
            run.step()
        self._now = CLOCK_START  # trio has looked at its clock,
        restart()  # and kept its own tasks in sets
        return run

    async def _serve(self) -> None:
        """Give each execution a nursery, and its successor another where tasks were left in it."""
        while not self._ending:
            with suppress(Exception):  # whatever tasks that were cancelled raise belongs to an execution that is over
                async with trio.open_nursery() as self._nursery:
                    self._nursery.start_soon(self._park)

    async def _park(self) -> None:
        """Keep the execution's nursery open."""
        self._parked = trio.lowlevel.current_task()
        await trio.sleep_forever()

    def reset(self) -> None:
        """Forget everything of the execution before: tasks are cancelled and run to their end."""
        self.lockstep.clear()
        if self._kept is not None:
            if self._broken or not self._kept.at_rest(OURS):
                self._drain()
            else:
                self._kept.clear()
        self._clear()

    def rest(self) -> None:
        """End the run that is kept for the next execution."""
        if self._kept is not None:
            self._end(self._kept)

    def close(self) -> None:
        self.rest()

    def _drain(self) -> None:
        """Cancel what was left, and run it to its end; or give the run up."""
        self.pending.clear()
        assert self._kept is not None
        if not self._broken:
            self._cancel(self._kept)
        self.lockstep.clear()
        if not self._broken and self._kept.at_rest(OURS):
            self._kept.clear()
        else:
            self.given_up += 1
            self._end(self._kept)
            self.lockstep.clear()

    def _end(self, run: Run) -> None:
        """End the run: what was given to trio itself is cancelled with that."""
        if not self._broken:
            self._ending = True
            self._cancel(run)
        run.abandon()
        self._run = self._kept = self._nursery = None
        self._broken = self._ending = False

    def _cancel(self, run: Run) -> None:
        """Cancel the execution's nursery, and let its tasks clean up; in the end shielded ones too."""
        with self._replaced:
            before = run.enter()
            self.entropy.enter()
            try:
                self._nursery.cancel_scope.cancel()
                self._step_on(run)
                run.uncover()
                self._step_on(run)
            except (StopIteration, trio.TrioInternalError):
                self._broken = True
            finally:
                self.entropy.leave()
                run.leave(before)

    def _step_on(self, run: Run) -> None:
        for _ in range(STEPS):
            if not run.runner.runq:
                return
            run.step()


async def _call(callback: Callable[..., object], args: tuple[Any, ...]) -> None:
    callback(*args)


def _answer(answer: Waiter) -> None:
    if not answer.done():
        answer.set_result(None)
