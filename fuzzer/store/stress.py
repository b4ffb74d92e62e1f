"""Runs against live servers in the store: written after each round, and read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields, replace

from .database import BRIEFLY, BUSY, Store
from .reading import RowType
from .recovery import alive
from .rows import StressFailureRow, StressIntervalRow, StressRow, StressViolationRow

__all__ = ("StressRuns",)

Part = StressIntervalRow | StressFailureRow | StressViolationRow

PARTS: dict[str, type[Part]] = {
    "stress_intervals": StressIntervalRow,
    "stress_failures": StressFailureRow,
    "stress_violations": StressViolationRow,
}
"""Tables of what a run consists of."""


def _columns(kind: type[RowType]) -> list[str]:
    return [field.name for field in fields(kind)]


def _insertion(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _name(run: int) -> str:
    """What its lock is called."""
    return f"stress-{run}"


class StressRuns:
    """The runs against live servers that a store holds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, row: StressRow) -> int:
        """Enter a run; gives its number.  Until `end` it counts as running while this process lives."""
        with self._store.writing() as db:
            cursor = db.execute(_insertion("stress_runs", _columns(StressRow)[1:]), astuple(row)[1:])
            assert cursor.lastrowid is not None
            self._store.hold(_name(cursor.lastrowid))  # before others can see the row
            return cursor.lastrowid

    def write(self, row: StressRow, parts: Sequence[Part], done: bool = False) -> None:
        """Write all there is of a run, in one transaction; what is not ``done`` is written again anyway."""
        with self._store.writing(BUSY if done else BRIEFLY) as db:
            settings = ", ".join(f"{name} = ?" for name in _columns(StressRow))
            db.execute(f"UPDATE stress_runs SET {settings} WHERE id = ?", (*astuple(row), row.id))
            for table, kind in PARTS.items():
                db.execute(f"DELETE FROM {table} WHERE run = ?", (row.id,))
                rows = (astuple(part) for part in parts if isinstance(part, kind))
                db.executemany(_insertion(table, _columns(kind)), rows)
        if done:
            self._store.release(_name(row.id))

    def prune(self, runs: Iterable[int]) -> int:
        """Forget runs; their files stay.  Gives how many went."""
        with self._store.writing() as db:
            return sum(
                db.execute("DELETE FROM stress_runs WHERE id = ?", (number,)).rowcount
                for number in runs
                if not alive(self._store.folder, _name(number))
            )

    # -- reading ------------------------------

    def runs(self) -> list[StressRow]:
        """All runs, oldest first; one whose process is gone was ``killed``."""
        return [
            replace(row, status="killed")
            if row.status == "running" and not alive(self._store.folder, _name(row.id))
            else row
            for row in self._read("stress_runs", StressRow, "id")
        ]

    def intervals(self, run: int | None = None) -> list[StressIntervalRow]:
        """What was measured in each interval, of one run or all."""
        return self._read("stress_intervals", StressIntervalRow, "run, at", run)

    def failures(self, run: int | None = None) -> list[StressFailureRow]:
        """What failed in each interval, of one run or all."""
        return self._read("stress_failures", StressFailureRow, "run, at, grade = '', failure, grade", run)

    def violations(self, run: int | None = None) -> list[StressViolationRow]:
        """The promises broken, of one run or all, in order of first sight."""
        return self._read(
            "stress_violations", StressViolationRow, "run, at_seconds, violation, circumstance, grade", run
        )

    def _read(self, table: str, kind: type[RowType], order: str, run: int | None = None) -> list[RowType]:
        if not self._store.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)):
            return []  # an older store that is only read
        where, parameters = ("", ()) if run is None else ("WHERE run = ? ", (run,))
        names = ", ".join(_columns(kind))
        return self._store.typed(
            kind, self._store.rows(f"SELECT {names} FROM {table} {where}ORDER BY {order}", parameters)
        )
