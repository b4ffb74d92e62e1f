"""Targets that try to stop a campaign, in processes of their own: each is named, and everything else goes on."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.campaigns import beginning
from crosswire.fuzzer.campaigns.child import Care, Child, awaited
from crosswire.fuzzer.campaigns.endings import Ending, How, place_in
from crosswire.fuzzer.campaigns.events import BugFound, Noted, Progressed
from crosswire.fuzzer.campaigns.messages import EXHAUSTED, Inbox, packed
from crosswire.fuzzer.campaigns.replays import replayed_apart
from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.campaigns.supervisor import CampaignJob, Figures, Supervisor
from crosswire.fuzzer.campaigns.watched import SUSPECTED, Begins, Decided, Ended, Suspects, Trace
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.stacks import Place
from crosswire.fuzzer.engine.execution import TargetError
from crosswire.fuzzer.findings.counterexample import Counterexample, of_finding
from crosswire.fuzzer.findings.regression import Replayed
from crosswire.fuzzer.findings.tally import Tally
from crosswire.fuzzer.targets.resolve import UnknownTargetError

from .command import crosswire
from .small import call_in_small


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are forked from the tests', as from the command's."""
    if sys.platform == "linux":
        monkeypatch.setattr(beginning, "method", "fork")


BASE = """
import ctypes, os, re, signal, sys, time, threading
from crosswire.fuzzer import Adapter

class Good(Adapter):
    def __init__(self): self.users = {}
    async def connect(self, client): self.users.setdefault(client.user, []).append(client.websocket)
    async def emit(self, event):
        for websocket in list(self.users.get(event.to, [])):
            try: await websocket.send_json(event.payload)
            except ConnectionError: pass
    async def disconnect(self, client): self.users[client.user].remove(client.websocket)
"""

SOMETIMES = r"""
class T(Good):
    async def emit(self, event):
        await super().emit(event)
        if int(re.search(r'e(\d+)', event.id)[1]) >= {late}:
            {bad}
"""


IN_THE_FIRST_ROUND, COUNTED = 40, 400
"""The number of an operation that hardly any program has but those that come first, and executions by which it came."""

ENOUGH = 4096
"""MiB: the processes are forked from the test runner, with all that it has imported."""


def campaign(folder: Path, bad: str, late: int = 7, at_first: str = "", **said: Any) -> tuple[Tally, list[str]]:
    """Fuzz a target that does something bad to its process now and then; what was counted, and what was noted."""
    (folder / "bad.py").write_text(BASE + at_first + SOMETIMES.format(bad=bad, late=late))
    return call_in_small(folder, fuzz, **said)


def fuzz(executions: int = 20, workers: int = 1, options: str = "") -> tuple[Tally, list[str]]:
    os.environ["SUPERVISOR"] = str(os.getpid())
    name = f"bad:T{options}"
    tally = Tally(name)
    care = Care(patience=2.0, memory=ENOUGH)
    supervisor = Supervisor(name, Plan(executions=executions), workers=workers, tally=tally, care=care)
    return tally, [event.text for event in supervisor.events() if isinstance(event, Noted)]


def progress(name: str) -> list[tuple[int, float]]:
    """Of what is told of a target's progress: how many executions, and after how many seconds."""
    tally = Tally(name)
    told = []
    for event in Supervisor(name, Plan(executions=2), tally=tally, care=Care(memory=ENOUGH)).events():
        if isinstance(event, Progressed):
            told.append((tally.executions, tally.seconds))
    return told


def replay(counterexample: Counterexample) -> Replayed:
    return replayed_apart(counterexample, Care(patience=2.0, memory=ENOUGH))


@pytest.mark.parametrize(
    ("bad", "kind", "said"),
    [
        ("ctypes.string_at(0)", "KillsProcess", "SIGSEGV, in emit (bad.py:"),
        ("os._exit(0)", "KillsProcess", "exit code 0, in emit (bad.py:"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "KillsProcess", "ended by SIGKILL"),
        ("os.closerange(3, 300)", "KillsProcess", ""),
    ],
)
def test_what_ends_a_process_is_named_and_the_campaign_goes_on(tmp_path: Path, bad: str, kind: str, said: str) -> None:
    tally, _ = campaign(tmp_path, bad)
    assert 0 < tally.executions == sum(tally.cells.values()) <= 20
    assert kind in {found.finding.violation.kind for found in tally.found.values()}, tally.found
    found = next(found for found in tally.found.values() if found.finding.violation.kind == kind)
    assert said in found.finding.violation.message
    assert len(found.finding.execution.program)
    again = call_in_small(tmp_path, replay, of_finding("bad:T", found.signature, found.finding))
    assert again.violation is not None and again.violation.kind == kind


