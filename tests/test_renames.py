"""Names of an earlier release: files and stores of then are read as what they mean now, and what is typed is taken."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

import crosswire.fuzzer
from crosswire.fuzzer.core.choices import PROMISES
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.renames import CLASSES_NOW, FORMER, PROMISES_NOW, VIOLATIONS_NOW, statements
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.counterexample import Counterexample, load, path_for, save
from crosswire.fuzzer.findings.regression import is_shown_by
from crosswire.fuzzer.reports.analysis import Results
from crosswire.fuzzer.store import Store
from crosswire.fuzzer.store.schema import MIGRATIONS
from crosswire.fuzzer.world import InOrder
from crosswire.models.isolation import violations
from crosswire.models.managers.targets import TARGETS

from .command import crosswire as crosswire_command

BASELINE = Path(__file__).parent.parent / "results/baseline/counterexamples"
FIRST_RENAMED = 4
"""The store's version whose names are those of then."""


def published(kind: str) -> Counterexample:
    return load(min(BASELINE.glob(f"*-{kind}-*.json")))


def as_then(path: Path, folder: Path) -> Path:
    """A counterexample file as the release before wrote it."""
    data = json.loads(path.read_text())
    now = data["violation"]
    then = FORMER[now]
    data["violation"], data["signature"] = then, data["signature"].replace(now, then)
    data["promise"] = {now: then for then, now in PROMISES_NOW.items()}.get(data["promise"], data["promise"])
    old = folder / path.name.replace(now, then)
    old.write_text(json.dumps(data))
    return old


@pytest.mark.parametrize("then", VIOLATIONS_NOW)
def test_a_violation_is_known_by_the_hash_it_always_had(then: str) -> None:
    kind = getattr(violations, VIOLATIONS_NOW[then])
    made = kind("somebody waits", "in a place", (1,))
    former = type(then, (violations.Violation,), {"promise": "order", "__slots__": ()})("m", "in a place", (1,))
    assert made.signature("chat").partition("-")[2] == former.signature("chat").partition("-")[2]
    with pytest.warns(DeprecationWarning, match=f"'{then}' is called '{VIOLATIONS_NOW[then]}' now"):
        assert getattr(violations, then) is kind


def test_an_exception_s_new_name_in_a_circumstance_makes_no_other_signature() -> None:
    then, now = (
        violations.LostEvent("m", f"it raised {name} in emit", (1,)) for name in next(iter(CLASSES_NOW.items()))
    )
    assert then.signature("chat") == now.signature("chat")
    other = violations.LostEvent("m", "it raised ConnectionError in emit", (1,))
    assert other.signature("chat") != now.signature("chat")


@pytest.mark.parametrize(
    ("kept", "shown"),
    [("PeerGoneError", True), ("ClientDisconnectedError", True), ("MyPeerGoneError", False), ("ValueError", False)],
)
def test_a_file_of_then_is_of_what_is_raised_by_its_new_name(kept: str, shown: bool) -> None:
    worker = Worker(TARGETS["degraded"])
    with worker.session():
        execution = worker.run(Program((Operation("connect", "c0", "u0"),)), InOrder())
    file = replace(published("LostEvent"), signature="LostEvent-00000000", circumstance=f"it raised {kept} in emit")
    violation = violations.LostEvent("m", "it raised ClientDisconnectedError in emit", (0,))
    assert is_shown_by(file, violation, execution) == shown


