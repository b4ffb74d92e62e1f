"""What threads wait on, gated: in a world, who waits gives way to the loop and to the other threads.

Gated are `threading.Thread.start` and ``join``, `threading.Lock` and ``RLock`` (and so what is made of them:
conditions, events, semaphores, barriers, timers, `queue.Queue`, the futures of `concurrent.futures`),
`queue.SimpleQueue`, and the selectors of event loops that a thread runs for itself.  Outside a world all of it is the
standard library's.

A lock is gated if it was made in a world, as are those that a target's modules make while they are taken up.  One that
is older is the interpreter's; a thread that waits in the middle of holding it blocks whoever else wants it, until the
watchdog ends the execution and says where.
"""

from __future__ import annotations

import _queue
import asyncio
import queue
import selectors
import sys
import threading
from _thread import RLock as RealRLock
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .lockstep import Behalf, Lockstep, Member, lockstep_here, member_here

__all__ = ("Lock", "RLock", "SimpleQueue", "gate_threads")

_real_lock_type = type(allocate_lock())


class _LockType(type):
    """Real locks count as locks too: on some Pythons `threading.Lock` is a class."""

    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, _real_lock_type) or type.__instancecheck__(cls, thing)


class Lock(metaclass=_LockType):
    """`threading.Lock`; in a world, who waits for it is in lockstep."""

    __slots__ = ("__weakref__", "_real", "_waiting")
    __module__ = _real_lock_type.__module__  # what it stands in for: a target's, and put back as one
    _real: Any
    _waiting: deque[Member]

    def __new__(cls) -> Any:
        if lockstep_here() is None:
            return allocate_lock()
        lock = super().__new__(cls)
        lock._real, lock._waiting = allocate_lock(), deque()
        return lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._real.acquire(False):
            return True
        if not blocking or timeout == 0:
            return False
        lockstep = lockstep_here()
        if lockstep is None:
            return bool(self._real.acquire(True, timeout))
        while lockstep.wait(self._free, self._waiting, timeout):
            if self._real.acquire(False):
                return True
        return False

    acquire_lock = acquire

    def _free(self) -> bool:
        return not self._real.locked()

    def release(self) -> None:
        self._real.release()
        _wake_first(self._waiting)

    release_lock = release

    def locked(self) -> bool:
        return bool(self._real.locked())

    def _at_fork_reinit(self) -> None:
        self._real = allocate_lock()

    def __enter__(self) -> bool:
        return self._real.acquire(False) or self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._real.release()
        if self._waiting:
            _wake_first(self._waiting)


class RLock(RealRLock):  # type: ignore[misc]  # final to type checkers only
    """`threading.RLock`; in a world, who waits for it is in lockstep."""

    __module__ = RealRLock.__module__

    _waiting: deque[Member] | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if super().acquire(False):
            return True
        if not blocking or timeout == 0:
            return False
        lockstep = lockstep_here()
        if lockstep is None:
            return super().acquire(True, timeout)
        if self._waiting is None:
            self._waiting = deque()
        return lockstep.wait(lambda: RealRLock.acquire(self, False), self._waiting, timeout)

    __enter__ = acquire

    def release(self) -> None:
        super().release()
        if self._waiting:
            _wake_first(self._waiting)

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    # what a condition asks of its lock

    def _release_save(self) -> Any:
        state = super()._release_save()  # type: ignore[misc]
        if self._waiting:
            _wake_first(self._waiting)
        return state

    def _acquire_restore(self, state: Any) -> None:
        self.acquire()
        super().release()
        super()._acquire_restore(state)  # type: ignore[misc]


def _wake_first(waiting: deque[Member]) -> None:
    if waiting:
        first = waiting.popleft()
        first.lockstep.wake(first)


class SimpleQueue(_queue.SimpleQueue):  # type: ignore[type-arg]
    """`queue.SimpleQueue`; in a world, who waits for it is in lockstep."""

    __module__ = _queue.SimpleQueue.__module__

    _waiting: deque[Member] | None = None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        lockstep = lockstep_here()
        if lockstep is None:
            return super().get(block, timeout)
        return _taken(lockstep, self, self._wait if block else super().get, block, timeout)

    def get_nowait(self) -> Any:
        return self.get(False)

    def _wait(self, block: bool, timeout: float | None) -> Any:
        lockstep = lockstep_here()
        assert lockstep is not None
        if self._waiting is None:
            self._waiting = deque()
        while lockstep.wait(lambda: not self.empty(), self._waiting, timeout):
            try:
                return super().get(False)
            except queue.Empty:
                continue
        raise queue.Empty

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        _asked(self, item)
        super().put(item)
        if self._waiting:
            _wake_first(self._waiting)

    def put_nowait(self, item: Any) -> None:
        self.put(item)


