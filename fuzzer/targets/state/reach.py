"""Finds every mutable object that can be reached from modules, and makes a record of each.

The project's own modules are followed everywhere, into libraries' objects too; libraries' modules and classes only
within their own package.  Tests that a runner has collected are followed where the target leads into them.  What is
left alone: what is ours, and what keeps account of what is alive.
"""

from __future__ import annotations

import builtins
import collections
import collections.abc
import contextvars
import functools
import gc
import itertools
import os
import sys
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...core.stacks import is_library
from .kinds import ITERATORS, METHOD_WRAPPER, OPAQUE, Spent, State
from .records import (
    CLASS,
    Bare,
    Fields,
    Mapping,
    Namespace,
    Ordered,
    Record,
    Sequence,
    Unordered,
    attributes,
    has_attributes,
    instance_dict,
    slots,
)

__all__ = ("Reach", "is_fuzzers", "is_heap", "is_own", "is_private")

ATOMS = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        range,
        type(...),
        type(NotImplemented),
        object,
        types.CodeType,
        types.FrameType,
        types.TracebackType,
        types.MemberDescriptorType,
        types.GetSetDescriptorType,
        types.WrapperDescriptorType,
        types.MethodDescriptorType,
        types.ClassMethodDescriptorType,
        contextvars.Token,
        contextvars.Context,
        type(collections.abc.Mapping.__dict__["_abc_impl"]),
    }
)
"""What holds nothing that could change, or nothing that outlives an execution."""

PRIVATE = frozenset({"crosswire", "hypothesis", "time_machine", "pytest", "_pytest"})
"""Packages whose state is the fuzzer's, not the target's."""

TARGETS = "crosswire.models.managers"
"""Of ours, what is a target itself."""

BYSTANDERS = PRIVATE | {"__main__", "rich", "typer", "pluggy", "xdist", "execnet", "coverage", "pytest_timeout"}
"""Modules that are at work between executions, and not put back; their classes may well serve a target."""

LEFT_ALONE = frozenset(
    {
        "_frozen_importlib",
        "_frozen_importlib_external",
        "_weakrefset",
        "abc",
        "annotationlib",
        "ast",
        "atexit",
        "builtins",
        "ctypes",
        "dis",
        "encodings",
        "enum",
        "functools",
        "gc",
        "importlib",
        "inspect",
        "linecache",
        "re",
        "selectors",
        "signal",
        "sys",
        "threading",
        "tokenize",
        "traceback",
        "typing",
        "typing_extensions",
        "warnings",
        "weakref",
        "zipimport",
    }
)
"""Libraries that keep caches and registers of what is alive: putting these back would be wrong."""

MACHINERY = frozenset({"_frozen_importlib", "_frozen_importlib_external", "_sitebuiltins"})
"""Whose objects stand in every module and are no state of it."""

WARNED = sys.intern("__warningregistry__")
"""Where a module's warnings are kept that were shown already; without it each would be shown after every execution."""

HEAP, IMMUTABLE = 1 << 9, 1 << 8
"""``Py_TPFLAGS_HEAPTYPE`` and ``Py_TPFLAGS_IMMUTABLETYPE``."""

CONTAINERS = (dict, list, set, tuple)


def is_private(name: object) -> bool:
    """Whether a module of this name is the fuzzer's."""
    return isinstance(name, str) and name.partition(".")[0] in PRIVATE and not name.startswith(TARGETS)


def is_fuzzers(thing: object, kind: type) -> bool:
    """Whether an object is of a class of the fuzzer's, or a function of its own, as those that it gives to classes."""
    return is_private(kind.__module__) or (kind is types.FunctionType and is_private(thing.__module__))


def is_own(module: types.ModuleType) -> bool:
    """Whether a module belongs to the project under test; one without a file only as a namespace package."""
    name = module.__name__
    if is_private(name) or name == "__main__":
        return False
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return not is_library(file)
    return any(not is_library(os.path.join(folder, "")) for folder in getattr(module, "__path__", ()))


def is_collected(module: types.ModuleType) -> bool:
    """Whether pytest loaded a module as one of its tests or plugins: of hundreds, one target is concerned with few."""
    return type(getattr(module.__spec__, "loader", None)).__module__.startswith("_pytest.")


def is_script(module: types.ModuleType) -> bool:
    """Whether a module is a script of the user's that is being run; it may hold the target that it fuzzes."""
    file = getattr(module, "__file__", None)
    name = module.__spec__.name if module.__spec__ is not None else ""
    return module.__name__ == "__main__" and isinstance(file, str) and not is_library(file) and not is_private(name)


def is_heap(cls: type) -> bool:
    """Whether a class was made by a ``class`` statement, and may be written to."""
    return bool(cls.__flags__ & HEAP) and not cls.__flags__ & IMMUTABLE


