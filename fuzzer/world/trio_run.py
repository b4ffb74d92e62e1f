"""A run of trio that nothing real can wake: looked into, stepped from outside, cleared for the next execution, buried.

Before the first, a small one is tried: whether this release of trio does what is asked of it.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from typing import Any, Protocol

from .generators import close_unfinished
from .trio_private import Deadlines, Replaced, RunQueue, core, trio, unfit

__all__ = ("FOREVER", "STEPS", "Clock", "Run", "Running", "this_run", "try_release")

FOREVER = 1e9
"""Seconds that trio would sleep, if it could."""

STEPS = 1000
"""For how many batches tasks that were cancelled may clean up, after an execution."""


class Timed(Protocol):
    """Who has the time."""

    _now: float
    """The clock, without a reading of it."""

    def time(self) -> float:
        """The clock; each reading may move it."""


class Clock(trio.abc.Clock):  # type: ignore[misc]
    def __init__(self, world: Timed) -> None:
        self._world = world

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self._world.time()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return FOREVER if deadline > self._world._now else 0.0


class Running:
    """What there is in a run of trio."""

    def __init__(self, runner: Any) -> None:
        self.runner = runner

    @property
    def tasks(self) -> list[Any]:
        """All tasks, trio's own among them, in the order in which they were started."""
        return sorted(self.runner.tasks, key=_started)

    def soonest(self) -> float:
        """The next deadline; infinite where there is none."""
        deadlines = self.runner.deadlines
        return float(deadlines.next_deadline()) if deadlines._active else inf

    def due_with(self, limit: float) -> float:
        """The last deadline up to a limit."""
        return max(at for at, scope in self._set() if at <= limit and at == scope._registered_deadline)

    def later(self, now: float) -> float:
        """The next deadline after ``now``; infinite where there is none."""
        return min((at for at, scope in self._set() if at > now and at == scope._registered_deadline), default=inf)

    def _set(self) -> Iterator[tuple[float, Any]]:
        """All deadlines that were set, with their scopes, some of which have another by now."""
        for at, _, scope in self.runner.deadlines._heap:
            yield at, scope

    def targets(self) -> list[Any]:
        """All tasks but trio's own, and the main one."""
        own = {self.runner.init_task, self.runner.main_task}
        return [task for task in self.tasks if task not in own and not _trios(task)]

    def system_tasks(self) -> list[Any]:
        """Those that the target has given to trio itself, for as long as the run lasts, and what they have started."""
        return [task for task in self.targets() if _top(task) is not self.runner.main_task]

    def bury(self) -> None:
        """The run is over, and tasks are left: close them, and collect them where nobody hears what they say."""
        heard, sys.unraisablehook = sys.unraisablehook, _hear_nothing  # trio's destructors complain of such an end
        try:
            left = self.tasks
            self.runner.tasks.clear()
            for task in reversed(left):
                for nursery in task.child_nurseries:
                    nursery._children.clear()
                with suppress(BaseException):  # whatever it raises belongs to an execution that is over
                    task.coro.close()
            left.clear()
            task = nursery = None
            close_unfinished(list(self.runner.asyncgens.alive))
            gc.collect()
        finally:
            sys.unraisablehook = heard

    def uncover(self) -> None:
        """Nothing is shielded from cancellation any more."""
        for task in list(self.runner.tasks):
            status = task._cancel_status
            while status is not None:
                status._scope.shield, status = False, status._parent


def this_run() -> Running:
    """The run that the calling task is of."""
    return Running(core.GLOBAL_RUN_CONTEXT.runner)


class Run(Running):
    """A run of trio that nothing real can wake, stepped from outside.

    ``turned``: whether the batch that is due runs last in, first out.  ``note``: told of each deadline that is set.
    """

    def __init__(
        self, main: Callable[[], Any], clock: object, turned: Callable[[], bool], note: Callable[[float], None]
    ) -> None:
        self._note = note
        self._hooks = before = sys.get_asyncgen_hooks()
        runner = core.setup_runner(clock, (), False, True)
        super().__init__(runner)
        self._hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(*before)
        runner.ki_manager.close()  # who is interrupted is the engine's affair
        runner.runq, runner.deadlines = RunQueue(turned), Deadlines(note)
        self._steps = core.unrolled_run(runner, main, (), host_uses_signal_set_wakeup_fd=True)
        self._send = self._steps.send
        self._send(None)

    def step(self) -> None:
        """Let one batch run; raises `StopIteration` when the run is over, ``trio.TrioInternalError`` if it broke."""
        self._send(())

    def enter(self) -> Any:
        """Be the run of this thread, for whoever asks; gives the asynchronous generators' hooks there were."""
        before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(*self._hooks)
        core.GLOBAL_RUN_CONTEXT.runner = self.runner
        return before

    @staticmethod
    def leave(before: Any) -> None:
        """No run is this thread's."""
        sys.set_asyncgen_hooks(*before)
        core.GLOBAL_RUN_CONTEXT.__dict__.clear()

    def clear(self) -> None:
        """Forget what is kept for as long as a run lasts: variables, capacity limiters, the token."""
        runner = self.runner
        close_unfinished(list(runner.asyncgens.alive))
        runner._locals.clear()
        runner.trio_token = None
        runner.deadlines = Deadlines(self._note)

    def at_rest(self, tasks: int) -> bool:
        """Whether there are no more tasks than so many, and all of them wait."""
        return len(self.runner.tasks) == tasks and not self.runner.runq

    def abandon(self) -> None:
        """Close what is left of a run that does not end; nothing is, mostly."""
        if self.runner.tasks:
            with warnings.catch_warnings(), suppress(BaseException):
                warnings.simplefilter("ignore", RuntimeWarning)
                self._steps.close()
            self.bury()


def _hear_nothing(unraisable: object) -> None:
    pass


def _started(task: Any) -> int:
    return int(task._counter)


def _top(task: Any) -> Any:
    """The task that is trio's own, or the target's main one, among those that a task descends from."""
    while task.parent_nursery is not None and task._runner.main_task is not task:
        task = task.parent_nursery.parent_task
    return task


def _trios(task: Any) -> bool:
    """Whether it is the task that calls what other threads give trio to call."""
    return getattr(task.coro, "cr_code", None) is core.EntryQueue.task.__code__


_tried = False


class _Hand:
    """The time, set by hand."""

    _now = 0.0

    def time(self) -> float:
        return self._now


def try_release() -> None:
    """See once whether this release of trio does what is asked of it; raises `UnfitTrioError`."""
    global _tried
    if _tried:
        return
    seen: list[object] = []
    turns = iter((False, False, True))  # two deadlines; two tasks again; their deadlines
    hand = _Hand()

    async def wait(number: int, deadline: float) -> None:
        with trio.move_on_at(deadline):
            await trio.sleep_forever()
        seen.append(number)

    async def main() -> None:
        for deadline in (1.0, 2.0):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait, 1, deadline)
                nursery.start_soon(wait, 2, deadline)

    def turned() -> bool:
        return hand._now >= 1 and next(turns)

    try:
        with Replaced():
            noted: list[float] = []
            run = Run(main, Clock(hand), turned, noted.append)
            before = run.enter()
            try:
                for _ in range(STEPS):
                    if not run.runner.runq:
                        hand._now = run.soonest()
                    run.step()
            except StopIteration:
                pass
            finally:
                run.leave(before)
    except Exception as error:
        raise unfit(trio) from error
    if seen != [1, 2, 2, 1] or sorted(noted) != [1.0, 1.0, 2.0, 2.0]:
        raise unfit(trio)
    _tried = True
