"""Each execution has SQLite's files to itself, whatever keeps executions apart otherwise."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crosswire.fuzzer import Adapter, Client
from crosswire.fuzzer.core.choices import Way
from crosswire.fuzzer.core.history import Failure, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world import Chooser, External, InOrder, WorldLoop

PROGRAM = Program((Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1")))


class Counts(Adapter):
    """Enters who comes in a database, and fails with how many are in there."""

    path = "chat.db"
    uri = False

    async def connect(self, client: Client) -> None:
        with closing(sqlite3.connect(self.path, uri=self.uri)) as database:
            database.execute("insert into visits values (?)", (client.user,))
            database.commit()
            raise LookupError(f"{database.execute('select count(*) from visits').fetchone()[0]} visits")

    async def emit(self, event: object) -> None:
        """Nothing."""

    async def disconnect(self, client: Client) -> None:
        """Nothing."""


class AsDjango(Counts):
    uri = True


class ByUri(AsDjango):
    path = "file:ch%61t.db?mode=rw"


class Elsewhere(Counts):
    path = "nowhere/chat.db"


class NotThere(AsDjango):
    path = "file:none.db?mode=rw"


def said(worker: Worker) -> list[str]:
    history = worker.run(PROGRAM, InOrder()).history
    return [row.detail.brief for row in history if row.kind == RowKind.RAISED and isinstance(row.detail, Failure)]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with one visit in it."""
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("chat.db")) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table visits (user)")
        database.execute("insert into visits values ('somebody')")
        database.commit()
    return tmp_path / "chat.db"


def folders() -> list[str]:
    return [name for name in os.listdir(tempfile.gettempdir()) if name.startswith(f"crosswire-{os.getpid()}-")]


@pytest.mark.parametrize("adapter", [Counts, AsDjango, ByUri])
@pytest.mark.parametrize("way", ["snapshot", "process"])
def test_executions_see_what_there_is_and_nothing_of_each_other(path: Path, way: Way, adapter: type[Counts]) -> None:
    target: Target = resolve(f"{__name__}:{adapter.__name__}")
    target.state.force(way)
    worker = Worker(target)
    with worker.session():
        for _ in range(3):
            assert said(worker) == ["LookupError: 2 visits", "LookupError: 3 visits"]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("select count(*) from visits").fetchone() == (1,)
    assert not folders()


STANDING = """
import sqlite3
from crosswire.fuzzer import Adapter

database = sqlite3.connect({path!r}, check_same_thread=False, uri=True)
database.execute("create table if not exists guests (name)")
database.execute("pragma foreign_keys = on")
database.create_function("upside", 1, lambda text: text[::-1])
database.row_factory = lambda cursor, row: row[0]
cursor = database.cursor()

class Chat(Adapter):
    async def connect(self, client):
        cursor.execute("insert into guests values (upside(?))", (client.user,))
        database.commit()
        seen = list(database.execute("select name from guests"))
        with sqlite3.connect({path!r}, uri=True) as another:
            seen.append(another.execute("select count(*) from sqlite_master").fetchone()[0])
        database.close()
        raise LookupError(f"{{seen}} {{settings()}}")

    async def emit(self, event): ...

    async def disconnect(self, client): ...

def settings():
    with sqlite3.connect({path!r}, uri=True) as another:
        return another.execute("pragma foreign_keys").fetchone()[0]
"""


