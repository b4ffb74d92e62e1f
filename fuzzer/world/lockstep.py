"""Threads of a target, in lockstep with its loop: real threads, of which exactly one runs, or else the loop.

Nothing of thread pools, anyio's workers or a library's own threads is replaced; what they wait on is gated (`waiting`),
in a world only.  A thread runs without a break from one of these places to the next, at a moment that the schedule
chooses.  What can go on does so when the loop's callback that made it so has ended; or, by a decision, later, as an
external event (``begin``); or in the middle of a callback that uses up all the time there is, and may wait for it.
A thread that hands a callback to the loop waits before it does: that the callback enters is an external event too
(``job``).  So no thread changes anything in the middle of another callback; between two of them any may.

Threads that still wait when the execution ends are ended: `Ended` is raised where they stand.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from time import monotonic
from typing import Any

from ..core.stacks import innermost
from .errors import TargetBlockedError
from .external import NO_VARIABLES, operation_number
from .interface import World
from .pools import Pools, forget_workers

__all__ = (
    "Behalf",
    "Ended",
    "Lockstep",
    "Member",
    "enter",
    "here",
    "leave",
    "lockstep_here",
    "member_here",
    "real_threads",
)

POOLS = frozenset({"aiosqlite.core", "anyio._backends._asyncio", "concurrent.futures.thread"})
"""Modules whose threads take one thing after the other from a queue: that they begin is nothing, what they took is."""

GOODWILL = 1.0
"""Real seconds for which an ended thread may go on before it is left to itself."""

STILL = 1e-3
"""Virtual seconds for which a loop's own thread may wait for another."""

Behalf = tuple[int, int]
"""For which operation a thread does something, and how many such things were asked for before, and this one."""


class Ended(SystemExit):
    """The execution is over, and with it a thread that still waited."""


class Member:
    """A thread that the target has started."""

    __slots__ = (
        "_back",
        "_go",
        "behalf",
        "done",
        "joiners",
        "killed",
        "lockstep",
        "number",
        "prompt",
        "taking",
        "thread",
        "until",
    )

    def __init__(self, lockstep: Lockstep, number: int, thread: threading.Thread, behalf: Behalf) -> None:
        self.lockstep = lockstep
        self.number = number
        self.thread = thread
        self.behalf = behalf
        self.prompt = False
        """Whether it goes on at once the next time it can, and nothing is decided about that."""
        self.taking = False
        """The same for as long as it waits for something to do: what is decided is when it begins with that."""
        self.done = self.killed = False
        self.until: float | None = None
        """Up to when it waits at the longest."""
        self.joiners: deque[Member] = deque()
        self._go, self._back = allocate_lock(), allocate_lock()
        self._go.acquire()
        self._back.acquire()

    # -- in the thread itself ------------------------------

    def park(self) -> None:
        """Give way to the loop's thread until it gives way in turn; raises `Ended` where there is no turn to come."""
        if not self.killed:
            self._back.release()
            self._go.acquire()
        if self.killed:
            raise Ended

    def run(self, body: Callable[[], None]) -> None:
        """What the thread does, from its first turn to its end."""
        _members[get_ident()] = self
        self._go.acquire()
        try:
            if not self.killed:
                body()
        except Ended:
            pass
        finally:
            self.done = True
            _members.pop(get_ident(), None)
            self._back.release()

    # -- in the loop's thread ------------------------------

    def turn(self) -> bool:
        """Let it run until it waits or ends; whether it has ended."""
        self._go.release()
        self._back.acquire()
        return self.done

    def end(self) -> bool:
        """Raise `Ended` in it, wherever it waits; whether it has ended."""
        self.killed = True
        self._go.release()
        limit = monotonic() + GOODWILL
        while not self.done and monotonic() < limit:
            self._back.acquire(timeout=0.01)
        return self.done


_main = get_ident()
_active: Lockstep | None = None
_members: dict[int, Member] = {}
"""By identifier, the threads that a world has started."""

