"""What one object was, and how to put that back: a kind of record for each kind of object whose parts Python shows.

Parts are compared by identity: equality is the target's own, and may lie, raise, or cost much.
"""

from __future__ import annotations

import ctypes
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from operator import is_
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

__all__ = (
    "CLASS",
    "MISSING",
    "Bare",
    "Fields",
    "Mapping",
    "Namespace",
    "Ordered",
    "Record",
    "Sequence",
    "Unordered",
    "attributes",
    "has_attributes",
    "instance_dict",
    "slots",
)

MISSING: Any = object()
"""Stands for what is not there."""

CLASS: Any = object.__dict__["__class__"]
"""Tells an object's true class; proxies answer ``__class__`` with somebody else's."""

SHOWN = 6
"""How many names of what changed are listed."""


class Record:
    """One object as it was.  `put_back` returns what it took out, to be dropped only when everything is back.

    ``path`` says how the object is reached, from a module: ``chat.hub.rooms``.
    """

    __slots__ = ("path", "saved", "thing")

    seen = True
    """Whether the collector knows every part, so that many such objects can be compared at once."""

    saved: Any

    def __init__(self, thing: Any, path: str) -> None:
        self.thing, self.path = thing, path
        self.take()

    @property
    def lossless(self) -> bool:
        """Whether it can be put back exactly."""
        return True

    def take(self) -> None:
        """Record the object as it is now."""
        raise NotImplementedError

    def changed(self) -> bool:
        raise NotImplementedError

    def put_back(self) -> Any:
        raise NotImplementedError

    def replace(self, old: Any, new: Any) -> bool:
        """Let ``new`` stand where ``old`` was recorded; whether it was."""
        return False

    def children(self) -> Iterable[Any]:
        """The parts recorded, some of which may be new to the snapshot."""
        return ()

    def describe(self) -> str:
        """What is different now, for people."""
        return type(self.thing).__name__


def attributes(cls: type) -> dict[str, Any]:
    """A class's own attributes, past metaclasses that answer ``__dict__`` with something else."""
    return type.__dict__["__dict__"].__get__(cls)  # type: ignore[no-any-return]


def _same(now: Iterable[Any], saved: Iterable[Any]) -> bool:
    return all(map(is_, now, saved))


class Mapping(Record):
    """A dictionary: its keys, its values, and their order."""

    __slots__ = ()

    kind: Any = dict

    def take(self) -> None:
        kind = self.kind
        self.saved = dict(zip(kind.__iter__(self.thing), dict.values(self.thing), strict=True))
        if kind is not dict:
            self.saved = {key: dict.__getitem__(self.thing, key) for key in kind.__iter__(self.thing)}

    def changed(self) -> bool:
        now, saved, kind = self.thing, self.saved, self.kind
        return dict.__len__(now) != len(saved) or not (
            _same(kind.__iter__(now), saved) and _same(dict.values(now), saved.values())
        )

    def put_back(self) -> Any:
        now, saved = self.thing, self.saved
        old = [*dict.keys(now), *dict.values(now)]
        if dict.__len__(now) == len(saved) and _same(dict.__iter__(now), saved):
            for key, value in saved.items():  # the keys stay: nothing the interpreter has specialised is lost
                if dict.__getitem__(now, key) is not value:
                    dict.__setitem__(now, key, value)
        else:
            dict.clear(now)
            for key, value in saved.items():  # `dict.update` would ask a subclass for its own ``keys``
                dict.__setitem__(now, key, value)
        return old

    def replace(self, old: Any, new: Any) -> bool:
        keys = [key for key, value in self.saved.items() if value is old]
        self.saved.update(dict.fromkeys(keys, new))
        return bool(keys)

    def children(self) -> Iterable[Any]:
        return [*self.saved, *self.saved.values()]

    def describe(self) -> str:
        now, saved = dict(zip(dict.__iter__(self.thing), dict.values(self.thing), strict=True)), self.saved
        names = [_name(key) for key in now if saved.get(key, MISSING) is not now[key]]
        names += [f"-{_name(key)}" for key in saved if key not in now]
        size = f", {len(saved)} -> {len(now)} entries" if len(saved) != len(now) else ""
        return f"{type(self.thing).__name__}{size}: {_listed(names) or 'order'}"


