"""Threads in lockstep with the loop: what they wait on, what is decided about them, and what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from crosswire.fuzzer.engine.schedule import Recorded
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import TargetBlockedError, WorldLoop

from ..search.worlds import executed

variable: ContextVar[str] = ContextVar("variable", default="unset")


async def runs_and_returns() -> list[Any]:
    variable.set("of the caller")

    def job(number: int) -> tuple[int, str]:
        seen = variable.get()
        variable.set("of the thread")
        return number, seen

    by_anyio = await anyio.to_thread.run_sync(job, 1)
    by_asyncio = await asyncio.to_thread(job, 2)
    with pytest.raises(ZeroDivisionError):
        await anyio.to_thread.run_sync(lambda: 1 // 0)
    return [by_anyio, by_asyncio, variable.get()]


async def cancelled_once_it_is_done() -> list[Any]:
    """Without ``abandon_on_cancel`` the caller stays until the thread is done, and is cancelled then."""
    log: list[Any] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            log.append(await anyio.to_thread.run_sync(lambda: "done"))
        await anyio.to_thread.run_sync(log.append, "never")
    return [*log, scope.cancelled_caught]


async def limited() -> list[Any]:
    limiter = anyio.CapacityLimiter(1)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(lambda: anyio.to_thread.run_sync(int, limiter=limiter))
        await anyio.sleep(0)
    return [limiter.borrowed_tokens]


@pytest.mark.parametrize("main", [runs_and_returns, cancelled_once_it_is_done, limited])
def test_as_with_real_threads(main: Any) -> None:
    expected = asyncio.run(main())
    for seed in range(20):
        assert WorldLoop().run_coroutine(main(), RandomWalk(seed)) == expected


def test_a_thread_that_sleeps_takes_virtual_time_and_holds_nobody_up() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, time.sleep, 3.0)
            await anyio.sleep(0.5)
            meanwhile = loop.time() - began
        return meanwhile, loop.time() - began

    assert WorldLoop().run_coroutine(main()) == pytest.approx((0.5, 3.0), abs=1e-4)


def test_the_order_in_which_threads_finish_is_the_schedules() -> None:
    async def main() -> list[int]:
        finished: list[int] = []

        async def one(number: int) -> None:
            finished.append(await anyio.to_thread.run_sync(lambda: number))

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(one, number)
        return finished

    assert len({tuple(WorldLoop().run_coroutine(main(), RandomWalk(seed))) for seed in range(60)}) == 6


def test_outside_a_world_threads_are_threads() -> None:
    WorldLoop().run_coroutine(anyio.to_thread.run_sync(int))

    async def main() -> int:
        return await anyio.to_thread.run_sync(threading.get_ident)

    assert asyncio.run(main()) != threading.get_ident()


# -- what is decided about threads ------------------------------


async def a_job_reads_what_is_shared() -> str:
    """Who a job takes for logged in: whoever it is when a thread is free."""
    shared = {"user": ""}
    seen = []

    async def come(name: str) -> None:
        shared["user"] = name
        seen.append(await asyncio.to_thread(lambda: shared["user"]))

    async def second() -> None:
        await asyncio.sleep(0)
        await come("b")

    await asyncio.gather(come("a"), second())
    return "".join(sorted(seen))


async def effects_of_two_jobs() -> tuple[int, ...]:
    log: list[int] = []
    await asyncio.gather(asyncio.to_thread(log.append, 0), asyncio.to_thread(log.append, 1))
    return tuple(log)


async def a_pool_of_one() -> tuple[int, ...]:
    log: list[int] = []
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, log.append, number) for number in range(3)))
    return tuple(log)


async def a_thread_asks_the_loop() -> tuple[str, ...]:
    loop, log = asyncio.get_running_loop(), list[str]()

    async def ask() -> str:
        await asyncio.sleep(0)
        return "asked"

    def job() -> None:
        log.append(asyncio.run_coroutine_threadsafe(ask(), loop).result(10))
        log.append(anyio.from_thread.run(ask))

    async def other() -> None:
        for _ in range(8):
            await asyncio.sleep(0)
        log.append("other")

    await asyncio.gather(anyio.to_thread.run_sync(job), other())
    return tuple(log)


async def a_job_is_given_up() -> tuple[str, int]:
    """The job runs all the same, to its end, or never begins."""
    ran: list[int] = []

    def job() -> str:
        ran.append(1)
        return "done"

    try:
        done = await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, job), 0.003)
    except TimeoutError:
        done = "given up"
    return done, len(ran)


OUTCOMES: list[tuple[Any, set[Any]]] = [
    (a_job_reads_what_is_shared, {"ab", "bb"}),
    (effects_of_two_jobs, {(0, 1), (1, 0)}),
    (a_pool_of_one, {(0, 1, 2)}),
    (a_thread_asks_the_loop, {("asked", "other", "asked"), ("other", "asked", "asked")}),
    (a_job_is_given_up, {("done", 1), ("given up", 1), ("given up", 0)}),
]


@pytest.mark.parametrize(("main", "outcomes"), OUTCOMES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_outcome_there_is_and_no_other(main: Any, outcomes: set[Any]) -> None:
    loop = WorldLoop()
    with loop.entropy:
        seen = {loop.run_coroutine(main(), RandomWalk(seed)) for seed in range(600)}
    assert seen == outcomes
    for _ in range(30):  # the stock loop, on whatever machine this is, shows nothing else
        assert asyncio.run(main()) in outcomes


def test_a_busy_pool_on_the_stock_loop_shows_the_job_that_reads_late() -> None:
    async def main() -> str:
        loop, gate = asyncio.get_running_loop(), threading.Event()
        with ThreadPoolExecutor(1) as pool:
            loop.set_default_executor(pool)
            pool.submit(gate.wait)
            loop.call_later(0.01, gate.set)
            return await a_job_reads_what_is_shared()

    assert asyncio.run(main()) == "bb"


def test_the_same_schedule_is_the_same_execution() -> None:
    loop = WorldLoop()
    with loop.entropy:
        for main, _ in OUTCOMES:
            for seed in range(60):
                outcome, execution = executed(loop, main, RandomWalk(seed))
                again, repeated = executed(loop, main, Recorded(execution.schedule))
                assert (outcome, execution.visible) == (again, repeated.visible)


# -- what a thread is ------------------------------


def test_no_loop_runs_in_a_thread_and_its_own_waits_in_virtual_time() -> None:
    async def hour() -> str:
        await asyncio.sleep(3600)
        return "an hour later"

    def job() -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return asyncio.run(hour())

    async def main() -> tuple[str, float]:
        began = time.monotonic()
        return await asyncio.to_thread(job), round(time.monotonic() - began)

    assert WorldLoop().run_coroutine(main()) == ("an hour later", 3600)


def test_a_loop_in_a_thread_is_woken_by_others() -> None:
    def own(ready: queue.Queue[Any]) -> str:
        async def wait() -> str:
            future = asyncio.get_running_loop().create_future()
            ready.put((asyncio.get_running_loop(), future))
            return str(await future)

        return asyncio.run(wait())

    async def main() -> str:
        ready: queue.Queue[Any] = queue.Queue()
        job = asyncio.create_task(asyncio.to_thread(own, ready))
        theirs, future = await asyncio.to_thread(ready.get)
        theirs.call_soon_threadsafe(future.set_result, "woken")
        return await job

    for seed in range(20):
        assert WorldLoop().run_coroutine(main(), RandomWalk(seed)) == "woken"


def test_what_threads_wait_on() -> None:
    """Locks, conditions, events, semaphores, barriers, timers, queues, joins: with time-outs, and without."""

    async def main() -> list[Any]:
        log: list[Any] = []
        lock, recursive, event, held = threading.Lock(), threading.RLock(), threading.Event(), threading.Event()
        barrier, items = threading.Barrier(2), queue.Queue[int](1)

        def first() -> None:
            with lock, recursive, recursive:
                held.set()
                time.sleep(1)
                log.append("first")
            event.wait()
            barrier.wait()
            items.put(1)
            items.put(2)

        def second() -> None:
            held.wait()
            with recursive, lock:
                log.append("second")
            threading.Timer(2.0, event.set).start()
            barrier.wait()
            log.extend([items.get(), items.get()])
            with pytest.raises(queue.Empty):
                items.get(timeout=5)

        began = time.monotonic()
        threads = [threading.Thread(target=job) for job in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert not any(thread.is_alive() for thread in threads)
        return [*log, round(time.monotonic() - began)]

    assert WorldLoop().run_coroutine(main()) == ["first", "second", 1, 2, 8]
    for seed in range(40):
        assert WorldLoop().run_coroutine(main(), RandomWalk(seed))[:4] == ["first", "second", 1, 2]


def test_a_lock_that_is_waited_for_so_long() -> None:
    async def main() -> tuple[bool, bool, float]:
        lock = threading.Lock()
        lock.acquire()
        began = time.monotonic()
        first = await asyncio.to_thread(lock.acquire, timeout=2)
        lock.release()
        return first, await asyncio.to_thread(lock.acquire, True, 2), round(time.monotonic() - began)

    assert WorldLoop().run_coroutine(main()) == (False, True, 2)


def test_the_loop_itself_waits_for_a_thread() -> None:
    async def main() -> tuple[str, float]:
        def job() -> str:
            time.sleep(2)
            return "done"

        began = time.monotonic()
        done = ThreadPoolExecutor(1).submit(job).result()  # bad style: everybody stands still
        return done, round(time.monotonic() - began)

    loop = WorldLoop()
    assert loop.run_coroutine(main()) == ("done", 2)


def test_a_lock_that_nobody_releases_blocks_the_loop() -> None:
    async def main() -> None:
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()

    with pytest.raises(TargetBlockedError, match="main"):
        WorldLoop().run_coroutine(main())


def test_threads_that_wait_at_the_end_are_ended() -> None:
    log: list[str] = []
    module_pool = ThreadPoolExecutor(2)

    async def main() -> str:
        def forever() -> None:
            try:
                threading.Event().wait()
            finally:
                log.append("ended")

        threading.Thread(target=forever).start()
        asyncio.get_running_loop().run_in_executor(module_pool, forever)
        asyncio.get_running_loop().run_in_executor(None, forever)
        await asyncio.sleep(1)
        return await asyncio.get_running_loop().run_in_executor(module_pool, lambda: "done")

    before = threading.active_count()
    loop = WorldLoop()
    for _ in range(5):
        assert loop.run_coroutine(main()) == "done"
        assert threading.active_count() == before
    assert log == ["ended"] * 15


def test_a_thread_with_a_database_waits_for_its_lock_in_virtual_time(tmp_path: Path) -> None:
    """Two connections to one file: SQLite's own wait would keep everybody from going on."""

    async def main() -> tuple[Any, ...]:
        path = tmp_path / "chat.db"
        path.unlink(missing_ok=True)
        began = time.monotonic()

        def write(number: int) -> Any:
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("create table if not exists log (number)")
                database.execute("insert into log values (?)", (number,))
                time.sleep(1)
                database.commit()
                return database.execute("select count(*) from log").fetchone()[0]

        counts = await asyncio.gather(*(asyncio.to_thread(write, number) for number in range(3)))
        return (*sorted(counts), round(time.monotonic() - began))

    for seed in range(5):
        assert WorldLoop().run_coroutine(main(), RandomWalk(seed))[-1] in (3, 4)
