"""The world's loop against the stock one, and what it adds."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime
import random
import secrets
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosswire.fuzzer.world import OutsideWorldError, WorldLoop, latency

from .parity import Main, on_world


def on_stock(main: Main) -> list[Any]:
    log: list[Any] = []
    asyncio.run(main(log))
    return log


async def gather_in_order(log: list[Any]) -> None:
    async def child(number: int) -> None:
        log.append((number, 0))
        await asyncio.sleep(0)
        log.append((number, 1))

    await asyncio.gather(*(child(number) for number in range(5)))


async def timers_by_deadline(log: list[Any]) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()  # deadlines from one reading: a machine that is busy in between changes nothing
    for delay in (0.03, 0.01, 0.02):
        loop.call_at(now + delay, log.append, delay)
    cancelled = loop.call_at(now + 0.015, log.append, "never")
    cancelled.cancel()
    assert cancelled.cancelled()
    await asyncio.sleep(0.05)


async def locks_are_fair(log: list[Any]) -> None:
    lock = asyncio.Lock()

    async def child(number: int) -> None:
        async with lock:
            await asyncio.sleep(0)
            log.append(number)

    await asyncio.gather(*(child(number) for number in range(4)))


async def cancellation_and_timeouts(log: list[Any]) -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append("cancelled")
            await asyncio.sleep(0)
            raise
        return "never"

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stubborn(), 0.01)
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        log.append("timeout")
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    log.append(task.cancelled())


async def queues_and_groups(log: list[Any]) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(2)

    async def producer() -> None:
        for number in range(6):
            await queue.put(number)

    async def consumer() -> None:
        for _ in range(6):
            log.append(await queue.get())

    async with asyncio.TaskGroup() as group:
        group.create_task(producer())
        group.create_task(consumer())


async def threads_finish(log: list[Any]) -> None:
    log.append(await asyncio.to_thread(lambda: 42))
    with contextlib.suppress(ZeroDivisionError):
        await asyncio.get_running_loop().run_in_executor(None, lambda: 1 // 0)
    log.append("caught")


async def generators_are_closed(log: list[Any]) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")

    async with contextlib.aclosing(numbers()) as stream:
        async for number in stream:
            log.append(number)
            break


async def context_is_inherited(log: list[Any]) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def child() -> None:
        log.append(variable.get())
        variable.set(2)

    variable.set(1)
    await asyncio.create_task(child())
    log.append(variable.get())


PROGRAMS = [
    gather_in_order,
    timers_by_deadline,
    locks_are_fair,
    cancellation_and_timeouts,
    queues_and_groups,
    threads_finish,
    generators_are_closed,
    context_is_inherited,
]


@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: str(main.__name__))
def test_behaves_like_the_stock_loop(main: Main) -> None:
    assert on_world(main) == on_stock(main)


@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: str(main.__name__))
@given(seed=st.integers(0, 2**20))
@settings(max_examples=20)
def test_no_schedule_breaks_a_promise_of_asyncio(main: Main, seed: int) -> None:
    """What asyncio documents, no schedule may change: these programs have one result."""
    assert on_world(main, seed) == on_stock(main)


Step = st.one_of(
    st.just(("yield", 0)),
    st.tuples(st.just("sleep"), st.integers(1, 5)),
    st.tuples(st.just("put"), st.integers(0, 9)),
    st.just(("get", 0)),
    st.just(("lock", 0)),
)


@given(st.lists(st.lists(Step, max_size=6), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_generated_programs_run_as_on_the_stock_loop(lanes: list[list[tuple[str, int]]]) -> None:
    """Tasks that yield, sleep (with deadlines far enough apart), pass items and lock interleave just as there."""

    async def main(log: list[Any]) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        lock = asyncio.Lock()

        async def lane(number: int, steps: list[tuple[str, int]]) -> None:
            for kind, argument in steps:
                match kind:
                    case "yield":
                        await asyncio.sleep(0)
                    case "put":
                        queue.put_nowait(argument)
                    case "get":
                        if not queue.empty():
                            log.append(("got", queue.get_nowait()))
                    case "lock":
                        async with lock:
                            await asyncio.sleep(0)
                            log.append(("held", number))
                log.append((number, kind))

        await asyncio.gather(*(lane(number, steps) for number, steps in enumerate(lanes)))

    assert on_world(main) == on_stock(main)


def test_order_of_arrival_is_what_varies() -> None:
    """Six backend calls may answer in any order: the schedule chooses it, and nothing else can."""

    async def main(log: list[Any]) -> None:
        async def call(number: int) -> None:
            await latency("db")
            log.append(number)

        await asyncio.gather(*(call(number) for number in range(6)))

    orders = {tuple(on_world(main, seed)) for seed in range(400)}
    assert tuple(range(6)) in orders
    assert len(orders) > 100
    assert all(sorted(order) == list(range(6)) for order in orders)


def test_a_worker_may_finish_between_two_callbacks() -> None:
    """An executor's completion can overtake a callback that was scheduled in the same iteration."""

    async def main(log: list[Any]) -> None:
        async def job() -> None:
            await asyncio.to_thread(lambda: None)
            log.append("job")

        async def steps() -> None:
            for number in range(8):
                log.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(job(), steps())

    positions = {on_world(main, seed).index("job") for seed in range(300)}
    assert len(positions) >= 3