def test_with_two_workers_too(tmp_path: Path) -> None:
    tally, _ = campaign(tmp_path, "ctypes.string_at(0)", workers=2, late=IN_THE_FIRST_ROUND, executions=COUNTED)
    assert tally.executions == COUNTED
    assert "KillsProcess" in {found.finding.violation.kind for found in tally.found.values()}


@pytest.mark.parametrize(
    ("bad", "said"), [("ctypes.string_at(0)", "SIGSEGV, in emit (bad.py:"), ("os._exit(3)", "exit code 3")]
)
def test_it_is_the_same_where_each_execution_has_a_process(tmp_path: Path, bad: str, said: str) -> None:
    tally, _ = campaign(tmp_path, bad, options="?state=process")
    assert tally.executions == 20
    (found,) = tally.found.values()
    assert said in found.finding.violation.message
    assert len(found.finding.execution.program)


def test_a_target_that_ends_process_after_process_is_given_up_aloud(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BASE + SOMETIMES.format(bad="ctypes.string_at(0)", late=5))
    done = crosswire("run", "bad:T", "--max-executions", "4000", "--json", cwd=tmp_path, expect=1)
    (told,) = json.loads(done.stdout)["targets"]
    assert told["executions"] < 4000
    assert "given up, since it ended one process after the other" in done.stderr
    assert {bug["violation"] for bug in told["found"]} == {"KillsProcess"}


def test_what_a_target_prints_is_passed_on_and_cannot_fool_anybody(tmp_path: Path) -> None:
    tally, notes = campaign(tmp_path, r"os.write(1, b'\x1b[2J::error::x\n' * 100); sys.stdout.close()")
    assert tally.executions == 20
    said = [note for note in notes if "says:" in note]
    assert 0 < len(said) <= 5
    assert all(r"\x1b[2J" in note and "\x1b" not in note for note in said)
    assert b"\x1b" not in (tmp_path / "printed").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit(0)", "ended the program with SystemExit: 0"),
        ("import os\nos._exit(0)", "ended itself with exit code 0"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_what_ends_the_process_while_it_is_imported_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    done = crosswire("run", "bad:T", "--max-executions", "10", cwd=tmp_path, expect=2)
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_one_target_that_cannot_be_fuzzed_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import os\nos._exit(0)")
    done = crosswire("run", "bad:T", "reference", "--max-executions", "50", cwd=tmp_path, expect=2)
    assert "the other targets go on" in done.stderr
    assert "50" in done.stdout


def test_while_one_execution_takes_long_it_is_seen_that_the_campaign_goes_on(tmp_path: Path) -> None:
    naps = "[ctypes.CDLL(None).usleep(50_000) for _ in range(80)]"  # a signal ends one usleep, however long it is
    once = f"os.path.exists('slept') or [open('slept', 'x'), {naps}]"
    (tmp_path / "bad.py").write_text(BASE + SOMETIMES.format(bad=once, late=1))
    told = call_in_small(tmp_path, progress, "bad:T")
    standing = Counter(executions for executions, _ in dict.fromkeys(told))
    assert max(standing.values()) > 5, told


def test_the_numbers_are_those_of_a_campaign_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from crosswire.fuzzer.campaigns.campaign import Campaign
    from crosswire.models.managers.targets import TARGETS

    monkeypatch.setenv("PYTHONHASHSEED", "0")
    plan = Plan(executions=60, seed=3)
    alone, tally = Campaign(TARGETS["singleton"], plan, explaining=False).run(), Tally("singleton")
    events = list(Supervisor("singleton", plan, tally=tally, care=Care()).events())
    assert tally.executions == 60
    assert tally.cells.total() == 60
    assert tally.exercised["liveness"] == tally.programs
    assert tally.impossible == alone.impossible != {}
    assert [event.found.signature for event in events if isinstance(event, BugFound)]
    if os.environ.get("PYTHONHASHSEED") == "0":
        assert set(alone.found) and set(tally.found)


def test_there_is_no_such_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownTargetError, match="importing 'nowhere' failed"):
        list(Supervisor("nowhere:T", Plan(executions=5), tally=Tally("nowhere:T"), care=Care()).events())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.2, 0.5, 3.0])
