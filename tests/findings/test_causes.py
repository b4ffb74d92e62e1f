"""Causes: which line is named, what is said would have helped, and which findings are put together."""

from __future__ import annotations

import asyncio
import io
import re
import sqlite3
import sys
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.runs import Run
from crosswire.fuzzer.cli.sources import in_the_source, tasks_table
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.source import Line
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.engine.schedule import Recorded, Schedule
from crosswire.fuzzer.findings.causes import (
    Cause,
    Reason,
    Strength,
    bugs_of,
    cause_of,
    counterfactual,
    perhaps,
    roles,
    story_of,
    why,
)
from crosswire.fuzzer.findings.causes.spectrum import shape
from crosswire.fuzzer.findings.causes.story import Cell, Step, Story
from crosswire.fuzzer.findings.causes.trace import traced
from crosswire.fuzzer.findings.finding import Finding, judged
from crosswire.fuzzer.findings.tally import Tally
from crosswire.fuzzer.store import Store
from crosswire.fuzzer.store.schema import MIGRATIONS
from crosswire.fuzzer.targets import JsonWire, application
from crosswire.fuzzer.targets.adapter import Adapter, Target
from crosswire.fuzzer.world import InOrder
from crosswire.models.managers.targets import TARGETS

from . import desks

MARK = "# here: "


def target_of(desk: type[Adapter]) -> Target:
    return Target(desk.__name__, desk, desk)


@cache
def found(desk: type[Adapter]) -> Tally:
    return Campaign(target_of(desk), Plan(seed=1, executions=250 if desk is desks.Locked else 120)).run()


def causes(desk: type[Adapter]) -> dict[str, Cause | None]:
    return {signature: known.cause for signature, known in found(desk).found.items()}


def marked(desk: type[Adapter]) -> int:
    lines = Path(desks.__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(MARK + desk.__name__))


@pytest.mark.parametrize(
    ("desk", "kinds", "reason"),
    [
        (desks.Locked, {"Deadlock"}, Reason.DEADLOCK),
        (desks.Late, {"StaleEntry", "LeakedEntry"}, Reason.ORDER),
        (desks.Mistaken, {"CrossUserLeak"}, Reason.CHANGE),
    ],
)
def test_the_faulty_line_is_named_first(desk: type[Adapter], kinds: set[str], reason: Reason) -> None:
    of_kinds = [known for known in found(desk).found.values() if known.finding.violation.kind in kinds]
    assert of_kinds
    for known in of_kinds:
        assert known.cause is not None
        assert known.cause.reason is reason
        assert marked(desk) in [line.number for line in known.cause.places[0]]
        assert len(known.cause.places[0]) <= 5


def test_the_line_that_raises_is_named_first() -> None:
    named = [
        [line.number for line in known.cause.places[0]]
        for known in found(desks.Walks).found.values()
        if known.cause is not None
    ]
    assert [marked(desks.Walks)] in named


def test_what_is_stuck_and_what_is_held_up_are_one_bug_each() -> None:
    kinds = {signature: known.finding.violation.kind for signature, known in found(desks.Locked).found.items()}
    assert len(kinds) > 2
    groups = [{kinds[signature] for signature in group} for group in bugs_of(causes(desks.Locked))]
    assert sorted(map(sorted, groups)) == [["Deadlock"], ["HeadOfLineBlocking"]]


class HangsAtTheEnd(desks.Late):
    async def shut_down(self) -> None:
        await asyncio.Event().wait()


def test_what_is_stuck_at_the_end_has_its_place_too() -> None:
    tally = Campaign(target_of(HangsAtTheEnd), Plan(seed=1, executions=10)).run()
    of_the_end = [known.cause for known in tally.found.values() if known.finding.violation.kind == "Deadlock"]
    assert of_the_end
    for cause in of_the_end:
        assert cause is not None
        assert "HangsAtTheEnd.shut_down" in [line.function for place in cause.places for line in place]


def test_two_bugs_of_one_server_stay_apart() -> None:
    groups = bugs_of(causes(desks.Mistaken))
    kinds = {s: known.finding for s, known in found(desks.Mistaken).found.items()}
    threads = [
        {any(op.kind == "emit_to_thread" for op in kinds[s].execution.program.operations) for s in group}
        for group in groups
    ]
    assert len(groups) >= 2
    assert all(len(with_thread) == 1 for with_thread in threads)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="recorded where asyncio takes as many iterations as in 3.11")
