"""Endings together with something else: what is handed over to a task that is cancelled in the same iteration."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from crosswire.fuzzer import latency
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import STRATEGIES
from crosswire.fuzzer.search.together import MOST
from crosswire.fuzzer.targets.adapter import Adapter, Client, Event, Target
from crosswire.fuzzer.world import InOrder


class Turnstile(Adapter):
    """One at a time; whoever is done hands the turn over to the next, who may be cancelled by then."""

    careful = False

    def __init__(self) -> None:
        self.taken = False
        self.waiting: deque[asyncio.Event] = deque()

    async def connect(self, client: Client) -> None:
        await client.websocket.accept()

    async def disconnect(self, client: Client) -> None: ...

    async def take(self) -> None:
        if not self.taken:
            self.taken = True
            return
        turn = asyncio.Event()
        self.waiting.append(turn)
        try:
            await turn.wait()
        except asyncio.CancelledError:
            if turn in self.waiting:
                self.waiting.remove(turn)
            elif self.careful:
                self.give()
            raise

    def give(self) -> None:
        if self.waiting:
            self.waiting.popleft().set()
        else:
            self.taken = False

    async def emit(self, event: Event) -> None:
        await self.take()
        try:
            await latency("the service")
        finally:
            self.give()


class Careful(Turnstile):
    careful = True


THREE = tuple(Operation("emit", user=f"u{number}", to="u0") for number in range(3))
CANCELLED = Program((*THREE, Operation("cancel", user="u1")))
LEAVES = Program(
    (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("settle"),
        Operation("disconnect", "c0"),
        Operation("connect", "c2", "u0"),
        Operation("settle"),
    )
)


def tried(make: type[Adapter], program: Program) -> tuple[list[Execution], set[str]]:
    """All schedules of the strategy, and the kinds of what they show."""
    worker, kinds = Worker(Target("it", make, make)), set[str]()
    executions = []
    with worker.session():
        strategy = STRATEGIES["together"](worker.run(program, InOrder()), 0)
        while (chooser := strategy.next()) is not None:
            result = judged(worker, worker.run(program, chooser))
            strategy.seen(result.execution, 0)
            executions.append(result.execution)
            kinds |= {violation.kind for violation in result.violations}
    return executions, kinds


@pytest.mark.parametrize(("make", "found"), [(Turnstile, {"Deadlock"}), (Careful, set())])
def test_what_is_handed_over_to_one_who_is_cancelled_is_lost_to_all(make: type[Adapter], found: set[str]) -> None:
    executions, kinds = tried(make, CANCELLED)
    assert kinds == found
    first = executions[0].visible
    cancel = (("start", 3), True)
    assert first[first.index(cancel) - 1] == (("latency", "the service", 0), False), "the first that is tried"


def test_each_schedule_has_one_ending_that_comes_together_with_an_event_and_there_is_an_end() -> None:
    executions, _ = tried(Careful, CANCELLED)
    together = [[key for key, busy in execution.visible if busy] for execution in executions]
    assert together[:-1] == [[("start", 3)]] * (len(executions) - 1)
    assert len(executions) <= MOST
    assert len({execution.schedule.deviations for execution in executions}) == len(executions)


def test_who_comes_right_behind_one_who_leaves_counts_as_an_ending() -> None:
    executions, _ = tried(Careful, LEAVES)
    pairs = {
        (execution.visible[at - 1][0], key)
        for execution in executions
        for at, (key, busy) in enumerate(execution.visible)
        if busy
    }
    assert (("start", 3), ("start", 4)) in pairs


def test_of_a_program_that_ends_nothing_there_is_none() -> None:
    assert tried(Careful, Program(THREE))[0] == []
