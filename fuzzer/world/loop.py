"""The world's event loop: what asyncio's documentation promises, and nothing that depends on the machine.

Kept from the stock loop: C tasks and futures; the ready queue, first in, first out; callbacks that become ready
during an iteration run in the next; external events enter behind what is ready and before the timers that are due;
timers fire in the order of their deadlines.  Replaced: the selector (by pending external events and a `Chooser`) and
the clock (virtual; it moves only while nothing is ready).

One loop serves many executions: `WorldLoop.reset` drops everything one of them left behind.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextvars import Context, copy_context
from itertools import repeat
from typing import Any, cast
from weakref import ref

from ..stacks import innermost
from .entropy import CLOCK_START, Entropy
from .errors import OutsideWorldError, TargetBlockedError
from .external import CARRY_ON, Chooser, External, InOrder, Key, operation_number
from .identity import NumberedTask, restart
from .network import Networked, connection

__all__ = ("MAX_ITERATIONS", "PATIENCE", "WorldLoop", "latency")

PATIENCE = 10.0
"""For how long, in virtual seconds, the clock may move while one and the same external event stays pending."""

MAX_ITERATIONS = 20_000
"""Loop iterations after which an execution counts as spinning."""


class Handle(list[Any]):
    """A scheduled callback: ``[callback, args, context]``; a list, since one is made for every step of every task."""

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
    """A callback with a deadline, ``[callback, args, context, when]``."""

    __slots__ = ()

    def when(self) -> float:
        return cast(float, self[3])


def _refuse(name: str) -> Any:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise self.outside(f"loop.{name}()")

    refused.__name__ = name
    return refused


class WorldLoop(Networked, asyncio.AbstractEventLoop):  # type: ignore[misc]  # typeshed's signatures are longer
    """A deterministic event loop; see the module's docstring for what it keeps of asyncio.

    After `run_world`, `deviations` holds the decisions that differed from the order of arrival, as
    ``(decision number, choice)``, and `visible` the
    keys of the events that became visible, in order, each with whether callbacks were ready then.
    """

    def __init__(self) -> None:
        self.entropy = Entropy(self)
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._closed = False
        self._running = False
        self._debug = False
        self.idle: Callable[[], bool] = self._when_idle
        self.clock_hook: Callable[[], None] = _nothing
        self._clear()

    def _clear(self) -> None:
        self._ready.clear()
        self._timers.clear()
        self._now = CLOCK_START
        self._timer_count = 0
        self._job_count = 0
        self._stopping = False
        self._task_factory: Callable[..., Any] | None = None
        self._exception_handler: Callable[..., object] | None = None
        self._asyncgens: list[ref[AsyncGenerator[Any, Any]]] = []
        self.chooser: Chooser = InOrder()
        self.pending: list[External] = []
        self.point = 0
        self.iterations = 0
        self.last_visible = CLOCK_START
        self.deviations: list[tuple[int, int]] = []
        self.visible: list[tuple[Key, bool]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.drivers: list[asyncio.Task[Any]] = []
        self.unhandled: list[dict[str, Any]] = []
        self.trespass: OutsideWorldError | None = None
        self.spinning = False
        self.jobs = 0
        self.in_job = False
        self.job_delay = 0.0
        self.numbered = False
        self.labels: dict[asyncio.Task[Any], str | None] = {}
        self.logged: list[BaseException] = []
        self.blocked_at: list[tuple[str, float]] = []
        self.network_clear()
        restart()

    # -- scheduling: the hot path ------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle((callback, args, copy_context() if context is None else context))
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        handle = TimerHandle((callback, args, copy_context() if context is None else context, when))
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, handle))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def time(self) -> float:
        return self._now

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        if self._task_factory is not None:
            task = cast("asyncio.Task[Any]", self._task_factory(self, coro, **kwargs))
        elif self.numbered:
            task = NumberedTask(cast("Coroutine[Any, Any, Any]", coro), loop=self, **kwargs)
            self.labels[task] = connection.get()
        else:
            task = asyncio.Task(cast("Coroutine[Any, Any, Any]", coro), loop=self, **kwargs)
        self.tasks.append(task)
        return task

    # -- external events ------------------------------

    def external(
        self, key: Key, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> External:
        """Add an event that the schedule makes visible when it decides to; events wait in order of creation."""
        event = External(key, callback, args, copy_context() if context is None else context, self._now)
        pending = self.pending
        # Operations not yet started wait behind the effects of those that were: the default order is sequential.
        index = len(pending)
        if key[0] == "start":
            while index and pending[index - 1].key[0] == "start" and pending[index - 1].key > key:
                index -= 1
        else:
            while index and pending[index - 1].key[0] == "start":
                index -= 1
        pending.insert(index, event)
        return event

    def withdraw(self, event: External) -> None:
        """Take a pending event back; one that is visible already is left alone."""
        if event in self.pending:
            self.pending.remove(event)

    def _show(self, index: int) -> None:
        event = self.pending.pop(index)
        self.visible.append((event.key, bool(self._ready)))
        if event.key[0] != "pong":  # a heartbeat's echo is no sign of life: it would keep the world from ever resting
            self.last_visible = self._now
        self._ready.append(Handle((event.callback, event.args, event.context)))

    def next_deadline(self) -> float | None:
        """The deadline of the next timer that was not cancelled, or None."""
        timers = self._timers
        while timers and timers[0][2][0] is None:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def move_clock(self, to: float) -> None:
        """Set the virtual clock; timers that fall due run at the next iteration."""
        if to > self._now:
            self._now = to
            self.entropy.clock_moved(to)

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` does here: on the loop's thread everybody waits; in a worker the job takes longer."""
        if self.in_job:
            self.job_delay += seconds
        else:
            self.blocked_at.append((innermost(sys._getframe(1)), seconds))
            self.move_clock(self._now + seconds)

    # -- running ------------------------------

    def _when_idle(self) -> bool:
        """Nothing ready, nothing pending: move to the next timer, or end."""
        deadline = self.next_deadline()
        if deadline is None:
            return False
        self.move_clock(deadline)
        return True

    def _decide(self) -> bool:
        """Take the decisions due at this boundary; False when nothing can ever happen again."""
        ready, pending = self._ready, self.pending
        if not ready:
            if pending:
                deadline = self.next_deadline()
                clock = deadline is not None and deadline - min(e.since for e in pending) <= PATIENCE
                self.point += 1
                choice = self.chooser.idle(pending, clock)
                if choice:
                    self.deviations.append((self.point, choice))
                if choice == len(pending):
                    assert deadline is not None
                    self.visible.append((("clock",), False))
                    self.clock_hook()
                    self.move_clock(deadline)
                else:
                    self._show(choice)
            elif self._timers and self._timers[0][0] <= self._now:
                pass
            elif not self.idle():
                return False
        busy = self.chooser.busy
        while pending and ready:
            self.point += 1
            choice = busy(pending)
            if choice == CARRY_ON:
                break
            self.deviations.append((self.point, choice + 1))
            self._show(choice)
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if handle[0] is not None:
                ready.append(handle)
        return True

    def _between_callbacks(self) -> None:
        """A worker thread may finish between two callbacks of one iteration: only its completion enters here."""
        finished = [event for event in self.pending if event.key[0] == "job"]
        if finished:
            self.point += 1
            choice = self.chooser.busy(finished)
            if choice != CARRY_ON:
                self.deviations.append((self.point, choice + 1))
                self._show(self.pending.index(finished[choice]))

    def _loop(self) -> None:
        ready = self._ready
        popleft = ready.popleft
        while not self._stopping:
            if (self.pending or not ready or self._timers) and not self._decide():
                return
            self.iterations += 1
            if self.iterations > MAX_ITERATIONS:
                self.spinning = True
                return
            for _ in repeat(None, len(ready)):
                handle = popleft()
                callback = handle[0]
                if callback is not None:
                    try:
                        handle[2].run(callback, *handle[1])
                    except (SystemExit, KeyboardInterrupt, TargetBlockedError):
                        raise
                    except BaseException as error:  # a CancelledError too, as in asyncio's own Handle
                        self.call_exception_handler(
                            {"message": f"Exception in callback {_name(callback)}", "exception": error}
                        )
                if self.jobs and ready:
                    self._between_callbacks()

    def run_world(self, context: Context, first: Callable[..., object], *args: Any) -> None:
        """Run ``first(*args)`` and all that follows from it in ``context``, until nothing can happen or `stop`."""
        self._ready.append(Handle((first, args, context)))
        previous = events._get_running_loop()
        events._set_running_loop(self)
        self._running = True
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._asyncgen_first, finalizer=self._asyncgen_final)
        self.entropy.enter()
        try:
            self._loop()
        finally:
            self.entropy.leave()
            sys.set_asyncgen_hooks(*hooks)
            self._running = False
            events._set_running_loop(previous)

    def reset(self) -> None:
        """Forget everything of the execution before: tasks are cancelled and run to their end, callbacks dropped."""
        tasks = self.drivers + self.tasks
        if self._asyncgens or not all(task.done() for task in tasks):
            self._drain()
            tasks = self.drivers + self.tasks
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # seen and dealt with; asyncio need not report it again from a destructor
        self._clear()
        self.idle = self._when_idle
        self.clock_hook = _nothing

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
            self.iterations = 0
            self.chooser = InOrder()
            self.idle = lambda: False
            self.run_world(context, _cancel_all, alive)
        for generator in self._alive_asyncgens():
            closing = generator.aclose()
            try:
                closing.send(None)
            except BaseException:  # whatever a half-run generator raises belongs to an execution that is over
                continue
            closing.close()

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

    def get_debug(self) -> bool:
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        self._debug = False  # asyncio's debug mode times callbacks by the real clock

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

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run the job at once; that it is done becomes visible when the schedule says so."""
        future = self.create_future()
        self._job_count += 1
        self.in_job, self.job_delay = True, 0.0
        try:
            outcome: Callable[[], None] = _setter(future, func(*args))
        except Exception as error:
            outcome = _raiser(future, error)
        finally:
            self.in_job = False
        key = ("job", self._job_count, operation_number())
        if self.job_delay:
            self.call_later(self.job_delay, self._job_done, key, outcome)
        else:
            self._job_done(key, outcome)
        return future

    def _job_done(self, key: Key, outcome: Callable[[], None]) -> None:
        self.jobs += 1
        self.external(key, self._job_seen, outcome)

    def _job_seen(self, outcome: Callable[[], None]) -> None:
        self.jobs -= 1
        outcome()

    def set_default_executor(self, executor: Any) -> None:
        pass

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        pass

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

    def outside(self, call: str) -> OutsideWorldError:
        """The error for a call that leaves the world, remembered in case the target swallows it."""
        error = OutsideWorldError(call)
        if self.trespass is None:
            self.trespass = error
        return error

    run_forever = _refuse("run_forever")
    run_until_complete = _refuse("run_until_complete")
    create_unix_server = _refuse("create_unix_server")
    create_unix_connection = _refuse("create_unix_connection")
    create_datagram_endpoint = _refuse("create_datagram_endpoint")
    connect_accepted_socket = _refuse("connect_accepted_socket")
    start_tls = _refuse("start_tls")
    sendfile = _refuse("sendfile")
    sock_accept = _refuse("sock_accept")
    sock_connect = _refuse("sock_connect")
    sock_recv = _refuse("sock_recv")
    sock_recv_into = _refuse("sock_recv_into")
    sock_recvfrom = _refuse("sock_recvfrom")
    sock_recvfrom_into = _refuse("sock_recvfrom_into")
    sock_sendall = _refuse("sock_sendall")
    sock_sendto = _refuse("sock_sendto")
    sock_sendfile = _refuse("sock_sendfile")
    add_reader = _refuse("add_reader")
    remove_reader = _refuse("remove_reader")
    add_writer = _refuse("add_writer")
    remove_writer = _refuse("remove_writer")
    subprocess_exec = _refuse("subprocess_exec")
    subprocess_shell = _refuse("subprocess_shell")
    connect_read_pipe = _refuse("connect_read_pipe")
    connect_write_pipe = _refuse("connect_write_pipe")
    getnameinfo = _refuse("getnameinfo")


def _nothing() -> None:
    pass


def _cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def _setter(future: asyncio.Future[Any], result: Any) -> Callable[[], None]:
    def visible() -> None:
        if not future.done():
            future.set_result(result)

    return visible


def _raiser(future: asyncio.Future[Any], error: Exception) -> Callable[[], None]:
    def visible() -> None:
        if not future.done():
            future.set_exception(error)

    return visible


def _name(callback: object) -> str:
    return str(getattr(callback, "__qualname__", None) or repr(callback))


async def latency(name: str) -> None:
    """A simulated backend call of this ``name`` (``"auth"``, ``"db"``): suspends until the schedule lets it answer.

    On any other event loop it only gives the other tasks a turn, so an adapter that uses it runs there too.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, WorldLoop):
        await asyncio.sleep(0)
        return
    future = loop.create_future()
    event = loop.external(("latency", name, operation_number()), _setter(future, None))
    try:
        await future
    finally:
        if future.cancelled():
            loop.withdraw(event)
