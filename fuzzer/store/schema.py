"""The store's tables, and the migrations that lead to them.

``PRAGMA user_version`` holds the number of migrations a file has seen; each migration is one transaction.
"""

from __future__ import annotations

import sqlite3

from ..core.renames import statements

__all__ = ("MIGRATIONS", "TABLES", "VERSION", "migrate")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE campaigns (
            id INTEGER PRIMARY KEY AUTOINCREMENT, profile TEXT, started REAL NOT NULL, ended REAL,
            status TEXT NOT NULL, seed INTEGER NOT NULL, plan TEXT NOT NULL, environment TEXT NOT NULL)""",
        """CREATE TABLE progress (
            campaign INTEGER NOT NULL REFERENCES campaigns ON DELETE CASCADE, target TEXT NOT NULL,
            rounds INTEGER NOT NULL, programs INTEGER NOT NULL, seconds REAL NOT NULL, done INTEGER NOT NULL,
            PRIMARY KEY (campaign, target)) WITHOUT ROWID""",
        """CREATE TABLE executions (
            campaign INTEGER NOT NULL REFERENCES campaigns ON DELETE CASCADE, target TEXT NOT NULL,
            strategy TEXT NOT NULL, users INTEGER NOT NULL, length INTEGER NOT NULL, executions INTEGER NOT NULL,
            PRIMARY KEY (campaign, target, strategy, users, length)) WITHOUT ROWID""",
        """CREATE TABLE broken (
            campaign INTEGER NOT NULL REFERENCES campaigns ON DELETE CASCADE, target TEXT NOT NULL,
            promise TEXT NOT NULL, strategy TEXT NOT NULL, users INTEGER NOT NULL, length INTEGER NOT NULL,
            times INTEGER NOT NULL,
            PRIMARY KEY (campaign, target, promise, strategy, users, length)) WITHOUT ROWID""",
        """CREATE TABLE failures (
            signature TEXT NOT NULL PRIMARY KEY, target TEXT NOT NULL, promise TEXT NOT NULL, violation TEXT NOT NULL,
            message TEXT NOT NULL, operations INTEGER NOT NULL, deviations INTEGER NOT NULL, file TEXT NOT NULL,
            counterexample TEXT NOT NULL, first_seen REAL NOT NULL, last_seen REAL NOT NULL, gone_since REAL
            ) WITHOUT ROWID""",
        """CREATE TABLE sightings (
            campaign INTEGER NOT NULL REFERENCES campaigns ON DELETE CASCADE,
            signature TEXT NOT NULL REFERENCES failures ON DELETE CASCADE, target TEXT NOT NULL,
            times INTEGER NOT NULL, at_execution INTEGER NOT NULL, at_seconds REAL NOT NULL,
            PRIMARY KEY (campaign, signature)) WITHOUT ROWID""",
        """CREATE TABLE firsts (
            campaign INTEGER NOT NULL REFERENCES campaigns ON DELETE CASCADE, target TEXT NOT NULL,
            strategy TEXT NOT NULL, signature TEXT NOT NULL, executions INTEGER NOT NULL,
            PRIMARY KEY (campaign, target, strategy, signature)) WITHOUT ROWID""",
        """CREATE TABLE samples (
            campaign INTEGER NOT NULL REFERENCES campaigns ON DELETE CASCADE, target TEXT NOT NULL,
            executions INTEGER NOT NULL, seconds REAL NOT NULL, distinct_signatures INTEGER NOT NULL,
            singletons INTEGER NOT NULL, doubletons INTEGER NOT NULL,
            PRIMARY KEY (campaign, target, executions)) WITHOUT ROWID""",
    ),
    (
        # Which bug a failure is a symptom of: the signature of the bug's oldest; NULL where it is one by itself.
        "ALTER TABLE failures ADD COLUMN bug TEXT",
    ),
    (
        # In how many programs a violation was seen, and after how many a sample was taken; 0 in rows from before, whose
        # singletons and doubletons are those seen in one execution and in two.
        "ALTER TABLE sightings ADD COLUMN programs INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE samples ADD COLUMN programs INTEGER NOT NULL DEFAULT 0",
    ),
    (
        """CREATE TABLE stress_runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, wire TEXT NOT NULL, started REAL NOT NULL,
            ended REAL, status TEXT NOT NULL, seed INTEGER NOT NULL, plan TEXT NOT NULL, environment TEXT NOT NULL,
            seconds REAL NOT NULL, traffic REAL NOT NULL, rounds INTEGER NOT NULL, rested INTEGER NOT NULL,
            said INTEGER NOT NULL, frames INTEGER NOT NULL, heard INTEGER NOT NULL, owed INTEGER NOT NULL,
            connects INTEGER NOT NULL, departures INTEGER NOT NULL, lag REAL NOT NULL, away REAL NOT NULL,
            processor REAL NOT NULL, judging REAL NOT NULL,
            event_p50 REAL, event_p90 REAL, event_p99 REAL, event_p999 REAL, event_max REAL,
            connect_p50 REAL, connect_p90 REAL, connect_p99 REAL, connect_p999 REAL, connect_max REAL)""",
        """CREATE TABLE stress_intervals (
            run INTEGER NOT NULL REFERENCES stress_runs ON DELETE CASCADE, at REAL NOT NULL, seconds REAL NOT NULL,
            traffic REAL NOT NULL, said INTEGER NOT NULL, frames INTEGER NOT NULL, heard INTEGER NOT NULL,
            connects INTEGER NOT NULL, departures INTEGER NOT NULL, lag REAL NOT NULL, away REAL NOT NULL,
            event_p50 REAL, event_p90 REAL, event_p99 REAL, event_p999 REAL, event_max REAL,
            connect_p50 REAL, connect_p90 REAL, connect_p99 REAL, connect_p999 REAL, connect_max REAL,
            PRIMARY KEY (run, at)) WITHOUT ROWID""",
        """CREATE TABLE stress_failures (
            run INTEGER NOT NULL REFERENCES stress_runs ON DELETE CASCADE, at REAL NOT NULL, failure TEXT NOT NULL,
            grade TEXT NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (run, at, failure, grade)) WITHOUT ROWID""",
        """CREATE TABLE stress_violations (
            run INTEGER NOT NULL REFERENCES stress_runs ON DELETE CASCADE, violation TEXT NOT NULL,
            promise TEXT NOT NULL, circumstance TEXT NOT NULL, grade TEXT NOT NULL, proof TEXT NOT NULL,
            message TEXT NOT NULL, times INTEGER NOT NULL, round INTEGER NOT NULL, at_seconds REAL NOT NULL,
            at_events INTEGER NOT NULL, history TEXT, reproduced TEXT, reruns INTEGER NOT NULL,
            failed INTEGER NOT NULL, PRIMARY KEY (run, violation, circumstance, grade)) WITHOUT ROWID""",
    ),
    (
        "PRAGMA defer_foreign_keys = ON",  # sightings name a failure by its signature
        *statements(),
    ),
)

VERSION = len(MIGRATIONS)

TABLES = (
    *("campaigns", "progress", "executions", "broken", "failures", "sightings", "firsts", "samples"),
    *("stress_runs", "stress_intervals", "stress_failures", "stress_violations"),
)
"""In an order in which rows can be copied: what is referred to comes first."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file up to `VERSION`; whoever comes second finds it done."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
