"""Causes: what was decided where, who changed what it goes by, who is waited for; and what follows from what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.source import Line
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes import Cause, Reason, bugs_of, why
from crosswire.fuzzer.findings.causes.windows import Window
from crosswire.fuzzer.findings.finding import Finding, judged
from crosswire.fuzzer.targets import JsonWire, application
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world import InOrder
from crosswire.models.isolation import violations

from . import offices
from .explaining import explained, of

FIRST = 3
SETTLE = Operation("settle")


def marked(name: str) -> set[int]:
    lines = Path(offices.__file__).read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith(f"# here: {name}")}


def named(cause: Cause | None) -> set[int]:
    assert cause is not None
    return {line.number for place in cause.places[:FIRST] for line in place}


def connect(number: int, user: str) -> Operation:
    return Operation("connect", f"c{number}", user)


def emit(user: str, to: str, times: int = 1, connection: str | None = None) -> Operation:
    return Operation("emit", connection, user, to, times=times)


TAKEN_OVER = (connect(0, "u0"), SETTLE, connect(1, "u0"), SETTLE, Operation("disconnect", "c0"), SETTLE)


def test_who_took_an_entry_out_is_named_and_what_follows_is_of_the_same_bug() -> None:
    missing = explained(of(offices.Newest), *TAKEN_OVER)
    lost = explained(of(offices.Newest), *TAKEN_OVER, emit("u1", "u0"), SETTLE)
    assert [kind for kind, _ in missing.values()] == ["MissingEntry"]
    assert {kind for kind, _ in lost.values()} == {"MissingEntry", "LostEvent"}
    for _, cause in (*missing.values(), *lost.values()):
        assert marked("Newest") <= named(cause)
    assert len(bugs_of({signature: cause for signature, (_, cause) in (lost | missing).items()})) == 1


CONNECTS, SPEAKS = ("connect", 1), ("emit", 2)


def missing_entry(**said: Any) -> Cause:
    """Why an entry is missing, by suspicion."""
    told: dict[str, Any] = {
        "key": ("MissingEntry", "chat.py:1"),
        "kin": "MissingEntry",
        "shape": (CONNECTS,),
        "weak": True,
    }
    return Cause(Reason.LINES, places=(), **told | said)


def lost_event(**said: Any) -> Cause:
    """Why an event is lost, by suspicion: it is whenever that entry is missing."""
    told: dict[str, Any] = {
        "key": ("LostEvent", "chat.py:9"),
        "kin": "LostEvent",
        "shape": (CONNECTS, SPEAKS),
        "weak": True,
    }
    return Cause(Reason.LINES, places=(), **told | {"implies": frozenset({"missing"})} | said)


@pytest.mark.parametrize(
    ("first", "later", "follows"),
    [
        (missing_entry(), lost_event(), True),
        (missing_entry(), lost_event(implies=frozenset()), False),
        (missing_entry(shape=(CONNECTS, CONNECTS)), lost_event(), False),
        (missing_entry(kin="HeadOfLineBlocking"), lost_event(), False),
        (missing_entry(), lost_event(weak=False), False),
    ],
    ids=("it does", "not always together", "after less", "no reason for it", "a cause of its own"),
)
def test_what_does_not_follow_stays_apart(first: Cause, later: Cause, follows: bool) -> None:
    assert (len(bugs_of({"missing": first, "lost": later})) == 1) == follows


def test_what_may_follow_from_two_bugs_makes_no_one_of_them() -> None:
    other = missing_entry(kin="WrongIdentity", key=("WrongIdentity", "chat.py:5"))
    lost = lost_event(implies=frozenset({"missing", "wrong"}))
    assert bugs_of({"missing": missing_entry(), "wrong": other, "lost": lost}) == [["missing"], ["wrong"], ["lost"]]


def found(target: Target, *operations: Operation) -> dict[str, Finding]:
    """The findings of one execution, by kind."""
    worker = Worker(target)
    with worker.session():
        shown = judged(worker, worker.run(Program(operations), InOrder()))
    return {violation.kind: Finding(violation, shown.execution) for violation in shown.violations}


TWO_TELL = connect(0, "u0"), connect(1, "u1"), SETTLE, emit("u2", "u0"), emit("u3", "u1"), SETTLE


@pytest.mark.parametrize("unexplained", ["LostEvent", "CrossUserLeak"])
@pytest.mark.parametrize("reason", [None, Reason.SHOWN])
def test_what_no_cause_is_known_of_goes_with_what_shows_with_it_and_may_be_the_reason_or_follow(
    unexplained: str, reason: Reason | None
) -> None:
    findings = found(of(offices.Reporter), *TWO_TELL)
    assert set(findings) == {"CrossUserLeak", "LostEvent"}
    causes: dict[str, Cause | None] = {
        kind: Cause(Reason.LINES, (kind, "reporter.py:1"), (), kin=kind, weak=True) for kind in findings
    }
    causes[unexplained] = None if reason is None else Cause(reason, (unexplained, "reporter.py:9"), (), weak=True)
    names = {finding.violation.signature("Reporter"): kind for kind, finding in findings.items()}
    by_name = {name: causes[kind] for name, kind in names.items()}
    told = {name: findings[kind] for name, kind in names.items()}
    assert len(bugs_of(by_name, told, of(offices.Reporter))) == 1
    assert len(bugs_of(by_name)) == 2, "it is said for now, and not kept"


def test_what_shows_with_it_and_is_no_reason_for_it_is_another_bug() -> None:
    target = of(offices.Reporter)
    leak, lost = sorted(found(target, *TWO_TELL).values(), key=lambda finding: finding.violation.kind)
    other = Finding(violations.HeadOfLineBlocking("it took long", "emit", (1,)), leak.execution)
    causes = {"HeadOfLineBlocking": Cause(Reason.LINES, ("a",), (), weak=True), "lost": None}
    assert len(bugs_of(causes, {"HeadOfLineBlocking": other, "lost": lost}, target)) == 2


def test_what_is_suspected_first_where_another_finding_is_known_to_raise_is_of_that_bug() -> None:
    line, other = Line("chat.py", 3, "pump"), Line("chat.py", 9, "join")
    raised = Cause(Reason.RAISED, ("at", "a"), ((line,), (other,)), kin="LostEvent")
    for place, kin, together in ((line, "LostEvent", 1), (other, "LostEvent", 2), (line, "OutOfOrder", 2)):
        weak = Cause(Reason.CHANGE, ("change", "a pause"), ((place,),), kin=kin, weak=True)
        assert len(bugs_of({"one": raised, "two": weak})) == together


PLACES = tuple((Line("chat.py", number, "tell"),) for number in (3, 7, 9))


@pytest.mark.parametrize(
    ("kin", "places", "reason", "together"),
    [
        ("DuplicateEvent", PLACES, Reason.LINES, 1),
        ("DuplicateEvent", PLACES[::-1], Reason.LINES, 2),
        ("DuplicateEvent", PLACES, Reason.CHANGE, 2),
        ("HeadOfLineBlocking", PLACES, Reason.LINES, 2),
        ("UnhandledException", PLACES, Reason.LINES, 1),
        ("LostEvent", (PLACES[0], *PLACES[:0:-1]), Reason.LINES, 1),
    ],
    ids=(
        "one event's",
        "in another order",
        "more is known",
        "nothing to do with it",
        "a reason for it",
        "one line first",
    ),
)
def test_of_what_goes_together_the_same_places_are_one_bug(
    kin: str, places: tuple[tuple[Line, ...], ...], reason: Reason, together: int
) -> None:
    lost = Cause(Reason.LINES, ("LostEvent", "a"), PLACES, kin="LostEvent", weak=True)
    other = Cause(reason, (kin, "b"), places, kin=kin, weak=True)
    assert len(bugs_of({"one": lost, "two": other})) == together


def test_what_follows_from_a_clean_up_that_leaves_a_connection_open_is_one_bug_with_it() -> None:
    left = Cause(Reason.LINES, ("LeftOpen", "a"), PLACES[:1], kin="LeftOpen", weak=True, shape=(CONNECTS,))
    for kin in ("StaleEntry", "LeakedEntry", "LateDelivery"):
        later = Cause(
            Reason.LINES, (kin, "b"), PLACES[1:2], kin=kin, weak=True, shape=(CONNECTS,), implies=frozenset({"left"})
        )
        assert len(bugs_of({"left": left, "later": later})) == 1


def test_where_a_task_gives_way_to_others_that_are_ready_is_named() -> None:
    tally = Campaign(of(offices.Subscribing), Plan(executions=120, seed=1)).run()
    causes = [known.cause for known in tally.found.values() if known.finding.violation.kind == "LostEvent"]
    assert causes
    for cause in causes:
        assert cause is not None and cause.window is not None and cause.window.shared == "_members"
        assert cause.reason is Reason.ORDER and marked("Subscribing") <= named(cause)


@pytest.mark.parametrize(("goes_by", "shared", "together"), [(3, "members", 1), (4, "members", 2), (3, "", 2)])
def test_what_raises_in_the_line_that_goes_by_what_another_changes_is_the_same_bug(
    goes_by: int, shared: str, together: int
) -> None:
    loops, sends, joins = Line("chat.py", 3, "tell"), Line("chat.py", 4, "tell"), Line("chat.py", 9, "join")
    raised = Cause(Reason.RAISED, ("at", "a"), ((loops,), (sends,)), kin="Dropped")
    window = Window((sends,), joins, shared, changes=True, goes_by=Line("chat.py", goes_by, "tell"))
    lost = Cause(Reason.ORDER, ("window", "b"), ((sends,), (joins,)), window=window, kin="LostEvent")
    assert len(bugs_of({"one": raised, "two": lost})) == together


def test_what_a_library_raises_and_nobody_handles_is_named_where_it_was_called() -> None:
    wire = JsonWire(path="/lobby/{user}", to_user=None, to_all="{event}")
    plan = Plan(executions=110, seed=1, promises=frozenset({"availability"}))
    tally = Campaign(application(f"{offices.__name__}:lobby", wire=wire), plan).run()
    causes = {known.finding.violation.kind: known.cause for known in tally.found.values()}
    assert "Dropped" in causes
    for cause in causes.values():
        assert cause is not None and cause.reason is Reason.RAISED and marked("lobby") <= named(cause)


def test_what_a_library_raises_and_a_handler_ends_with_is_named_though_it_is_caught() -> None:
    wire = JsonWire(path="/parlour/{user}", to_user={"to": "{to}", "text": "{event}"})
    plan = Plan(executions=250, seed=1, promises=frozenset({"availability"}), first=True)
    tally = Campaign(application(f"{offices.__name__}:parlour", wire=wire), plan).run()
    causes = [known.cause for known in tally.found.values() if known.finding.violation.kind == "Dropped"]
    assert causes
    for cause in causes:
        assert cause is not None and cause.reason is Reason.RAISED and marked("parlour") <= named(cause)


def test_a_lock_that_the_holder_s_own_tasks_ask_for_is_named_with_both() -> None:
    tally = Campaign(of(offices.Gathers), Plan(executions=120, seed=1)).run()
    causes = [known.cause for known in tally.found.values() if known.finding.violation.kind == "Deadlock"]
    assert causes
    for cause in causes:
        assert cause is not None and cause.reason is Reason.DEADLOCK
        assert named(cause) == marked("Gathers")


def test_the_condition_that_decides_is_named() -> None:
    told = explained(
        of(offices.Metered), connect(0, "u0"), SETTLE, emit("u1", "u0", 3), SETTLE, emit("u2", "u0"), SETTLE
    )
    assert [kind for kind, _ in told.values()] == ["LostEvent"]
    for _, cause in told.values():
        assert marked("Metered") <= named(cause)


def test_a_function_that_is_kept_is_state() -> None:
    program = connect(0, "u0"), connect(1, "u1"), SETTLE, emit("u2", "u0"), emit("u3", "u1"), SETTLE
    told = explained(of(offices.Reporter), *program)
    assert {"CrossUserLeak", "LostEvent"} <= {kind for kind, _ in told.values()}
    for _, cause in told.values():
        assert marked("Reporter") & named(cause)


WIRE = JsonWire(
    path="/desk/{user}",
    ready={"type": "ready"},
    user="user",
    to_user={"to": "{to}", "text": "{event}"},
)
STALLED = Operation("stall", "c0", seconds=2.5)


@pytest.mark.parametrize(
    "then",
    [
        (connect(1, "u0"),),
        (connect(1, "u1"),),
    ],
    ids=("a tab", "another user"),
)
def test_of_a_server_who_is_waited_for_is_named_with_the_lock(then: tuple[Operation, ...]) -> None:
    target = application(f"{offices.__name__}:app", wire=WIRE)
    told = explained(target, connect(0, "u0"), SETTLE, STALLED, emit("u0", "u0", connection="c0"), *then)
    held = [cause for kind, cause in told.values() if kind == "HeadOfLineBlocking"]
    assert held
    for cause in held:
        assert cause.reason is Reason.HELD_UP
        assert marked("app") <= named(cause)
        assert why(cause) == "it waits here for the client that does not read, and others wait for it"