def _name(key: object) -> str:
    return key if isinstance(key, str) else f"<{type(key).__name__}>"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


class Ordered(Mapping):
    """An `OrderedDict`, whose order is kept apart from the dictionary it is."""

    __slots__ = ()

    kind = OrderedDict

    def changed(self) -> bool:
        now, saved = self.thing, self.saved
        return dict.__len__(now) != len(saved) or not (
            _same(OrderedDict.__iter__(now), saved) and _same(OrderedDict.values(now), saved.values())
        )

    def put_back(self) -> Any:
        now = self.thing
        old = [*dict.keys(now), *dict.values(now)]
        OrderedDict.clear(now)
        for key, value in self.saved.items():
            OrderedDict.__setitem__(now, key, value)
        return old


class Sequence(Record):
    """A list or a deque."""

    __slots__ = ()

    def take(self) -> None:
        self.saved = list(_iterate(self.thing))

    def changed(self) -> bool:
        now = list(_iterate(self.thing))
        return len(now) != len(self.saved) or not _same(now, self.saved)

    def put_back(self) -> Any:
        now = self.thing
        old = list(_iterate(now))
        if isinstance(now, list):
            list.__setitem__(now, slice(None), self.saved)
        else:
            deque.clear(now)
            deque.extend(now, self.saved)
        return old

    def replace(self, old: Any, new: Any) -> bool:
        found = any(item is old for item in self.saved)
        self.saved = [new if item is old else item for item in self.saved]
        return found

    def children(self) -> Iterable[Any]:
        return self.saved  # type: ignore[no-any-return]

    def describe(self) -> str:
        return f"{type(self.thing).__name__}, {len(self.saved)} -> {len(list(_iterate(self.thing)))} items"


def _iterate(thing: Any) -> Iterable[Any]:
    return list.__iter__(thing) if isinstance(thing, list) else deque.__iter__(thing)


class Unordered(Record):
    """A set.  It is emptied and filled once when recorded, so that its order is what it will be when put back."""

    __slots__ = ("ids",)

    ids: frozenset[int]

    def take(self) -> None:
        self.saved = list(set.__iter__(self.thing))
        self.ids = frozenset(map(id, self.saved))
        if self.saved:
            set.clear(self.thing)
            set.update(self.thing, self.saved)

    def changed(self) -> bool:
        return set.__len__(self.thing) != len(self.ids) or set(map(id, set.__iter__(self.thing))) != self.ids

    def put_back(self) -> Any:
        old = list(set.__iter__(self.thing))
        set.clear(self.thing)
        set.update(self.thing, self.saved)
        return old

    def children(self) -> Iterable[Any]:
        return self.saved  # type: ignore[no-any-return]

    def describe(self) -> str:
        return f"{type(self.thing).__name__}, {len(self.saved)} -> {set.__len__(self.thing)} items"


class Namespace(Record):
    """A class's attributes."""

    __slots__ = ()

    def take(self) -> None:
        self.saved = dict(attributes(self.thing))

    def changed(self) -> bool:
        now, saved = attributes(self.thing), self.saved
        return len(now) != len(saved) or any(saved.get(key, MISSING) is not value for key, value in now.items())

    def put_back(self) -> Any:
        old = dict(attributes(self.thing))
        for key in old.keys() - self.saved.keys():
            type.__delattr__(self.thing, key)
        for key, value in self.saved.items():
            if old.get(key, MISSING) is not value:
                type.__setattr__(self.thing, key, value)
        return list(old.values())

    replace = Mapping.replace

    def children(self) -> Iterable[Any]:
        return self.saved.values()  # type: ignore[no-any-return]

    def describe(self) -> str:
        now, saved = attributes(self.thing), self.saved
        names = [key for key in now if saved.get(key, MISSING) is not now[key]]
        return f"class attributes: {_listed(names + [f'-{key}' for key in saved if key not in now])}"


