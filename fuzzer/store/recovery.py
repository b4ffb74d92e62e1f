"""What a store does about yesterday: a damaged file, campaigns that were killed, counterexamples it does not know."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.renames import statements
from ..findings.counterexample import CounterexampleError, load
from .opening import StoreError
from .schema import TABLES

__all__ = ("alive", "campaign_lock", "damage", "salvage", "set_aside", "unknown_counterexamples")

STALE = 3600.0
"""Seconds after which a half-written file beside the counterexamples belongs to nobody."""


def campaign_lock(folder: Path, campaign: int | str) -> FileLock:
    """What a running campaign holds; the operating system lets go of it however the process ends."""
    locks = folder / "running"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{campaign}.lock")


def alive(folder: Path, campaign: int | str) -> bool:
    """Whether the process of a campaign is still there."""
    if not (folder / "running" / f"{campaign}.lock").exists():
        return False
    lock = campaign_lock(folder, campaign)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


MAGIC = b"SQLite format 3\0"
"""How every database begins (https://sqlite.org/fileformat.html)."""


def damage(path: Path, seconds: float) -> str | None:
    """What is wrong with a database file, or None; others are waited for for so long.

    Raises `StoreError` where it never was one of ours.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head and not head.startswith(MAGIC) and head[:16].strip(b"\0") and b"CREATE TABLE campaigns" not in head:
        raise StoreError(f"{path}: no database of ours, and left as it is; choose another folder with --results")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=seconds)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return str(error)
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if verdict == "ok" else str(verdict).splitlines()[0]


def set_aside(path: Path) -> Path:
    """Move a damaged file, with its log, out of the way; it is kept."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        log = path.with_name(path.name + suffix)
        if log.exists():
            log.rename(aside.with_name(aside.name + suffix))
    return aside


def salvage(damaged: Path, into: sqlite3.Connection) -> int:
    """Copy every row that can still be read; gives their number."""
    copied = 0
    with closing(sqlite3.connect(damaged)) as old:
        for table in TABLES:
            try:
                there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}  # an older one has fewer
                columns = [row[1] for row in into.execute(f"PRAGMA table_info({table})") if row[1] in there]
                names = ", ".join(columns)
                cursor = old.execute(f"SELECT {names} FROM {table}")
                marks = ", ".join("?" * len(columns))
                while (row := cursor.fetchone()) is not None:
                    into.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)
                    copied += 1
            except sqlite3.DatabaseError:
                continue  # the rest of this table cannot be read
    for statement in statements():
        into.execute(statement)
    return copied


def unknown_counterexamples(folder: Path, known: set[str]) -> list[Path]:
    """Counterexample files whose signature the store does not know; half-written files that are stale are removed."""
    if not folder.is_dir():
        return []
    for half in folder.glob(".*.tmp"):
        if time.time() - half.stat().st_mtime > STALE:
            half.unlink(missing_ok=True)
    unknown = []
    for path in sorted(folder.glob("*.json")):
        try:
            if load(path).signature not in known:
                unknown.append(path)
        except CounterexampleError:
            continue
    return unknown