def test_a_timer_that_runs_out_is_another_bug_than_somebody_who_comes() -> None:
    """Two bugs of the unified manager are in one function: a replay that is cut off, and two replays at once."""
    worker = Worker(TARGETS["unified"])
    kept, arrives = Operation("emit", user="u0", to="u1"), Operation("connect", "c0", "u1")
    shown = {
        "OfflineLoss": (Program((kept, kept, arrives)), Schedule(((8, 1),))),
        "DuplicateEvent": (Program((kept, arrives, Operation("connect", "c1", "u1"))), Schedule(((2, 1), (6, 1)))),
    }
    causes: dict[str, Cause | None] = {}
    with worker.session():
        for kind, (program, schedule) in shown.items():
            result = judged(worker, worker.run(program, Recorded(schedule)))
            violation = next(v for v in result.violations if v.kind == kind)
            causes[violation.signature("unified")] = cause_of(worker, Finding(violation, result.execution))
    one, two = causes.values()
    assert one is not None
    assert two is not None
    named = [{line.function for place in cause.places[:3] for line in place} for cause in (one, two)]
    assert "UnifiedWebSocketManager.attempt_message_recovery" in named[0] & named[1]
    assert len(bugs_of(causes)) == 2


def test_what_would_have_helped_is_said_as_strongly_as_it_was_tested() -> None:
    for desk in (desks.Late, desks.Mistaken):
        worker = Worker(target_of(desk))
        for known in found(desk).found.values():
            if known.cause is None or known.cause.strength is None:
                continue
            said = counterfactual(known.cause, known.finding.execution.program)
            assert ("nothing would be wrong" in said) == (known.cause.strength is Strength.ALL)
        assert worker.executions == 0


def test_a_refactoring_groups_the_same() -> None:
    """What the one server shows, the other shows with other names, and it is put together in the same way."""
    worker = Worker(target_of(desks.Renamed))
    moved: dict[str, Cause | None] = {}
    with worker.session():
        for signature, known in found(desks.Locked).found.items():
            execution = known.finding.execution
            result = judged(worker, worker.run(execution.program, Recorded(execution.schedule)))
            violation = next(v for v in result.violations if v.kind == known.finding.violation.kind)
            moved[signature] = cause_of(worker, Finding(violation, result.execution))
    assert bugs_of(moved) == bugs_of(causes(desks.Locked))


def test_looking_does_not_change_what_happens() -> None:
    """An execution that is watched shows, byte for byte, what it shows when nobody looks."""
    for desk in (desks.Late, desks.Locked):
        worker = Worker(target_of(desk))
        for known in found(desk).found.values():
            execution = known.finding.execution
            again, _ = traced(worker, execution.program, Recorded(execution.schedule))
            assert again.history == execution.history
            assert again.visible == execution.visible


def test_a_trace_names_lines_and_who_ran_them() -> None:
    worker = Worker(target_of(desks.Late))
    program = Program((Operation("connect", "c0", "u0"), Operation("disconnect", "c0")))
    _, trace = traced(worker, program, InOrder())
    functions = {line.function for line in trace.lines()}
    assert {"Late.connect", "Late.disconnect"} <= functions
    assert {0, 1} <= set(trace.behalf.values())
    assert any(chain[-1].number == marked(desks.Late) for chains in trace.waits.values() for chain in chains.values())


def test_no_execution_begins_once_the_time_is_up() -> None:
    worker = Worker(target_of(desks.Late))
    known = next(iter(found(desks.Late).found.values()))
    with worker.session():
        before = worker.executions
        hurried = cause_of(worker, known.finding, over=lambda: True)
        assert worker.executions - before == 1
    assert hurried is not None and hurried.cut
    assert known.cause is not None and not known.cause.cut
    told = counterfactual(hurried, known.finding.execution.program)
    assert told == "The time was up before more was tried; crosswire explain takes the time that it needs."


def test_causes_can_be_left_out() -> None:
    tally = Campaign(target_of(desks.Late), Plan(seed=1, executions=120), explaining=False).run()
    assert tally.found
    assert all(known.cause is None for known in tally.found.values())
    assert bugs_of(causes(desks.Locked) | dict.fromkeys(("a", "b")))[-2:] == [["a"], ["b"]]


def test_what_has_no_cause_is_perhaps_nothing_else() -> None:
    assert not perhaps({"a": None, "b": None}, ["a"], ["b"])


def test_bugs_are_known_by_their_counterexamples(tmp_path: Path) -> None:
    plan = Plan(seed=1, executions=250)
    with Store.open(tmp_path) as store:
        run = Run(store, [target_of(desks.Locked)], plan)
        run.go()
        first = run.summary().targets[0]
        assert len(first.bugs) < len(first.found)
        assert {bug.status for bug in first.bugs} == {"new"}
        assert sorted(s for bug in first.bugs for s in bug.symptoms) == sorted(f.signature for f in first.found)
        kept = {row.signature: row.bug for row in store.failures()}
        assert kept == {failure.signature: failure.bug for failure in first.found}
        assert len(set(kept.values())) == len(first.bugs)
    with Store.open(tmp_path) as store:
        again = Run(store, [target_of(desks.Locked)], Plan(seed=1, executions=250), explain_findings=False)
        again.go()
        second = again.summary().targets[0]
        assert second.bugs
        assert {bug.status for bug in second.bugs} == {"known"}
        assert {failure.bug for failure in second.found} <= {bug.bug for bug in first.bugs}


