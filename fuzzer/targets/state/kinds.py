"""Objects whose state only their own methods tell; some have a way back: locks, iterators, generators, files."""

from __future__ import annotations

import _queue
import _thread
import array
import asyncio
import copy
import functools
import gc
import io
import itertools
import os
import random
import socket
import sqlite3
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .records import Record

__all__ = ("ITERATORS", "METHOD_WRAPPER", "OPAQUE", "Spent", "State", "environment", "set_environment")

Read = Callable[[Any], Any]
Write = Callable[[Any, Any], object]


class State(Record):
    """An object's state as plain data that ``read`` gives; ``write`` is None where there is no way back."""

    __slots__ = ("read", "write")

    seen = False

    def __init__(self, thing: Any, path: str, read: Read, write: Write | None) -> None:
        self.read, self.write = read, write
        super().__init__(thing, path)

    @property
    def lossless(self) -> bool:
        return self.write is not None

    def _read(self) -> Any:
        try:
            return self.read(self.thing)
        except Exception as error:  # what is closed has nothing to say
            return type(error).__name__

    def take(self) -> None:
        self.saved = self._read()

    def changed(self) -> bool:
        return bool(self._read() != self.saved)

    def put_back(self) -> Any:
        if self.write is not None:
            self.write(self.thing, self.saved)

    def describe(self) -> str:
        return f"{type(self.thing).__name__}, {self.saved!r:.40} -> {self._read()!r:.40}"


class Spent(Record):
    """An iterator that only goes forward (`itertools.count`, say): a copy takes its place wherever it is recorded."""

    __slots__ = ("holders", "records", "waiting")

    seen = False

    def __init__(self, thing: Any, path: str, records: Callable[[], Iterable[Record]]) -> None:
        self.records = records
        self.holders: list[Record] | None = None
        super().__init__(thing, path)

    @property
    def lossless(self) -> bool:
        return self.holders is None or bool(self.holders)

    def take(self) -> None:
        self.waiting = _again(self.thing)

    def changed(self) -> bool:
        return bool(_position(self.thing) != _position(self.waiting))

    def put_back(self) -> Any:
        old, new = self.thing, self.waiting
        if self.holders is None:
            self.holders = [record for record in self.records() if record is not self and record.replace(old, new)]
        else:
            for record in self.holders:
                record.replace(old, new)
        for record in self.holders:
            record.put_back()
        self.thing, self.waiting = new, _again(new)
        return old

    def describe(self) -> str:
        return f"{type(self.thing).__name__} moved on"


ITERATORS: tuple[type, ...] = (
    itertools.count,
    itertools.cycle,
    type(iter([])),
    type(iter(())),
    type(iter(range(0))),
    type(reversed([])),
)
METHOD_WRAPPER: type = type([].__len__)


def _position(iterator: Any) -> Any:
    kind: type = type(iterator)
    if kind is METHOD_WRAPPER:
        return _position(iterator.__self__)
    if kind is itertools.count:
        return repr(iterator)
    if kind is itertools.cycle:
        with _undeprecated():
            _, (inner,), (items, first) = iterator.__reduce__()
        return _position(inner), len(items), first
    return iterator.__reduce__()[2:]


def _again(iterator: Any) -> Any:
    """Another iterator at the same place; raises `TypeError` where Python offers none (from 3.14, for `cycle`)."""
    kind: type = type(iterator)
    if kind is METHOD_WRAPPER:
        return _again(iterator.__self__).__next__
    if kind is itertools.count:
        parts = repr(iterator)[6:-1].split(", ")
        return itertools.count(*(float(part) if "." in part else int(part) for part in parts))
    if kind is itertools.cycle:
        with _undeprecated():
            _, (inner,), (items, first) = iterator.__reduce__()
            made = itertools.cycle(_again(inner))
            made.__setstate__((list(items), first))  # type: ignore[attr-defined]
        return made
    return copy.copy(iterator)


@contextmanager
def _undeprecated() -> Iterator[None]:
    """CPython 3.12 and 3.13 warn whoever reads where a `cycle` stands that 3.14 will not say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _set_lock(lock: Any, locked: bool) -> None:
    lock.acquire(False) if locked else lock.release()


def _set_rlock(lock: Any, owned: bool) -> None:
    while lock._is_owned() and not owned:
        lock.release()


def _text(file: Any) -> Any:
    return None if file.closed else (file.getvalue(), file.tell())


def _set_text(file: Any, saved: Any) -> None:
    value, position = saved
    file.seek(0)
    file.truncate()
    file.write(value)
    file.seek(position)


def _fill(waiting: Any, saved: int) -> None:
    while not waiting.empty():
        waiting.get_nowait()


def _cached(cache: Any) -> Any:
    return [id(thing) for thing in gc.get_referents(cache) if type(thing) is not dict]


def _clear_cache(cache: Any, saved: Any) -> None:
    cache.cache_clear()


def environment(environ: Any) -> dict[bytes, bytes]:
    """What `os.environ` holds, as it holds it."""
    return dict(environ._data)


def set_environment(environ: Any, saved: dict[bytes, bytes]) -> None:
    """Put variables back, also as code in C sees them."""
    for key in environ._data.keys() - saved.keys():
        os.unsetenv(key)
    for key, value in saved.items():
        if environ._data.get(key) != value:
            os.putenv(key, value)
    environ._data.clear()
    environ._data.update(saved)


def _at(name: str) -> Read:
    """Where a generator or coroutine stands; None where it is over."""

    def at(generator: Any) -> Any:
        frame = getattr(generator, name)
        return None if frame is None else frame.f_lasti

    return at


def _file(file: Any) -> Any:
    try:
        return file.closed or file.tell()
    except (OSError, ValueError):
        return None


def _seek(file: Any, position: Any) -> None:
    file.seek(position)


OPAQUE: tuple[tuple[type, Read, Write | None], ...] = (
    (_thread.LockType, lambda lock: lock.locked(), _set_lock),
    (type(_thread.RLock()), lambda lock: lock._is_owned(), _set_rlock),
    (random.Random, random.Random.getstate, random.Random.setstate),
    (bytearray, bytes, lambda data, saved: data.__setitem__(slice(None), saved)),
    (array.array, lambda data: data[:], lambda data, saved: data.__setitem__(slice(None), saved)),
    (io.StringIO, _text, _set_text),
    (io.BytesIO, _text, _set_text),
    (_queue.SimpleQueue, lambda waiting: waiting.qsize(), _fill),
    (types.GeneratorType, _at("gi_frame"), None),
    (types.AsyncGeneratorType, _at("ag_frame"), None),
    (types.CoroutineType, _at("cr_frame"), None),
    (asyncio.Future, lambda future: future.done(), None),
    (sqlite3.Connection, lambda connection: connection.total_changes, None),
    (socket.socket, lambda sock: sock.fileno(), None),
    (threading.Thread, lambda thread: thread.is_alive(), None),
    (io.TextIOWrapper, _file, None),
    (io.BufferedWriter, _file, None),
    (io.BufferedRandom, _file, None),
    (io.BufferedReader, _file, _seek),
    (functools._lru_cache_wrapper, _cached, _clear_cache),
)
"""Kinds of object, how their state is read, and how it is written; None where it cannot be."""
