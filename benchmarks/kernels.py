"""The classic concurrency bugs in asyncio form: which of them does a tool find, and does it accuse their correct twins?

A kernel is written once, over one primitive that the tool gives: ``await pause(name)`` is where a backend answers the
worker of that name, as late as the tool likes.  `Program.workers` run concurrently; afterwards `Program.holds` says
whether what the kernel promises was kept.  A worker that fails, and workers that can never finish, are bugs too.

Every kernel comes with a correct twin.  `IN_ORDER` are programs that are correct because of the order that asyncio
documents (callbacks run in the order they were scheduled, locks are fair), and not otherwise.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

__all__ = ("IN_ORDER", "KERNELS", "Broken", "Kernel", "Pause", "Program", "main", "run_all")

Pause = Callable[[str], Awaitable[None]]
Worker = Callable[[], Coroutine[Any, Any, None]]


class Broken(AssertionError):
    """The program's promise was broken."""


@dataclass(frozen=True, slots=True)
class Program:
    """The workers of one run, which share its state, and the promise about that state."""

    workers: tuple[Worker, ...]
    holds: Callable[[], bool]


Maker = Callable[[Pause, bool], Program]


@dataclass(frozen=True, slots=True)
class Kernel:
    """``make(pause, correct)`` gives the program of one run; ``words`` say what goes wrong."""

    name: str
    words: str
    make: Maker


async def run_all(program: Program) -> None:
    """Run the workers concurrently, to their ends."""
    await asyncio.gather(*[worker() for worker in program.workers])


async def main(program: Program) -> None:
    """Run the workers, and raise `Broken` where the promise was."""
    await run_all(program)
    if not program.holds():
        raise Broken


def lost_update(pause: Pause, correct: bool, tasks: int = 2) -> Program:
    """Each reads a counter, waits, and writes it back plus one."""
    value = 0
    lock = asyncio.Lock()

    async def add(name: str) -> None:
        nonlocal value
        seen = value
        await pause(name)
        value = seen + 1

    async def add_locked(name: str) -> None:
        async with lock:
            await add(name)

    one = add_locked if correct else add
    names = [f"w{number}" for number in range(tasks)]
    return Program(tuple(lambda name=name: one(name) for name in names), lambda: value == tasks)  # type: ignore[misc]


def order_violation(pause: Pause, correct: bool) -> Program:
    """A connection is used between opening and configuring, and again after closing: three constraints at once."""
    opened = configured = closed = False
    ready, used = asyncio.Event(), asyncio.Event()
    spoilt = False

    async def owner() -> None:
        nonlocal opened, configured, closed
        await pause("owner")
        opened = True
        await pause("owner")
        configured = True
        ready.set()
        await pause("owner")
        if correct:
            await used.wait()
        closed = True

    async def user() -> None:
        nonlocal spoilt
        if correct:
            await ready.wait()
        await pause("user")
        early = opened and not configured
        await pause("user")
        spoilt = early and closed
        used.set()

    return Program((owner, user), lambda: not spoilt)


def aba(pause: Pause, correct: bool) -> Program:
    """Compare-and-swap on a stack's top, which another task took off and put back meanwhile."""
    below: dict[str, str | None] = {"a": "b", "b": None}
    top: str | None = "a"
    version = 0
    freed: set[str] = set()

    def put(node: str | None) -> None:
        nonlocal top, version
        top = node
        version += 1

    async def pop() -> None:
        seen, at = top, version
        if seen is None:
            return
        after = below[seen]
        await pause("pop")
        if top == seen and (version == at or not correct):
            put(after)

    async def churn() -> None:
        await pause("churn")
        first = top
        if first is None:
            return
        put(below[first])
        await pause("churn")
        if top is not None:
            freed.add(top)
            put(below[top])
        await pause("churn")
        below[first] = top
        put(first)

    return Program((pop, churn), lambda: top not in freed)


