"""Coverage-guided search goes deep where behaviour shows the way; what counts as new is the same everywhere."""

from __future__ import annotations

import asyncio
import statistics
import sys
from typing import Any

import pytest

from crosswire.fuzzer.campaigns.explore import Memory, explore
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.engine.schedule import Recorded
from crosswire.fuzzer.search import STRATEGIES, RandomWalk
from crosswire.fuzzer.search.behaviour import Novelty
from crosswire.fuzzer.search.coverage import Continued
from crosswire.fuzzer.search.paths import TOOLS, Paths
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.world import WorldLoop, latency

from .worlds import executed, orderly

MONITORING: Any = getattr(sys, "monitoring", None)

STAGES = 7
CAP = 4000


async def staged() -> bool:
    """So many times in a row the later of two must come first; the first time it does not, there is no way on."""
    for stage in range(STAGES):
        order: list[int] = []

        async def arrive(number: int, stage: int = stage, order: list[int] = order) -> None:
            await latency(f"stage {stage}")
            order.append(number)

        await asyncio.gather(arrive(0), arrive(1), arrive(2))
        if order != [2, 1, 0]:
            return False
    return True


async def arrivals() -> None:
    await asyncio.gather(*(latency(f"sender {number}") for number in range(6)))


def executions_to_find(name: str, seed: int) -> int:
    loop = WorldLoop()
    novelty = Novelty()
    with loop.entropy:
        strategy = STRATEGIES[name](orderly(loop, staged), seed << 16)
        for number in range(1, CAP):
            chooser = strategy.next()
            assert chooser is not None
            found, execution = executed(loop, staged, chooser)
            if found:
                return number
            strategy.seen(execution, novelty.of(execution))
    return CAP


@pytest.mark.long
def test_a_deep_bug_in_stages_is_found_sooner_than_by_the_walk() -> None:
    guided = [executions_to_find("coverage", seed) for seed in range(5)]
    walk = [executions_to_find("random", seed) for seed in range(5)]
    assert max(guided) < CAP
    assert statistics.median(guided) * 2 < statistics.median(walk)


def test_the_first_decisions_are_taken_again_and_then_others() -> None:
    loop = WorldLoop()
    with loop.entropy:
        _, execution = executed(loop, arrivals, RandomWalk(8))
        whole = Continued(RandomWalk(8), CAP, RandomWalk(0))
        assert executed(loop, arrivals, whole)[1] == execution
        half = whole.decisions // 2
        others = [
            executed(loop, arrivals, Continued(Recorded(execution.schedule), half, RandomWalk(seed)))[1].schedule
            for seed in range(4, 20)
        ]
    before = [deviation for deviation in execution.schedule.deviations if deviation[0] <= half]
    assert before
    for other in others:
        assert list(other.deviations[: len(before)]) == before
    assert len(set(others)) > 4


class Lazy(Adapter):
    """Writes a line of its own for each event it has seen; makes something once for all executions."""

    made = False

    def __init__(self) -> None:
        self.events = 0

    async def connect(self, client: Client) -> None:
        if not Lazy.made:
            Lazy.made = True  # the line that must not count

    async def emit(self, event: Event) -> None:
        self.events += 1
        if self.events == 2:
            self.events += 0

    async def disconnect(self, client: Client) -> None:
        pass


LAZY = Worker(Target("lazy", Lazy, Lazy))


def lines(paths: Paths, emits: int) -> int:
    """How many new lines an execution with so many emits runs."""
    program = Program((Operation("connect", "c0", "u0"), *[Operation("emit", user="u0", to="u0")] * emits))
    _, fresh = paths.watched(lambda: LAZY.run(program, RandomWalk(0)), lambda seen: LAZY.replay(program, seen.schedule))
    return len(set(fresh))


@pytest.mark.skipif(MONITORING is None, reason="needs sys.monitoring")
def test_new_lines_count_once_and_only_if_they_are_run_again() -> None:
    Lazy.made = False
    counts = []
    for _ in range(2):
        paths = Paths()
        with LAZY.session(), paths.session():
            counts.append([lines(paths, emits) for emits in (1, 1, 2, 2)])
    first, second = counts
    assert first == second  # although only the first could run the line that is run once for all
    assert first[0] > 0
    assert first[1:] == [0, 1, 0]


@pytest.mark.skipif(MONITORING is None, reason="needs sys.monitoring")
def test_identifiers_are_given_back_and_their_lack_is_no_obstacle() -> None:
    held = []
    while True:
        paths = Paths()
        with LAZY.session(), paths.session():
            if not lines(paths, 1):
                break
            free = next(tool for tool in TOOLS if tool not in held)
        MONITORING.use_tool_id(free, "somebody else")
        held.append(free)
    for tool in held:
        MONITORING.free_tool_id(tool)
    assert held == list(TOOLS)


def test_where_there_is_no_monitoring_nothing_is_new() -> None:
    paths = Paths()
    with LAZY.session():
        assert lines(paths, 2) == 0


def test_the_same_executions_show_the_same_news_in_any_process() -> None:
    program = Program((Operation("connect", "c0", "u0"), Operation("emit", user="u0", to="u0")))

    def names() -> list[tuple[str, object]]:
        with LAZY.session():
            memory = Memory(3)
            return [
                (result.strategy, result.execution.schedule)
                for result in explore(LAZY, program, [0, 1], 20, ("portfolio",), 3, memory)
            ]

    assert names() == names()


def test_novelty_counts_a_behaviour_once_for_all_programs_of_a_round() -> None:
    novelty = Novelty()
    executions = []
    for user in ("u0", "u1"):
        program = Program((Operation("connect", "c0", user), Operation("emit", user=user, to=user)))
        executions.append(LAZY.run(program, RandomWalk(0)))
    assert novelty.of(executions[0]) > 0
    assert novelty.of(executions[0]) == 0
    assert novelty.of(executions[1]) == 0  # the same, with another user
    assert novelty.of(executions[1], ["a violation"]) == 1
