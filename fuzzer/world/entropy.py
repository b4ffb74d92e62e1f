"""Wall clock and entropy as a target sees them: functions of the virtual clock and of nothing else.

``time.time``, ``datetime.now`` and their kin are time-machine's work.  The monotonic clocks, ``os.urandom`` (and with
it ``uuid4`` and ``secrets``), the shared generator of `random`, and the ways out of the world (sockets, processes,
threads) are handled here.  All of it acts only while a world runs on this thread; outside, the real functions answer.
"""

from __future__ import annotations

import _random
import ctypes
import hashlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import time_machine

from . import lockstep as threads
from .databases import gate_sqlite
from .gates import gate_sockets
from .interface import World
from .lockstep import here
from .logs import gate_logs
from .tls import gate_tls
from .waiting import gate_threads

__all__ = ("CLOCK_START", "EPOCH", "Entropy", "real_clock")

EPOCH = 1_767_225_600.0
"""The wall clock when an execution starts: 2026-01-01T00:00:00Z, as seconds since 1970."""

CLOCK_START = 1000.0
"""The monotonic clock when an execution starts, in seconds; not 0, which targets may take for "never"."""

real_clock = time.perf_counter
"""The machine's clock in seconds, also for who asks from within a world: taken before anything is gated."""

WAYS_OUT = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "os.system",
        "os.fork",
        "os.forkpty",
        "os.exec",
        "os.posix_spawn",
    }
)
"""Audit events (Python's audit events table) that no target may raise inside a world."""

KNOWN_BY_NAME = (("threading", "_time"), ("queue", "time"), ("sched", "_time"))
"""Where the standard library has imported the monotonic clock by name, for time-outs."""

_installed = False


class Entropy:
    """The clocks and generators of one loop; see the module's docstring.

    Taking time over costs microseconds, so whoever runs many executions holds the control across them
    (``with loop.entropy:``); `enter` and `leave` bracket one execution.
    """

    def __init__(self, loop: World, lockstep: threads.Lockstep) -> None:
        self._loop = loop
        self._lockstep = lockstep
        self._depth = 0
        self._blocks = 0
        self._travel: time_machine.travel | None = None
        self._traveller: time_machine.Traveller | None = None
        self._random_state: Any = None
        self._shown = 0

    def __enter__(self) -> Entropy:
        self._depth += 1
        if self._depth == 1:
            if not _installed:
                _install()
            self._random_state = _shared.keep()
            self._travel = time_machine.travel(EPOCH, tick=False)
            self._traveller = self._travel.start()
            self._traveller.time_ns = self._wall_ns  # type: ignore[method-assign]  # asked, rather than moved
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._travel is not None:
            self._travel.stop()
            self._travel = self._traveller = None
            _shared.give_back(self._random_state)

    def enter(self) -> None:
        """The world begins to run: the clocks go to its time and every generator starts anew."""
        self.__enter__()
        self._blocks = 0
        if self._shown and self._traveller is not None:
            self._shown = 0
            self._traveller.move_to(EPOCH)  # with that, `uuid` forgets which times it has used
        _shared.seed()
        threads.enter(self._lockstep)

    def leave(self) -> None:
        """The world has come to rest: this thread's clocks and generators are the real ones again."""
        threads.leave()
        self.__exit__()

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Forget afterwards what was drawn from the generators, and read of the wall clock."""
        blocks, shown, state = self._blocks, self._shown, _shared.keep()
        try:
            yield
        finally:
            self._blocks, self._shown = blocks, shown
            _shared.give_back(state)

    def _wall_ns(self) -> int:
        """A reading of the wall clock, in nanoseconds; it shows whole microseconds, as `datetime.datetime` does."""
        if here() is self._loop:
            self._shown = max(self._shown + 1, round((self._loop.time() - CLOCK_START) * 1e6))
        return int(EPOCH) * 1_000_000_000 + self._shown * 1000

    def urandom(self, size: int) -> bytes:
        """Bytes that depend only on how many were asked for before in this execution."""
        self._blocks += 1
        return hashlib.shake_128(self._blocks.to_bytes(8, "big")).digest(size)


class _SharedGenerator:
    """The generator behind the functions of `random`: its state kept, given back, and made what ``seed(0)`` makes it.

    Seeding computes 624 words, a fifth of a short execution, and `random.getstate` makes as many objects.  CPython
    keeps the words in the generator, behind the object's header, so they are copied; where a trial shows them not to
    be there, the documented functions serve.
    """

    def __init__(self) -> None:
        self._generator: random.Random = random._inst
        self._words: memoryview | None = None
        before = self._generator.getstate()
        self._generator.seed(0)
        self._seeded = expected = self._generator.getstate()
        if sys.implementation.name == "cpython":
            header, end = object.__basicsize__, _random.Random.__basicsize__
            words = (ctypes.c_char * (end - header)).from_address(id(self._generator) + header)
            self._words = memoryview(words).cast("B")
            self._seeded = self.keep()
            self._generator.seed(1)
            self.seed()
            if self._generator.getstate() != expected:
                self._words, self._seeded = None, expected
        self._generator.setstate(before)

    def keep(self) -> Any:
        """The state, for `give_back`."""
        if self._words is None:
            return self._generator.getstate()
        return bytes(self._words), self._generator.gauss_next  # type: ignore[attr-defined]

    def give_back(self, state: Any) -> None:
        if self._words is None:
            self._generator.setstate(state)
        else:
            self._words[:], self._generator.gauss_next = state  # type: ignore[attr-defined]

    def seed(self) -> None:
        self.give_back(self._seeded)


_shared = _SharedGenerator()


def _install() -> None:
    """Put the gated functions in place, once for the life of the process; outside a world they only pass through."""
    global _installed
    _installed = True

    real_urandom, real_sleep = os.urandom, time.sleep

    def urandom(size: int, /) -> bytes:
        world = here()
        return real_urandom(size) if world is None else world.urandom(size)

    def sleep(seconds: float, /) -> None:
        world = here()
        if world is None:
            real_sleep(seconds)
        else:
            world.sleep(seconds)

    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]  # what random.SystemRandom, and so secrets, calls
    setattr(time, "sleep", sleep)  # noqa: B010  # typeshed's signature has a special case
    real_monotonic = time.monotonic
    for name in ("monotonic", "perf_counter"):
        setattr(time, name, _clock(getattr(time, name)))
        setattr(time, name + "_ns", _clock_ns(getattr(time, name + "_ns")))
    for module, name in KNOWN_BY_NAME:
        if getattr(sys.modules.get(module), name, None) is real_monotonic:
            setattr(sys.modules[module], name, time.monotonic)
    gate_threads()
    gate_sqlite()
    gate_logs(here)
    gate_sockets(here)
    gate_tls(here)
    sys.addaudithook(_audit)


def _clock(real: Callable[[], float]) -> Callable[[], float]:
    def clock() -> float:
        world = here()
        return real() if world is None else world.time()

    return clock


def _clock_ns(real: Callable[[], int]) -> Callable[[], int]:
    def clock() -> int:
        world = here()
        return real() if world is None else round(world.time() * 1e9)

    return clock


def _audit(event: str, args: tuple[Any, ...], ways_out: frozenset[str] = WAYS_OUT) -> None:
    if event in ways_out:  # known by itself: when the interpreter ends, modules are emptied, and hooks still called
        world = here()
        if world is not None and event in world.ways_out:
            raise world.outside(_describe(event, args))


def _describe(event: str, args: tuple[Any, ...]) -> str:
    shown = next((repr(arg) for arg in args if isinstance(arg, str | bytes | tuple | list)), "")
    return f"{event}({shown})"
