"""The store: what was saved stays, whatever happens to the process or the file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmarks.kills import kill_campaigns
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.events import Noted, Progressed
from crosswire.fuzzer.campaigns.runs import Run
from crosswire.fuzzer.cli.stored import prune_campaigns
from crosswire.fuzzer.findings.counterexample import load
from crosswire.fuzzer.store import Store, StoreError, StressIntervalRow, StressRow, StressRuns
from crosswire.fuzzer.store.opening import copied
from crosswire.fuzzer.store.schema import MIGRATIONS, VERSION
from crosswire.fuzzer.targets.state import Keeping
from crosswire.models.managers.targets import TARGETS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one finished campaign over two targets."""
    folder = tmp_path_factory.mktemp("made") / "results"
    with Store.open(folder) as store:
        Run(store, [TARGETS["degraded"], TARGETS["reference"]], Plan(executions=100)).go()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def test_what_a_campaign_counted_is_what_the_store_says(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run = Run(store, [TARGETS["degraded"]], Plan(executions=100, seed=3), explain_findings=False)
        run.go()
        (campaign,) = run.tallies
        (row,) = store.campaigns()
        assert (row.status, row.seed) == ("finished", 3)
        counts = store.counts([row.id])
        assert sum(count.executions for count in counts) == 100
        for promise, times in campaign.broken.items():
            assert sum(count.broken.get(promise, 0) for count in counts) == times
        assert {s.signature: s.times for s in store.sightings(row.id)} == {
            found.signature: found.times for found in campaign.found.values()
        }
        assert {f.signature: f.times for f in store.failures()} == {
            f.signature: f.times for f in campaign.found.values()
        }
        last = store.samples(row.id)[-1]
        assert (last.executions, last.distinct) == (100, len(campaign.found))
        seen_in = [found.programs for found in campaign.found.values()]
        assert (last.programs, last.singletons, last.doubletons) == (
            campaign.programs,
            seen_in.count(1),
            seen_in.count(2),
        )
        assert {s.signature: s.programs for s in store.sightings(row.id)} == {
            found.signature: found.programs for found in campaign.found.values()
        }
        assert all(0 < found.programs <= min(found.times, campaign.programs) for found in campaign.found.values())
        firsts = {(first.strategy, first.signature): first.executions for first in store.firsts() if first.signature}
        assert firsts == {(s, f.signature): at for f in campaign.found.values() for s, at in f.first_by.items()}
        censored = {first.strategy for first in store.firsts() if first.signature is None}
        assert censored == {cell[0] for cell in campaign.cells} - {strategy for strategy, _ in firsts}


def test_counterexamples_are_files_and_rows_alike(folder: Path) -> None:
    with Store.open(folder, readonly=True) as store:
        rows = store.failures()
        assert rows
        for row in rows:
            path = store.counterexamples / row.file
            assert path.read_text() == row.counterexample
            assert load(path).signature == row.signature


def test_two_campaigns_at_once_are_both_recorded(folder: Path) -> None:
    target = replace(TARGETS["degraded"], state=Keeping("snapshot"))
    target.state.proven = True  # what is said of it depends on what else the process of the tests does
    with Store.open(folder) as first, Store.open(folder) as second:
        held = first.begin(None, 7, {"targets": ["degraded"]})
        notes = [
            event.text for event in Run(second, [target], Plan(executions=60)).events() if isinstance(event, Noted)
        ]
        assert notes == [f"campaign {held} is running on this store too; both are recorded"]
        assert {row.id: row.status for row in second.campaigns()}[held] == "running"
        assert second.notes == []
        first.record(held, Campaign(TARGETS["degraded"], Plan(executions=60, seed=9), explaining=False).run())
        first.end(held, "finished")
        assert sum(count.executions for count in second.counts([held])) == 60


def test_a_killed_campaign_is_noticed_and_resumed(tmp_path: Path) -> None:
    plan = Plan(executions=500, seed=2, schedules=1)
    whole = Campaign(TARGETS["degraded"], plan, explaining=False).run()
    with Store.open(tmp_path) as store:
        run = Run(store, [TARGETS["degraded"]], plan, explain_findings=False)
        part = run.tallies[0]
        with closing(run.events()) as events:
            for event in events:
                if isinstance(event, Progressed) and event.tally.rounds == 1:
                    break
        assert 0 < part.executions < 500
        (row,) = store.campaigns()
        assert row.status == "interrupted"
        again = Run(store, [TARGETS["degraded"]], plan, resume=row, explain_findings=False)
        again.go()
        resumed = again.tallies[0]
        assert resumed.executions == 500
        assert set(part.found) <= set(resumed.found) <= set(whole.found)
        assert [row.status for row in store.campaigns()] == ["finished"]


def test_a_campaign_whose_process_is_gone_counts_as_killed(folder: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from crosswire.fuzzer.store import Store;"
        "store = Store.open(Path(sys.argv[1])); store.begin('nightly', 1, {'targets': []}); os._exit(9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script, str(folder)], env=environment, check=False)
    with Store.open(folder) as store:
        assert [row.status for row in store.campaigns()] == ["finished", "killed"]
        assert "campaign 2 was killed" in store.notes[0]
    with Store.open(folder) as store:
        assert store.notes == []


@pytest.mark.parametrize("where", ["header", "middle", "cut"])
def test_a_damaged_database_is_set_aside_and_salvaged(folder: Path, where: str) -> None:
    path = folder / "crosswire.db"
    with Store.open(folder) as store:
        before = {row.signature for row in store.failures()}
    data = bytearray(path.read_bytes())
    match where:
        case "header":
            data[:64] = bytes(64)
        case "middle":
            page = len(data) // 2 // 4096 * 4096
            data[page : page + 4096] = b"\xff" * 4096
        case _:
            del data[len(data) // 2 :]
    path.write_bytes(data)
    with Store.open(folder) as store:
        assert "was damaged" in store.notes[0]
        assert {row.signature for row in store.failures()} == before
        run = Run(store, [TARGETS["degraded"]], Plan(executions=50), explain_findings=False)
        run.go()
    assert list(folder.glob("crosswire.db.damaged-*"))


def test_counterexamples_the_store_does_not_know_are_entered(folder: Path) -> None:
    (folder / "crosswire.db").unlink()
    (folder / "counterexamples/broken.json").write_text("{")
    files = [p for p in (folder / "counterexamples").glob("*.json") if p.name != "broken.json"]
    with Store.open(folder) as store:
        assert {row.file for row in store.failures()} == {path.name for path in files}
        assert f"{len(files)} counterexample" in store.notes[0]


def test_a_full_disk_costs_no_more_than_what_cannot_be_written(tmp_path: Path) -> None:
    """With a limit on the size of files, writing fails in the middle; what was saved before is whole."""
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        "sys.argv[1:] = ['run', 'emergency', '--max-executions', '500', '--no-confirm', '--no-cause',"
        " '--results', sys.argv[1]];"
        "from crosswire.fuzzer.cli.main import main; main()"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "results")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr
    with Store.open(tmp_path / "results") as store:
        for path in store.counterexamples.glob("*.json"):
            assert load(path).signature in {row.signature for row in store.failures()}


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        Store.open(tmp_path / "results")
    with pytest.raises(StoreError, match="there is no store yet"):
        Store.open(tmp_path / "elsewhere", readonly=True)


def test_an_older_file_is_migrated_and_a_newer_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "crosswire.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    Store.open(tmp_path).close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,) == (len(MIGRATIONS),)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="upgrade crosswire"):
        Store.open(tmp_path)


def stressed(status: str = "running") -> StressRow:
    """A run against a live server in which nothing was measured."""
    measured = {field.name: None if "_" in field.name else 0 for field in fields(StressRow)}
    said = {"url": "ws://127.0.0.1:1", "wire": "json", "status": status, "plan": "{}", "environment": "{}"}
    return StressRow(**{**measured, "started": time.time(), "ended": None, **said})  # type: ignore[arg-type]


def test_a_store_from_before_live_servers_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "crosswire.db", isolation_level=None)) as connection:
        for number, statements in enumerate(MIGRATIONS[:3], 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("INSERT INTO campaigns VALUES (1, NULL, 1.0, 2.0, 'finished', 0, '{}', '{}')")
    with Store.open(tmp_path, readonly=True) as store:
        runs = StressRuns(store)
        assert not any((runs.runs(), runs.intervals(), runs.failures(), runs.violations()))
    with Store.open(tmp_path) as store:
        assert StressRuns(store).begin(stressed()) == 1
        assert [row.id for row in store.campaigns()] == [1]


def test_a_run_against_a_live_server_is_running_until_its_process_is_gone_and_pruned_then(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store, Store.open(tmp_path) as other:
        runs = StressRuns(store)
        number = runs.begin(stressed())
        interval = StressIntervalRow(number, 0.0, 1.0, 1.0, 5, 5, 5, 1, 0, 0.0, 0.0, *[None] * 10)
        runs.write(replace(stressed(), id=number, said=5), [interval])
        runs.write(replace(stressed(), id=number, said=7), [interval])
        assert [(row.status, row.said) for row in StressRuns(other).runs()] == [("running", 7)]
        assert StressRuns(other).intervals() == [interval]
        assert StressRuns(other).prune([number]) == 0
    with Store.open(tmp_path) as store:
        runs = StressRuns(store)
        assert [row.status for row in runs.runs()] == ["killed"]
        done = runs.begin(stressed())
        runs.write(replace(stressed("finished"), id=done), [], done=True)
        assert [row.status for row in runs.runs()] == ["killed", "finished"]
        assert runs.prune([number]) == 1
        assert [row.id for row in runs.runs()] == [done] and runs.intervals() == []


def test_keeping_more_campaigns_than_there_are_forgets_none(folder: Path) -> None:
    prune_campaigns(folder, 5, None)
    with Store.open(folder, readonly=True) as store:
        assert len(store.campaigns()) == 1


def test_pruning_forgets_counts_and_keeps_bugs(folder: Path) -> None:
    with Store.open(folder) as store:
        bugs = [row.signature for row in store.failures()]
        assert store.prune([1]) == 1
        assert store.counts() == [] == store.samples()
        assert [row.signature for row in store.failures()] == bugs


def test_killed_at_random_instants_nothing_saved_is_lost(tmp_path: Path) -> None:
    losses = kill_campaigns(tmp_path / "results", kills=4, seed=1)
    assert losses.lost == []
    assert losses.counterexamples > 0


@pytest.mark.parametrize("log", [False, True])
def test_a_folder_that_cannot_be_written_can_be_read(folder: Path, log: bool) -> None:
    """Also with a log beside the database, as somebody who writes, or was killed, leaves it."""
    writer = Store.open(folder)
    writer.begin(None, 0, {})
    path = folder / "crosswire.db"
    assert Path(f"{path}-wal").stat().st_size
    apart = folder / "apart"
    apart.mkdir()
    for suffix in ("", "-wal") if log else ("",):
        shutil.copy(f"{path}{suffix}", apart)
    with closing(copied(apart / "crosswire.db")) as connection:
        (campaigns,) = connection.execute("SELECT count(*) FROM campaigns").fetchone()
    assert campaigns == (2 if log else 1)
    assert sorted(file.name for file in apart.iterdir()) == ["crosswire.db", "crosswire.db-wal"][: 1 + log]
    with Store.open(folder, readonly=True) as reader:  # while the other is still there
        assert len(reader.campaigns()) == 2
    writer.close()


@pytest.mark.parametrize("statement", ["CREATE TABLE notes (text)", "CREATE TABLE campaigns (text)"])
def test_a_database_of_something_else_is_left_as_it_is(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "crosswire.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(StoreError, match="a database of something else, and left as it is"):
            Store.open(tmp_path, readonly)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["crosswire.db"]


@pytest.mark.parametrize("content", [b"", b"dear diary\n" * 99])
def test_what_is_no_database_of_ours_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "crosswire.db"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        Store.open(tmp_path, readonly=True)
    if content:
        with pytest.raises(StoreError, match="left as it is"):
            Store.open(tmp_path)
    assert path.read_bytes() == content


def test_who_holds_a_lock_is_told(folder: Path) -> None:
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "crosswire.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with Store.open(folder) as store:
            tally = Campaign(TARGETS["reference"], Plan(executions=1), explaining=False).tally
            with pytest.raises(StoreError, match="database is locked") as caught:
                store.record(1, tally)  # as it is written while a campaign goes on, in a second
        process.kill()
    if Path("/proc/locks").exists():
        assert f"locked by process {process.pid} (" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE failures SET message = 'a' || char(27) || '[2J' || char(10) || '::error::x'", None),
        ("UPDATE failures SET message = x'00'", "message"),
        ("UPDATE failures SET first_seen = 1e300", "first_seen"),
        ("UPDATE failures SET operations = 'many'", "operations"),
    ],
)
def test_a_store_can_hold_anything_and_is_read_for_what_it_is(folder: Path, change: str, said: str | None) -> None:
    with closing(sqlite3.connect(folder / "crosswire.db")) as connection:
        connection.execute(change)
        connection.commit()
    with Store.open(folder, readonly=True) as store:
        if said is None:
            assert {row.message for row in store.failures()} == {r"a\x1b[2J\n::error::x"}
        else:
            with pytest.raises(StoreError, match=f"holds what no campaign writes .*{said}"):
                store.failures()


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_a_campaign_that_is_told_to_end_takes_its_workers_along(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "crosswire.fuzzer", "run", "degraded", "--budget", "500s", "--workers", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    path = tmp_path / "results" / "crosswire.db"
    counted = 0
    while not counted:
        time.sleep(0.5)
        with suppress(StoreError), Store.open(path.parent, readonly=True) as store:
            counted = sum(row.executions for row in store.counts())
    workers = _children(process.pid)
    process.terminate()
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130 and "Traceback" not in said
    assert not [number for number in workers if _is_running(number)]
    with Store.open(path.parent, readonly=True) as store:
        assert [row.status for row in store.campaigns()] == ["interrupted"]


def _children(parent: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(line.split()[0]): int(line.split()[1]) for line in listed.splitlines()}
    found = [parent]
    for number in found:
        found += [child for child, of in parents.items() if of == number]
    assert len(found) > 1
    return found[1:]


def _is_running(number: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_what_an_earlier_run_has_made_smaller_is_kept_while_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sizes(*, smaller: bool) -> dict[str, int]:
        if not smaller:
            monkeypatch.setattr(Campaign, "_minimised", lambda self, worker, finding: (finding, False))
        with Store.open(tmp_path) as store:
            plan = Plan(executions=60, seed=3)
            Run(store, [TARGETS["degraded"]], plan, explain_findings=False, confirm_findings=False).go()
        paths = (tmp_path / "counterexamples").glob("*.json")
        return {path.name: len(load(path).program) for path in paths}

    small = sizes(smaller=True)
    assert sizes(smaller=False) == small
    for path in (tmp_path / "counterexamples").glob("*.json"):
        path.unlink()
    large = sizes(smaller=False)
    assert any(large[name] > small[name] for name in small)
