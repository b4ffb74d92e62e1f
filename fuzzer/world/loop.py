"""The world's event loop: what asyncio's documentation promises, and nothing that depends on the machine.

Kept from the stock loop: C tasks and futures; the ready queue, first in, first out; callbacks that become ready
during an iteration run in the next; external events enter behind what is ready and before the timers that are due;
timers fire in the order of their deadlines.  Replaced: the selector (by pending external events and a `Chooser`) and
the clock (virtual; it moves while nothing is ready, a little with each reading, and while the machine is busy).

One loop serves many executions: `WorldLoop.reset` drops everything one of them left behind.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
from asyncio import Future, Task, events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from itertools import repeat
from types import BuiltinFunctionType, MethodType
from typing import Any, cast
from weakref import ref

from .entropy import Entropy
from .errors import Interrupted, TargetBlockedError
from .external import Chooser, External, InOrder, operation
from .generators import close_unfinished
from .handles import Entry, Handle, run_handle, watched
from .identity import NumberedFuture, NumberedTask
from .lockstep import Lockstep, member_here
from .outer import BUSY, unheard
from .running import in_no_loop
from .selecting import Selecting, refuse
from .server import connection
from .timers import Timers

__all__ = ("MAX_ITERATIONS", "WorldLoop")

MAX_ITERATIONS = 20_000
"""Loop iterations after which an execution counts as spinning."""


class WorldLoop(Selecting, Timers, asyncio.AbstractEventLoop):  # type: ignore[misc]  # typeshed has more words for it
    """A deterministic event loop; see the module's docstring for what it keeps of asyncio.

    What comes from outside, and the decisions about it, are `Outer`'s; what has a deadline is `Timers`'.
    """

    def __init__(self) -> None:
        self.lockstep = Lockstep(self)
        self.entropy = Entropy(self, self.lockstep)
        self._ready: deque[Entry | Handle] = deque()
        self._timers = []
        self._closed = False
        self._running = False
        self._hooks = self._asyncgen_first, self._asyncgen_final
        self._clear()

    def _clear(self) -> None:
        self.forsake()
        self._ready.clear()
        self._timers.clear()
        self._stopping = False
        self._task_factory: Callable[..., Any] | None = None
        self._exception_handler: Callable[..., object] | None = None
        self._asyncgens: list[ref[AsyncGenerator[Any, Any]]] = []
        self.idle = self._when_idle
        self.clock_hook = unheard
        self.outer_clear()
        self.sockets_clear()

    # -- scheduling: the hot path ------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        kind = type(callback)
        if context is not None and (
            kind is _STEP or (kind is BuiltinFunctionType and type(callback.__self__) is Task)  # type: ignore[attr-defined]
        ):
            # A C task's next step or wake-up, most of what there is to run: it drops the handle, so none is made.
            self._ready.append((callback, args, context))
            return None  # type: ignore[return-value]
        handle = Handle((callback, args, copy_context() if context is None else context))
        self._ready.append(handle)
        return handle

    def handle(self, callback: Callable[..., object], args: tuple[Any, ...]) -> Handle:
        """A callback that may be run more than once, or never."""
        return Handle((callback, args, copy_context()))

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        if member_here() is None:
            return self.call_soon(callback, *args, context=context)
        handle = Handle((callback, args, copy_context() if context is None else context))
        self.lockstep.hand_over(run_handle, (handle,), handle[2])
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return NumberedFuture(loop=self) if self.numbered else Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        task: Task[Any]
        if self._task_factory is not None:
            task = self._task_factory(self, coro, **kwargs)
        elif self.numbered:
            task = NumberedTask(cast("Coroutine[Any, Any, Any]", coro), loop=self, **kwargs)
            self.labels[task] = connection.get()
        elif kwargs:
            task = Task(coro, loop=self, **kwargs)
        else:
            task = Task(coro, loop=self)
        self.tasks.append(task)
        self.started_by.append(operation.get())
        return task

    # -- running ------------------------------

    def _decide(self) -> bool:
        """Take the decisions due at this boundary; False when nothing can ever happen again."""
        ready, pending, timers = self._ready, self.pending, self._timers
        if timers:
            self._forget_cancelled()
        if not ready:
            if pending:
                event = self._choose_idle(self.next_deadline())
                if event is not None:
                    ready.append((event.callback, event.args, event.context))
            elif timers and timers[0][0] <= self._now:
                pass
            elif not self.idle():
                return False
            if not ready and timers and timers[0][0] <= self._now:
                while (event := self._choose_together()) is not None:
                    ready.append((event.callback, event.args, event.context))
                while self._be_busy(self._soon()):
                    pass
                self._fire()
                return True
        while pending and ready and (event := self._choose_busy(pending)) is not None:
            ready.append((event.callback, event.args, event.context))
        if timers and ready and timers[0][0] - self._now <= BUSY:
            while self._be_busy(self._soon()):
                pass
            self._fire()
        return True

    def _fire(self) -> None:
        """Put the timers that are due behind what is ready."""
        ready, timers, now = self._ready, self._timers, self._now
        while timers and timers[0][0] <= now:
            handle = heapq.heappop(timers)[1]
            if handle[0] is not None:
                ready.append(handle)

    def _between_callbacks(self) -> None:
        """Threads go on between two callbacks of one iteration, and what they hand over enters; nothing else does."""
        lockstep = self.lockstep
        if lockstep.due:
            lockstep.settle()
        if self.jobs and self._ready:
            handed_over = [event for event in self.pending if event.thread is not None]
            if handed_over and (event := self._choose_busy(handed_over)) is not None:
                self.enter(event)
                lockstep.settle()

    def enter(self, event: External) -> None:
        self._ready.append((event.callback, event.args, event.context))

    def _loop(self) -> None:
        ready, pending, timers = self._ready, self.pending, self._timers
        popleft = ready.popleft if self.around is None else partial(watched, ready, self.around)
        iterations, most = 0, MAX_ITERATIONS
        idle, busy = self._choose_idle, self._choose_busy
        event: External | None
        due, settle = self.lockstep.due, self.lockstep.settle
        while not self._stopping:
            if due:
                settle()
            if self.level or self.foreign:
                self.show_level()
            if pending and not timers:  # as `_decide` would, a call less: the commonest boundary by far
                if not ready and (event := idle(None)) is not None:
                    ready.append((event.callback, event.args, event.context))
                while pending and (event := busy(pending)) is not None:
                    ready.append((event.callback, event.args, event.context))
            elif (pending or timers or not ready) and not self._decide():
                return
            if due:
                settle()
            iterations += 1
            if iterations > most:
                most = MAX_ITERATIONS + self.granted
                if iterations > most:
                    self.spinning = True
                    return
            for _ in repeat(None, len(ready)):
                callback, args, context = popleft()
                if callback is not None:
                    try:
                        if not args:
                            context.run(callback)
                        elif len(args) == 1:
                            context.run(callback, args[0])
                        else:
                            context.run(callback, *args)
                    except (Interrupted, TargetBlockedError):
                        raise
                    except BaseException as error:  # also what would end a process: its fault, not the end of ours
                        self.call_exception_handler(
                            {"message": f"Exception in callback {_name(callback)}", "exception": error}
                        )
                if self.threads:
                    self._between_callbacks()

    def run_world(self, context: Context, first: Callable[..., object], *args: Any) -> None:
        """Run ``first(*args)`` and all that follows from it in ``context``, until nothing can happen or `stop`."""
        self._ready.append((first, args, context))
        with in_no_loop():
            events._set_running_loop(self)
            self._running = True
            hooks = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(*self._hooks)
            self.entropy.enter()
            try:
                self._loop()
            finally:
                self.entropy.leave()
                sys.set_asyncgen_hooks(*hooks)
                self._running = False

    def reset(self) -> None:
        """Forget everything of the execution before: tasks are cancelled and run to their end, callbacks dropped."""
        self.lockstep.clear()
        if self._asyncgens or not _settled(self.drivers) or not _settled(self.tasks):
            self._drain()
            _settled(self.drivers)
            _settled(self.tasks)
            self.lockstep.clear()
        self._clear()

    def discard(self) -> None:
        if self._ready or self._timers or self.pending or self.tasks:
            self.reset()

    def _drain(self) -> None:
        context = copy_context()
        for _ in range(5):
            alive = [task for task in self.drivers + self.tasks if not task.done()]
            if not alive:
                break
            self._ready.clear()
            self._timers.clear()
            self.pending.clear()
            self.jobs = 0
            self._stopping = False
            self.chooser = InOrder()
            self.idle = lambda: False
            self.run_world(context, _cancel_all, alive)
        for task in self.drivers + self.tasks:
            coroutine = task.get_coro()
            if not task.done() and isinstance(coroutine, Coroutine):
                with suppress(BaseException):  # one that began cleans up, and its loop runs no more
                    coroutine.close()
        close_unfinished(self._alive_asyncgens())

    def run_coroutine(self, main: Coroutine[Any, Any, Any], chooser: Chooser | None = None) -> Any:
        """Run one coroutine to its end, as `asyncio.run` would; for programs that are not targets.

        Raises `RuntimeError` where the coroutine can never finish.
        """
        context = copy_context()
        if chooser is not None:
            self.chooser = chooser
        task = asyncio.Task(main, loop=self, context=context)
        task.add_done_callback(self._stop_at_end)
        try:
            self.run_world(context, int)
            if not task.done():
                raise RuntimeError("deadlock: nothing is ready, pending or due, and the coroutine has not finished")
            return task.result()
        finally:
            self.drivers.append(task)
            self.reset()

    def _stop_at_end(self, task: asyncio.Task[Any]) -> None:
        self._stopping = True

    # -- the rest of what asyncio code asks of a loop ------------------------------

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True

    # False, and called for every future: asyncio's debug mode times callbacks by the real clock.
    get_debug = staticmethod(bool)

    def set_debug(self, enabled: bool) -> None:
        pass

    def set_task_factory(self, factory: Any) -> None:
        self._task_factory = factory

    def get_task_factory(self) -> Any:
        return self._task_factory

    def set_exception_handler(self, handler: Any) -> None:
        self._exception_handler = handler

    def get_exception_handler(self) -> Any:
        return self._exception_handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._running:
            return  # a destructor of an execution that is over
        if self._exception_handler is None:
            self.unhandled.append(context)
        else:
            self._exception_handler(self, context)

    async def shutdown_asyncgens(self) -> None:
        for generator in self._alive_asyncgens():
            await generator.aclose()

    def _asyncgen_first(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.append(ref(generator))

    def _asyncgen_final(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._running:
            self.call_soon(self.create_task, generator.aclose())

    def _alive_asyncgens(self) -> list[AsyncGenerator[Any, Any]]:
        return [generator for known in self._asyncgens if (generator := known()) is not None]

    run_forever = refuse("run_forever")
    run_until_complete = refuse("run_until_complete")
    subprocess_exec = refuse("subprocess_exec")
    subprocess_shell = refuse("subprocess_shell")


def _settled(tasks: list[Task[Any]]) -> bool:
    """Whether all are done; a failure counts as seen, so that asyncio need not report it from a destructor."""
    settled = True
    for task in tasks:
        if not task.done():
            settled = False
        elif not task.cancelled():
            task.exception()
    return settled


def _cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def _name(callback: object) -> str:
    return str(getattr(callback, "__qualname__", None) or repr(callback))


async def _nothing_more() -> None:
    pass


def _step_type() -> type:
    """The type, unnamed in Python, of what a C task hands to `call_soon` as its next step."""
    loop = WorldLoop()
    loop.create_task(_nothing_more())
    callback, _, context = loop._ready.popleft()
    assert callback is not None
    with in_no_loop():
        events._set_running_loop(loop)
        context.run(callback)
    return type(callback) if type(callback) is not MethodType else type(None)


_STEP: type = type(None)
_STEP = _step_type()
