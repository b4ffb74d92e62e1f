"""Compares thousands of objects with what they were, by the identity of their parts, in a few calls into C.

The collector's own traversal (`gc.get_referents`) lists every part of many objects at once; where that list is the same
as before, pointer for pointer, none of them changed.  Only where it is not is each object asked.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import OrderedDict
from collections.abc import Iterable
from itertools import chain
from operator import is_
from typing import Any

from .records import Mapping, Namespace, Ordered, Record, attributes

__all__ = ("Watched",)

SIZE = 400
"""Objects in a batch: few enough to look at each where one of them changed."""

Parts = tuple[Any, ...]


def _pointers(parts: Parts) -> bytes:
    return ctypes.string_at(id(parts) + tuple.__basicsize__, len(parts) * ctypes.sizeof(ctypes.c_void_p))


def _readable() -> bool:
    """Whether a tuple's items stand behind its header, as pointers; a trial tells, since nothing documents it."""
    if sys.implementation.name != "cpython":
        return False
    trial = (object(), "item", 7, None)
    expected = b"".join(id(item).to_bytes(ctypes.sizeof(ctypes.c_void_p), sys.byteorder) for item in trial)
    return _pointers(trial) == expected


READABLE = _readable()

Mark = tuple[bytes, Parts]


def _marked(parts: Parts) -> Mark:
    return (_pointers(parts) if READABLE else b""), parts


def _as_marked(parts: Parts, mark: Mark) -> bool:
    if len(parts) != len(mark[1]):
        return False
    return _pointers(parts) == mark[0] if READABLE else all(map(is_, parts, mark[1]))


class Batch:
    """Some records that are looked at together."""

    def __init__(self, records: list[Record]) -> None:
        self._fill(records)

    def _fill(self, records: list[Record]) -> None:
        self._records = records
        things: list[Any] = []
        keyed: list[dict[Any, Any]] = []
        ordered: list[OrderedDict[Any, Any]] = []
        for record in records:
            thing = record.thing
            if isinstance(record, Namespace):
                (thing, *_) = gc.get_referents(attributes(thing))
                if not isinstance(thing, dict):
                    raise TypeError("a class's attributes are kept in no dictionary")
            things.append(thing)
            if isinstance(record, Ordered):
                ordered.append(thing)
            elif isinstance(record, Mapping | Namespace) and any(type(key) is str for key in dict.__iter__(thing)):
                keyed.append(thing)
        self._things = tuple(things)
        self._keyed = tuple(keyed)
        """Dictionaries whose keys the collector may pass over: it does where all of them are strings."""
        self._ordered = tuple(ordered)
        """Dictionaries whose order is kept where the collector does not look."""
        self._parts: Mark
        self._keys: Mark
        self._take()

    def _take(self) -> None:
        """What there is now is what is compared with."""
        self._parts = _marked(self._now())
        self._keys = _marked(self._keys_now())

    def _now(self) -> Parts:
        return tuple(gc.get_referents(*self._things))

    def _keys_now(self) -> Parts:
        keys = chain.from_iterable(map(dict.__iter__, self._keyed))
        return tuple(chain(keys, chain.from_iterable(map(OrderedDict.__iter__, self._ordered))))

    def changed(self) -> list[Record]:
        """Take out, and return, the records of objects that are not as they were."""
        if _as_marked(self._now(), self._parts) and _as_marked(self._keys_now(), self._keys):
            return []
        changed = [record for record in self._records if record.changed()]
        if changed:
            ids = set(map(id, changed))
            self._fill([record for record in self._records if id(record) not in ids])
        else:
            self._take()  # it was something that the interpreter keeps beside the parts that count
        return changed


class Watched:
    """Records to be looked at again and again: those that ever changed one by one, the others in batches."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._singly: list[Record] = []

    def add(self, records: Iterable[Record]) -> None:
        together: list[Record] = []
        for record in records:
            (together if record.seen else self._singly).append(record)
        self._batches += [Batch(together[start : start + SIZE]) for start in range(0, len(together), SIZE)]

    def changed(self, *, all_of_them: bool = True) -> list[Record]:
        """The records of what is not as it was; of those that changed before only, unless ``all_of_them``."""
        found = [record for record in self._singly if record.changed()]
        if all_of_them:
            for batch in self._batches:
                new = batch.changed()
                self._singly += new
                found += new
        return found
