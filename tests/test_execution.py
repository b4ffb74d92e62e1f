"""An execution is a function of target, program and schedule: run == rerun == replay, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from crosswire.fuzzer.campaigns.explore import explore
from crosswire.fuzzer.core.history import to_json
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.engine.schedule import Deliver
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.world import InOrder
from crosswire.models.managers.targets import TARGETS
from crosswire.strategies import machine_for

WorkerOf = Callable[[str], Worker]


def generated(name: str, check: Callable[[Program, Sequence[int | Deliver]], None], examples: int) -> None:
    """Hand generated programs for a target to ``check``."""
    run_state_machine_as_test(
        machine_for(TARGETS[name], check),
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("name", TARGETS)
def test_run_is_rerun_is_replay(name: str, worker_of: WorkerOf) -> None:
    worker, other = worker_of(name), Worker(TARGETS[name])

    def check(program: Program, written: Sequence[int | Deliver]) -> None:
        for seed in range(8):
            first = worker.run(program, RandomWalk(seed))
            again = other.run(program, RandomWalk(seed))
            replayed = other.replay(program, first.schedule)
            assert to_json(first.history) == to_json(again.history) == to_json(replayed.history)
            assert first.schedule == again.schedule == replayed.schedule
            assert first.visible == replayed.visible

    generated(name, check, 20)


def fingerprint() -> str:
    """Every history of a fixed set of executions."""
    lines = []
    for name in ("isolated", "unified", "golden-path-shared-login"):
        worker = Worker(TARGETS[name])

        def check(program: Program, written: Sequence[int | Deliver], worker: Worker = worker) -> None:
            for result in explore(worker, program, written, 6, ("random",), 3):
                lines.append(to_json(result.execution.history))
                lines.extend(violation.message for violation in result.violations)

        generated(name, check, 15)
    return "\n".join(lines)


def test_histories_do_not_depend_on_the_hash_seed() -> None:
    code = "from tests.test_execution import fingerprint; import sys; sys.stdout.write(fingerprint())"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "random")
    ]
    assert len(outputs[0]) > 1000
    assert outputs[0] == outputs[1] == outputs[2]


@given(st.integers(0, 2**30))
@settings(max_examples=20, deadline=None)
def test_operations_of_one_lane_keep_their_order(seed: int) -> None:
    program = Program(tuple(Operation("emit", user="u0", to="u1") for _ in range(5)))
    execution = Worker(TARGETS["reference"]).run(program, RandomWalk(seed))
    invoked = [row.operation for row in execution.history if row.kind == "invoked"]
    assert invoked[:5] == [0, 1, 2, 3, 4]


def test_a_barrier_separates_what_is_before_from_what_is_after() -> None:
    program = Program(
        (
            Operation("emit", user="u0", to="u1"),
            Operation("emit", user="u1", to="u0"),
            Operation("settle"),
            Operation("emit", user="u2", to="u0"),
        )
    )
    for seed in range(50):
        history = Worker(TARGETS["reference"]).run(program, RandomWalk(seed)).history
        order = [row.operation for row in history if row.kind == "invoked"]
        assert order.index(3) > max(order.index(0), order.index(1))


class Broken(Adapter):
    """An adapter to derive faulty ones from."""

    def connect(self, client: Client) -> Any:
        return None

    def emit(self, event: Event) -> Any:
        return None

    def disconnect(self, client: Client) -> Any:
        return None


class CannotBeMade(Broken):
    def __init__(self) -> None:
        raise OSError("no database")


class ReachesOut(Broken):
    def connect(self, client: Client) -> Any:
        try:
            subprocess.run(["true"])
        except RuntimeError:
            return None  # a target that swallows the refusal is told on all the same


class Loops(Broken):
    def connect(self, client: Client) -> Any:
        while True:
            pass


ONE = Program((Operation("connect", "c0", "u0"),))


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (CannotBeMade, "making the adapter failed: OSError: no database"),
        (ReachesOut, r"subprocess\.Popen"),
        (Loops, r"blocked the event loop .* Loops\.connect"),
    ],
)
def test_a_target_that_cannot_be_fuzzed_is_an_error(adapter: type[Adapter], message: str) -> None:
    worker = Worker(Target("broken", adapter, adapter))
    with pytest.raises(TargetError, match=message):
        worker.run(ONE, InOrder())
    good = Worker(Target("good", Broken, Broken))
    assert [row.kind for row in good.run(ONE, InOrder()).history][:2] == ["invoked", "returned"]


def test_somebody_elses_alarm_goes_on() -> None:
    """A test runner's time limit by the same signal survives a session."""
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    timer = signal.setitimer(signal.ITIMER_REAL, 1000.0)
    try:
        with Worker(Target("good", Broken, Broken)).session():
            pass
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)
