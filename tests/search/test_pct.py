"""PCT keeps its word: bugs of depth d are found with at least the probability its authors prove."""

from __future__ import annotations

import asyncio

import pytest

from crosswire.fuzzer.search import Pct, RandomWalk
from crosswire.fuzzer.world import WorldLoop, latency
from crosswire.fuzzer.world.external import Chooser

RUNS = 1500


async def in_reverse(depth: int) -> bool:
    """Messages of ``depth`` + 1 senders; the bug is that they arrive in reverse: ``depth`` ordering constraints."""
    arrived: list[int] = []

    async def send(number: int) -> None:
        await latency(f"sender {number}")
        arrived.append(number)

    await asyncio.gather(*(send(number) for number in range(depth + 1)))
    return arrived == sorted(arrived, reverse=True)


async def overtaken(length: int) -> bool:
    """One sender's first message arrives, then all of another's, then the first one's second: depth 2."""
    log: list[str] = []

    async def sender(name: str, messages: int) -> None:
        for _ in range(messages):
            await latency(name)
            log.append(name)

    await asyncio.gather(sender("a", 2), sender("b", length))
    return log == ["a", *["b"] * length, "a"]


def share(loop: WorldLoop, program: object, chooser: object) -> float:
    with loop.entropy:
        return sum(loop.run_coroutine(program(), chooser(seed)) for seed in range(RUNS)) / RUNS  # type: ignore[operator]


@pytest.mark.parametrize("senders", [2, 4])
def test_a_bug_of_depth_one_less_than_its_senders(senders: int) -> None:
    loop = WorldLoop()
    found = share(loop, lambda: in_reverse(1), lambda seed: Pct(seed, senders, depth=1))
    assert found >= 0.9 / 3  # two senders and the loop


def test_a_bug_of_depth_two_in_a_long_run_beats_the_random_walk() -> None:
    """Many events in a row from one side: a walk that decides anew each time rarely keeps to one."""
    loop = WorldLoop()
    length = 12
    steps = 2 * (length + 2)
    pct = share(loop, lambda: overtaken(length), lambda seed: Pct(seed, steps, depth=2))
    walk = share(loop, lambda: overtaken(length), RandomWalk)
    assert pct >= 1 / (3 * steps)
    assert pct > 3 * walk


def test_a_seed_names_one_sequence_of_choices() -> None:
    def log(chooser: Chooser) -> list[object]:
        loop = WorldLoop()
        seen: list[object] = []

        async def main() -> None:
            await overtaken(4)
            seen.extend(loop.visible)

        with loop.entropy:
            loop.run_coroutine(main(), chooser)
        return seen

    logs = [log(Pct(seed, 20)) for seed in (3, 3, 4, 5, 6)]
    assert logs[0] == logs[1]
    assert any(other != logs[0] for other in logs[2:])