class Reach:
    """What was reached so far, and the records of it: of the project's own objects `near`, of libraries' `far`."""

    def __init__(self, own: Callable[[types.ModuleType], bool] = is_own) -> None:
        self.own = own
        self.near: list[Record] = []
        self.far: list[Record] = []
        self.opaque: dict[str, str] = {}
        """Objects of extension modules, by path: their state is not to be seen from Python."""
        self._seen: dict[int, Any] = {id(vars(builtins)): builtins}
        """Keeps what was reached alive, so that no other object takes its address."""
        self.far.append(Mapping(vars(builtins), "builtins"))

    def leave(self, thing: Any) -> None:
        """Make no record of this object, nor of what is reached through it."""
        self._seen[id(thing)] = thing

    def records(self) -> Iterator[Record]:
        return itertools.chain(self.near, self.far)

    def module(self, name: str, module: types.ModuleType) -> None:
        """Record a module, as the project's own or a library's."""
        names = vars(module)
        top = name.partition(".")[0]
        if id(names) in self._seen or (top in BYSTANDERS and not name.startswith(TARGETS)):
            return
        if self.own(module):
            if not is_collected(module):
                self.near_by([(name, names)])
        elif top in LEFT_ALONE:
            return
        elif top in sys.stdlib_module_names:
            self._seen[id(names)] = names
            self.far.append(Mapping(names, name))
            for cls in list(names.values()):
                if isinstance(cls, type) and cls.__module__ == name and id(cls) not in self._seen and is_heap(cls):
                    self._seen[id(cls)] = cls
                    self.far.append(Namespace(cls, f"{name}.{cls.__qualname__}"))
        else:
            self._walk(self.far, [(name, names)], top)

    def near_by(self, roots: Iterable[tuple[str, Any]]) -> None:
        """Record what can be reached from these, by path, as the project's own."""
        self._walk(self.near, roots, None)

    def _walk(self, records: list[Record], roots: Iterable[tuple[str, Any]], library: str | None) -> None:
        """Record what can be reached; the nearest way there gives an object its name."""
        waiting = deque(roots)
        seen = self._seen
        while waiting:
            path, thing = waiting.popleft()
            kind = type(thing)
            if kind in ATOMS or id(thing) in seen or is_fuzzers(thing, kind) or kind.__module__ in MACHINERY:
                continue
            if issubclass(kind, type):
                if not self._follows_class(thing, library):
                    continue
            elif issubclass(kind, types.ModuleType):
                if library is not None or not self.own(thing):
                    continue
                if is_collected(thing) and path == thing.__name__:  # a package names whatever is loaded of it
                    continue
                path, thing, kind = thing.__name__, vars(thing), dict
                if id(thing) in seen:
                    continue
            seen[id(thing)] = thing
            if library is None and kind not in CONTAINERS:
                waiting.extend(self._home(thing, kind))
            for label, child in self._visit(records, path, thing, kind):
                if type(child) not in ATOMS and id(child) not in seen:
                    waiting.append((path + label, child))

    def _follows_class(self, cls: type, library: str | None) -> bool:
        name = cls.__dict__.get("__module__")
        if not isinstance(name, str) or not is_heap(cls):
            return False
        if library is not None:
            return name.partition(".")[0] == library
        return self._is_followed(sys.modules.get(name))

    def _is_followed(self, module: object) -> bool:
        """Whether the target leads into a module: one of the project's, or the script that is being run."""
        return isinstance(module, types.ModuleType) and (self.own(module) or is_script(module))

    def _home(self, thing: Any, kind: type) -> Iterator[tuple[str, Any]]:
        """The module that a class or function of the project's is from, which its code may write to."""
        if kind is types.FunctionType:
            names = thing.__globals__
            if id(names) not in self._seen:
                module = sys.modules.get(names.get("__name__", ""))
                if self._is_followed(module) and vars(module) is names:
                    yield names["__name__"], names
        elif issubclass(kind, type):
            module = sys.modules[thing.__module__]
            if id(vars(module)) not in self._seen:
                yield module.__name__, vars(module)

    def _visit(self, records: list[Record], path: str, thing: Any, kind: type) -> Iterator[tuple[str, Any]]:
        """Record an object; what it leads to, with what that adds to the path."""
        add = records.append
        if kind is types.FunctionType:
            # Nobody patches a function from one execution to the next; what it refers to is many, and none of it warm.
            bare = records is self.far and not has_attributes(thing)
            self.far.append((Bare if bare else Fields)(thing, path, ("__defaults__", "__kwdefaults__", "__code__")))
            cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=False)
            yield from ((f".<{name}>", cell) for name, cell in cells)
            yield ".<default>", thing.__defaults__
            yield ".<default>", thing.__kwdefaults__
            if not bare:
                yield "", thing.__dict__
            return
        if kind is types.CellType:
            add(Fields(thing, path, ("cell_contents",)))
            yield from (("", value) for value in records[-1].children())
            return
        if kind is types.MethodType:
            yield "", thing.__func__
            yield ".__self__", thing.__self__
            return
        if issubclass(kind, dict):
            add((Ordered if issubclass(kind, OrderedDict) else Mapping)(thing, path))
            for key, value in list(dict.items(thing)):  # nine of ten things, most of them atoms, which need no label
                if type(value) not in ATOMS and key is not WARNED:
                    yield _label(key), value
                if type(key) not in ATOMS:
                    yield ".<key>", key
        elif issubclass(kind, list | deque):
            add(Sequence(thing, path))
            yield from ((f"[{number}]", item) for number, item in enumerate(records[-1].saved))
        elif issubclass(kind, set):
            add(Unordered(thing, path))
            yield from (("[...]", item) for item in records[-1].saved)
        elif issubclass(kind, tuple | frozenset):
            yield from (("[...]", item) for item in gc.get_referents(thing))
        elif issubclass(kind, type):
            add(Namespace(thing, path))
            yield from ((f".{key}", value) for key, value in attributes(thing).items())
            return
        elif kind in ITERATORS or (kind is METHOD_WRAPPER and type(thing.__self__) in ITERATORS):
            try:
                add(Spent(thing, path, self.records))
            except (TypeError, AttributeError, ValueError):
                add(State(thing, path, repr, None))
            if kind is METHOD_WRAPPER or kind is itertools.cycle:
                return
        elif self._opaque(records, path, thing, kind):
            yield from (("()", value) for value in gc.get_referents(thing) if type(value) is not dict)
            return
        if not issubclass(kind, CONTAINERS) or kind.__flags__ & HEAP:
            yield from self._instance(records, path, thing, kind)

    def _opaque(self, records: list[Record], path: str, thing: Any, kind: type) -> bool:
        """Record what only methods tell; whether that is a bounded cache, whose dictionary is not to be written to."""
        for base, read, write in OPAQUE:
            if issubclass(kind, base):
                if base is functools._lru_cache_wrapper:
                    if records is self.far or self._is_librarys(thing):
                        return True
                    if thing.cache_parameters()["maxsize"] is None:
                        return False  # a plain dictionary, one of its referents
                    records.append(State(thing, path, read, write))
                    return True
                records.append(State(thing, path, read, write))
                return False
        return False

    def _is_librarys(self, cache: Any) -> bool:
        """Whether a cached function is a library's own, though something of the project's leads there.

        `typing.Literal` leads to one, and what its cache holds is no state of anybody's.  A cache that the project puts
        before a library's function is the project's: the library has the function itself by that name.
        """
        name = getattr(cache, "__module__", None)
        if not isinstance(name, str):
            return False
        module = sys.modules.get(name)
        if not isinstance(module, types.ModuleType):
            return False
        there = vars(module).get(getattr(cache, "__name__", ""))
        if name.partition(".")[0] in sys.stdlib_module_names:
            return there is not getattr(cache, "__wrapped__", cache)
        return there is cache and not self.own(module)

    def _instance(self, records: list[Record], path: str, thing: Any, kind: type) -> Iterator[tuple[str, Any]]:
        """The attributes of an instance; whatever else the collector knows it refers to."""
        fields: tuple[Any, ...] = slots(kind)
        descriptor = instance_dict(kind)
        own = descriptor.__get__(thing) if descriptor is not None else None
        if own is not None:
            fields = (*fields, descriptor)
            if id(own) not in self._seen:
                yield "", own
        if issubclass(kind, defaultdict):  # `isinstance` would ask a proxy for what it stands for
            fields = (*fields, "default_factory")
        if fields:
            records.append(Fields(thing, path, (CLASS, *fields)))
            for field in fields:
                if not isinstance(field, str) and field is not descriptor:
                    try:
                        yield f".{field.__name__}", field.__get__(thing)
                    except AttributeError:
                        continue
        if issubclass(kind, weakref.ref):
            yield "()", thing()
        elif not issubclass(kind, CONTAINERS):
            if not fields and records is self.near and _extension(kind):
                self.opaque.setdefault(path, f"{kind.__module__}.{kind.__qualname__}")
            yield from (("", value) for value in gc.get_referents(thing) if value is not own)


def _label(key: Any) -> str:
    if type(key) is str and key.isidentifier():
        return f".{key}"
    return f"[{key!r:.20}]" if type(key) in ATOMS else "[...]"


def _extension(kind: type) -> bool:
    return kind.__module__.partition(".")[0] not in sys.stdlib_module_names
