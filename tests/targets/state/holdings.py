"""One of everything that a project's module may keep, for the snapshot to put back."""

from __future__ import annotations

import array
import asyncio
import collections
import contextvars
import dataclasses
import functools
import io
import itertools
import json
import logging
import queue
import random
import sqlite3
import tempfile
import threading
import types
import weakref
from typing import Any, ClassVar, Literal


class Plain:
    x: Any


class Slotted:
    __slots__ = ("__weakref__", "a", "b")

    def __init__(self) -> None:
        self.a = 1


class Borg:
    shared: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.__dict__ = self.shared


class Counting:
    count = 0
    names: ClassVar[list[Any]] = []


class Awkward(dict[Any, Any]):
    def clear(self) -> None:
        raise RuntimeError

    def __iter__(self) -> Any:
        raise RuntimeError

    def keys(self) -> Any:
        raise RuntimeError


class Proud:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@dataclasses.dataclass(slots=True)
class Data:
    n: int = 0


class Holder:
    ids = itertools.count()

    def __init__(self) -> None:
        self.own = itertools.count(7)


class Lazy:
    @functools.cached_property
    def value(self) -> object:
        return object()


class Unconfigured:
    """Stands for settings that nobody has made yet: it fails whoever asks it what it is."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise LookupError("no settings")


unconfigured = Unconfigured()


class Watching:
    """Counts the instances that went."""

    gone: ClassVar[list[int]] = []

    def __del__(self) -> None:
        self.gone.append(1)


def counter(start: list[int] = []) -> int:  # noqa: B006  # a mutable default is what is looked at
    start.append(1)
    return len(start)


def make() -> Any:
    n = 0
    seen = set()

    def step() -> tuple[int, int]:
        nonlocal n
        n += 1
        seen.add(n)
        return n, len(seen)

    return step


def calls() -> None:
    calls.made += 1  # type: ignore[attr-defined]


calls.made = 0  # type: ignore[attr-defined]


@functools.lru_cache
def bounded(x: int) -> object:
    return object()


@functools.cache
def unbounded(x: int) -> object:
    return object()


@functools.lru_cache
def settings() -> Plain:
    return Plain()


parsed = functools.lru_cache(json.loads)

mapping: dict[Any, Any] = {}
flags = {"a": True}
by_key = {Plain(): True}
items = [1]
numbers = {1, 2}
recent = collections.deque([1], maxlen=3)
ordered = collections.OrderedDict(a=1, b=2)
grouped: Any = collections.defaultdict(list)
tally = collections.Counter("aab")
awkward = Awkward(a=1)
proud = [Proud()]
kept = Plain()
weak_set = weakref.WeakSet([kept])
weak_values = weakref.WeakValueDictionary(k=kept)
weak_keys = weakref.WeakKeyDictionary({kept: 1})
data = bytearray(b"ab")
integers = array.array("i", [1, 2])
plain = Plain()
plain.x = 1
slotted = Slotted()
borg = Borg()
record = Data()
step = make()
ids = itertools.count(1)
next_id = itertools.count(10).__next__
part = functools.partial(next, itertools.count(20))
robin = itertools.cycle("abc")
walk = iter([1, 2, 3])
holder = Holder()
first = unbounded(0)
the = settings()
lazy = Lazy()
generator = (i for i in range(5))
lock = asyncio.Lock()
event = asyncio.Event()
waiting: Any = asyncio.Queue()
semaphore = asyncio.Semaphore(2)
condition = asyncio.Condition()
mutex = threading.Lock()
reentrant: Any = threading.RLock()
alarm = threading.Event()
jobs: Any = queue.Queue()
simple: Any = queue.SimpleQueue()
local = threading.local()
chance = random.Random(1)
log = logging.getLogger("tests.state.holdings")
variable: contextvars.ContextVar[list[int]] = contextvars.ContextVar("variable", default=[])  # noqa: B039
text = io.StringIO("ab")
raw = io.BytesIO(b"ab")
written: Any = tempfile.TemporaryFile("w+")  # noqa: SIM115
read: Any = open(__file__, "rb")  # noqa: SIM115
database = sqlite3.connect(":memory:")
database.execute("create table t(x)")
future: Any = asyncio.Future(loop=asyncio.new_event_loop())
namespace = types.SimpleNamespace(a=[1])
view = memoryview(bytearray(b"abc"))
chain: Any = collections.ChainMap({}, {})
nested: Any = {"a": {"b": [{"c": set()}]}}
inside: Any = ([],)
watching: list[Any] = []
special: Any = Literal
removed: Any = 1
