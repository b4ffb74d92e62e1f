"""Crosswire, stock asyncio and the peers behind one function: explore a kernel until a bug shows or the budget ends.

Each peer is used as its documentation says, with the primitive it offers for "this takes a while": ``sleep(0)`` where
the tool reorders what is ready, a seeded sleep where it orders by virtual time.  None of them is needed to import this.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.engine.execution import Execution
from crosswire.fuzzer.engine.schedule import Recorded, Schedule, Visible
from crosswire.fuzzer.search import PORTFOLIO, RandomWalk
from crosswire.fuzzer.search.behaviour import Novelty
from crosswire.fuzzer.search.calm import Calm, Reversed
from crosswire.fuzzer.search.portfolio import Portfolio
from crosswire.fuzzer.search.turns import Turns
from crosswire.fuzzer.world import Chooser, InOrder, WorldLoop, latency

from .kernels import Pause, main
from .kernels import Program as Kernel

__all__ = (
    "CANNOT",
    "TOOLS",
    "Budget",
    "Hunt",
    "Make",
    "Tool",
    "as_execution",
    "execute",
    "executions",
    "minimal",
    "version",
)

Make = Callable[[Pause], Kernel]
Finish = Callable[[Kernel], Coroutine[Any, Any, None]]
"""What is run of a program: `kernels.main`, which judges it, or `kernels.run_all`, which does not."""

SEEDS = 100_000
"""How far the seeds of two hunts are apart, and so the most executions of one."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When to give up: after so many executions, or so many seconds."""

    executions: int = SEEDS
    seconds: float = float("inf")


@dataclass(frozen=True, slots=True)
class Hunt:
    """What came of exploring: executions and seconds until the finding, or until the budget ended; what it said."""

    executions: int
    seconds: float
    finding: str | None = None
    size: int | None = None


Explore = Callable[[Make, Finish, int, Budget], Hunt]
Shrink = Callable[[Make, Finish, int, Budget], int | None]


@dataclass(frozen=True, slots=True)
class Tool:
    """``explore(make, finish, seed, budget)``; ``shrink``, where the tool has one, gives the deviations left."""

    name: str
    package: str | None
    how: str
    explore: Explore
    shrink: Shrink | None = None


def version(tool: Tool) -> str | None:
    """The version installed, or None; stock asyncio and Crosswire have none of their own here."""
    if tool.package is None:
        return ""
    try:
        return importlib.metadata.version(tool.package)
    except importlib.metadata.PackageNotFoundError:
        return None


class _Clock:
    """Counts executions and says when the budget has ended."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.executions = 0
        self.began = time.perf_counter()

    def left(self) -> bool:
        return self.executions < self.budget.executions and self.seconds() < self.budget.seconds

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def seeds(self, seed: int) -> Iterator[int]:
        """A new seed for each execution, until the budget ends."""
        for number in count(seed * SEEDS):
            if not self.left():
                return
            self.executions += 1
            yield number

    def hunt(self, finding: object = None, size: int | None = None) -> Hunt:
        words = finding if isinstance(finding, str) or finding is None else type(finding).__name__
        return Hunt(self.executions, self.seconds(), words, size)


async def _a_turn(name: str) -> None:
    await asyncio.sleep(0)


async def _a_while(name: str) -> None:
    await asyncio.sleep(0.01)


# -- Crosswire ------------------------------

NO_OPERATIONS = Program(())

Outcome = tuple[Exception | None, list[tuple[int, int]], list[Visible]]
"""What an execution raised, its deviations, and what became visible."""

Search = Callable[[WorldLoop, Callable[[], Coroutine[Any, Any, None]], int], Iterator[Outcome]]
"""Executes a program over and over, from a seed."""


def execute(loop: WorldLoop, coroutine: Coroutine[Any, Any, None], chooser: Chooser) -> Outcome:
    """One execution of what is no target."""
    deviations, visible = loop.deviations, loop.visible
    error = None
    try:
        loop.run_coroutine(coroutine, chooser)
    except Exception as raised:
        error = raised
    return error, deviations, visible


def as_execution(outcome: Outcome) -> Execution:
    """The outcome as strategies see it."""
    return Execution(NO_OPERATIONS, Schedule(tuple(outcome[1])), (), tuple(outcome[2]))


def executions(
    loop: WorldLoop, make: Callable[[], Coroutine[Any, Any, None]], strategy: str, seed: int, orderly: Execution
) -> Iterator[Outcome]:
    """What a strategy's schedules show, until it has none left; ``orderly`` is the execution in order."""
    turns, novelty = Turns((strategy,), orderly, seed * SEEDS, Portfolio(seed)), Novelty()
    while (chooser := turns.next()) is not None:
        outcome = execute(loop, make(), chooser)
        execution = as_execution(outcome)
        turns.seen(execution, novelty.of(execution))
        yield outcome