@pytest.mark.parametrize("way", ["snapshot", "modules", "process"])
@pytest.mark.parametrize("name", ["guests.db", "file:guests.db?mode=rwc", ":memory:"])
def test_what_a_module_has_opened_is_each_executions_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way, name: str
) -> None:
    """Though one connection is kept for all, and closed by each; another to the same file sees the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    module = f"standing_{way}_{re.sub('[^a-z]', '_', name)}"
    (tmp_path / f"{module}.py").write_text(STANDING.format(path=name))
    target = resolve(f"{module}:Chat")
    target.state.force(way)
    worker = Worker(target)
    tables = int("guests" in name)
    with worker.session():
        for _ in range(3):
            assert said(worker) == [
                f"LookupError: ['0u', {tables}] 0",
                "ProgrammingError: Cannot operate on a closed database.",
            ]
    if way == "snapshot":
        assert not list(sys.modules[module].database.execute("select name from guests"))  # open, as it was


@pytest.mark.parametrize("adapter", [Elsewhere, NotThere])
def test_a_file_where_none_can_be_is_still_an_error(path: Path, adapter: type[Counts]) -> None:
    worker = Worker(resolve(f"{__name__}:{adapter.__name__}"))
    with worker.session():
        assert said(worker) == ["OperationalError: unable to open database file"] * 2


class ThreadsLast(InOrder):
    """Lets time pass wherever a thread could go on."""

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        return len(pending) if clock and pending[0].thread is not None else 0


async def writing(seconds: float) -> tuple[str, str]:
    """How two writers fare: a thread that asks the loop between writing and committing, or sleeps, and another."""
    loop = asyncio.get_running_loop()
    path = f"{tempfile.gettempdir()}/crosswire-test-{os.getpid()}.db"
    Path(path).unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table visits (user)")

    def held() -> str:
        with closing(sqlite3.connect(path)) as database:
            database.execute("insert into visits values ('u0')")
            for _ in range(4):
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
            time.sleep(seconds)
            database.commit()
            return "written"

    def other() -> str:
        try:
            with closing(sqlite3.connect(path)) as database:
                database.execute("insert into visits values ('u1')")
                database.commit()
                return "written"
        except sqlite3.OperationalError as error:
            return str(error)

    first = asyncio.create_task(asyncio.to_thread(held))
    await asyncio.sleep(0.001)
    second = await asyncio.to_thread(other)
    try:
        return await first, second
    finally:
        Path(path).unlink()


@pytest.mark.parametrize("seconds", [0.0, 4.0])
def test_whom_only_the_schedule_keeps_back_is_waited_for(seconds: float) -> None:
    choosers: list[Chooser] = [ThreadsLast(), *map(RandomWalk, range(20))]
    for chooser in choosers:
        assert WorldLoop().run_coroutine(writing(seconds), chooser) == ("written", "written")


def test_who_holds_a_lock_for_longer_is_not() -> None:
    shown = {WorldLoop().run_coroutine(writing(6.0), RandomWalk(seed)) for seed in range(20)}
    assert ("written", "database is locked") in shown


def test_the_loop_s_own_thread_may_wait_for_a_thread_s_lock() -> None:
    def writer(path: str) -> str:
        with closing(sqlite3.connect(path)) as database:
            database.execute("insert into visits values ('u0')")
            time.sleep(0.5)
            database.commit()
            return "written"

    async def main() -> str:
        path = f"{tempfile.gettempdir()}/crosswire-test-{os.getpid()}.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute("create table if not exists visits (user)")
        thread = asyncio.create_task(asyncio.to_thread(writer, path))
        await asyncio.sleep(0.1)
        with closing(sqlite3.connect(path)) as database:
            database.execute("insert into visits values ('u1')")
            database.commit()
        Path(path).unlink()
        return await thread

    assert {WorldLoop().run_coroutine(main(), RandomWalk(seed)) for seed in range(20)} == {"written"}


ASKED = """select current_timestamp, current_date, datetime('now', '+1 day'), date(), strftime('%Y', 'now'),
date('2020-02-03')"""


def test_the_databases_own_clock_is_the_worlds() -> None:
    async def main() -> tuple[object, ...]:
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("create table visits (user, at default current_timestamp)")
            database.execute("create index by_day on visits (date(user))")
            await asyncio.sleep(3600)
            database.execute("insert into visits (user) values ('2020-01-01')")
            (entered,) = database.execute("select at from visits").fetchone()
            return (*database.execute(ASKED).fetchone(), entered, time.time())

    *said, entered, now = WorldLoop().run_coroutine(main())
    then = datetime.fromtimestamp(float(str(now)), UTC)
    assert entered == said[0] == f"{then:%Y-%m-%d %H:%M:%S}"
    assert said[1:] == [
        f"{then:%Y-%m-%d}",
        f"{then + timedelta(days=1):%Y-%m-%d %H:%M:%S}",
        f"{then:%Y-%m-%d}",
        f"{then:%Y}",
        "2020-02-03",
    ]