def check_then_act(pause: Pause, correct: bool) -> Program:
    """Two requests of one user, whenever they come, each find no session yet, and open one."""
    sessions: dict[str, int] = {}
    opened = 0

    async def request(name: str) -> None:
        nonlocal opened
        await pause(name)
        if "user" in sessions:
            return
        if correct:
            sessions["user"] = 0
        opened += 1
        await pause(name)
        sessions["user"] = opened

    return Program((lambda: request("r0"), lambda: request("r1")), lambda: opened == 1)


def lost_wakeup(pause: Pause, correct: bool) -> Program:
    """The signal is given between a look at the flag and the wait for the signal; nobody gives it again."""
    done = False
    waiters: list[asyncio.Future[None]] = []

    async def consumer() -> None:
        must_wait = not done
        await pause("consumer")
        if done if correct else not must_wait:
            return
        waiter = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        await waiter

    async def producer() -> None:
        nonlocal done
        await pause("producer")
        done = True
        for waiter in waiters:
            waiter.set_result(None)

    return Program((consumer, producer), lambda: done)


def _take_both(pause: Pause, name: str, first: asyncio.Lock, second: asyncio.Lock, taken: list[str]) -> Worker:
    async def take() -> None:
        async with first:
            await pause(name)
            async with second:
                taken.append(name)

    return take


def lock_order(pause: Pause, correct: bool) -> Program:
    """Two locks, taken in opposite orders."""
    one, two = asyncio.Lock(), asyncio.Lock()
    taken: list[str] = []
    last = (one, two) if correct else (two, one)

    async def late() -> None:
        await pause("late")
        await _take_both(pause, "late", *last, taken)()

    return Program((_take_both(pause, "early", one, two, taken), late), lambda: len(taken) == 2)


def philosophers(pause: Pause, correct: bool, seats: int = 4) -> Program:
    """Each takes the fork to the left, then the one to the right; the correct last one the other way round."""
    forks = [asyncio.Lock() for _ in range(seats)]
    ate: list[str] = []

    async def dine(seat: int) -> None:
        pair = [seat, (seat + 1) % seats]
        await pause(f"p{seat}")
        first, second = sorted(pair) if correct else pair
        await _take_both(pause, f"p{seat}", forks[first], forks[second], ate)()

    return Program(tuple(lambda seat=seat: dine(seat) for seat in range(seats)), lambda: len(ate) == seats)  # type: ignore[misc]


def readers_writers(pause: Pause, correct: bool) -> Program:
    """A record is written in two steps, and read in two: a reader sees half of one version and half of another."""
    left = right = 0
    readers = 0
    torn = False
    changed = asyncio.Condition()

    async def update() -> None:
        nonlocal left, right
        left += 1
        await pause("writer")
        right += 1

    async def write() -> None:
        for _ in range(2):
            if correct:
                async with changed:
                    await changed.wait_for(lambda: readers == 0)
                    await update()
            else:
                await update()

    async def read(name: str) -> None:
        nonlocal readers, torn
        async with changed:
            readers += 1
        seen = left
        await pause(name)
        torn = torn or (seen, right) not in ((0, 0), (1, 1), (2, 2))
        async with changed:
            readers -= 1
            changed.notify_all()

    return Program((write, lambda: read("r0"), lambda: read("r1")), lambda: not torn)


def cancelled_receive(pause: Pause, correct: bool) -> Program:
    """A question on a shared connection is cancelled before its answer is read: the next one to ask gets it."""
    answers: deque[str] = deque()
    turn = asyncio.Lock()
    got: dict[str, str] = {}
    asking: list[asyncio.Task[None]] = []

    async def ask(name: str) -> None:
        async with turn:
            await pause(name)
            answers.append(name)
            try:
                await pause(name)
            except asyncio.CancelledError:
                if correct:
                    answers.clear()
                raise
            got[name] = answers.popleft()

    async def alice() -> None:
        asking.append(asyncio.ensure_future(ask("alice")))
        await asyncio.wait(asking)

    async def impatience() -> None:
        await pause("impatience")
        for task in asking:
            task.cancel()

    async def bob() -> None:
        await pause("bob")
        await ask("bob")

    return Program((alice, impatience, bob), lambda: got["bob"] == "bob")


