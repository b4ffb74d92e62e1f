"""Objects that hash by the order in which they were first hashed, rather than by their address.

A set of connections, `websockets.broadcast` over it or a loop that sends to each, visits them in the order of their
hashes.  By default these are addresses, which differ from one execution to the next; then a schedule would not replay.
Which order a set has is nobody's promise, so any fixed one is as good.  Equality is not touched.

Numbered are the classes of asyncio, of every library and of the project whose instances hash by their address.  Each
class counts for itself: what lives on from one execution to the next does not shift the numbers of other classes.  No
two objects have one hash, unless one of them outlived an execution: SQLAlchemy takes what hashes the same for the same.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref
from zlib import crc32

from ..core.stacks import is_library
from .lockstep import here, member_here

__all__ = (
    "NumberedFuture",
    "NumberedTask",
    "hashes_by_address",
    "importing_with_care",
    "number_classes",
    "number_loaded",
    "numbered_hash",
    "numbering_apart",
    "restart",
)

NUMBER = "_crosswire_number"

LEFT_ALONE = frozenset({"crosswire", "hypothesis", "time_machine", "pytest", "_pytest", "rich", "typer", "coverage"})
"""Packages of no target's."""

ADDRESS = frozenset({"id", "hash", "super", "object", "__hash__"})
"""All that a ``__hash__`` made of the address has names of."""

BY_ADDRESS: Any = object.__dict__["__hash__"]
"""The ``__hash__`` of whatever has none of its own."""

HEAP, IMMUTABLE, COLLECTED = 1 << 9, 1 << 8, 1 << 14
"""``Py_TPFLAGS_HEAPTYPE``, ``Py_TPFLAGS_IMMUTABLETYPE``, ``Py_TPFLAGS_HAVE_GC``."""

BITS = 24
"""Bits of a hash that are its number: what a set goes by, as long as it is small.  Those above are its class's."""

APART = 1 << (BITS - 1)
"""Numbers of what was made before executions, or by no execution, begin here."""

_counts: Counter[int] = Counter()
_counts_apart: Counter[int] = Counter()
_apart = 0
_salts: WeakKeyDictionary[type, int] = WeakKeyDictionary()
_replaced: WeakSet[type] = WeakSet()
"""Classes that had a ``__hash__`` of their own by address; others only inherited it."""

_beside: dict[int, tuple[ref[Any], int]] = {}
"""By address, the hashes of objects that have no ``__dict__``, or were there before their class was numbered."""

_bare: dict[int, int] = {}
"""The same of objects that cannot even be referred to weakly; a ``__del__`` given to their class takes them out."""


def restart() -> None:
    """An execution begins: numbers begin at 1 again."""
    _counts.clear()


def numbered_hash(self: object) -> int:
    """A ``__hash__`` by number.

    By address, as ever, where an object has neither ``__dict__`` nor weak references, but a ``__del__`` of its own.
    """
    known = getattr(self, "__dict__", None)
    if not isinstance(known, dict):  # a class, by a metaclass with a numbered base, has one that is not written to
        known = None
    number = known.get(NUMBER) if known is not None else None
    if number is None:
        key = id(self)
        entry = _beside.get(key)
        if entry is not None and entry[0]() is self:
            return entry[1]
        if key in _bare:
            return _bare[key]
        if type(self) not in _salts and _gave_back(type(self)):
            return hash(self)
        number = _next(type(self))
        if known is not None:
            known[NUMBER] = number
        elif not _keep_beside(self, number):
            return object.__hash__(self)
    return int(number)


def _meant(cls: type) -> Any:
    """The ``__hash__`` that a class would have without ours; object's where that is by address."""
    for base in cls.__mro__:
        found: Any = base.__dict__.get("__hash__", numbered_hash)
        if base in _replaced:
            return BY_ADDRESS
        if found is not numbered_hash and (said := _is_by_address(found)) is not None:
            return BY_ADDRESS if said else found
    raise AssertionError(cls)  # object has one


def _gave_back(cls: type) -> bool:
    """Let a class have the hash of a base behind one that is numbered, as a text with a mix-in has; whether it has one.

    Instances that equal a text are found by it in dictionaries.
    """
    found = _meant(cls)
    if found is BY_ADDRESS:
        return False
    type.__setattr__(cls, "__hash__", found)
    return True


def _next(cls: type) -> int:
    """A hash for an instance of a class."""
    salt = _salts.get(cls)
    if salt is None:
        salt = _salts[cls] = (crc32(f"{cls.__module__}.{cls.__qualname__}".encode()) & 0x7FFFFFFF) << BITS
    counts, first = (_counts_apart, APART) if _apart else (_counts, 0)
    counts[salt] += 1
    return salt + first + counts[salt]


@contextmanager
def numbering_apart() -> Iterator[None]:
    """Meanwhile, what is hashed for the first time is no execution's, and gets a number that none of theirs has."""
    global _apart
    _apart += 1
    try:
        yield
    finally:
        _apart -= 1


def _keep_beside(thing: object, number: int) -> bool:
    """Remember an object's hash for as long as it lives; whether it lets itself be remembered."""
    key = id(thing)
    try:
        _beside[key] = ref(thing, partial(_forget, key)), number
    except TypeError:
        if getattr(type(thing), "__del__", None) is not _end:
            return False
        _bare[key] = number
    return True


def _end(self: object, bare: dict[int, int] = _bare) -> None:
    """A ``__del__`` after which another object may have the address; called when modules are gone, too."""
    bare.pop(id(self), None)