def test_a_known_bug_that_breaks_another_promise_is_news(tmp_path: Path) -> None:
    def statuses(*promises: str) -> dict[str, str]:
        with Store.open(tmp_path) as store:
            run = Run(store, [target_of(desks.Mistaken)], Plan(seed=1, executions=120, promises=frozenset(promises)))
            run.go()
            target = run.summary().targets[0]
        violations = {failure.signature: failure.violation for failure in target.found}
        bug = next(b for b in target.bugs if "CrossUserLeak" in {violations[s] for s in b.symptoms})
        assert (bug in [known for _, known in run.summary().bugs("new")]) == (bug.status == "new")
        return {violations[s]: bug.status for s in bug.symptoms}

    assert statuses("isolation") == {"CrossUserLeak": "new"}
    assert statuses("isolation", "no loss") == {"CrossUserLeak": "new", "LostEvent": "new"}
    assert statuses("isolation", "no loss") == {"CrossUserLeak": "known", "LostEvent": "known"}


def test_a_store_from_before_there_were_bugs_has_one_for_each_finding(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "crosswire.db", isolation_level=None)
    for statement in MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    row = "'t', 'order', 'OutOfOrder', 'm', 2, 0, 'f.json', '{}', 1.0, 1.0, NULL"
    for signature in ("a", "b", "c"):
        connection.execute(f"INSERT INTO failures VALUES ('{signature}', {row})")
    connection.close()
    with Store.open(tmp_path) as store:
        assert [row.bug for row in store.failures()] == ["a", "b", "c"]
        store.together(["b", "c"])
        assert [row.bug for row in store.failures()] == ["a", "b", "b"]
        store.together(["a", "c"])
        assert {row.bug for row in store.failures()} == {"a"}


def test_explain_names_tasks_lines_and_what_would_have_helped() -> None:
    worker = Worker(target_of(desks.Late))
    known = next(k for k in found(desks.Late).found.values() if k.finding.violation.kind == "StaleEntry")
    assert known.cause is not None
    with worker.session():
        story = story_of(worker, known.finding, known.cause)
    assert story.matters
    assert {story.columns[at] for at in story.matters} <= {str(op) for op in known.finding.execution.program.expanded}
    out = Console(file=io.StringIO(), width=120)
    out.print(tasks_table(story, everything=False), in_the_source(known.cause, known.finding.execution.program))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert f">> {marked(desks.Late):5d} |" in text
    assert f"waits at desks.py:{marked(desks.Late)}" in text
    assert "nothing would be wrong" in text or "would not have happened" in text


def test_tasks_that_there_is_no_room_for_share_a_column() -> None:
    """Each with its name; those of the cause have their own as long as there is any."""
    names = tuple(f"task {number}" for number in range(9))
    waits = Line("chat.py", 7, "talk")
    cells = tuple(Cell(number, ("talk",), waits, number == 6) for number in range(9))
    story = Story(names, (6,), (Step("connect c0", cells),))
    out = Console(file=io.StringIO(), width=110)
    out.print(tasks_table(story, everything=True))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    heading, *rows = (line for line in text.splitlines() if "task" in line or "talk" in line)
    assert re.split(r"  +", heading.strip()) == ["what arrives", "task 0", "task 6", "other tasks"]
    assert [row.strip() for row in rows[1:]] == [
        f"task {number}: talk; waits at chat.py:7" for number in (2, 3, 4, 5, 7, 8)
    ]
    assert ">>" in rows[0]


def test_what_two_tasks_meet_over_is_named() -> None:
    """Where it waits, the line that changes what it goes by meanwhile, and the line that goes by it."""
    leaks = [k for k in found(desks.Remembers).found.values() if k.finding.violation.kind == "CrossUserLeak"]
    assert leaks
    for known in leaks:
        assert known.cause is not None
        assert known.cause.window is not None
        assert known.cause.window.shared == "_coming"
        waits, changes, goes_by = (line.number for line, *_ in known.cause.places[:3])
        at = marked(desks.Remembers)
        assert (waits, changes, goes_by) == (at, at - 1, at + 1)
        assert "other code changes '_coming'" in why(known.cause)
        assert roles(known.cause)[1] == "meanwhile this changes '_coming'"