def calm_then_random(loop: WorldLoop, make: Callable[[], Coroutine[Any, Any, None]], seed: int) -> Iterator[Outcome]:
    """What calm schedules show, the reverse of order and order first, and when there are none left, random walks."""
    calm = Calm(seed * SEEDS, (Reversed(), InOrder()))
    while (chooser := calm.next()) is not None:
        yield execute(loop, make(), chooser)
        calm.ended()
    draw = Random(seed).random
    for number in count(seed * SEEDS):
        yield execute(loop, make(), RandomWalk(number, draw))


def as_campaigns_do(loop: WorldLoop, make: Callable[[], Coroutine[Any, Any, None]], seed: int) -> Iterator[Outcome]:
    """What the execution in order shows, and then the default portfolio's."""
    orderly = execute(loop, make(), InOrder())
    yield orderly
    yield from executions(loop, make, PORTFOLIO, seed, as_execution(orderly))


def _crosswire(search: Search) -> Explore:
    def explore(make: Make, finish: Finish, seed: int, budget: Budget) -> Hunt:
        clock = _Clock(budget)
        loop = WorldLoop()
        with loop.entropy:
            for error, *_ in search(loop, lambda: finish(make(latency)), seed):
                clock.executions += 1
                if error is not None:
                    return clock.hunt(error)
                if not clock.left():
                    break
        return clock.hunt()

    return explore


def minimal(search: Search) -> Shrink:
    """Find a bug, and leave out deviations from order as long as it still shows."""

    def shrink(make: Make, finish: Finish, seed: int, budget: Budget) -> int | None:
        clock = _Clock(budget)
        loop = WorldLoop()
        with loop.entropy:
            for error, deviations, _ in search(loop, lambda: finish(make(latency)), seed):
                clock.executions += 1
                if error is not None:
                    return _smallest(loop, lambda: finish(make(latency)), type(error), Schedule(tuple(deviations)))
                if not clock.left():
                    break
        return None

    return shrink


def _smallest(
    loop: WorldLoop, make: Callable[[], Coroutine[Any, Any, None]], kind: type[Exception], best: Schedule
) -> int:
    """How many deviations are left when none can be left out without losing the bug."""
    index = 0
    while index < len(best):
        error, deviations, _ = execute(loop, make(), Recorded(best.without(index)))
        if type(error) is kind and len(deviations) < len(best):
            best, index = Schedule(tuple(deviations)), 0
        else:
            index += 1
    return len(best)


# -- the peers ------------------------------


def _asyncio(make: Make, finish: Finish, seed: int, budget: Budget) -> Hunt:
    clock = _Clock(budget)
    for _ in clock.seeds(seed):
        try:
            asyncio.run(finish(make(_a_turn)))
        except Exception as error:
            return clock.hunt(error)
    return clock.hunt()


def _simloom_failure(make: Make, finish: Finish, seed: int, clock: _Clock) -> Any:
    simloom = importlib.import_module("simloom")
    for number in clock.seeds(seed):
        found = simloom.explore(lambda: finish(make(_a_turn)), runs=1, start_seed=number, world=False)
        if found.failed:
            return found.first_failure
    return None


def _simloom(make: Make, finish: Finish, seed: int, budget: Budget) -> Hunt:
    clock = _Clock(budget)
    failure = _simloom_failure(make, finish, seed, clock)
    return clock.hunt(None if failure is None else failure.error)


def _simloom_shrink(make: Make, finish: Finish, seed: int, budget: Budget) -> int | None:
    failure = _simloom_failure(make, finish, seed, _Clock(budget))
    if failure is None:
        return None
    shrunk = importlib.import_module("simloom").shrink(lambda: finish(make(_a_turn)), failure, world=False)
    return int(sum(draw.value != 0 for draw in shrunk.result.tape))


def _simloop_report(make: Make, finish: Finish, seed: int, clock: _Clock, shrink: bool) -> Any:
    explore = importlib.import_module("simloop").explore
    return explore(lambda: finish(make(_a_turn)), clock.seeds(seed), shrink=shrink)


def _simloop(make: Make, finish: Finish, seed: int, budget: Budget) -> Hunt:
    clock = _Clock(budget)
    report = _simloop_report(make, finish, seed, clock, False)
    return clock.hunt(None if report is None else report.exception)