def test_every_new_name_is_one_that_there_is() -> None:
    assert all(hasattr(violations, now) for now in VIOLATIONS_NOW.values())
    assert set(PROMISES_NOW.values()) <= set(PROMISES)
    assert set(CLASSES_NOW.values()) <= set(crosswire.fuzzer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Stick'"):
        _ = violations.Stick


@pytest.mark.parametrize("kind", ["Deadlock", "BrokenRun", "OutOfOrder"])
def test_a_file_of_then_is_the_same_counterexample(kind: str, tmp_path: Path) -> None:
    file = min(BASELINE.glob(f"*-{kind}-*.json"))
    old = as_then(file, tmp_path)
    assert kind not in old.read_text() and load(old) == load(file)
    said = crosswire_command("replay", str(old), "--trust", cwd=tmp_path, expect=1).stdout
    assert "still there" in said and kind in said


def test_what_is_found_again_takes_its_old_file_s_place(tmp_path: Path) -> None:
    counterexample = published("Deadlock")
    old = as_then(path_for(counterexample.target, counterexample.signature, BASELINE), tmp_path)
    other = tmp_path / "mychat-Stuck-00000000.json"
    other.write_text("somebody else's")
    assert save(counterexample, tmp_path).exists()
    assert not old.exists() and other.exists()


def store_of_then(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "crosswire.db", isolation_level=None)) as db:
        for migration in MIGRATIONS[:FIRST_RENAMED]:
            for statement in migration:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {FIRST_RENAMED}")
        plan = json.dumps({"promises": ["golden path", "order"]}, separators=(",", ":"))
        db.execute("INSERT INTO campaigns VALUES (1, NULL, 1.0, 2.0, 'finished', 0, ?, '{}')", (plan,))
        db.execute("INSERT INTO executions VALUES (1, 'chat', 'fifo', 2, 3, 40)")
        db.execute("INSERT INTO broken VALUES (1, 'chat', 'golden path', 'fifo', 2, 3, 4)")
        for signature, promise, bug in (
            ("BrokenGoldenPath-00000001", "golden path", None),
            ("Disorder-00000002", "order", "BrokenGoldenPath-00000001"),
            ("OfflineDisorder-00000003", "offline delivery", None),
            ("LostEvent-00000004", "no loss", None),
        ):
            kind = signature.partition("-")[0]
            row = (signature, "chat", promise, kind, "m", 2, 0, f"{signature}.json", "{}", 1.0, 1.0, None, bug)
            db.execute(f"INSERT INTO failures VALUES ({', '.join('?' * len(row))})", row)
            db.execute("INSERT INTO sightings VALUES (1, ?, 'chat', 4, 1, 0.1, 2)", (signature,))
            db.execute("INSERT INTO firsts VALUES (1, 'chat', 'fifo', ?, 1)", (signature,))


@pytest.mark.parametrize("readonly", [False, True])
def test_a_store_of_then_has_today_s_names(tmp_path: Path, readonly: bool) -> None:
    store_of_then(tmp_path)
    with Store.open(tmp_path, readonly=readonly) as store:
        named = {row.signature: (row.violation, row.promise, row.bug, row.times) for row in store.failures()}
        assert named == {
            "BrokenRun-00000001": ("BrokenRun", "agent run", "BrokenRun-00000001", 4),
            "OutOfOrder-00000002": ("OutOfOrder", "order", "BrokenRun-00000001", 4),
            "OfflineOutOfOrder-00000003": ("OfflineOutOfOrder", "offline delivery", "OfflineOutOfOrder-00000003", 4),
            "LostEvent-00000004": ("LostEvent", "no loss", "LostEvent-00000004", 4),
        }
        assert {row.signature for row in store.sightings(1)} == set(named) == {row.signature for row in store.firsts()}
        assert store.counts()[0].broken == {"agent run": 4}
        assert json.loads(store.campaigns()[0].plan)["promises"] == ["agent run", "order"]
    with closing(sqlite3.connect(tmp_path / "crosswire.db")) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        assert version == (FIRST_RENAMED if readonly else len(MIGRATIONS))
        assert not db.execute("PRAGMA foreign_key_check").fetchall()


def test_what_is_salvaged_of_a_damaged_store_of_then_has_them_too(tmp_path: Path) -> None:
    store_of_then(tmp_path)
    path = tmp_path / "crosswire.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE INDEX late ON samples (executions)")
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'late'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with Store.open(tmp_path) as store:
        assert any("rows were recovered" in note for note in store.notes)
        assert "OutOfOrder-00000002" in {row.signature for row in store.failures()}


def test_to_bring_names_up_twice_changes_nothing_more(tmp_path: Path) -> None:
    store_of_then(tmp_path)
    with Store.open(tmp_path) as store:
        before = store.failures()
        with store.writing() as db:
            for statement in statements():
                db.execute(statement)
        assert store.failures() == before


def test_an_old_promise_is_taken_with_a_line_that_says_so(tmp_path: Path) -> None:
    done = crosswire_command(
        "run", "degraded", "--promise", "golden path", "--max-executions", "20", cwd=tmp_path, expect=1
    )
    line = "crosswire: promise 'golden path' is called 'agent run' now; the old name goes with the next release"
    assert line in done.stderr.splitlines()
    assert "agent run" in done.stdout


def test_an_old_promise_s_shares_are_those_of_the_new_one(tmp_path: Path) -> None:
    store_of_then(tmp_path)
    results = Results(tmp_path)
    with pytest.warns(DeprecationWarning, match="'agent run' now"):
        assert list(results.shares("golden path")) == list(results.shares("agent run")) != []


def test_an_old_class_is_its_new_one() -> None:
    for module in (crosswire.fuzzer, crosswire.fuzzer.targets):
        with pytest.warns(DeprecationWarning, match="'ClientDisconnectedError' now"):
            assert module.PeerGoneError is crosswire.fuzzer.ClientDisconnectedError
