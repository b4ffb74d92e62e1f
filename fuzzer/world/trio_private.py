"""The private parts of trio that its world replaces, held against what they were; what it looks into is in `trio_run`.

trio's scheduler itself is left alone: ``unrolled_run``, a generator that yields at every boundary between two batches.
Replaced are what waits for the kernel (the I/O manager, the wake-up sockets, threads) and what stock trio leaves to
chance: which way round a batch runs (a coin), the sets that a cancellation walks, and ties between deadlines.
"""

from __future__ import annotations

import inspect
import queue
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from heapq import heappush
from importlib import import_module
from itertools import count
from typing import Any

from ..core.errors import UsageError
from .errors import OutsideWorldError
from .external import NO_VARIABLES, operation
from .lockstep import here, lockstep_here, member_here
from .outer import Outer
from .server import connection

__all__ = (
    "TRIED",
    "Deadlines",
    "EntryQueue",
    "Given",
    "Replaced",
    "RunQueue",
    "UnfitTrioError",
    "begin",
    "core",
    "outcome",
    "trio",
    "unfit",
)

TRIED = "0.35"
"""The releases of trio that this was tried with; others may do as well: `_load` and `try_release` find out."""


class UnfitTrioError(UsageError):
    """There is no trio, or a release whose insides are not those that this was made for."""


def _load() -> tuple[Any, Any, Any]:
    """Return trio, its scheduler's module and its threads' module; raises `UnfitTrioError`."""
    try:
        trio = import_module("trio")
    except ImportError:
        raise UnfitTrioError("a target on trio needs trio: pip install trio") from None
    try:
        core, threads = import_module("trio._core._run"), import_module("trio._threads")
        source = inspect.getsource(core.unrolled_run)
        fits = (
            "batch = list(runner.runq)" in source
            and "_r.random() < 0.5" in source
            and "task = batch.pop()" in source
            and all(hasattr(core, name) for name in ("TheIOManager", "GLOBAL_RUN_CONTEXT", "EntryQueue", "Task"))
            and hasattr(core.CancelStatus, "__attrs_post_init__")
            and {"_heap", "_active"} <= {field.name for field in core.Deadlines.__attrs_attrs__}
            and hasattr(import_module("trio._core._asyncgens").AsyncGenerators, "install_hooks")
            and callable(threads.start_thread_soon)
            and callable(threads._send_message_to_trio)
            and callable(import_module("trio._socket")._SocketType._nonblocking_helper)
        )
    except (ImportError, AttributeError, OSError):
        fits = False
    if not fits:
        raise unfit(trio)
    return trio, core, threads


def unfit(trio: Any) -> UnfitTrioError:
    """The error for a release that does not fit."""
    return UnfitTrioError(
        f"trio {trio.__version__} is not a release that Crosswire can step; it was tried with trio {TRIED}"
    )


_loaded = _load()
trio: Any = _loaded[0]
core: Any = _loaded[1]
threads: Any = _loaded[2]
outcome: Any = import_module("outcome")
sockets: Any = import_module("trio._socket")


def _known(fd: Any) -> tuple[Any, int]:
    """The world that knows a descriptor, or None, and its number."""
    number = fd if isinstance(fd, int) else fd.fileno()
    world: Any = here()
    return world if world is not None and number in world.in_sockets else None, number


def begin() -> None:
    """An execution begins: its threads are numbered from here."""
    threads._thread_counter = count()


class _NoIO:
    """Stands for the I/O manager: nothing real is waited for."""

    def process_events(self, events: object) -> None:
        pass

    def force_wakeup(self) -> None:
        pass

    def close(self) -> None:
        pass

    async def wait_readable(self, fd: Any) -> None:
        await self._wait(fd, "readable")

    async def wait_writable(self, fd: Any) -> None:
        await self._wait(fd, "writable")

    async def _wait(self, fd: Any, way: str) -> None:
        world, number = _known(fd)
        if world is None:
            raise self.__getattr__(f"wait_{way}")
        await world.when(number, way)

    def notify_closing(self, fd: Any) -> None:
        world, number = _known(fd)
        if world is not None:
            world.closing(number)

    def __getattr__(self, name: str) -> Any:
        lockstep = lockstep_here()
        call = f"trio.lowlevel.{name}()"
        raise OutsideWorldError(call) if lockstep is None else lockstep.world.outside(call)


