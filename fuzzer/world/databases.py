"""SQLite in a world: each execution has its database files to itself, and who waits for a lock does so in virtual time.

A file that is opened in an execution is a copy of what there is, made when it is first opened and gone afterwards:
executions see nothing of each other, whichever process they run in, and no database of the user's is written to.
Nothing survives a power cut, so nobody waits for the disk (``PRAGMA synchronous``): that takes most of the time.

A connection that was opened before all executions, as a module of the target's was imported or a pool was filled, is
opened again at the beginning of each, at the copy that the execution has; one in memory holds again what it held.

SQLite's own functions of time (``CURRENT_TIMESTAMP``, ``datetime('now')``) go by the world's clock, as Python's do.

SQLite waits for a lock by sleeping in C, where no other thread of a lockstep can run and no virtual clock moves.
Connections made in a world are opened without that, and a call that finds the database locked tries again after a
while, as SQLite does.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from weakref import ref

from ..core.processes import own_number
from .lockstep import here, lockstep_here

__all__ = ("databases_apart", "gate_sqlite")

NO_FILE = ("", ":memory:")
"""What a database is called that has no file."""

URI_AT = 6
"""Where `sqlite3.connect` takes ``uri``, behind the database, if it is given by position."""

BESIDE = ("", "-wal", "-journal")
"""What a database's files are called: itself, and what was written and is not in it yet."""

PATIENCE = 5.0
"""For how many seconds `sqlite3.connect` waits for a lock where nobody says otherwise."""

WAITS = ("SQLITE_BUSY", "SQLITE_BUSY_RECOVERY")
"""Errors that mean that somebody else holds the lock."""

HELD_BACK = 0.25
"""For so many seconds the schedule may keep back threads, the lock's holder perhaps, while another waits for the lock:
as long as a machine can be busy."""

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
                threads = lockstep_here()
                if threads is None or error.sqlite_errorname not in WAITS:
                    raise
                held_back = waited >= HELD_BACK and threads.world.let_thread_go_on()
                if waited >= self.patience and not held_back:
                    raise
                delay = min(DELAYS[min(tries, len(DELAYS) - 1)], max(self.patience - waited, DELAYS[0]))
                threads.sleep(delay)  # on the loop's own thread, too, the others go on meanwhile
                tries += 1
                waited += 0.0 if held_back else delay  # what the schedule takes is no fault of the lock's holder

    method.__name__ = name
    return method


class _Cursor(sqlite3.Cursor):
    patience = PATIENCE


class _Connection(sqlite3.Connection):
    patience = PATIENCE
    given: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]
    """The functions and orders that it was given, and how."""

    def cursor(self, factory: Any = _Cursor) -> Any:
        made = super().cursor(factory)
        if isinstance(made, _Cursor):
            made.patience = self.patience
        return made


for _name in ("execute", "executemany", "executescript"):
    setattr(_Cursor, _name, _patient(_name, sqlite3.Cursor))
for _name in ("execute", "executemany", "executescript", "commit", "rollback"):
    setattr(_Connection, _name, _patient(_name, sqlite3.Connection))


def _kept(name: str) -> Callable[..., Any]:
    call = getattr(sqlite3.Connection, name)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        call(self, *args, **options)
        self.given.append((call, args, options))

    method.__name__ = name
    return method


for _name in ("create_function", "create_aggregate", "create_collation"):
    setattr(_Connection, _name, _kept(_name))

SETTINGS = ("foreign_keys", "recursive_triggers", "synchronous")
"""Pragmas of a connection that change what its statements do."""


class _Named(NamedTuple):
    """What is opened: the path of a file or one of `NO_FILE`; of a URI (https://www.sqlite.org/uri.html) its query."""

    path: str
    query: str | None = None

    @classmethod
    def by(cls, database: str, uri: bool) -> _Named:
        """Read what `sqlite3.connect` was given."""
        if not uri or not database.startswith("file:"):
            return cls(database)
        parts = urlsplit(database)
        in_memory = parse_qs(parts.query).get("mode") == ["memory"]
        return cls(":memory:" if in_memory else unquote(parts.path), parts.query)

    @property
    def is_file(self) -> bool:
        return self.path not in NO_FILE

    def at(self, path: str) -> str:
        """Say it of another path, in the same way."""
        return path if self.query is None else f"file:{quote(path)}?{self.query}"