def _asked(of: Any, item: object) -> None:
    """Something is put into a queue: remember on whose behalf."""
    lockstep = lockstep_here()
    if lockstep is not None:
        of.__dict__.setdefault("_crosswire_behalf", {})[id(item)] = lockstep.behalf()


def _taken(lockstep: Lockstep, of: Any, get: Callable[..., Any], *args: Any) -> Any:
    """Take something from a queue; when the thread begins with it is decided once it has it, not before."""
    member = member_here()
    if member is None:
        return get(*args)
    member.taking = True
    try:
        item = get(*args)
    finally:
        member.taking = False
    behalf: Behalf | None = of.__dict__.get("_crosswire_behalf", {}).pop(id(item), None)
    if behalf is not None:
        member.behalf = behalf
    lockstep.pause()
    return item


class Selector(selectors.DefaultSelector):
    """The selector of an event loop; a thread that runs one of its own waits there in virtual time."""

    def select(self, timeout: float | None = None) -> Any:
        lockstep = lockstep_here() if member_here() is not None else None
        if lockstep is None or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        seen: list[Any] = []

        def ready() -> bool:
            seen[:] = super(Selector, self).select(0)
            return bool(seen)

        lockstep.wait(ready, lockstep.selecting, timeout)
        return seen


_installed = False


def gate_threads() -> None:
    """Put the gates in place, once for the life of the process; outside a world they only pass through."""
    global _installed
    if _installed:
        return
    _installed = True
    real_rlock, real_start, real_join = threading.RLock, threading.Thread.start, threading.Thread.join
    real_get, real_put, real_submit = queue.Queue.get, queue.Queue.put, ThreadPoolExecutor.submit
    real_soon = asyncio.BaseEventLoop.call_soon_threadsafe

    def rlock() -> Any:
        return RLock() if lockstep_here() is not None else real_rlock()

    def waiter() -> Any:
        """What a condition waits on, each time."""
        return Lock() if lockstep_here() is not None else allocate_lock()

    def start(self: threading.Thread) -> None:
        lockstep = lockstep_here()
        if lockstep is None:
            real_start(self)
        else:
            lockstep.start(self, real_start, sys._getframe(1).f_globals.get("__name__", ""))

    def join(self: threading.Thread, timeout: float | None = None) -> None:
        lockstep = lockstep_here()
        member = None if lockstep is None else next((m for m in lockstep.members if m.thread is self), None)
        if lockstep is None or member is None:
            real_join(self, timeout)
        else:
            lockstep.wait(lambda: member.done, member.joiners, timeout)

    def get(self: queue.Queue[Any], block: bool = True, timeout: float | None = None) -> Any:
        lockstep = lockstep_here()
        if lockstep is None:
            return real_get(self, block, timeout)
        return _taken(lockstep, self, real_get, self, block, timeout)

    def put(self: queue.Queue[Any], item: Any, block: bool = True, timeout: float | None = None) -> None:
        _asked(self, item)
        real_put(self, item, block, timeout)

    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        lockstep = lockstep_here()
        if lockstep is not None:
            lockstep.pools.uses(self)
        return real_submit(self, fn, *args, **kwargs)

    def call_soon_threadsafe(self: asyncio.BaseEventLoop, *args: Any, **kwargs: Any) -> Any:
        handle = real_soon(self, *args, **kwargs)
        lockstep = lockstep_here()
        if lockstep is not None:
            for member in lockstep.selecting:
                lockstep.wake(member)
        return handle

    patches: tuple[tuple[Any, str, Any], ...] = (
        (threading, "Lock", Lock),
        (threading, "RLock", rlock),
        (threading, "_allocate_lock", waiter),
        (threading.Thread, "start", start),
        (threading.Thread, "join", join),
        (queue.Queue, "get", get),
        (queue.Queue, "put", put),
        (ThreadPoolExecutor, "submit", submit),
        (asyncio.BaseEventLoop, "call_soon_threadsafe", call_soon_threadsafe),
        (selectors, "DefaultSelector", Selector),
    )
    for owner, name, gated in patches:
        setattr(owner, name, gated)
    real_queue = queue.SimpleQueue
    for module in [queue, *sys.modules.values()]:  # some have imported the name already
        if getattr(module, "__dict__", {}).get("SimpleQueue") is real_queue and module.__name__ != "_queue":
            setattr(module, "SimpleQueue", SimpleQueue)  # noqa: B010