class _StockIO(core.TheIOManager):  # type: ignore[misc]
    """trio's own I/O manager, with its selector; the world's sockets tell by themselves when they are ready."""

    async def wait_readable(self, fd: Any) -> None:
        world, number = _known(fd)
        await (super().wait_readable(fd) if world is None else world.when(number, "readable"))

    async def wait_writable(self, fd: Any) -> None:
        world, number = _known(fd)
        await (super().wait_writable(fd) if world is None else world.when(number, "writable"))

    def notify_closing(self, fd: Any) -> None:
        world, number = _known(fd)
        if world is None:
            super().notify_closing(fd)
        else:
            world.closing(number)


class _Wakeup:
    """Stands for the pair of sockets by which ``run_sync_soon`` wakes trio's own task."""

    def __init__(self) -> None:
        self._task: Any = None
        self._woken = False

    def wakeup_thread_and_signal_safe(self) -> None:
        self._woken = True
        if self._task is not None:
            task, self._task = self._task, None
            task._runner.reschedule(task)

    async def wait_woken(self) -> None:
        if not self._woken:
            self._task = trio.lowlevel.current_task()

            def abort(_: object) -> Any:
                self._task = None
                return trio.lowlevel.Abort.SUCCEEDED

            await trio.lowlevel.wait_task_rescheduled(abort)
        self._woken = False

    def wakeup_on_signals(self) -> None:
        """Signals need not wake a run that never sleeps; the watchdog's would be one more ready task."""

    def close(self) -> None:
        pass


class EntryQueue(core.EntryQueue):  # type: ignore[misc]
    """What the run's own thread gives trio to call is ready at once; what others give, when the schedule says so."""

    def __init__(self) -> None:
        super().__init__()
        self.wakeup: Any
        self.wakeup.close()
        self.wakeup = _Wakeup()

    def run_sync_soon(self, sync_fn: Callable[..., object], *args: Any, idempotent: bool = False) -> None:
        member = member_here()
        if member is None:
            super().run_sync_soon(sync_fn, *args, idempotent=idempotent)
        else:
            member.lockstep.hand_over(super().run_sync_soon, (sync_fn, *args), NO_VARIABLES)


class _Ordered(dict[Any, None]):
    """Stands for a set that is walked: in order of entry, not of addresses."""

    def add(self, item: object) -> None:
        self[item] = None

    def remove(self, item: object) -> None:
        del self[item]

    def discard(self, item: object) -> None:
        self.pop(item, None)


class _Status(core.CancelStatus):  # type: ignore[misc]
    __slots__ = ()
    __hash__ = object.__hash__

    def __attrs_post_init__(self) -> None:
        for name in ("_children", "_tasks"):
            setattr(self, name, _Ordered())
        super().__attrs_post_init__()


class Deadlines(core.Deadlines):  # type: ignore[misc]
    """Equal deadlines in order of entry, where stock trio compares addresses; ``note`` is told of each."""

    def __init__(self, note: Callable[[float], None]) -> None:
        super().__init__()
        self._numbers = count()
        self._note = note

    def add(self, deadline: float, cancel_scope: object) -> None:
        self._note(deadline)
        heappush(self._heap, (deadline, next(self._numbers), cancel_scope))
        self._active += 1


class _Runner(core.Runner):  # type: ignore[misc]
    """A run whose system tasks know, as other tasks do, on behalf of what they were started."""

    __slots__ = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.entry_queue.close()  # type: ignore[has-type]
        self.entry_queue = EntryQueue()  # type: ignore[misc]

    def spawn_system_task(self, async_fn: Any, *args: Any, name: object = None, context: Context | None = None) -> Any:
        if context is None:
            context = self.system_context.copy()
            context.run(operation.set, operation.get())
            context.run(connection.set, connection.get())
        task = super().spawn_system_task(async_fn, *args, name=name, context=context)
        world = here()
        if isinstance(world, Outer):
            world.tasks.append(task)
        return task


class _NoCoin:
    """Stands for trio's generator: which way round a batch runs is the run queue's affair."""

    def random(self) -> float:
        return 1.0