class Fields(Record):
    """What is behind descriptors: slots, a cell's content, a function's defaults, which class it has."""

    __slots__ = ("fields",)

    def __init__(self, thing: Any, path: str, fields: tuple[str | Any, ...]) -> None:
        self.fields = fields
        super().__init__(thing, path)

    def _read(self, field: Any) -> Any:
        try:
            return getattr(self.thing, field) if isinstance(field, str) else field.__get__(self.thing)
        except (AttributeError, ValueError, TypeError):
            return MISSING

    def take(self) -> None:
        self.saved = [self._read(field) for field in self.fields]

    def changed(self) -> bool:
        return not _same(map(self._read, self.fields), self.saved)

    def put_back(self) -> Any:
        old = [self._read(field) for field in self.fields]
        for field, before, value in zip(self.fields, old, self.saved, strict=True):
            if before is value:
                continue
            if isinstance(field, str):
                _delete(self.thing, field) if value is MISSING else setattr(self.thing, field, value)
            else:
                field.__delete__(self.thing) if value is MISSING else field.__set__(self.thing, value)
        return old

    replace = Sequence.replace

    def children(self) -> Iterable[Any]:
        return (value for value in self.saved if value is not MISSING)

    def describe(self) -> str:
        names = [field if isinstance(field, str) else getattr(field, "__name__", "__dict__") for field in self.fields]
        changed = zip(names, self.fields, self.saved, strict=True)
        return _listed([name for name, field, value in changed if self._read(field) is not value])


class Bare(Fields):
    """A function that has no attributes: what it is given goes again.

    Most functions have none, and no dictionary for any either, until somebody asks for it.
    """

    __slots__ = ()

    @property
    def _given(self) -> dict[str, Any]:
        return self.thing.__dict__ if has_attributes(self.thing) else {}

    def changed(self) -> bool:
        return super().changed() or bool(self._given)

    def put_back(self) -> Any:
        given = self._given
        old = [*super().put_back(), *given.values()]
        given.clear()
        return old

    def describe(self) -> str:
        return ", ".join(filter(None, (super().describe(), _listed(sorted(self._given)))))


def _dictionary_of(function: object) -> int | None:
    return ctypes.c_void_p.from_address(id(function) + FunctionType.__dictoffset__).value


def _shows_dictionaries() -> bool:
    """Whether a function's dictionary stands where its class says, which only CPython promises; a trial tells."""
    if sys.implementation.name != "cpython" or FunctionType.__dictoffset__ <= 0:
        return False

    def trial() -> None:
        """Have no attributes, and then one."""

    bare = _dictionary_of(trial)
    trial.__dict__["attribute"] = True
    return bare is None and _dictionary_of(trial) == id(trial.__dict__)


SHOWS_DICTIONARIES = _shows_dictionaries()


def has_attributes(function: FunctionType) -> bool:
    """Whether a function has a dictionary for attributes; without making one, where the interpreter shows it."""
    return not SHOWS_DICTIONARIES or _dictionary_of(function) is not None


_delete: Callable[[Any, str], None] = delattr

_dicts: dict[type, Any] = {}
_slots: dict[type, tuple[Any, ...]] = {}


def instance_dict(cls: type) -> Any:
    """The descriptor by which instances' real ``__dict__`` is had, past proxies; None where they have none."""
    if cls not in _dicts:
        found = [attributes(base)["__dict__"] for base in cls.__mro__ if "__dict__" in attributes(base)]
        _dicts[cls] = found[-1] if found and type(found[-1]) is GetSetDescriptorType else None
    return _dicts[cls]


def slots(cls: type) -> tuple[Any, ...]:
    """The descriptors of all slots of a class's instances."""
    if cls not in _slots:
        _slots[cls] = tuple(
            descriptor
            for base in cls.__mro__
            if "__slots__" in attributes(base)
            for descriptor in attributes(base).values()
            if type(descriptor) is MemberDescriptorType
        )
    return _slots[cls]
