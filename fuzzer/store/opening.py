"""Opening a database for what it is: ours or not, from folders that cannot be written, and who holds it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

from ..core.errors import CrosswireError
from ..core.text import cut, plain
from .schema import VERSION

__all__ = ("StoreError", "check_ours", "copied", "holder", "to_read", "reason")


class StoreError(CrosswireError, RuntimeError):
    """The store cannot be used or written; the message is one line."""


def to_read(path: Path, seconds: float) -> sqlite3.Connection:
    """Open a database that nothing is written to, waiting for others for so long; raises `sqlite3.Error`.

    A log that others left is read too; for that SQLite has to write beside the database (https://sqlite.org/wal.html,
    section 5), and where it may not, a copy is read.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=seconds)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if getattr(error, "sqlite_errorname", "") not in UNWRITABLE:
            raise
        return copied(path)
    return connection


UNWRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT")


def copied(path: Path) -> sqlite3.Connection:
    """A copy in memory of a database and its log."""
    connection = sqlite3.connect(":memory:")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for suffix in ("-wal", ""):  # in this order: what goes from the log to the database meanwhile is in both
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        read = sqlite3.connect(copy)
        try:
            read.backup(connection)
        finally:
            read.close()
    return connection


def check_ours(connection: sqlite3.Connection, path: Path, empty: bool = True) -> None:
    """See that a database is a store that this release knows, or there is nothing in it; raises `StoreError`."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables and empty:
        return
    if not tables >= {"campaigns", "executions", "failures"}:
        what = "a database of something else" if tables else "an empty database"
        raise StoreError(f"{path}: {what}, and left as it is; choose another folder with --results")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreError(f"{path}: version {version}, and this release knows up to {VERSION}; upgrade crosswire")


def holder(path: Path) -> str | None:
    """Return which other process holds a lock on a file, or on a database's memory of its log, where that is known."""
    held: set[str] = set()
    for file in (path, path.with_name(f"{path.name}-shm")):
        with suppress(OSError):
            seen = file.stat()
            held.add(f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}")
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as file_of_locks:
            locks = [line.split() for line in file_of_locks]
    except OSError:
        return None
    for words in locks:  # "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 120 120"
        if len(words) >= 8 and words[3] == "WRITE" and words[5] in held and words[4].isdigit():
            number = int(words[4])
            if number not in (0, os.getpid()):
                return _process(number)
    return None


def _process(number: int) -> str:
    try:
        command = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        command = ""
    return f"process {number}" + (f" ({plain(cut(command, 80))})" if command else "")


def reason(error: BaseException, path: Path) -> str:
    """Why a file cannot be read or written, in words; where another process holds it, which."""
    said = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
    by = holder(path) if "locked" in said else None
    return f"{said} by {by}" if by else said
