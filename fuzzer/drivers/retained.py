"""What does a target keep of each client that came and left?  Its containers, looked at when nobody is there.

A user comes and leaves many times over without a word, a day goes by, and the same again.  What still has an entry for
each client of the first day, and as many again for those of the second, will have one for every client there ever was.
No entry of a container is what it is by itself: a history may be kept, a mailbox, what is known of a user.  So there is
one user only, and of lists, in which histories are written, those entries alone count that lead to a connection or to
what tasks wait for, which nobody writes into a history; where something is said meanwhile, of other containers, too.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from ..core.history import Kept
from ..core.program import EMITS, LEAVING, Program
from ..targets.adapter import Client
from ..targets.state.reach import is_collected, is_fuzzers, is_heap, is_own
from ..targets.state.records import attributes, instance_dict, slots
from ..targets.websocket import FakeWebSocket
from ..targets.wire import Wire
from .evidence import Connections

__all__ = ("EACH_DAY", "LONG_AFTER", "Retained", "long_pause")

EACH_DAY = 6
"""So many clients come before and after: more than are kept of what is kept for a short while only, or the newest."""

LONG_AFTER = 86_400.0
"""Seconds after which what is kept for a client's return has been dropped."""

SILENT = LEAVING | {"connect", "authenticate", "log_out", "settle", "pause"}
"""Operations by which nothing is said."""

SAID = EMITS | {"join"}

Root = tuple[str, Any]

Entries = dict[str, dict[int, Any]]
"""By the path of their container; of several that have the same path, together."""

WEAK = (weakref.ref, weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.finalize)
"""What keeps nothing alive: the entries go by themselves."""

LOGS = (logging.Filterer, logging.Manager)
"""What lines are written to; what was said in them is written down on purpose."""

ALIVE = (
    FakeWebSocket,
    Client,
    asyncio.Future,
    asyncio.Queue,
    asyncio.Lock,
    asyncio.Event,
    asyncio.Condition,
    asyncio.Semaphore,
    asyncio.StreamWriter,
    asyncio.BaseTransport,
)
"""Connections, and what tasks wait for."""

ALIVE_THERE: dict[str, tuple[str, ...]] = {
    "anyio._core._synchronization": ("Event", "Lock", "Condition", "Semaphore"),
    "anyio._core._tasks": ("CancelScope",),
    "anyio.abc._resources": ("AsyncResource",),
    "trio": ("Event", "Lock", "Condition", "Semaphore", "CancelScope"),
    "trio.abc": ("AsyncResource",),
}
"""The same by module, in libraries that are not loaded where nobody uses them."""

UNDER_WAY = (asyncio.Task, types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)


ATOMS = (str, bytes, int, float, complex, type(None), types.CodeType, types.FrameType, types.TracebackType, range)

CONTAINERS = (dict, list, set, frozenset, tuple, deque)

DEPTH = 3
"""So many steps an entry may be away from what is alive of it: a record, its fields, one of them."""


def long_pause(program: Program) -> int | None:
    """The number of the pause between two days of clients of one user; None where there is none."""
    operations = program.expanded
    if len(program.users) != 1 or not all(op.kind in SILENT | SAID for op in operations):
        return None
    comings = [number for number, op in enumerate(operations) if op.kind == "connect"]
    for number, op in enumerate(operations):
        if op.kind == "pause" and (op.seconds or 0.0) >= LONG_AFTER:
            before = sum(coming < number for coming in comings)
            if before >= EACH_DAY and len(comings) - before >= EACH_DAY:
                return number
    return None


class Retained:
    """What there is when nobody has come, after the first day, and after the second.

    ``roots`` lead to the target's own objects besides its modules; ``connections`` are those there have been so far.
    """

    def __init__(self, program: Program, roots: Iterable[Root], connections: Callable[[], Connections]) -> None:
        self._silent = all(op.kind in SILENT for op in program.operations)
        self._roots = tuple(roots)
        self._connections = connections
        self._before: Entries = {}
        """What there was before anybody came."""
        for path, thing in self._containers():
            self._before.setdefault(path, {}).update((id(member), member) for member in self._members(thing))
        self._first: Entries | None = None
        self._came = 0

    def day_over(self, came: int) -> None:
        """The first day is over, on which so many clients came and left."""
        self._first, self._came = self._look(), came

    def found(self, came: int) -> Iterator[Kept]:
        """The second is over, ``came`` in all: what has an entry for each of both days; not what hangs on that, too."""
        if self._first is None or min(self._came, came - self._came) < EACH_DAY:
            return
        above: list[str] = []
        for path, entries in self._look().items():
            if path.startswith(tuple(above)):
                continue
            first = self._first.get(path, {}).keys()
            newer = entries.keys() - first
            if len(first & entries.keys()) >= self._came and len(newer) >= came - self._came:
                above += [f"{path}.", f"{path}["]
                yield Kept(path, came)

    # -- looking ------------------------------

    def _containers(self) -> Iterator[Root]:
        gc.collect()  # what only waits to be collected is not kept
        modules = [module for module in list(sys.modules.values()) if isinstance(module, types.ModuleType)]
        own = [module for module in modules if is_own(module) and not is_collected(module)]
        return _containers([*self._roots, *((module.__name__, vars(module)) for module in own)])

    def _members(self, thing: Any) -> list[Any]:
        """The keys of a dictionary, where something was said its values too; the members of another container."""
        if isinstance(thing, dict) and not self._silent:
            return [*thing, *dict.values(thing)]
        return list(thing)

    def _look(self) -> Entries:
        """What came into containers: of lists, and where something was said of all, what is alive of that."""
        found: Entries = {}
        known = self._connections()
        for path, thing in self._containers():
            before = self._before.get(path, {})
            came = [member for member in self._members(thing) if id(member) not in before]
            if not (self._silent and isinstance(thing, dict | set)):
                came = [alive for member in came for alive in _alive(member, known)]
            if came:
                found.setdefault(path, {}).update((id(member), member) for member in came)
        return found


