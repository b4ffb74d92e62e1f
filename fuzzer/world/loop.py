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
from asyncio import Future, Task, events
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import suppress
from contextvars import Context, copy_context
from itertools import repeat
from types import BuiltinFunctionType, MethodType
from typing import Any, cast
from weakref import ref

from .entropy import CLOCK_START, Entropy
from .errors import OutsideWorldError
from .external import CARRY_ON, Chooser, External, InOrder, Key, operation_number

__all__ = ("MAX_ITERATIONS", "PATIENCE", "WorldLoop", "latency")

PATIENCE = 10.0
"""For how long, in virtual seconds, the clock may move while one and the same external event stays pending."""

MAX_ITERATIONS = 20_000
"""Loop iterations after which an execution counts as spinning."""


Entry = tuple[Callable[..., object] | None, tuple[Any, ...], Context]
"""A callback in the ready queue: ``(callback, args, context)``; a `Handle` where somebody may want to cancel it."""


class Handle(list[Any]):
    """A scheduled callback that can be cancelled: ``[callback, args, context]``, which a list makes soonest."""

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
    """A callback with a deadline."""

    __slots__ = ("deadline",)
    deadline: float

    def when(self) -> float:
        return self.deadline


def _refuse(name: str) -> Any:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise self.outside(f"loop.{name}()")

    refused.__name__ = name
    return refused


class WorldLoop(asyncio.AbstractEventLoop):
    """A deterministic event loop; see the module's docstring for what it keeps of asyncio.

    After `run_world`, `deviations` holds the decisions that differed from the order of arrival, as
    ``(decision number, choice)``, and `visible` the
    keys of the events that became visible, in order, each with whether callbacks were ready then.
    """

    def __init__(self) -> None:
        self.entropy = Entropy(self)
        self._ready: deque[Entry | Handle] = deque()
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._closed = False
        self._running = False
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

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        handle = TimerHandle((callback, args, copy_context() if context is None else context))
        handle.deadline = when
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
        return Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        task: Task[Any]
        if self._task_factory is not None:
            task = self._task_factory(self, coro, **kwargs)
        elif kwargs:
            task = Task(coro, loop=self, **kwargs)
        else:
            task = Task(coro, loop=self)
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
        if key[0] == "start":
            pending.insert(bisect_right(pending, key, lo=_effects(pending), key=_key), event)
        elif pending and pending[-1].key[0] == "start":
            pending.insert(_effects(pending), event)
        else:
            pending.append(event)
        return event

    def withdraw(self, event: External) -> None:
        """Take a pending event back; one that is visible already is left alone."""
        with suppress(ValueError):
            self.pending.remove(event)

    def _show(self, index: int) -> None:
        event = self.pending.pop(index)
        self.visible.append((event.key, bool(self._ready)))
        self.last_visible = self._now
        self._ready.append((event.callback, event.args, event.context))

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
        ready, pending, timers = self._ready, self.pending, self._timers
        if not ready:
            if pending:
                deadline = self.next_deadline() if timers else None
                clock = deadline is not None and deadline - _oldest(pending) <= PATIENCE
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
            elif timers and timers[0][0] <= self._now:
                pass
            elif not self.idle():
                return False
        while pending and ready:
            self.point += 1
            choice = self.chooser.busy(pending)
            if choice == CARRY_ON:
                break
            self.deviations.append((self.point, choice + 1))
            self._show(choice)
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
        ready, pending, timers = self._ready, self.pending, self._timers
        popleft = ready.popleft
        iterations = 0
        while not self._stopping:
            if (pending or timers or not ready) and not self._decide():
                return
            iterations += 1
            if iterations > MAX_ITERATIONS:
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
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except Exception as error:
                        self.call_exception_handler(
                            {"message": f"Exception in callback {_name(callback)}", "exception": error}
                        )
                if self.jobs and ready:
                    self._between_callbacks()

    def run_world(self, context: Context, first: Callable[..., object], *args: Any) -> None:
        """Run ``first(*args)`` and all that follows from it in ``context``, until nothing can happen or `stop`."""
        self._ready.append((first, args, context))
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
        if self._asyncgens or not _settled(self.drivers) or not _settled(self.tasks):
            self._drain()
            _settled(self.drivers)
            _settled(self.tasks)
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

    get_debug = staticmethod(
        bool
    )  # False, and called for every future: asyncio's debug mode times callbacks by the real clock

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
    create_server = _refuse("create_server")
    create_connection = _refuse("create_connection")
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
    add_signal_handler = _refuse("add_signal_handler")
    remove_signal_handler = _refuse("remove_signal_handler")
    subprocess_exec = _refuse("subprocess_exec")
    subprocess_shell = _refuse("subprocess_shell")
    connect_read_pipe = _refuse("connect_read_pipe")
    connect_write_pipe = _refuse("connect_write_pipe")
    getaddrinfo = _refuse("getaddrinfo")
    getnameinfo = _refuse("getnameinfo")


def _nothing() -> None:
    pass


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
    loop = events.get_running_loop()
    if not isinstance(loop, WorldLoop):
        await asyncio.sleep(0)
        return
    future: Future[None] = Future(loop=loop)
    event = loop.external(("latency", name, operation_number()), _answer, future, context=_NO_VARIABLES)
    try:
        await future
    except asyncio.CancelledError:
        loop.withdraw(event)
        raise


def _answer(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_NO_VARIABLES = Context()
"""For callbacks that only complete a future: whoever waits for it has a context of its own."""


async def _nothing_more() -> None:
    pass


def _step_type() -> type:
    """The type, unnamed in Python, of what a C task hands to `call_soon` as its next step."""
    loop = WorldLoop()
    loop.create_task(_nothing_more())
    callback, _, context = loop._ready.popleft()
    assert callback is not None
    context.run(callback)
    return type(callback) if type(callback) is not MethodType else type(None)


_STEP: type = type(None)
_STEP = _step_type()