def test_interrupted_at_any_moment(tmp_path: Path, number: signal.Signals, after: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "crosswire.fuzzer", "run", "degraded", "--budget", "100s"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(after)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr


class Shouted(str):
    """Text of a class that only a target knows."""


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (range(3), range(3)),
        ([Shouted("x")], ["x"]),
        (Shouted, "<type>"),
        (ValueError("x"), "<ValueError>"),
        (len, "<builtin_function_or_method>"),
        (slice(1), "<slice>"),
        (frozenset({1}), frozenset({1})),
    ],
)
def test_everything_that_is_told_arrives(value: object, arrives: object) -> None:
    read, write = multiprocessing.Pipe(duplex=False)
    os.write(write.fileno(), packed(value))
    (heard,) = Inbox(read).read()
    assert (type(heard), heard) == (type(arrives), arrives)


def test_an_exit_code_of_ours_fools_nobody(tmp_path: Path) -> None:
    tally, _ = campaign(tmp_path, f"os._exit({EXHAUSTED})")
    (found,) = tally.found.values()
    assert f"exit code {EXHAUSTED}" in found.finding.violation.message


@pytest.mark.parametrize(("looking", "rounds"), [(0.0, 0), (3600.0, 1)])
def test_what_ended_a_process_is_looked_into_though_the_budget_is_used_up(looking: float, rounds: int) -> None:
    """And for no longer than the round takes that it ended."""
    plan, care = Plan(seconds=0.001, schedules=1), Care(memory=ENOUGH)
    tally = Tally("reference", seconds=1.0)
    job = CampaignJob("reference", plan, 1, None, tally, care, careful=True, looking=looking, way="snapshot")
    told = []
    with Child(job, care) as child:
        while not child.over:
            awaited([child])
            told += [message for message in child.hear() if isinstance(message, Figures)]
    assert child.done is not None and not child.done.fault
    assert told[-1].rounds == rounds


def _ended_by(name: str) -> tuple[Trace, Ending]:
    ending, trace = Ending(How.SIGNAL, name, Place(), ""), Trace()
    trace.hear(Begins(Program((Operation("connect", "c0", "u0", token="valid"),))))
    return trace, ending


def test_a_signal_that_anybody_may_send_is_no_fault_of_the_target_until_it_comes_again() -> None:
    """The kernel short of memory, or a user, kills processes that did nothing; a crash is believed at once."""
    suspects = Suspects()
    trace, killed = _ended_by("SIGKILL")
    believed = [suspects.accused(trace, killed) for _ in range(SUSPECTED)]
    assert believed == [None] * (SUSPECTED - 1) + [trace.finding(killed)]
    trace, crashed = _ended_by("SIGSEGV")
    assert suspects.accused(trace, crashed) == trace.finding(crashed) is not None


def test_who_is_killed_between_two_executions_is_not_killed_by_the_last() -> None:
    """Writing the next programs takes longer than executing them; a crash then may be what an execution has left."""
    suspects = Suspects()
    trace, killed = _ended_by("SIGKILL")
    trace.hear(Ended())
    assert [suspects.accused(trace, killed) for _ in range(2 * SUSPECTED)] == [None] * 2 * SUSPECTED
    _, crashed = _ended_by("SIGSEGV")
    assert suspects.accused(trace, crashed) == trace.finding(crashed) is not None


def test_what_came_to_its_end_when_it_was_done_once_more_is_not_accused() -> None:
    """Who is killed while nearly everything goes on for longer is not killed by what happens to be under way."""
    suspects = Suspects()
    again, killed = _ended_by("SIGKILL")
    for _ in range(SUSPECTED - 1):
        assert suspects.accused(again, killed) is None
    elsewhere, _ = _ended_by("SIGKILL")
    elsewhere.hear(Ended())
    elsewhere.hear(Begins(Program((Operation("connect", "c0", "u1", token="valid"),))))
    assert suspects.accused(elsewhere, killed) is None
    assert suspects.accused(again, killed) is None, "it went on meanwhile, and counts from the beginning"
    otherwise, _ = _ended_by("SIGKILL")
    otherwise.hear(Decided(3, 1))
    assert suspects.accused(otherwise, killed) is None, "another schedule of it"


