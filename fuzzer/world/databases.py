"""SQLite in a world: who waits for another connection's lock waits in virtual time, and the others go on.

SQLite waits by sleeping in C, where no other thread of a lockstep can run and no virtual clock moves.  Connections made
in a world are opened without that, and a call that finds the database locked tries again after a while, as SQLite does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from .lockstep import here

__all__ = ("gate_sqlite",)

PATIENCE = 5.0
"""For how many seconds `sqlite3.connect` waits for a lock where nobody says otherwise."""

WAITS = ("SQLITE_BUSY", "SQLITE_BUSY_RECOVERY")
"""Errors that mean that somebody else holds the lock."""

DELAYS = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.025, 0.025, 0.05, 0.05, 0.1)
"""Seconds after which SQLite tries again, the last of them again and again (``sqliteDefaultBusyCallback``)."""


def _patient(name: str, base: type) -> Callable[..., Any]:
    call = getattr(base, name)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        waited, tries = 0.0, 0
        while True:
            try:
                return call(self, *args, **options)
            except sqlite3.OperationalError as error:
                world = here()
                if world is None or error.sqlite_errorname not in WAITS or waited >= self.patience:
                    raise
                delay = min(DELAYS[min(tries, len(DELAYS) - 1)], self.patience - waited)
                world.sleep(delay)
                waited, tries = waited + delay, tries + 1

    method.__name__ = name
    return method


class _Cursor(sqlite3.Cursor):
    patience = PATIENCE


class _Connection(sqlite3.Connection):
    patience = PATIENCE

    def cursor(self, factory: Any = _Cursor) -> Any:
        made = super().cursor(factory)
        if isinstance(made, _Cursor):
            made.patience = self.patience
        return made


for _name in ("execute", "executemany", "executescript"):
    setattr(_Cursor, _name, _patient(_name, sqlite3.Cursor))
for _name in ("execute", "executemany", "executescript", "commit", "rollback"):
    setattr(_Connection, _name, _patient(_name, sqlite3.Connection))


def gate_sqlite() -> None:
    """Put the gate in place, once for the life of the process; outside a world it only passes through."""
    really = sqlite3.connect

    def connect(database: Any, *args: Any, **options: Any) -> Any:
        if here() is None or len(args) > 1 or "factory" in options:
            return really(database, *args, **options)
        patience = args[0] if args else options.pop("timeout", PATIENCE)
        made = really(database, timeout=0.0, factory=_Connection, **options)
        made.patience = patience
        return made

    sqlite3.connect = connect
    sqlite3.dbapi2.connect = connect