def test_what_order_has_no_part_in_leads_to_who_changed_it_last() -> None:
    lost = [k for k in found(desks.Absent).found.values() if k.finding.violation.kin == "LostEvent"]
    assert {k.finding.violation.kind for k in lost} == {"LostEvent", "BrokenRun"}
    for known in lost:
        assert known.cause is not None
        assert known.cause.reason is Reason.LINES
        named = [[line.number for line in place] for place in known.cause.places[:3]]
        assert [marked(desks.Absent)] in named
        assert marked(desks.Absent) in [line.number for line in known.cause.origins]
        assert "was last changed here" in roles(known.cause)[named.index([marked(desks.Absent)])]


def test_symptoms_of_one_kin_are_one_bug() -> None:
    """A lost event and a run whose events are lost, after the same and with the same lines suspected."""
    tally = found(desks.Absent)
    lost = {s for s, known in tally.found.items() if known.finding.violation.kin == "LostEvent"}
    assert len(lost) > 1
    assert sum(bool(lost & set(group)) for group in bugs_of(causes(desks.Absent))) == 1


def test_a_program_has_a_shape_whoever_says_it_and_however() -> None:
    def two(*said: Operation) -> Program:
        return Program((Operation("connect", "c0", "u0"), *said))

    plain = shape(two(Operation("emit", user="u1", to="u0"), Operation("disconnect", "c0")))
    assert (
        shape(two(Operation("settle"), Operation("run_agent", user="u0", to="u0"), Operation("abort", "c0"))) == plain
    )
    assert shape(two(Operation("emit", user="u1", to="u1"), Operation("disconnect", "c0"))) != plain
    assert shape(two(Operation("emit", user="u1", to="u0"))) != plain


def test_an_event_that_is_lost_and_leaks_is_one_bug() -> None:
    """What reaches the wrong user and not the right one is misdirected, however the two are suspected."""
    kinds = {signature: known.finding.violation.kind for signature, known in found(desks.Misdirects).found.items()}
    assert {"CrossUserLeak", "LostEvent"} <= set(kinds.values())
    groups = [{kinds[signature] for signature in group} for group in bugs_of(causes(desks.Misdirects))]
    assert any({"CrossUserLeak", "LostEvent"} <= group for group in groups)


CONVERSATION = (
    *(Operation("connect", f"c{number}", f"u{number}") for number in range(3)),
    Operation("settle"),
    Operation("emit", "c0", "u0", "u1"),
    Operation("emit", "c1", "u1", "u0"),
    Operation("broadcast", "c2", "u2"),
)


def test_a_deadlock_is_the_cause_of_what_its_handlers_lose_and_of_nothing_else() -> None:
    wire = JsonWire(path="/{user}", to_user={"to": "{to}", "text": "{event}"}, to_all={"text": "{event}"})
    worker = Worker(application("tests.applications.two_locks:wrong", wire=wire))
    with worker.session():
        run = judged(worker, worker.run(Program(CONVERSATION), InOrder()))
        lost = [violation for violation in run.violations if violation.kind == "LostEvent"]
        by_lost = {v.message[:2]: cause_of(worker, Finding(v, run.execution)) for v in lost}
    for event in ("e4", "e5"):
        cause = by_lost[event]
        assert cause is not None and cause.reason is Reason.DEADLOCK
        assert "# here: each waits for the other's" in cause.places[0][0].text
    assert by_lost["e6"] is None or by_lost["e6"].reason is not Reason.DEADLOCK
    repaired = Worker(application("tests.applications.two_locks:right", wire=wire))
    with repaired.session():
        run = judged(repaired, repaired.run(Program(CONVERSATION[:-1]), InOrder()))
    assert not run.violations


def test_what_a_deadlock_of_handlers_leaves_behind_is_the_same_bug() -> None:
    wire = JsonWire(path="/{user}", to_user="{to}:{event}")
    worker = Worker(application("tests.applications.gifts:app", wire=wire))
    program = Program(
        (
            Operation("connect", "c0", "u0"),
            Operation("connect", "c1", "u1"),
            Operation("settle"),
            Operation("emit", "c0", "u0", "u1"),
            Operation("emit", "c1", "u1", "u0"),
        )
    )
    with worker.session():
        execution = worker.run(program, InOrder())
        shown = [
            violation for violation in judged(worker, execution).violations if violation.kind != "HeadOfLineBlocking"
        ]
        causes = [cause_of(worker, Finding(violation, execution)) for violation in shown]
    assert {violation.kind for violation in shown} == {"LostEvent", "LeakedTask"}
    assert {cause and cause.reason for cause in causes} == {Reason.DEADLOCK}
    assert {line.function for cause in causes if cause for place in cause.places[:1] for line in place} == {"give"}