def test_who_comes_further_than_where_it_was_killed_has_come_to_its_end() -> None:
    suspects = Suspects()
    early, killed = _ended_by("SIGKILL")
    program = early.program
    assert program is not None
    for point in range(2 * SUSPECTED):
        assert suspects.accused(early, killed) is None
        further, _ = _ended_by("SIGKILL")
        further.hear(Decided(3, 1))
        further.hear(Ended())
        further.hear(Begins(Program((Operation("connect", "c0", "u1", token="valid"),))))
        further.hear(Decided(point, 1))
        assert suspects.accused(further, killed) is None


def test_what_was_done_before_in_the_same_process_and_ends_it_the_second_time_is_accused() -> None:
    suspects = Suspects()
    twice, killed = _ended_by("SIGKILL")
    assert twice.program is not None
    twice.hear(Ended())
    twice.hear(Begins(twice.program))
    believed = [suspects.accused(twice, killed) for _ in range(SUSPECTED)]
    assert believed == [None] * (SUSPECTED - 1) + [twice.finding(killed)]


@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=pytest.mark.skipif(sys.platform != "linux", reason="/proc"))]
)
def test_a_process_that_somebody_kills_is_replaced_and_nobody_is_blamed(tmp_path: Path, workers: int) -> None:
    """Once, from outside: all executions are there, nothing is found, and what happened is told."""
    worker = "os.environ['SUPERVISOR'] == str(os.getppid())"  # not those that a worker compares itself with
    late, executions = 7, 20
    if workers > 1:
        late, executions = IN_THE_FIRST_ROUND, COUNTED  # what ends in a later round is not heard of
        above = "open(f'/proc/{os.getppid()}/stat').read().split()[3]"
        seated = "__import__('multiprocessing').current_process().daemon"
        worker = f"os.environ['SUPERVISOR'] == {above} and {seated}"
    once = f"os.path.exists('killed') or {worker} and [open('killed', 'x'), os.kill(os.getpid(), 9)]"
    tally, notes = campaign(tmp_path, once, late, workers=workers, executions=executions)
    assert tally.executions == executions and not tally.found
    assert any("ended by SIGKILL; run once more and watched, it went on" in note for note in notes)


STACK = """Fatal Python error: Segmentation fault

Thread 0x00007f133d4dc201 [sleeper] (most recent call first):
  File "{folder}/other.py", line 1 in sleeps

Current thread 0x00007f133d4dc200{name} (most recent call first):
  File "{ctypes}", line 624 in string_at
  File "{folder}/bad.py", line 7 in emit
"""
C_STACK = """
Current thread's C stack trace (most recent call first):
  Binary file "/usr/bin/python3.14", at _Py_DumpStack+0x4a [0x49b2f9]
"""


@pytest.mark.parametrize("stack", [STACK.replace("{name}", ""), STACK.replace("{name}", " [python]") + C_STACK])
def test_the_line_is_read_in_what_any_fault_handler_writes(tmp_path: Path, stack: str) -> None:
    """CPython 3.14 names the thread, and adds what the interpreter itself was at."""
    place = place_in(stack.replace("{folder}", str(tmp_path)).replace("{ctypes}", ctypes.__file__))
    assert (place.function, place.file, place.line) == ("emit", "bad.py", 7)


KILLED_AT_FIRST = """
times = len([name for name in os.listdir() if name.startswith("killed")])
if times < {kills}:
    open(f"killed{{times}}", "x").close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_who_is_killed_while_a_target_is_taken_up_is_replaced(tmp_path: Path) -> None:
    tally, _ = campaign(tmp_path, "pass", at_first=KILLED_AT_FIRST.format(kills=SUSPECTED - 1))
    assert tally.executions == 20


def test_a_target_that_is_killed_whenever_it_is_taken_up_is_told(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="while it was taken up, the process was ended by SIGKILL"):
        campaign(tmp_path, "pass", at_first=KILLED_AT_FIRST.format(kills=SUSPECTED))


def test_a_target_that_forgets_all_modules_is_fuzzed(tmp_path: Path) -> None:
    tally, _ = campaign(tmp_path, "sys.modules.clear()", workers=1, late=3)
    assert tally.executions == 20


def test_a_target_that_puts_something_in_the_place_of_signal_functions_is_fuzzed(tmp_path: Path) -> None:
    tally, _ = campaign(tmp_path, "signal.signal = signal.setitimer = lambda *a: 1 / 0", late=3)
    assert tally.executions == 20
