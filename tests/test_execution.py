"""An execution is a function of target, program and schedule: run == rerun == replay, byte for byte."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import Any, ClassVar
from weakref import ref

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

import crosswire.fuzzer.engine.execution as engine
from crosswire.fuzzer.campaigns.explore import explore
from crosswire.fuzzer.core.history import to_json
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import SAMPLE, Execution, TargetError, Worker
from crosswire.fuzzer.engine.schedule import Deliver
from crosswire.fuzzer.findings.finding import Finding, judged, soundness_doubt
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.world import InOrder
from crosswire.models.isolation.violations import BlocksLoop
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
    found: list[tuple[int, Execution]] = []

    def check(program: Program, written: Sequence[int | Deliver]) -> None:
        found.extend((seed, worker.run(program, RandomWalk(seed))) for seed in range(4))

    with worker.session():
        generated(name, check, 15)
    with other.session():
        for seed, first in found:
            again = other.run(first.program, RandomWalk(seed))
            replayed = other.replay(first.program, first.schedule)
            assert to_json(first.history) == to_json(again.history) == to_json(replayed.history)
            assert first.schedule == again.schedule == replayed.schedule
            assert first.visible == replayed.visible


def fingerprint() -> str:
    """Every history of a fixed set of executions."""
    lines = []
    for name in ("isolated", "unified", "golden-path-shared-login"):
        worker = Worker(TARGETS[name])

        def check(program: Program, written: Sequence[int | Deliver], worker: Worker = worker) -> None:
            for result in explore(worker, program, written, 6, ("random",), 3):
                lines.append(to_json(result.execution.history))
                lines.extend(violation.message for violation in result.violations)

        generated(name, check, 6)
    return "\n".join(lines)


@pytest.mark.long
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


def test_hypothesis_finds_its_generator_in_a_session() -> None:
    """It warns where the collector does not see who holds it: so in a process whose first machine runs in a session."""
    code = """
import warnings
from hypothesis.core import threadlocal
from crosswire.fuzzer.engine.execution import Worker
from crosswire.models.managers.targets import TARGETS
from tests.test_execution import generated

warnings.simplefilter("error")
assert threadlocal._hypothesis_global_random is None  # as pytest's plugin leaves it
with Worker(TARGETS["isolated"]).session():
    generated("isolated", lambda program, order: None, 1)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr


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


class Keeps(Broken):
    made: ClassVar[list[ref[Keeps]]] = []

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.made.append(ref(self))

    def connect(self, client: Client) -> None:
        self.clients.append(client)