class RunQueue(deque[Any]):
    """What is ready; trio copies it into a batch and takes that from its end."""

    def __init__(self, turned: Callable[[], bool]) -> None:
        super().__init__()
        self._turned = turned

    def __iter__(self) -> Iterator[Any]:
        if len(self) > 1 and self._turned():
            return super().__iter__()
        return super().__reversed__()


def _start_thread(fn: Callable[[], Any], deliver: Callable[[Any], object], name: str | None = None) -> None:
    """A thread for one job, in lockstep; stock trio keeps them, where nobody can tell."""

    def work() -> None:
        deliver(outcome.capture(fn))

    threading.Thread(target=work, name=name, daemon=True).start()


def _send_message(token: object, message: Any) -> Any:
    """What ``trio.from_thread`` does, waiting at a queue that is gated: trio may have been loaded before the gates."""
    object.__setattr__(message, "queue", queue.SimpleQueue())
    return _really_send_message(token, message)


_really_send_message = threads._send_message_to_trio


def _as_gated(name: str) -> Any:
    """A method of trio's sockets that calls `socket.socket`'s as it is now: trio may be older than the gates."""

    async def method(self: Any, *args: Any, **options: Any) -> Any:
        wait = trio.lowlevel.wait_writable if name == "send" else trio.lowlevel.wait_readable
        return await self._nonblocking_helper(wait, getattr(socket.socket, name), *args, **options)

    return method


async def _accept(self: Any) -> Any:
    """What accepts a connection serves it from now on, and so does every task that it starts before the next."""
    made, address = await _really_accept(self)
    world: Any = here()
    if world is not None and made.fileno() in world.in_sockets:
        connection.set(world.in_sockets[made.fileno()].name)
    return made, address


_really_accept = sockets._SocketType.accept


_IN_SOCKETS: Sequence[tuple[Any, str, Any]] = (
    (sockets._SocketType, "accept", _accept),
    *((sockets._SocketType, name, _as_gated(name)) for name in ("recv", "recv_into", "send")),
)


class Replaced:
    """Within, the replacements hold; outside, trio is as it was."""

    _swaps: Sequence[tuple[Any, str, Any]] = (
        (core, "TheIOManager", _NoIO),
        (core, "Runner", _Runner),
        (core, "CancelStatus", _Status),
        (core, "_r", _NoCoin()),
        (core, "_ALLOW_DETERMINISTIC_SCHEDULING", False),  # Hypothesis turns it on, where it finds trio
        (core.sniffio_library, "name", "trio"),
        (threads, "start_thread_soon", _start_thread),
        (threads, "_send_message_to_trio", _send_message),
        *_IN_SOCKETS,
    )

    def __enter__(self) -> None:
        self._before = [getattr(owner, name) for owner, name, _ in self._swaps]
        for owner, name, new in self._swaps:
            setattr(owner, name, new)

    def __exit__(self, *exc_info: object) -> None:
        for (owner, name, _), old in zip(self._swaps, self._before, strict=True):
            setattr(owner, name, old)


class _Coin:
    """Which way round a batch of stock trio's runs is decided: below one half it is first in, first out."""

    def __init__(self, turned: Callable[[], bool]) -> None:
        self._turned = turned

    def random(self) -> float:
        batch = sys._getframe(1).f_locals["batch"]
        return 1.0 if len(batch) > 1 and self._turned() else 0.0


def _no_thread(*args: object, **options: object) -> None:
    lockstep = lockstep_here()
    raise OutsideWorldError("a thread") if lockstep is None else lockstep.world.outside("a thread")


class Given(Replaced):
    """Within, stock trio's coin is given, it has no threads, and nothing but what is ready wakes it.

    Its sockets are the world's.
    """

    def __init__(self, turned: Callable[[], bool]) -> None:
        self._swaps = (
            (core, "_r", _Coin(turned)),
            (core, "TheIOManager", _StockIO),
            (core, "Runner", _Runner),
            (core, "_ALLOW_DETERMINISTIC_SCHEDULING", False),
            (threads, "start_thread_soon", _no_thread),
            *_IN_SOCKETS,
        )
