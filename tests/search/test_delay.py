"""Delay-bounded search tries every schedule within its bound, none twice, and means it when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from crosswire.fuzzer.search.delay import Delay
from crosswire.fuzzer.world import WorldLoop, latency
from crosswire.fuzzer.world.external import CARRY_ON, External

from .worlds import Bare, executed, results


def arrivals(senders: int, wanted: tuple[int, ...] = ()) -> Bare:
    """Messages of so many senders, one each; the result is whether they arrived in the ``wanted`` order."""

    async def program() -> bool:
        log: list[int] = []

        async def send(number: int) -> None:
            await latency(f"sender {number}")
            log.append(number)

        await asyncio.gather(*map(send, range(senders)))
        return tuple(log) == wanted

    return program


class Scripted:
    """Takes alternatives in the order of a script, the first ones after it; notes how many there were."""

    def __init__(self, script: Sequence[int]) -> None:
        self.script = script
        self.options: list[int] = []
        self.delays = 0
        self.queue: list[External] = []

    def choose(self, options: int) -> int:
        at = len(self.options)
        self.options.append(options)
        choice = self.script[at] if at < len(self.script) else 0
        self.delays += choice
        return choice

    def rotate(self, pending: Sequence[External], times: int) -> int:
        self.queue = [event for event in self.queue if event in pending]
        self.queue += [event for event in pending if event not in self.queue]
        for _ in range(times):
            self.queue.append(self.queue.pop(0))
        return pending.index(self.queue[0])

    def busy(self, pending: Sequence[External]) -> int:
        choice = self.choose(len(pending) + 1)
        return CARRY_ON if not choice else self.rotate(pending, choice - 1)

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        return self.rotate(pending, self.choose(len(pending)))

    def extra(self, options: Sequence[External]) -> int:
        return CARRY_ON


def brute_force(loop: WorldLoop, program: Bare, bound: int) -> set[tuple[tuple[int, int], ...]]:
    """Every schedule within the bound, by trying each script there is; a queue that is rotated serves as scheduler."""
    found: set[tuple[tuple[int, int], ...]] = set()
    scripts: list[tuple[int, ...]] = [()]
    while scripts:
        script = scripts.pop()
        chooser = Scripted(script)
        execution = executed(loop, program, chooser)[1]
        found.add(execution.schedule.deviations)
        for at in range(len(script), len(chooser.options)):
            padded = script + (0,) * (at - len(script))
            scripts += [(*padded, n) for n in range(1, chooser.options[at]) if chooser.delays + n <= bound]
    return found


@pytest.mark.parametrize(("senders", "bound"), [(2, 0), (2, 1), (3, 1), (3, 2), (4, 2), (3, 3)])
def test_exactly_the_schedules_within_the_bound_and_none_twice(senders: int, bound: int) -> None:
    loop = WorldLoop()
    program = arrivals(senders)
    strategy = Delay(bound)
    tried = []
    with loop.entropy:
        while (chooser := strategy.next()) is not None:
            execution = executed(loop, program, chooser)[1]
            strategy.seen(execution, 0)
            tried.append(execution.schedule.deviations)
        expected = brute_force(loop, program, bound)
    assert len(set(tried)) == len(tried)
    assert set(tried) == expected
    assert strategy.proven is not None
    assert (strategy.proven.delays, strategy.proven.schedules) == (bound, len(expected))


@pytest.mark.parametrize("delays", [1, 2, 3])
def test_a_bug_that_needs_so_many_delays(delays: int) -> None:
    """The first arrivals come last, in order: each of them must be passed over once."""
    senders = delays + 2
    program = arrivals(senders, (*range(delays, senders), *range(delays)))
    loop = WorldLoop()
    with loop.entropy:
        assert any(results(loop, program, Delay(delays)))
        assert not any(results(loop, program, Delay(delays - 1)))


def test_what_it_says_at_the_end() -> None:
    loop = WorldLoop()
    strategy = Delay(1)
    with loop.entropy:
        number = len(list(results(loop, arrivals(2), strategy)))
    assert number > 1
    assert str(strategy.proven) == f"proven for this program up to 1 delay, {number} schedules"


def test_nothing_is_proven_by_what_was_not_tried() -> None:
    strategy = Delay(1)
    assert strategy.next() is not None
    assert strategy.proven is None