def _alive_there() -> tuple[type, ...]:
    """Those of the classes whose modules are loaded."""
    modules = ((sys.modules.get(name), names) for name, names in ALIVE_THERE.items())
    found = (vars(module).get(name) for module, names in modules if module is not None for name in names)
    return tuple(cls for cls in found if isinstance(cls, type))


def _alive(entry: Any, known: Connections) -> list[Any]:
    """The nearest connections, or what tasks wait for, that an entry leads to within few steps."""
    kinds = ALIVE + _alive_there()
    seen: set[int] = set()
    reached: list[Any] = [entry]
    for _ in range(DEPTH):
        alive = [one for one in reached if isinstance(one, kinds) or _stands_for_one(one, known)]
        if alive:
            return alive
        seen.update(map(id, reached))
        reached = [child for one in reached for _, child in _children(one) if id(child) not in seen]
    return []


def _stands_for_one(value: Any, known: Connections) -> bool:
    """Whether an object of a library's is a client's connection."""
    try:
        return (known.of(value) or known.scoped(value)) is not None
    except Exception:  # a proxy that stands for nothing now
        return False


def _containers(roots: Iterable[Root]) -> Iterator[Root]:
    """What can be reached of dictionaries, sets, lists and deques, each by the nearest way.

    Not the names of a module, nor a deque that never grows beyond so many.
    """
    waiting = deque(roots)
    seen: dict[int, Any] = {id(thing): thing for _, thing in waiting}
    names = {id(thing) for _, thing in waiting if isinstance(thing, dict)}
    while waiting:
        path, thing = waiting.popleft()
        grows = isinstance(thing, dict | set | list) or (isinstance(thing, deque) and thing.maxlen is None)
        if grows and id(thing) not in names:
            yield path, thing
        children = [(path + label, child) for label, child in _children(thing)]
        home = _home(thing)
        if home is not None:
            names.add(id(vars(home)))
            children.append((home.__name__, vars(home)))
        for way, child in children:
            if id(child) not in seen:
                seen[id(child)] = child
                waiting.append((way, child))


def _home(thing: Any) -> types.ModuleType | None:
    """The project's module that a function is of, or an object's class: perhaps not one that is looked at by itself."""
    return _own((thing if type(thing) is types.FunctionType else type(thing)).__module__)


def _own(name: object) -> types.ModuleType | None:
    """The project's module of that name; None where it is a library's, or not there."""
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module if isinstance(module, types.ModuleType) and is_own(module) else None


@functools.cache
def _passed_over(trio: bool) -> tuple[type, ...]:
    """The classes of what is not looked into; ``trio``: whether that is loaded, and its tasks are among them."""
    tasks = (sys.modules["trio.lowlevel"].Task,) if trio else ()
    return (*ATOMS, *WEAK, *LOGS, *UNDER_WAY, *tasks, types.ModuleType, Wire)


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """What an object keeps alive, with what that adds to the path.

    Neither libraries' classes and functions, nor what is ours or a wire remembers for its clients, nor what a task has
    in hand.
    """
    kind = type(thing)
    if issubclass(kind, _passed_over("trio.lowlevel" in sys.modules)) or is_fuzzers(thing, kind):
        return
    if issubclass(kind, dict):
        for key, value in list(dict.items(thing)):
            yield _label(key), value
            yield ".<key>", key
    elif issubclass(kind, list | set | frozenset | tuple | deque):
        yield from (("[...]", one) for one in list(thing))
    elif issubclass(kind, type):
        if is_heap(thing) and not issubclass(thing, Wire) and _own(attributes(thing).get("__module__")) is not None:
            yield from ((f".{name}", value) for name, value in list(attributes(thing).items()))
        return
    elif kind is types.FunctionType:
        yield from zip((f".<{name}>" for name in thing.__code__.co_freevars), thing.__closure__ or (), strict=False)
        yield ".<default>", thing.__defaults__
        yield ".<default>", thing.__kwdefaults__
        return
    elif issubclass(kind, functools._lru_cache_wrapper):
        if thing.cache_parameters()["maxsize"] is None:
            yield from (("()", value) for value in gc.get_referents(thing))
        return
    yield from _fields(thing, kind)


def _fields(thing: Any, kind: type) -> Iterator[tuple[str, Any]]:
    """An object's attributes by name, and whatever else the collector knows it refers to."""
    descriptor = instance_dict(kind)
    own = descriptor.__get__(thing) if descriptor is not None else None
    if own is not None:
        yield from ((_label(name), value) for name, value in list(own.items()))
    for field in slots(kind):
        with suppress(AttributeError):
            yield f".{field.__name__}", field.__get__(thing)
    if not issubclass(kind, CONTAINERS):
        known = (own, kind)
        yield from (("", value) for value in gc.get_referents(thing) if not any(value is one for one in known))


def _label(key: Any) -> str:
    return f".{key}" if type(key) is str and key.isidentifier() else "[...]"
