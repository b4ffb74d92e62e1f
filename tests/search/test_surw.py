"""The selectively uniform random walk makes interleavings equally likely, of everything or of what interests."""

from __future__ import annotations

import asyncio
from math import factorial

import pytest

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import Census, RandomWalk, Surw
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.world import Chooser, InOrder, WorldLoop, latency

from .worlds import Bare, chi_square, critical, executed, orderly

EACH = 40
"""Executions for every interleaving there is."""


def senders(lengths: tuple[int, ...]) -> Bare:
    """Each sender sends so many messages, one after the other; the result is whose they were, in order of arrival."""

    async def program() -> tuple[int, ...]:
        log: list[int] = []

        async def send(number: int) -> None:
            for _ in range(lengths[number]):
                await latency(f"sender {number}")
                log.append(number)

        await asyncio.gather(*map(send, range(len(lengths))))
        return tuple(log)

    return program


def interleavings(lengths: tuple[int, ...]) -> int:
    number = factorial(sum(lengths))
    for length in lengths:
        number //= factorial(length)
    return number


@pytest.mark.parametrize("lengths", [(2, 2, 2), (4, 4), (1, 7), (1, 2, 3)])
def test_every_interleaving_is_equally_likely(lengths: tuple[int, ...]) -> None:
    loop = WorldLoop()
    program = senders(lengths)
    cells = interleavings(lengths)
    with loop.entropy:
        census = Census(orderly(loop, program))

        def sample(choosers: list[Chooser]) -> list[object]:
            return [executed(loop, program, chooser)[0] for chooser in choosers]

        uniform = sample([Surw(seed, census, "") for seed in range(EACH * cells)])
        walk = sample([RandomWalk(seed) for seed in range(EACH * cells)])
    assert chi_square(uniform, cells) < critical(cells) < chi_square(walk, cells)


class Quiet(Adapter):
    """A target whose operations wait for nothing."""

    async def connect(self, client: Client) -> None:
        pass

    async def emit(self, event: Event) -> None:
        pass

    async def disconnect(self, client: Client) -> None:
        pass


def test_the_events_that_interest_are_uniform_among_many_others() -> None:
    lanes = [("c0", "u0"), ("c1", "u0"), ("c2", "u0"), ("c3", "u1"), ("c4", "u1"), ("c5", "u2")]
    program = Program(
        tuple(
            operation
            for name, user in lanes
            for operation in (Operation("connect", name, user), Operation("log_out", name))
        )
    )
    worker = Worker(Target("quiet", Quiet, Quiet))
    cells = interleavings((2, 2, 2))
    sample = []
    with worker.session():
        census = Census(worker.run(program, InOrder()))
        assert set(census.counts) == {"", "u0", "u1"}
        for seed in range(EACH * cells):
            execution = worker.run(program, Surw(seed, census, "u0"))
            started = [key[1] for key, _ in execution.visible if key[0] == "start"]
            sample.append(tuple(int(number) // 2 for number in started if int(number) < 6))
    assert chi_square(sample, cells) < critical(cells)
