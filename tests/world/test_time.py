"""Time in a world: what the stock loop does when a machine is busy, all of it, and nothing that it never does."""

from __future__ import annotations

import asyncio
import datetime
import socket
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from typing import Any

import pytest

from crosswire.fuzzer.engine.schedule import Guided, Recorded, Schedule
from crosswire.fuzzer.search import STRATEGIES, RandomWalk
from crosswire.fuzzer.world import InOrder, WorldLoop, latency
from crosswire.fuzzer.world.external import CARRY_ON, External
from crosswire.fuzzer.world.outer import BUSY

from ..search.worlds import executed, orderly, results

Main = Callable[[], Coroutine[Any, Any, Any]]


class Every:
    """Takes a written list of choices, and the first one after it; notes how many there were."""

    def __init__(self, plan: Sequence[int]) -> None:
        self.plan = plan
        self.widths: list[int] = []

    def choose(self, width: int) -> int:
        at = len(self.widths)
        self.widths.append(width)
        return self.plan[at] if at < len(self.plan) else 0

    def busy(self, pending: Sequence[External]) -> int:
        return self.choose(len(pending) + 1) - 1

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        return self.choose(len(pending) + clock)

    def extra(self, options: Sequence[External]) -> int:
        return self.choose(len(options) + 1) - 1


def all_outcomes(main: Main, most: int = 20_000) -> set[Any]:
    """What a program can come to, by trying every decision there is."""
    loop = WorldLoop()
    seen: set[Any] = set()
    plans: list[tuple[int, ...]] = [()]
    with loop.entropy:
        for _ in range(most):
            if not plans:
                return seen
            chooser = Every(plans.pop())
            seen.add(loop.run_coroutine(main(), chooser))
            for at in range(len(chooser.plan), len(chooser.widths)):
                before = (*chooser.plan, *[0] * (at - len(chooser.plan)))
                plans += [(*before, choice) for choice in range(1, chooser.widths[at])]
    raise AssertionError(f"more than {most} ways")


async def answer() -> None:
    """Something outside answers: in a world when the schedule says so, on the stock loop when `sent` has sent."""
    if isinstance(asyncio.get_running_loop(), WorldLoop):
        await latency("db")
    else:
        await asyncio.get_running_loop().sock_recv(wires[0], 1)


wires: list[socket.socket] = []


def on_stock(main: Main, prepare: Callable[[], object] = bool) -> Any:
    """Run on the stock loop, with a wire that an answer can be sent on, and something to do at the beginning."""

    async def all_of_it() -> Any:
        prepare()
        return await main()

    wires[:] = socket.socketpair()
    wires[0].setblocking(False)
    try:
        return asyncio.run(all_of_it())
    finally:
        for wire in wires:
            wire.close()


def stock_shows(outcome: Any, main: Main, prepare: Callable[[], object] = bool) -> bool:
    """Whether the stock loop comes to this outcome, at the latest when nobody else takes the processor in between."""
    return any(on_stock(main, prepare) == outcome for _ in range(20))


def sent() -> None:
    wires[1].send(b"x")


def busy_until(deadline: float) -> None:
    """Keep the loop's thread until a deadline has passed: one callback that takes long."""
    time.sleep(max(0.0, deadline - asyncio.get_running_loop().time()) + 0.005)


async def answer_and_time_out() -> str:
    """A future is answered and its waiter timed out; where both meet in one iteration the answer is lost."""
    future = asyncio.get_running_loop().create_future()

    async def give() -> None:
        await answer()
        if not future.done():
            future.set_result("got")

    giving = asyncio.create_task(give())
    try:
        async with asyncio.timeout(0.03):
            return str(await future)
    except TimeoutError:
        return "lost" if future.done() and not future.cancelled() else "late"
    finally:
        giving.cancel()


def test_an_answer_and_a_time_out_in_one_iteration() -> None:
    def both() -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 0.03

        def busy() -> None:  # when the bytes are read, the loop is busy until the time is up
            sent()
            loop.call_soon(busy_until, deadline)

        loop.call_later(0.01, busy)

    assert all_outcomes(answer_and_time_out) == {"got", "late", "lost"}
    assert stock_shows("got", answer_and_time_out, sent)
    assert stock_shows("late", answer_and_time_out)
    assert stock_shows("lost", answer_and_time_out, both)


async def two_deadlines() -> tuple[str, ...]:
    loop, log = asyncio.get_running_loop(), list[str]()
    future = loop.create_future()

    async def wait() -> None:
        try:
            async with asyncio.timeout(0.01):
                await future
        except TimeoutError:
            log.append("timed out")

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    loop.call_later(0.02, log.append, "second")
    await asyncio.sleep(0.05)
    await waiting
    return tuple(log)


def test_two_deadlines_in_one_iteration() -> None:
    def both() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.005, busy_until, loop.time() + 0.025)

    assert all_outcomes(two_deadlines) == {("timed out", "second"), ("second", "timed out")}
    assert stock_shows(("timed out", "second"), two_deadlines)
    assert stock_shows(("second", "timed out"), two_deadlines, both)


CUT = {"stop": -1}


async def chain() -> int:
    """How many turns of three come before the time is up."""
    turns = 0
    try:
        async with asyncio.timeout(0.01):
            for turn in range(3):
                if CUT["stop"] == turn:
                    time.sleep(0.015)
                await asyncio.sleep(0)
                turns += 1
    except TimeoutError:
        pass
    return turns