class _Standing:
    """A connection that was there before executions, as it was then."""

    def __init__(self, connection: _Connection, named: _Named, options: dict[str, Any]) -> None:
        self.connection = ref(connection)
        self._named, self._options = named, options
        self._attributes: dict[str, Any] | None = None
        self._settings: dict[str, Any] = {}
        self._content = b""

    def begin(self, copies: _Copies) -> bool:
        """An execution begins, with its own copies of files; whether this is to be asked again."""
        connection = self.connection()
        try:
            if connection is None or (self._attributes is None and not self._take(connection)):
                return False
            self._open(connection, copies.path(self._named.path) if self._named.is_file else self._named.path)
        except sqlite3.Error:
            return False  # what is wrong with it is for the target to find out
        return True

    def end(self) -> None:
        """The execution is over: it is what it was, for whoever has to do with it outside."""
        connection = self.connection()
        if connection is not None:
            with suppress(sqlite3.Error):
                self._open(connection, self._named.path)

    def _take(self, connection: _Connection) -> bool:
        """Record it as it is; whether it is open, and nothing is under way."""
        if connection.in_transaction:
            return False
        names = ("row_factory", "text_factory", "isolation_level")
        attributes = {name: getattr(connection, name) for name in names}
        connection.row_factory = None
        for name in SETTINGS:
            ((self._settings[name],),) = sqlite3.Connection.execute(connection, f"PRAGMA {name}").fetchall()
        connection.row_factory = attributes["row_factory"]
        self._attributes = attributes
        if not self._named.is_file:
            self._content = connection.serialize()
        return True

    def _open(self, connection: _Connection, path: str) -> None:
        given, connection.given = connection.given, []
        sqlite3.Connection.__init__(connection, self._named.at(path), timeout=0.0, **self._options)
        if self._content:
            connection.deserialize(self._content)
        for call, args, options in given:
            call(connection, *args, **options)
        connection.given = given
        for name, value in self._settings.items():
            sqlite3.Connection.execute(connection, f"PRAGMA {name} = {value}")
        for name, value in (self._attributes or {}).items():
            setattr(connection, name, value)


class _Copies:
    """The database files of one execution, by the path at which the target opens them."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        self._folder: Path | None = None

    def path(self, path: str) -> str:
        """Where the copy is; the path itself where there is no folder for it, which is SQLite's to say."""
        whole = os.path.abspath(path)
        if whole not in self._paths:
            if not os.path.isdir(os.path.dirname(whole)):
                return path
            if self._folder is None:
                self._folder = _new_folder()
            copy = str(self._folder / f"{len(self._paths)}.db")
            for ending in BESIDE:
                with suppress(FileNotFoundError):
                    shutil.copyfile(whole + ending, copy + ending)
            self._paths[whole] = copy
        return self._paths[whole]

    def forget(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _new_folder() -> Path:
    """A folder without a random name, which would be one of the target's random numbers."""
    for number in _numbers:
        folder = Path(_parent, f"crosswire-{own_number()}-{number}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise AssertionError("numbers have come to an end")


NOW = {"current_timestamp": "datetime", "current_date": "date", "current_time": "time"}
"""Functions that SQLite has as key words, and what each is short for."""

OF_TIME = ("date", "time", "datetime", "julianday", "unixepoch", "strftime")
"""Functions that take ``'now'`` for a time."""


class _Clocks:
    """SQLite's functions of time, by the clock that Python reads; what they do with a time, SQLite itself says."""

    def __init__(self) -> None:
        self._asks: sqlite3.Connection | None = None
        self._made: list[tuple[str, int, Callable[..., Any]]] = []

    def set(self, connection: sqlite3.Connection) -> None:
        """Give a connection these functions in place of SQLite's own."""
        if self._asks is None:
            self._asks = _really(":memory:", check_same_thread=False)
            self._made += [(name, 0, partial(self._tell, short)) for name, short in NOW.items()]
            there = {name for (name,) in self._asks.execute("select name from pragma_function_list")}
            self._made += [(name, -1, partial(self._tell, name)) for name in OF_TIME if name in there]
        for name, arguments, function in self._made:
            connection.create_function(name, arguments, function, deterministic=True)  # as SQLite's: fit for an index

    def _tell(self, name: str, *arguments: Any) -> Any:
        given, at = list(arguments), name == "strftime"
        if len(given) <= at:
            given.append("now")
        if isinstance(given[at], str) and given[at].lower() == "now":
            given[at] = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        assert self._asks is not None
        return self._asks.execute(f"select {name}({', '.join('?' * len(given))})", given).fetchone()[0]


_really = sqlite3.connect
_clocks = _Clocks()
_copies: _Copies | None = None
_standing: list[_Standing] = []
_numbers = itertools.count()
_parent = tempfile.gettempdir()  # asks for random names the first time: not in an execution


@contextmanager
def databases_apart() -> Iterator[None]:
    """Meanwhile, what is opened in a world is a copy; afterwards the copies are gone."""
    global _copies
    copies = _copies = _Copies()
    _standing[:] = [one for one in _standing if one.begin(copies)]
    try:
        yield
    finally:
        for one in _standing:
            one.end()
        _copies = None
        copies.forget()


def gate_sqlite() -> None:
    """Put the gate in place, once for the life of the process; outside a world it only passes through."""

    def connect(database: Any, *args: Any, **options: Any) -> Any:
        path = os.fsdecode(database)
        named = _Named.by(path, bool(args[URI_AT] if len(args) > URI_AT else options.get("uri")))
        if named.is_file:
            named = named._replace(path=os.path.abspath(named.path))
            path = named.at(_copies.path(named.path)) if _copies is not None else path
        if here() is None or len(args) > 1 or "factory" in options:
            return _really(path, *args, **options)
        patience = args[0] if args else options.pop("timeout", PATIENCE)
        made = _really(path, timeout=0.0, factory=_Connection, **options)
        made.patience, made.given = patience, []
        with suppress(sqlite3.Error):  # what is wrong with the file is for the target to find out
            sqlite3.Connection.execute(made, "PRAGMA synchronous = OFF")
        _clocks.set(made)
        if _copies is None and (named.is_file or named.query is None):
            _standing.append(_Standing(made, named, options))
        return made

    sqlite3.connect = connect
    sqlite3.dbapi2.connect = connect
