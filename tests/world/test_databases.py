"""Each execution has SQLite's files to itself, whatever keeps executions apart otherwise."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from crosswire.fuzzer import Adapter, Client
from crosswire.fuzzer.core.choices import Way
from crosswire.fuzzer.core.history import Failure, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world import InOrder

PROGRAM = Program((Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1")))


class Counts(Adapter):
    """Enters who comes in a database, and fails with how many are in there."""

    path = "chat.db"

    async def connect(self, client: Client) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("insert into visits values (?)", (client.user,))
            database.commit()
            raise LookupError(f"{database.execute('select count(*) from visits').fetchone()[0]} visits")

    async def emit(self, event: object) -> None:
        """Nothing."""

    async def disconnect(self, client: Client) -> None:
        """Nothing."""


class Elsewhere(Counts):
    path = "nowhere/chat.db"


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


@pytest.mark.parametrize("way", ["snapshot", "process"])
def test_executions_see_what_there_is_and_nothing_of_each_other(path: Path, way: Way) -> None:
    target: Target = resolve(f"{__name__}:Counts")
    target.state.force(way)
    worker = Worker(target)
    with worker.session():
        for _ in range(3):
            assert said(worker) == ["LookupError: 2 visits", "LookupError: 3 visits"]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("select count(*) from visits").fetchone() == (1,)
    assert not folders()


def test_a_file_where_none_can_be_is_still_an_error(path: Path) -> None:
    worker = Worker(resolve(f"{__name__}:Elsewhere"))
    with worker.session():
        assert said(worker) == ["OperationalError: unable to open database file"] * 2