def test_a_time_out_in_the_middle_of_ready_callbacks() -> None:
    assert all_outcomes(chain) == {1, 2, 3}
    for CUT["stop"], turns in ((0, 1), (1, 2), (2, 3), (-1, 3)):
        assert stock_shows(turns, chain)


@pytest.mark.parametrize("cancelled", [(), (0,), (1, 3), (2,)])
@pytest.mark.parametrize("times", [2, 5, 9, 40])
def test_equal_deadlines_leave_in_the_order_of_the_stock_heap(times: int, cancelled: tuple[int, ...]) -> None:
    """Alone, among other timers, and with some cancelled: whichever order that is, it is one."""

    async def main() -> tuple[int, ...]:
        loop, log = asyncio.get_running_loop(), list[int]()
        at = loop.time() + 0.02
        loop.call_at(at - 0.01, log.append, -1)
        handles = [loop.call_at(at, log.append, number) for number in range(times)]
        loop.call_at(at + 0.01, log.append, -2)
        for number in cancelled:
            handles[number % times].cancel()
        await asyncio.sleep(0.05)
        return tuple(log)

    assert WorldLoop().run_coroutine(main()) == asyncio.run(main())
    assert {WorldLoop().run_coroutine(main(), RandomWalk(seed)) for seed in range(40)} == {asyncio.run(main())}


def test_heaps_of_cancelled_timers_are_made_anew_as_there() -> None:
    async def main() -> list[int]:
        loop, log = asyncio.get_running_loop(), list[int]()
        at = loop.time() + 0.02
        handles = [loop.call_at(at, log.append, number) for number in range(150)]
        for number, handle in enumerate(handles):
            if number % 3:
                handle.cancel()
        await asyncio.sleep(0.05)
        return log

    assert WorldLoop().run_coroutine(main()) == asyncio.run(main())


CLOCKS: dict[str, Callable[[], Any]] = {
    "loop": lambda: asyncio.get_running_loop().time(),
    "monotonic": time.monotonic,
    "monotonic_ns": time.monotonic_ns,
    "perf_counter": time.perf_counter,
    "perf_counter_ns": time.perf_counter_ns,
    "time": time.time,
    "time_ns": time.time_ns,
    "now": datetime.datetime.now,
    "now in UTC": lambda: datetime.datetime.now(datetime.UTC),
    "uuid1": lambda: uuid.uuid1().time,
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_reading_is_later_than_the_one_before(clock: str) -> None:
    async def main() -> None:
        readings = []
        for _ in range(500):
            readings.append(globals()["CLOCKS"][clock]())
            if len(readings) % 100 == 0:
                await asyncio.sleep(1 / 3)
        assert all(one < other for one, other in pairwise(readings))

    loop = WorldLoop()
    loop.run_coroutine(main())
    loop.run_coroutine(main())


def test_two_clocks_agree() -> None:
    async def main() -> None:
        before = time.time()
        monotonic = time.monotonic()
        await asyncio.sleep(100)
        assert time.time() - before == pytest.approx(time.monotonic() - monotonic, abs=1e-4)

    WorldLoop().run_coroutine(main())


def test_a_machine_is_busy_for_so_long_and_no_longer() -> None:
    """A chain of callbacks without an end of its own: time passes in it, but not beyond the bound."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(20):
            loop.call_later(0.05 * number, bool)
        for _ in range(60):
            await asyncio.sleep(0)
        return loop.time() - began

    class AsBusyAsCanBe(InOrder):
        def extra(self, options: Sequence[External]) -> int:
            return len(options) - 1

    assert 0.2 <= WorldLoop().run_coroutine(main(), AsBusyAsCanBe()) <= BUSY + 0.001
    assert WorldLoop().run_coroutine(main()) < 0.001


def test_what_was_decided_besides_is_replayed() -> None:
    loop = WorldLoop()
    with loop.entropy:
        seen = set()
        for seed in range(200):
            outcome, execution = executed(loop, answer_and_time_out, RandomWalk(seed))
            seen.add(outcome)
            assert executed(loop, answer_and_time_out, Recorded(execution.schedule))[0] == outcome
            executed(loop, answer_and_time_out, Guided(execution.visible))
            without = tuple((point, choice) for point, choice in execution.schedule.deviations if point > 0)
            executed(loop, answer_and_time_out, Recorded(Schedule(without)))
    assert seen == {"got", "late", "lost"}


def test_in_order_nothing_happens_besides() -> None:
    loop = WorldLoop()
    with loop.entropy:
        execution = orderly(loop, answer_and_time_out)
    assert execution.schedule.deviations == ()


@pytest.mark.parametrize("strategy", ["random", "pct", "pos", "surw", "coverage"])
def test_strategies_find_what_only_a_busy_machine_shows(strategy: str) -> None:
    loop = WorldLoop()
    with loop.entropy:
        proposing = STRATEGIES[strategy](orderly(loop, answer_and_time_out), 0)
        shown = results(loop, answer_and_time_out, proposing)
        assert any(next(shown) == "lost" for _ in range(400))


def test_a_chooser_of_old_is_asked_as_of_old() -> None:
    class Old:
        def busy(self, pending: Sequence[External]) -> int:
            return 0 if pending[0].key == ("clock",) else CARRY_ON

        def idle(self, pending: Sequence[External], clock: bool) -> int:
            return 0

    chooser: Any = Old()
    assert WorldLoop().run_coroutine(chain(), chooser) == 1