def _forget(key: int, gone: ref[Any]) -> None:
    entry = _beside.get(key)
    if entry is not None and entry[0] is gone:
        del _beside[key]


class NumberedTask(asyncio.Task):  # type: ignore[type-arg]  # asyncio.Task is generic only to type checkers
    """A task that hashes by number: task groups and cancel scopes keep theirs in sets, and cancel in that order."""

    __hash__ = numbered_hash


class NumberedFuture(asyncio.Future):  # type: ignore[type-arg]  # asyncio.Future is generic only to type checkers
    """A future that hashes by number: whoever waits for several keeps them in sets."""

    __hash__ = numbered_hash


def hashes_by_address(cls: type) -> bool:
    """Whether a class's instances hash by nothing but their address."""
    for base in cls.__mro__:
        if "__hash__" in base.__dict__ and (said := _is_by_address(base.__dict__["__hash__"])) is not None:
            return said
    return False


def _is_by_address(found: object) -> bool | None:
    """Whether a ``__hash__`` is by address; None where the next base says it."""
    if isinstance(found, FunctionType):
        names = set(found.__code__.co_names)
        known = names <= ADDRESS and bool(names & {"id", "__hash__"})
        return None if known and "super" in names else known
    return found is BY_ADDRESS


def number_classes(classes: Iterable[type]) -> None:
    """Let instances of these classes hash by number, where they hash by address now.

    Instances that there are already keep their hash: dictionaries may know them by it.
    """
    numbered = {cls for cls in classes if _can_be_numbered(cls)}
    if not numbered:
        return
    for cls in numbered:
        if _is_bare(cls):
            type.__setattr__(cls, "__del__", _end)
    objects = gc.get_objects() if gc.isenabled() else gc.get_objects(generation=0)
    kinds = {kind for kind in set(map(type, objects)) if not numbered.isdisjoint(kind.__mro__)}
    kinds = {kind for kind in kinds if kind in numbered or _meant(kind) is BY_ADDRESS}
    for thing in objects if kinds else ():
        if type(thing) in kinds:
            _keep_beside(thing, object.__hash__(thing))
    for cls in numbered:
        if "__hash__" in cls.__dict__:
            _replaced.add(cls)
        type.__setattr__(cls, "__hash__", numbered_hash)


def _can_be_numbered(cls: type) -> bool:
    return (
        cls.__flags__ & (HEAP | IMMUTABLE | COLLECTED) == HEAP | COLLECTED
        and not issubclass(cls, type | BaseException)
        and not getattr(cls, "_is_protocol", False)
        and hashes_by_address(cls)
    )


def _is_bare(cls: type) -> bool:
    """Whether a class made by a ``class`` statement has instances with slots and nothing else, and no ``__del__``."""
    return (
        "__slots__" in cls.__dict__
        and not cls.__dictoffset__
        and not cls.__weakrefoffset__
        and not hasattr(cls, "__del__")
    )


def _is_numbered(module: object) -> bool:
    """Whether the classes of a module of this name are: those of asyncio, of libraries and of the project."""
    if not isinstance(module, str):
        return False
    top = module.partition(".")[0]
    return top == "asyncio" or (top not in sys.stdlib_module_names and (top not in LEFT_ALONE or ".models." in module))


_modules = 0
"""How many modules were loaded when all classes were looked at last."""


def number_loaded() -> None:
    """Number every class there is that can be; nothing is done where no module was loaded since the last time.

    To be called before the collector is frozen or disabled: it knows the instances that there are.
    """
    global _modules
    if _modules == len(sys.modules):
        return
    _modules = len(sys.modules)
    waiting: list[type] = [object]
    seen: dict[int, type] = {}
    while waiting:
        found: list[type] = type.__subclasses__(waiting.pop())
        for cls in found:
            if id(cls) not in seen and not issubclass(cls, type | BaseException):
                seen[id(cls)] = cls
                waiting.append(cls)
    number_classes(cls for cls in seen.values() if _is_numbered(cls.__dict__.get("__module__")))


class _Finder(MetaPathFinder):
    """Finds modules as those behind it do; libraries' are executed unnoticed, and classes numbered at once."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                library = spec.origin is not None and is_library(spec.origin)
                if library or _is_numbered(name):
                    _with_care(spec.loader, library)
                return spec
        return None


def _with_care(loader: Any, library: bool) -> None:
    """Have a module executed so that executions do not differ by whether they, or one before them, imported it."""
    execute = getattr(loader, "exec_module", None)
    if execute is None or isinstance(loader, type) or "exec_module" in getattr(loader, "__dict__", ("exec_module",)):
        return

    def exec_module(module: ModuleType) -> None:
        with _unnoticed() if library else nullcontext():
            execute(module)
        # not isinstance(): a lazy object, Django's settings say, would be asked for its class, and make itself up
        classes: list[Any] = [value for value in list(vars(module).values()) if issubclass(type(value), type)]
        number_classes(cls for cls in classes if _is_numbered(cls.__module__))

    loader.exec_module = exec_module


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Meanwhile, nothing that is asked of the world, or numbered, changes how the execution goes on."""
    world = here()
    if world is None or member_here() is not None:  # in a thread, others may go on meanwhile
        yield
    else:
        with world.unnoticed(), numbering_apart():
            yield


@contextmanager
def importing_with_care() -> Iterator[None]:
    """Meanwhile, the classes of modules that are imported for the first time are numbered at once.

    A library's module is executed by the first execution that imports it, and there already in all others: nothing it
    reads of clocks or draws from generators is noticed by the execution.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
