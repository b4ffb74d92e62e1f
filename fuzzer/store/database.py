"""The store: opening and writing ``results/crosswire.db``; what is read of it is `Reading`'s.

SQLite in WAL mode (https://sqlite.org/wal.html): readers and one writer at a time, and a process killed at any
instant leaves the last committed state.  Counts are written as totals of a campaign and target, so that writing them
twice changes nothing and they never go back.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from msgspec import convert

from ..core.counting import counted
from ..findings.counterexample import load
from ..findings.tally import Found, Tally
from .opening import StoreError, check_ours, copied, holder, reason, to_read
from .reading import Reading
from .recovery import alive, campaign_lock, damage, salvage, set_aside, unknown_counterexamples
from .schema import VERSION, migrate

__all__ = ("BRIEFLY", "BUSY", "Store", "StoreError", "environment")

BUSY = 30.0
"""Seconds to wait for another process that writes, where nothing can be done in the meantime."""

BRIEFLY = 1.0
"""The same where there is somebody to tell, or it can be tried again."""


def environment() -> dict[str, str]:
    """What findings may depend on: Python, platform and the versions of the packages that matter."""
    found = {"python": platform.python_version(), "implementation": sys.implementation.name}
    found |= {"system": platform.platform(terse=True), "machine": platform.machine()}
    for package in ("crosswire", "hypothesis"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class Store(Reading):
    """A results folder's database.  `open` it; it is a context manager."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, notes: Sequence[str]) -> None:
        super().__init__(connection, folder)
        self.notes = list(notes)
        """What was recovered when the store was opened, in sentences for the user."""
        self._locks: dict[int | str, Any] = {}
        self._epoch = time.time() - time.perf_counter()

    def now(self) -> float:
        """Seconds since the epoch; ``time.time`` is the world's while a worker's session lasts."""
        return self._epoch + time.perf_counter()

    @property
    def counterexamples(self) -> Path:
        """The folder of counterexample files."""
        return self.folder / "counterexamples"

    @classmethod
    def open(cls, folder: Path, readonly: bool = False) -> Store:
        """Open the store of a results folder, making it where there is none; raises `StoreError`.

        A damaged database is moved aside, and what can be read of it copied into a new one.  Campaigns whose process
        is gone are marked ``killed``, and counterexample files the database does not know are entered; `notes` says so.
        """
        path = folder / "crosswire.db"
        notes: list[str] = []
        connection: sqlite3.Connection | None = None
        try:
            if readonly:
                if not path.exists():
                    raise StoreError(f"{path}: there is no store yet; crosswire run makes one")
                connection = to_read(path, BRIEFLY)
                check_ours(connection, path, empty=False)
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found < VERSION:
                    connection.close()
                    connection = copied(path)
                    migrate(connection)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                trouble = damage(path, BRIEFLY) if path.exists() else None
                aside = set_aside(path) if trouble is not None else None
                if path.exists():  # before anything is written to it
                    with closing(to_read(path, BRIEFLY)) as looking:
                        check_ours(looking, path)
                connection = sqlite3.connect(path, timeout=BRIEFLY, isolation_level=None)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found < VERSION:
                    migrate(connection)
                if aside is not None:
                    connection.execute("PRAGMA foreign_keys = OFF")
                    connection.execute("BEGIN IMMEDIATE")
                    rows = salvage(aside, connection)
                    connection.execute("COMMIT")
                    connection.execute("PRAGMA foreign_keys = ON")
                    notes.append(f"{path} was damaged ({trouble}); kept as {aside.name}, {rows:,} rows were recovered")
        except BaseException as error:
            if connection is not None:
                connection.close()
            if not isinstance(error, sqlite3.Error | OSError):
                raise
            raise StoreError(
                f"{path}: cannot be {'read' if readonly else 'written'} ({reason(error, path)}); "
                "choose another folder with --results"
            ) from None
        store = cls(connection, folder, notes)
        if not readonly:
            store._recover()
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the campaigns that are still held."""
        for campaign in list(self._locks):
            self.release(campaign)
        self._db.close()

    @contextmanager
    def writing(self, seconds: float = BUSY) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, waiting for others for so long."""
        try:
            self._db.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            path = self.folder / "crosswire.db"
            raise StoreError(f"{path}: cannot be written ({reason(error, path)})") from None

    def _recover(self) -> None:
        for row in self.campaigns():
            if row.status == "running" and not alive(self.folder, row.id):
                with self.writing() as db:
                    db.execute("UPDATE campaigns SET status = 'killed' WHERE id = ?", (row.id,))
                (kept,) = self._db.execute(
                    "SELECT coalesce(sum(executions), 0) FROM executions WHERE campaign = ?", (row.id,)
                ).fetchone()
                self.notes.append(
                    f"campaign {row.id} was killed; its {counted(kept, 'execution')} and its counterexamples are kept "
                    "(go on with it: --resume)"
                )
        known = {signature for (signature,) in self._db.execute("SELECT signature FROM failures")}
        unknown = unknown_counterexamples(self.counterexamples, known)
        for path in unknown:
            self._enter(path, path.stat().st_mtime)
        if unknown:
            found = f"{counted(len(unknown), 'counterexample')} found in {self.counterexamples}"
            self.notes.append(f"{found}, not yet in the store: entered")

    # -- writing ------------------------------

    def begin(self, profile: str | None, seed: int, plan: dict[str, Any]) -> int:
        """Enter a campaign; gives its number.  Until `end` it counts as running while this process lives."""
        with self.writing() as db:
            cursor = db.execute(
                "INSERT INTO campaigns (profile, started, status, seed, plan, environment) VALUES (?, ?, ?, ?, ?, ?)",
                (profile, self.now(), "running", seed, json.dumps(plan), json.dumps(environment())),
            )
            assert cursor.lastrowid is not None
            campaign = cursor.lastrowid
            self.hold(campaign)  # before others can see the row
        return campaign

    def resume(self, campaign: int) -> None:
        """Take up a campaign that did not finish."""
        self.hold(campaign)
        with self.writing() as db:
            db.execute("UPDATE campaigns SET status = 'running', ended = NULL WHERE id = ?", (campaign,))

    def end(self, campaign: int, status: str) -> None:
        """Close a campaign's row: ``finished``, ``interrupted`` or ``failed``."""
        with self.writing() as db:
            db.execute("UPDATE campaigns SET status = ?, ended = ? WHERE id = ?", (status, self.now(), campaign))
        self.release(campaign)

    def hold(self, campaign: int | str) -> None:
        """Have a campaign, or what else has a name, count as running for as long as this process lives."""
        try:
            lock = campaign_lock(self.folder, campaign)
            lock.acquire(timeout=0)
        except OSError as error:
            by = holder(self.folder / "running" / f"{campaign}.lock") or "another process"
            raise StoreError(f"campaign {campaign} is held by {by}, or cannot be held: {error}") from None
        self._locks[campaign] = lock

    def release(self, campaign: int | str) -> None:
        """Have it count as running no more."""
        lock = self._locks.pop(campaign, None)
        if lock is not None:
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    def record(self, campaign: int, tally: Tally, done: bool = False) -> None:
        """Write a target's totals, in one transaction; those that are not ``done`` are written again anyway."""
        target = tally.target
        seen = [found.programs for found in tally.found.values()]
        with self.writing(BUSY if done else BRIEFLY) as db:
            db.execute(
                "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?, ?)",
                (campaign, target, tally.rounds, tally.programs, tally.seconds, done),
            )
            db.executemany(
                "INSERT OR REPLACE INTO executions VALUES (?, ?, ?, ?, ?, ?)",
                ((campaign, target, *cell, times) for cell, times in tally.cells.items()),
            )
            db.executemany(
                "INSERT OR REPLACE INTO broken VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((campaign, target, promise, *cell, times) for (promise, cell), times in tally.broken_cells.items()),
            )
            for found in tally.found.values():
                self._sighting(db, campaign, target, found)
            if tally.executions:
                counted = len(seen), seen.count(1), seen.count(2)
                db.execute(
                    "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (campaign, target, tally.executions, tally.seconds, *counted, tally.programs),
                )

    def _sighting(self, db: sqlite3.Connection, campaign: int, target: str, found: Found) -> None:
        before = db.execute(
            "SELECT times, programs FROM sightings WHERE campaign = ? AND signature = ?", (campaign, found.signature)
        ).fetchone()
        if before is not None and before[0] >= found.times and before[1] >= found.programs:
            return
        db.execute(
            "INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET times = excluded.times, programs = excluded.programs",
            (campaign, found.signature, target, found.times, found.at_execution, found.at_seconds, found.programs),
        )
        db.execute(
            "UPDATE failures SET last_seen = ?, gone_since = NULL WHERE signature = ?", (self.now(), found.signature)
        )
        db.executemany(
            "INSERT OR IGNORE INTO firsts VALUES (?, ?, ?, ?, ?)",
            ((campaign, target, strategy, found.signature, at) for strategy, at in found.first_by.items()),
        )

    def failure(self, campaign: int, target: str, found: Found, path: Path) -> None:
        """Enter a bug whose counterexample has just been saved, or a smaller counterexample of it."""
        with self.writing() as db:
            self._enter(path, self.now(), db)
            self._sighting(db, campaign, target, found)

    def _enter(self, path: Path, when: float, db: sqlite3.Connection | None = None) -> None:
        """A counterexample file's row; a known signature keeps its first sighting."""
        known = load(path)
        row = (known.signature, known.target, known.promise, known.violation, known.message, len(known.program))
        more = (len(known.schedule), path.name, path.read_text(encoding="utf-8"), when, when)
        statement = (
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT DO UPDATE SET "
            "message = excluded.message, operations = excluded.operations, deviations = excluded.deviations, "
            "file = excluded.file, counterexample = excluded.counterexample"
        )
        if db is not None:
            db.execute(statement, row + more)
        else:
            with self.writing() as own:
                own.execute(statement, row + more)

    def enter(self, path: Path) -> None:
        """Enter a counterexample's file that no campaign has found."""
        self._enter(path, self.now())

    def replayed(self, signature: str, shows: bool) -> None:
        """Note the outcome of replaying a known counterexample."""
        now = self.now()
        with self.writing() as db:
            if shows:
                db.execute("UPDATE failures SET last_seen = ?, gone_since = NULL WHERE signature = ?", (now, signature))
            else:
                db.execute(
                    "UPDATE failures SET gone_since = coalesce(gone_since, ?) WHERE signature = ?", (now, signature)
                )

    def together(self, signatures: Sequence[str]) -> None:
        """Enter that findings are symptoms of one bug: that of the one found first."""
        marks = ", ".join("?" * len(signatures))
        oldest = f"SELECT coalesce(bug, signature) FROM failures WHERE signature IN ({marks}) ORDER BY first_seen, 1"
        with self.writing() as db:
            named = [name for (name,) in db.execute(oldest, tuple(signatures))]
            if len(named) > 1:
                others = ", ".join("?" * len(named))
                db.execute(
                    f"UPDATE failures SET bug = ? WHERE signature IN ({marks}) OR bug IN ({others})",
                    (named[0], *signatures, *named),
                )

    def restore(self, campaign: int, tally: Tally) -> bool:
        """Give a campaign the figures it had when it was broken off; whether its target was done."""
        target = tally.target
        progress = self._db.execute(
            "SELECT rounds, programs, seconds, done FROM progress WHERE campaign = ? AND target = ?", (campaign, target)
        ).fetchone()
        if progress is None:
            return False
        try:
            rounds, programs, seconds, done = convert(progress, tuple[int, int, float, int])
        except ValueError as error:
            raise StoreError(f"campaign {campaign}: holds what no campaign writes ({error})") from None
        tally.rounds, tally.programs, tally.seconds = rounds, programs, seconds
        for count in self.counts([campaign]):
            if count.target == target:
                cell = (count.strategy, count.users, count.length)
                tally.cells[cell] = count.executions
                tally.executions += count.executions
                for promise, times in count.broken.items():
                    tally.broken[promise] += times
                    tally.broken_cells[promise, cell] = times
        return bool(done)

    def prune(self, campaigns: Iterable[int]) -> int:
        """Forget campaigns' counts; failures and their counterexamples stay.  Gives how many campaigns went."""
        with self.writing() as db:
            gone = [
                db.execute("DELETE FROM campaigns WHERE id = ? AND status <> 'running'", (number,)).rowcount
                for number in campaigns
            ]
        return sum(gone)