def test_time_is_virtual() -> None:
    async def main(log: list[Any]) -> None:
        before = (time.time(), time.monotonic(), datetime.datetime.now(datetime.UTC))
        await asyncio.sleep(3600)
        after = (time.time(), time.monotonic(), datetime.datetime.now(datetime.UTC))
        log += [after[0] - before[0], after[1] - before[1], (after[2] - before[2]).total_seconds()]
        time.sleep(5)
        log.append(time.time() - after[0])

    real = time.perf_counter()
    assert on_world(main) == pytest.approx([3600.0, 3600.0, 3600.0, 5.0], abs=1e-4)
    assert time.perf_counter() - real < 60
    assert abs(time.time() - datetime.datetime.now(datetime.UTC).timestamp()) < 5


def test_entropy_is_the_same_every_time_and_ours_is_untouched() -> None:
    async def main(log: list[Any]) -> None:
        log += [random.random(), uuid.uuid4(), secrets.token_hex(), random.SystemRandom().random(), uuid.uuid4()]

    random.seed(1)
    expected = random.random()
    random.seed(1)
    first, second = on_world(main), on_world(main)
    assert first == second
    assert first[1] != first[4]
    assert random.random() == expected
    assert secrets.token_hex() != secrets.token_hex()


def _connect() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 9))


WAYS_OUT: dict[str, Callable[[], object]] = {
    "socket.connect": _connect,
    "subprocess.Popen": lambda: subprocess.run(["true"]),
    "loop.add_reader": lambda: asyncio.get_running_loop().add_reader(0, print),
}


@pytest.mark.parametrize("call", WAYS_OUT)
def test_ways_out_are_refused_by_name(call: str) -> None:
    async def main(log: list[Any]) -> None:
        WAYS_OUT[call]()

    with pytest.raises(OutsideWorldError, match=call.replace(".", r"\.")):
        on_world(main)


def test_connecting_names_the_call() -> None:
    async def main(log: list[Any]) -> None:
        await asyncio.open_connection("localhost", 80)

    with pytest.raises(OutsideWorldError, match=r"loop\.create_connection"):
        on_world(main)


def test_nothing_leaks_into_the_next_execution() -> None:
    loop = WorldLoop()
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("leak", default=0)
    seen: list[Any] = []

    async def messy() -> None:
        variable.set(1)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        asyncio.get_running_loop().call_later(1, seen.append, "timer")
        task = asyncio.create_task(asyncio.sleep(100))
        task.add_done_callback(lambda t: seen.append(t.cancelled()))

        async def stream() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                seen.append("generator")

        kept.append(stream())
        await anext(kept[0])

    async def clean() -> tuple[int, Any, int]:
        await asyncio.sleep(10)
        return variable.get(), asyncio.get_running_loop().get_exception_handler(), len(asyncio.all_tasks())

    kept: list[Any] = []
    loop.run_coroutine(messy())
    assert seen == [True, "generator"]
    assert loop.run_coroutine(clean()) == (0, None, 1)
    assert seen == [True, "generator"]


def test_a_coroutine_that_can_never_finish_is_a_deadlock() -> None:
    async def main(log: list[Any]) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="deadlock"):
        on_world(main)


def test_what_is_ready_can_be_cancelled() -> None:
    """With a context and without, a builtin or not, and a timer that is due already."""

    async def main(log: list[Any]) -> None:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        handles = [
            loop.call_soon(log.append, "soon"),
            loop.call_soon(log.append, "context", context=context),
            loop.call_soon(lambda: log.append("function"), context=context),
            loop.call_soon(loop.stop, context=context),
        ]
        for handle in handles:
            assert not handle.cancelled()
            handle.cancel()
            assert handle.cancelled()
        due: list[asyncio.TimerHandle] = []
        first = loop.call_later(0.01, lambda: due[0].cancel())
        due.append(loop.call_at(first.when(), log.append, "due"))
        await asyncio.sleep(0.02)
        log.append("end")

    assert on_world(main) == on_stock(main) == ["end"]


@given(st.lists(st.one_of(st.integers(0, 6), st.none()), max_size=12))
def test_events_wait_in_order_of_creation_and_starts_behind_them_by_number(numbers: list[int | None]) -> None:
    loop = WorldLoop()
    for place, number in enumerate(numbers):
        loop.external(("latency", place) if number is None else ("start", number), print)
    effects = [("latency", place) for place, number in enumerate(numbers) if number is None]
    starts = [("start", number) for number in sorted(n for n in numbers if n is not None)]
    assert [event.key for event in loop.pending] == [*effects, *starts]