def arrivals_reversed(pause: Pause, correct: bool) -> Program:
    """Messages that arrive in exactly the reverse order are taken for an attack; the correct one sorts them first."""
    return _arrivals(pause, correct, [4, 3, 2, 1, 0])


def arrivals_shuffled(pause: Pause, correct: bool) -> Program:
    """The same for one order among the 120 that has nothing special about it."""
    return _arrivals(pause, correct, [2, 0, 4, 1, 3])


def _arrivals(pause: Pause, correct: bool, attack: list[int]) -> Program:
    arrived: list[int] = []

    async def receive(number: int) -> None:
        await pause(f"m{number}")
        arrived.append(number)

    def holds() -> bool:
        return (sorted(arrived) if correct else arrived) != attack

    return Program(tuple(lambda number=number: receive(number) for number in range(len(attack))), holds)  # type: ignore[misc]


def tasks_in_order(pause: Pause, correct: bool) -> Program:
    """Tasks take their first steps in the order they were made."""
    log: list[int] = []

    async def child(number: int) -> None:
        log.append(number)

    return Program(tuple(lambda n=n: child(n) for n in range(3)), lambda: log == [0, 1, 2])  # type: ignore[misc]


def callbacks_in_order(pause: Pause, correct: bool) -> Program:
    """Callbacks run in the order they were scheduled."""
    log: list[int] = []

    async def schedule() -> None:
        loop = asyncio.get_running_loop()
        await pause("schedule")
        done = loop.create_future()
        for number in range(3):
            loop.call_soon(log.append, number)
        loop.call_soon(done.set_result, None)
        await done

    return Program((schedule,), lambda: log == [0, 1, 2])


def fair_lock(pause: Pause, correct: bool) -> Program:
    """A lock goes to whoever waits longest."""
    asked: list[str] = []
    got: list[str] = []
    lock = asyncio.Lock()

    async def take(name: str) -> None:
        asked.append(name)
        async with lock:
            got.append(name)
            await pause(name)

    return Program(tuple(lambda n=n: take(f"w{n}") for n in range(3)), lambda: asked == got)  # type: ignore[misc]


def take_turns(pause: Pause, correct: bool) -> Program:
    """Tasks that only give each other a turn, with ``sleep(0)``, take turns."""
    log: list[int] = []

    async def child(number: int) -> None:
        for _ in range(3):
            log.append(number)
            await asyncio.sleep(0)

    return Program(tuple(lambda n=n: child(n) for n in range(2)), lambda: log == [0, 1] * 3)  # type: ignore[misc]


def _kernel(make: Callable[..., Program], name: str) -> Kernel:
    return Kernel(name, (make.__doc__ or "").strip(), make)


KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        _kernel(lost_update, "lost update"),
        _kernel(check_then_act, "check then act"),
        _kernel(order_violation, "order violation"),
        _kernel(aba, "ABA"),
        _kernel(lost_wakeup, "lost wake-up"),
        _kernel(lock_order, "lock order"),
        _kernel(philosophers, "philosophers"),
        _kernel(readers_writers, "readers/writers"),
        _kernel(cancelled_receive, "cancelled receive"),
        _kernel(arrivals_reversed, "arrivals reversed"),
        _kernel(arrivals_shuffled, "arrivals shuffled"),
    )
}

IN_ORDER: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        _kernel(tasks_in_order, "tasks in order"),
        _kernel(callbacks_in_order, "callbacks in order"),
        _kernel(fair_lock, "fair lock"),
        _kernel(take_turns, "take turns"),
    )
}
"""Correct on asyncio, whatever ``correct`` says."""