_raw: set[int] = set()
"""Threads that are inside the interpreter's own business with threads, where nothing is gated."""


def lockstep_here() -> Lockstep | None:
    """The threads of the world that runs on the calling thread, if any does."""
    active = _active
    if active is None:
        return None
    ident = get_ident()
    return active if (ident == _main or ident in _members) and ident not in _raw else None


def here() -> World | None:
    """The world that runs on the calling thread, if any."""
    active = _active
    if active is None:
        return None
    ident = get_ident()
    return active.world if ident == _main or ident in _members else None


def member_here() -> Member | None:
    """The calling thread, where it is one that a world has started."""
    return _members.get(get_ident())


def enter(lockstep: Lockstep) -> None:
    """A world begins to run on the calling thread."""
    global _active, _main
    _active, _main = lockstep, get_ident()


def leave() -> None:
    """It has come to rest."""
    global _active
    _active = None


@contextmanager
def real_threads() -> Iterator[None]:
    """Meanwhile, the calling thread's locks are the interpreter's own."""
    ident = get_ident()
    _raw.add(ident)
    try:
        yield
    finally:
        _raw.discard(ident)


class Lockstep:
    """The threads of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.members: list[Member] = []
        self.due: deque[Member] = deque()
        """Those that can go on."""
        self.selecting: deque[Member] = deque()
        """Those that run an event loop of their own, which waits."""
        self.pools = Pools()
        self._started = 0
        self._asked = 0
        self._turning = False
        """A thread has its turn, and the loop's waits for it."""

    # -- beginning, going on ------------------------------

    def behalf(self) -> Behalf:
        """For whom something is asked of a thread now."""
        self._asked += 1
        member = member_here()
        return (member.behalf[0] if member is not None else operation_number()), self._asked

    def start(self, thread: threading.Thread, really: Callable[[threading.Thread], None], module: str) -> None:
        """Start a thread, as the code of a module wants it; raises `OutsideWorldError` where no loop runs."""
        if not self.world.is_running():
            raise self.world.outside("threading.Thread.start()")
        self._started += 1
        pool = module in POOLS
        member = Member(self, self._started, thread, (-1, 0) if pool else self.behalf())
        body = thread.run
        thread.run = lambda: member.run(body)  # type: ignore[method-assign]
        thread.daemon = True
        with real_threads():
            really(thread)
        self.members.append(member)
        self.world.threads = len(self.members)
        member.prompt = pool
        self.due.append(member)

    def wake(self, member: Member) -> None:
        """It can go on; whoever wakes it in vain makes it look again."""
        if member not in self.due and not member.done:
            self.due.append(member)

    def settle(self) -> None:
        """Let those go on that can, each until it waits; or later, where that is decided."""
        while self.due:
            member = self.due.popleft()
            if member.prompt or member.taking or not self._postponed(member):
                member.prompt = False
                self.proceed(member)

    def _postponed(self, member: Member) -> bool:
        """Whether a thread that could go on does so later, as an external event."""
        event = self.world.postponed(("begin", member.number, member.behalf[0]))
        if event is None:
            return False
        event.thread = member
        return True

    def preempt(self) -> bool:
        """The loop's thread does not give way: let one go on that can, as it would have by now; whether any could."""
        if self._turning or not (self.due or self.world.let_thread_go_on()):
            return False
        self.settle()
        return True

    def proceed(self, member: Member) -> None:
        """Let a thread go on now."""
        self._turning = True
        try:
            over = member.turn()
        except TargetBlockedError as error:  # it runs on and on
            frame = sys._current_frames().get(member.thread.ident or 0)
            self._abandon(member)
            raise TargetBlockedError(innermost(frame), error.seconds, error.waiting) from None
        finally:
            self._turning = False
        if over:
            self._gone(member)

    def _gone(self, member: Member) -> None:
        with real_threads():
            threading.Thread.join(member.thread)
        self._forget(member)
        for waiting in member.joiners:
            self.wake(waiting)

    def _forget(self, member: Member) -> None:
        self.members.remove(member)
        self.world.threads = len(self.members)

    def _abandon(self, member: Member) -> None:
        """It does not give way: leave it to itself, and let the interpreter end it where it runs Python."""
        member.killed = True
        _members.pop(member.thread.ident or 0, None)
        self._forget(member)
        ident, ended = ctypes.c_ulong(member.thread.ident or 0), ctypes.py_object(Ended)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ended)

    # -- waiting ------------------------------

    def wait(self, ready: Callable[[], bool], waiting: deque[Member], timeout: float | None = None) -> bool:
        """Wait until ``ready``, among those ``waiting`` to be woken; False where the time was up before.

        In a thread, the others go on meanwhile; on the loop's own thread everybody waits but threads.
        """
        if ready():
            return True
        deadline = None if timeout is None or timeout < 0 else self.world.time() + timeout
        member = member_here()
        if member is None:
            return self._wait_on_loop(ready, deadline)
        handle = None if deadline is None else self.world.call_at(deadline, self.wake, member, context=NO_VARIABLES)
        member.until = deadline
        try:
            while not ready():
                if deadline is not None and self.world._now >= deadline:
                    return False
                waiting.append(member)
                try:
                    member.park()
                finally:
                    if member in waiting:
                        waiting.remove(member)
        finally:
            member.until = None
            if handle is not None:
                handle.cancel()
        return True

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` does in a thread: only that thread waits."""
        self.wait(_never, deque(), max(seconds, 0.0))

    def pause(self) -> None:
        """The calling thread has something to do and could go on at once; whether it does is decided."""
        member = member_here()
        if member is not None and not member.killed and self._postponed(member):
            member.park()

    def _wait_on_loop(self, ready: Callable[[], bool], deadline: float | None) -> bool:
        """The loop's own thread waits for a thread: time passes, and nothing comes in but what threads do."""
        world, began = self.world, self.world._now
        try:
            while not ready():
                if self.due:
                    self.settle()
                elif not world.let_thread_go_on():
                    until = min((m.until for m in self.members if m.until is not None), default=None)
                    if deadline is not None and (until is None or deadline < until):
                        world.move_clock(deadline)
                        return ready()
                    if until is None:
                        raise TargetBlockedError(innermost(sys._getframe(1)), world._now - began, waiting=True)
                    world.move_clock(until)
                    for member in self.members:
                        if member.until is not None and member.until <= until:
                            self.wake(member)
        finally:
            if world._now - began > STILL:
                world.blocked_at.append((innermost(sys._getframe(1)), world._now - began))
        return True

    # -- the loop's own side of it ------------------------------

    def hand_over(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        """The calling thread gives the loop something to call; it goes on once that has entered."""
        member = member_here()
        assert member is not None
        operation, asked = member.behalf
        event = self.world.external(("job", asked, operation), callback, *args, context=context)
        event.thread = member
        self.world.jobs += 1
        member.park()

    def shown(self, member: Member) -> None:
        """The event that a thread waited for has become visible."""
        self.world.jobs -= 1
        member.prompt = True
        self.wake(member)

    # -- the end ------------------------------

    def clear(self) -> None:
        """The execution is over: end every thread; pools that outlive it begin anew."""
        self.due.clear()
        if self._started:
            self._end_all()
        self.pools.clear()
        self._started = self._asked = 0

    def _end_all(self) -> None:
        global _active, _main
        before = _active, _main
        enter(self)
        logger = logging.getLogger("concurrent.futures")  # a pool's thread tells of the exception that ends it
        logger.disabled, silent = True, logger.disabled
        try:
            for member in list(self.members):
                if member.end():
                    self._gone(member)
                else:
                    self._abandon(member)
        finally:
            logger.disabled = silent
            _active, _main = before
        self.due.clear()
        forget_workers(self.world)


def _never() -> bool:
    return False
