"""trio in a world of its own: deterministic, in virtual time, as stock trio does it, and nothing of one execution in
the next."""

# ruff: noqa: E402 - what needs trio is imported after it was looked for

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest

trio: Any = pytest.importorskip("trio")

from crosswire.fuzzer.core.errors import UsageError
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.world import Chooser, InOrder, latency
from crosswire.fuzzer.world import trio_private as private
from crosswire.fuzzer.world.external import REVERSED
from crosswire.fuzzer.world.identity import number_loaded
from crosswire.fuzzer.world.trio_world import TrioWorld, make

Program = Callable[[list[Any]], Awaitable[object]]


class Turned(InOrder):
    """Every batch runs the other way round."""

    def extra(self, options: Any) -> int:
        return 0 if options[0].key == REVERSED.key else -1


@pytest.fixture
def world() -> Any:
    world = make()
    number_loaded()  # trio's events keep who waits for them in sets
    with world.entropy:
        yield world
    world.rest()


@pytest.fixture(scope="module", autouse=True)
def collect() -> Iterator[None]:
    yield
    gc.collect()  # what complains in a destructor is to do so here


def run(world: TrioWorld, program: Program, chooser: Chooser | None = None) -> list[Any]:
    """What a program noted, then what it returned."""
    log: list[Any] = []

    async def main() -> None:
        log.append(await program(log))

    world.chooser = chooser or InOrder()
    world.run_world(copy_context(), lambda: world.spawn(copy_context(), "main", main))
    log += [type(told["exception"]).__name__ for told in world.unhandled]
    world.reset()
    return log


async def sleeps(log: list[Any]) -> object:
    with trio.move_on_after(3600) as scope:
        await trio.sleep_forever()
    return scope.cancelled_caught, round(trio.current_time(), 3)


async def woken_together(log: list[Any]) -> None:
    event = trio.Event()

    async def wait(number: int) -> None:
        await event.wait()
        log.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(wait, number)
        await trio.testing.wait_all_tasks_blocked()
        event.set()


async def memory(log: list[Any]) -> None:
    send, receive = trio.open_memory_channel(0)

    async def take() -> None:
        async for item in receive:
            log.append(item)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        async with send:
            for number in range(3):
                await send.send(number)
                await latency("db")


async def fails(log: list[Any]) -> None:
    async def fail() -> None:
        await latency("db")
        raise ValueError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        nursery.start_soon(trio.sleep_forever)


async def grouped(log: list[Any]) -> None:
    try:
        await fails(log)
    except* ValueError as group:
        log.append(len(group.exceptions))


async def threads(log: list[Any]) -> object:
    def job() -> object:
        return trio.from_thread.run_sync(lambda: 6) * trio.from_thread.run(sevenths)

    async def sevenths() -> int:
        await trio.sleep(1)
        return 7

    return await trio.to_thread.run_sync(job)


async def stubborn(log: list[Any]) -> None:
    while True:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            log.append("not now")


async def shielded(log: list[Any]) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


async def to_trio(log: list[Any]) -> None:
    trio.lowlevel.spawn_system_task(trio.sleep_forever)


async def system_task_fails(log: list[Any]) -> None:
    async def fail() -> None:
        raise KeyError

    trio.lowlevel.spawn_system_task(fail)
    await trio.sleep_forever()


async def half_run(log: list[Any]) -> None:
    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")

    kept = numbers()
    log.append(await kept.__anext__())
    await kept.aclose()


@pytest.mark.parametrize(
    ("program", "noted"),
    [
        (sleeps, [(True, 4600.0)]),
        (woken_together, [0, 1, 2, 3, None]),
        (memory, [0, 1, 2, None]),
        (grouped, [1, None]),
        (threads, [42]),
        (half_run, [1, "closed", None]),
        (system_task_fails, ["KeyError"]),
    ],
)
def test_what_trio_offers_does_here_what_it_does_there(world: TrioWorld, program: Program, noted: list[Any]) -> None:
    assert run(world, program) == noted
    assert run(world, program) == noted  # in the same run of trio's


@pytest.mark.parametrize("before", [stubborn, shielded, to_trio, system_task_fails, fails, threads])
def test_nothing_of_an_execution_is_there_in_the_next(world: TrioWorld, before: Program) -> None:
    first = run(world, sleeps), run(world, woken_together, RandomWalk(3))
    run(world, before)
    assert (run(world, sleeps), run(world, woken_together, RandomWalk(3))) == first
    assert world.given_up == (before in (stubborn, to_trio, system_task_fails))


def test_a_batch_runs_the_other_way_round_where_that_is_decided(world: TrioWorld) -> None:
    assert run(world, woken_together, Turned())[:4] == [3, 2, 1, 0]
    turned: list[Any] = []
    for seed in range(40):
        log = run(world, woken_together, RandomWalk(seed))[:4]
        assert log in ([0, 1, 2, 3], [3, 2, 1, 0])  # all that stock trio ever does
        turned.append(log == [3, 2, 1, 0])
    assert any(turned) and not all(turned)


@pytest.mark.parametrize("program", [memory, grouped, sleeps])
def test_what_does_not_depend_on_order_is_as_under_stock_trio(world: TrioWorld, program: Program) -> None:
    """But for the time: `trio.run` has its own."""
    log: list[Any] = []

    async def main() -> None:
        log.append(await program(log))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    for seed in range(20):
        here = run(world, program, RandomWalk(seed))
        assert [entry for entry in here if not isinstance(entry, tuple)] == [
            entry for entry in log if not isinstance(entry, tuple)
        ]


def test_a_release_that_cannot_be_stepped_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private.core, "unrolled_run", run)
    with pytest.raises(UsageError, match=r"trio 0\.\d+\.\d+ is not a release that Crosswire can step"):
        private._load()


def test_whoever_looks_on_is_told_of_each_deadline(world: TrioWorld) -> None:
    """Pauses are drawn from beside a target's own deadlines, on trio as on asyncio."""
    noted: list[tuple[float, float]] = []
    world.timers_set = noted
    run(world, sleeps)
    assert [(round(since, 1), round(delay, 1)) for since, delay in noted] == [(0.0, 3600.0)]
