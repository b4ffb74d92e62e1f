"""Plain functions in worker threads, by way of asyncio and of anyio: done when the schedule says so."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.to_thread
import pytest

from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import WorldLoop

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