def test_what_an_execution_made_is_gone_with_it_without_the_collectors_help() -> None:
    Keeps.made.clear()
    worker = Worker(Target("keeps", Keeps, Keeps))
    with worker.session():
        worker.execute(Program((Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1"))), InOrder())
        assert [made() for made in Keeps.made] == [None]


class SaysMoreAsItGoes(Broken):
    said: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.said.append("made")

    def __del__(self) -> None:
        self.loop.call_soon(self.said.append, "late")


def test_what_a_destructor_asks_for_is_no_part_of_the_next_execution() -> None:
    SaysMoreAsItGoes.said.clear()
    worker = Worker(Target("says more", SaysMoreAsItGoes, SaysMoreAsItGoes))
    with worker.session():
        for _ in range(3):
            worker.execute(Program((Operation("connect", "c0", "u0"),)), InOrder())
    assert SaysMoreAsItGoes.said == ["made", "made", "made"]


class EndsItsProcess(Broken):
    def connect(self, client: Client) -> Any:
        os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_who_ends_the_process_of_an_execution_is_not_waited_for() -> None:
    worker = Worker(Target("ends", EndsItsProcess, EndsItsProcess))
    program = Program((Operation("connect", "c0", "u0"),))
    with worker.session(), pytest.raises(TargetError, match="the process of an execution"):
        worker.alone(program, InOrder())
    worker.close()


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
    ],
)
def test_a_target_that_cannot_be_fuzzed_is_an_error(adapter: type[Adapter], message: str) -> None:
    worker = Worker(Target("broken", adapter, adapter))
    with pytest.raises(TargetError, match=message):
        worker.run(ONE, InOrder())
    good = Worker(Target("good", Broken, Broken))
    assert [row.kind for row in good.run(ONE, InOrder()).history][:2] == ["invoked", "returned"]


def test_a_target_that_keeps_the_thread_is_broken_off_and_named() -> None:
    worker = Worker(Target("loops", Loops, Loops), patience=0.5)
    shown = judged(worker, worker.run(ONE, InOrder()))
    assert shown.execution.blocked is not None
    assert shown.execution.blocked.place.function == "Loops.connect"
    (violation,) = shown.violations
    assert isinstance(violation, BlocksLoop)
    assert "more than 0.5 s, in Loops.connect" in violation.message
    assert soundness_doubt(worker, Finding(violation, shown.execution)) is None


def test_what_the_others_would_do_is_not_waited_for(tmp_path: Path) -> None:
    told = tmp_path / "who came"  # a list would be put back after the execution

    class Loop(Loops):
        async def connect(self, client: Client) -> None:
            with told.open("a") as file:
                file.write(client.user)
            await super().connect(client)

    arrivals = tuple(Operation("connect", f"c{number}", f"u{number}") for number in range(3))
    worker = Worker(Target("loops", Loop, Loop), patience=0.5)
    execution = worker.run(Program(arrivals), InOrder())
    assert execution.blocked is not None
    assert told.read_text() == "u0"


class Slow(Broken):
    def connect(self, client: Client) -> Any:
        began = time.process_time()
        while time.process_time() - began < 1.5:
            pass


def test_what_only_takes_its_time_is_doubted() -> None:
    worker = Worker(Target("slow", Slow, Slow), patience=5.0)
    worker.patience = 0.5  # as it is once a loop was seen to be blocked
    shown = judged(worker, worker.run(ONE, InOrder()))
    (violation,) = shown.violations
    doubt = soundness_doubt(worker, Finding(violation, shown.execution))
    assert doubt is not None
    assert "in the end" in doubt
    assert worker.patience == 0.5


class AwaitsAThread(Broken):
    """Waits for a thread without giving way, as a queue does whose lock is held there."""

    ends = True

    def connect(self, client: Client) -> Any:
        over: list[bool] = []

        def work() -> None:
            if self.ends:
                over.append(True)

        Thread(target=work).start()
        while not over:
            pass


class AwaitsInVain(AwaitsAThread):
    ends = False


def test_who_waits_for_a_thread_without_giving_way_is_broken_off_where_that_does_not_help() -> None:
    """Outside a world the thread would run all the while, and end it."""
    worker = Worker(Target("awaits", AwaitsAThread, AwaitsAThread), patience=0.5)
    assert worker.run(ONE, InOrder()).blocked is None
    worker = Worker(Target("in vain", AwaitsInVain, AwaitsInVain), patience=0.5)
    blocked = worker.run(ONE, InOrder()).blocked
    assert blocked is not None and not blocked.waiting


class Swallows(Broken):
    def connect(self, client: Client) -> Any:
        try:
            while True:
                pass
        except BaseException:
            return None


class Waits(Broken):
    def connect(self, client: Client) -> Any:
        lock = Lock()
        lock.acquire()
        lock.acquire()


def test_who_swallows_the_breaking_off_is_broken_off_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(Target("swallows", Swallows, Swallows), patience=0.5)
    assert worker.run(ONE, InOrder()).blocked is not None
    monkeypatch.setattr(engine, "WAITING", 1.0)
    worker = Worker(Target("waits", Waits, Waits))
    blocked = worker.run(ONE, InOrder()).blocked
    assert blocked is not None and blocked.waiting


class Ends(Broken):
    def emit(self, event: Event) -> Any:
        raise {"u0": SystemExit(0), "u1": KeyboardInterrupt(), "u2": Odd(), "u3": Odd("x" * 50_000_000)}[event.sender]


class Odd(BaseException):
    def __str__(self) -> str:
        if not self.args:
            raise RuntimeError("no text")
        return str(self.args[0])


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("u0", "SystemExit: 0"),
        ("u1", "KeyboardInterrupt: "),
        ("u2", "Odd: <no text: RuntimeError>"),
        ("u3", "(50,000,000 characters)"),
    ],
)
def test_what_would_end_the_process_is_the_operations_fault(user: str, said: str) -> None:
    worker = Worker(Target("ends", Ends, Ends))
    program = Program((Operation("connect", "c0", "u0"), Operation("emit", user=user, to="u0")))
    shown = judged(worker, worker.run(program, InOrder()))
    assert "rest" in [row.kind for row in shown.execution.history]
    (violation,) = (found for found in shown.violations if found.kind == "UnhandledException")
    assert said in violation.message
    assert "Ends.emit" in violation.message
    assert len(violation.message) < 1000


def test_ctrl_c_is_nobodys_fault_but_the_persons() -> None:
    class Presses(Broken):
        def connect(self, client: Client) -> Any:
            signal.raise_signal(signal.SIGINT)

    worker = Worker(Target("presses", Presses, Presses))
    with pytest.raises(KeyboardInterrupt):
        worker.run(ONE, InOrder())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert Worker(Target("good", Broken, Broken)).run(ONE, InOrder()).history


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_process_that_others_are_forked_from_may_be_killed() -> None:
    """The kernel short of memory kills whom it likes: that is said, and what needs no such process goes on."""
    program = Program((Operation("connect", "c0", "u0"),))
    worker = Worker(TARGETS["reference"])
    with worker.session():
        shown = worker.run(program, InOrder()).history
        worker.alone(program, InOrder())
        assert worker._alone is not None
        os.kill(worker._alone.pid, signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(TargetError, match="that executions are forked from was killed by SIGKILL"):
                worker.alone(program, InOrder())
        worker.samples = True
        assert [worker.run(program, InOrder()).history for _ in range(SAMPLE + 1)] == [shown] * (SAMPLE + 1)
    worker.close()