def _simloop_shrink(make: Make, finish: Finish, seed: int, budget: Budget) -> int | None:
    report = _simloop_report(make, finish, seed, _Clock(budget), True)
    return None if report is None else len(report.shrunk.kept)


def _detangle_bug(run: Callable[[], Coroutine[Any, Any, None]], seed: int, budget: Budget, **options: Any) -> Any:
    """The report of a bug, or the statistics of having found none."""
    detangle = importlib.import_module("detangle")
    try:
        return detangle.explore(
            run,
            runs=budget.executions,
            seed=seed,
            max_duration=None if budget.seconds == float("inf") else budget.seconds,
            database=False,
            name="kernel",
            **options,
        )
    except detangle.BugFound as bug:
        return bug.report


def _detangle(pause: Pause, **options: Any) -> tuple[Explore, Shrink]:
    def explore(make: Make, finish: Finish, seed: int, budget: Budget) -> Hunt:
        began = time.perf_counter()
        outcome = _detangle_bug(lambda: finish(make(pause)), seed, budget, shrink=False, **options)
        failure = getattr(outcome, "failure", None)
        return Hunt(outcome.runs, time.perf_counter() - began, None if failure is None else failure.kind)

    def shrink(make: Make, finish: Finish, seed: int, budget: Budget) -> int | None:
        outcome = _detangle_bug(lambda: finish(make(pause)), seed, budget, shrink=True, **options)
        left: int | None = getattr(outcome, "deviations", None)
        return left

    return explore, shrink


def _seedloop(make: Make, finish: Finish, seed: int, budget: Budget) -> Hunt:
    clock = _Clock(budget)

    async def scenario(world: Any) -> None:
        async def a_while(name: str) -> None:
            await asyncio.sleep(world.rng.random())

        await finish(make(a_while))

    outcome = importlib.import_module("seedloop").check(scenario, seeds=clock.seeds(seed), on_failure="return")
    return clock.hunt(outcome.error)


def _worker(at: int) -> Callable[[Kernel], Coroutine[Any, Any, None]]:
    async def work(program: Kernel) -> None:
        await program.workers[at]()

    return work


def _frontrun(make: Make, finish: Finish, seed: int, budget: Budget) -> Hunt:
    frontrun = importlib.import_module("frontrun")
    judged = finish is main
    began = time.perf_counter()
    result = asyncio.run(
        frontrun.explore(
            setup=lambda: make(_a_turn),
            workers=[_worker(at) for at in range(len(make(_a_turn).workers))],
            invariant=lambda program: program.holds() if judged else True,
            max_executions=budget.executions,
            total_timeout=None if budget.seconds == float("inf") else budget.seconds,
            timeout_per_run=1.0,
            deadlock_timeout=0.5,
            reproduce_on_failure=0,
        )
    )
    finding = None
    if result.property_holds is False:
        finding = "deadlock" if "deadlock" in (result.explanation or "").lower() else "Broken"
    return Hunt(result.num_explored, time.perf_counter() - began, finding)


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "crosswire",
            None,
            "latency(), calm schedules and then random walks",
            _crosswire(calm_then_random),
            minimal(calm_then_random),
        ),
        Tool(
            "crosswire portfolio",
            None,
            "latency(), in order and then the portfolio, as in campaigns",
            _crosswire(as_campaigns_do),
            minimal(as_campaigns_do),
        ),
        Tool("asyncio.run", None, "sleep(0), one order", _asyncio),
        Tool("seedloop", "seedloop", "a sleep drawn from world.rng", _seedloop),
        Tool("detangle", "detangle", "sleep(0), its default portfolio", *_detangle(_a_turn)),
        Tool(
            "detangle strict",
            "detangle",
            "sleep(0.01), reorder=False, timer_jitter=0.01",
            *_detangle(_a_while, reorder=False, timer_jitter=0.01),
        ),
        Tool("simloom", "simloom", "sleep(0), its default scheduler, world=False", _simloom, _simloom_shrink),
        Tool("simloop", "simloop", "sleep(0), its default policy", _simloop, _simloop_shrink),
        Tool("frontrun", "frontrun", "sleep(0), dpor, its default strategy; takes no seed", _frontrun),
    )
}

CANNOT = {
    "ploom": "schedules threads (ploom.Thread, ploom.Lock), not coroutines",
    "frontrun, strategy random": "takes tasks that wait for a lock or an event of asyncio for deadlocked",
}
"""Peers that cannot express the kernels, and why."""
