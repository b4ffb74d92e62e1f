"""Calm search tries every calm schedule, none twice, and ends when there is none left."""

from __future__ import annotations

import asyncio
from collections import Counter
from math import comb, factorial

import pytest

from crosswire.fuzzer.search import STRATEGIES, Calm
from crosswire.fuzzer.search.calm import Reversed
from crosswire.fuzzer.world import InOrder, WorldLoop, latency

from .worlds import Bare, executed, orderly


def senders(*messages: int, patience: float | None = None) -> Bare:
    """Tasks that send so many messages each, one after the other; the result is the order in which they arrived."""

    async def program() -> list[int]:
        log: list[int] = []

        async def send(number: int) -> None:
            for _ in range(messages[number]):
                await latency(f"sender {number}")
                log.append(number)

        async def nag() -> None:
            if patience is not None:
                await asyncio.sleep(patience)
                log.append(-1)

        await asyncio.gather(nag(), *map(send, range(len(messages))))
        return log

    return program


def all_of(program: Bare, strategy: Calm) -> list[tuple[object, tuple[tuple[int, int], ...]]]:
    """Each execution's result and deviations, until none is left to try."""
    loop = WorldLoop()
    shown: list[tuple[object, tuple[tuple[int, int], ...]]] = []
    while (chooser := strategy.next()) is not None:
        result, execution = executed(loop, program, chooser)
        strategy.seen(execution, 0)
        assert not any(busy for _, busy in execution.visible)
        shown.append((tuple(result), execution.schedule.deviations))
    return shown


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("messages", "schedules"),
    [((1,), 1), ((1, 1), 2), ((1,) * 4, factorial(4)), ((3, 2), comb(5, 2)), ((2, 2, 1), 30)],
)
def test_every_order_once(messages: tuple[int, ...], schedules: int, seed: int) -> None:
    shown = all_of(senders(*messages), Calm(seed))
    assert len(shown) == schedules
    assert len({result for result, _ in shown}) == schedules
    assert len({deviations for _, deviations in shown}) == schedules


def test_moves_of_the_clock_are_choices_too() -> None:
    shown = all_of(senders(1, 2, patience=1.0), Calm(0))
    assert {result for result, _ in shown} == {
        (*order[:at], -1, *order[at:]) for order in ((0, 1, 1), (1, 0, 1), (1, 1, 0)) for at in range(4)
    }
    assert len({deviations for _, deviations in shown}) == len(shown)


def test_beyond_what_is_remembered_it_goes_on_without() -> None:
    strategy, loop = Calm(0, room=10), WorldLoop()
    orders = set()
    for _ in range(600):
        chooser = strategy.next()
        assert chooser is not None
        result, execution = executed(loop, senders(*[1] * 4), chooser)
        strategy.seen(execution, 0)
        orders.add(tuple(result))
    assert len(orders) == factorial(4)


def test_a_program_that_changes_under_it_is_executed_all_the_same() -> None:
    strategy, loop = Calm(0), WorldLoop()
    for number in range(60):
        chooser = strategy.next()
        if chooser is None:
            break
        result, execution = executed(loop, senders(*[1] * (4 - number % 4)), chooser)
        strategy.seen(execution, 0)
        assert sorted(result) == list(range(4 - number % 4))
    assert number > 3


def test_it_begins_with_the_reverse_of_order() -> None:
    assert executed(WorldLoop(), senders(2, 2), Reversed())[0] == [1, 1, 0, 0]
    for seed in range(5):
        assert all_of(senders(1, 1, 1, 1), Calm(seed))[0][0] == (3, 2, 1, 0)


def test_or_with_what_it_is_told_to() -> None:
    shown = all_of(senders(1, 1, 1), Calm(3, (InOrder(), Reversed())))
    assert [result for result, _ in shown[:2]] == [(0, 1, 2), (2, 1, 0)]
    assert len(shown) == 6


def test_a_seed_is_an_order_of_schedules() -> None:
    assert all_of(senders(2, 1, 2), Calm(7)) == all_of(senders(2, 1, 2), Calm(7)) != all_of(senders(2, 1, 2), Calm(8))


def test_few_schedules_are_as_different_as_those_of_a_walk() -> None:
    """Of a program with many schedules the first ones are no neighbours of each other."""
    strategy, loop = STRATEGIES["calm"](orderly(WorldLoop(), senders(*[2] * 6)), 0), WorldLoop()
    first = Counter[int]()
    for _ in range(60):
        chooser = strategy.next()
        assert chooser is not None
        result, execution = executed(loop, senders(*[2] * 6), chooser)
        strategy.seen(execution, 0)
        first[result[0]] += 1
    assert len(first) == 6
