"""What can be put back and what cannot, kind by kind: each is changed, put back, and looked at."""

from __future__ import annotations

import _thread
import asyncio
import importlib
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import pytest

from crosswire.fuzzer.targets.state import Snapshot
from crosswire.fuzzer.world.waiting import gate_threads

from ...small import call_in_small

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of copying iterators

HOLDINGS = "tests.targets.state.holdings"

Use = Callable[[Any], Any]


def in_loop(use: Use) -> Use:
    """Call it in a coroutine, on a loop of its own."""

    def change(m: Any) -> None:
        async def main() -> None:
            result = use(m)
            if asyncio.iscoroutine(result):
                with suppress(TimeoutError, asyncio.TimeoutError):
                    await asyncio.wait_for(result, 0.001)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()

    return change


def both(*uses: Use) -> Use:
    return lambda m: [use(m) for use in uses]


def loggers(m: Any) -> None:
    m.log.setLevel(10)
    m.log.isEnabledFor(10)
    m.log.addHandler(logging.NullHandler())
    logging.getLogger("tests.state.new")


def add_and_remove(m: Any) -> None:
    del m.removed
    m.added = 1


def patch(m: Any) -> None:
    m.Plain.hello = lambda self: 1
    m.Plain.__init__ = lambda self: None


def standing(robin: Any) -> Any:
    """Where a `cycle` stands; CPython 3.12 and 3.13 warn whoever asks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return robin.__reduce__()[2]


RESTORED: dict[str, tuple[Use, Use]] = {
    "dict": (lambda m: m.mapping.update(a=1), lambda m: m.mapping),
    "key renamed": (lambda m: m.flags.update(b=m.flags.pop("a")), lambda m: m.flags),
    "equal key": (
        lambda m: (m.by_key.clear(), m.by_key.update({m.Plain(): True})),
        lambda m: [id(key) for key in m.by_key],
    ),
    "order of a dict": (lambda m: m.tally.update(a=m.tally.pop("a")), lambda m: list(m.tally)),
    "subclass with methods of its own": (lambda m: dict.update(m.awkward, b=2), lambda m: list(dict.keys(m.awkward))),
    "list": (lambda m: m.items.append(2), lambda m: m.items),
    "equal item": (lambda m: m.proud.__setitem__(0, m.Proud()), lambda m: id(m.proud[0])),
    "set": (lambda m: m.numbers.add(9), lambda m: sorted(m.numbers)),
    "deque": (lambda m: m.recent.extend([5, 6, 7]), lambda m: (m.recent, m.recent.maxlen)),
    "move_to_end": (lambda m: m.ordered.move_to_end("a"), lambda m: list(m.ordered)),
    "defaultdict": (lambda m: m.grouped["x"].append(1), lambda m: dict(m.grouped)),
    "Counter": (lambda m: m.tally.update("zz"), lambda m: dict(m.tally)),
    "WeakSet": (lambda m: m.weak_set.add(m.plain), lambda m: len(m.weak_set)),
    "WeakSet emptied": (lambda m: (m.weak_set.clear(), m.by_key.clear()), lambda m: (len(m.weak_set), len(m.by_key))),
    "WeakValueDictionary": (lambda m: m.weak_values.update(z=m.plain), lambda m: sorted(m.weak_values)),
    "WeakKeyDictionary": (lambda m: m.weak_keys.update({m.plain: 1}), lambda m: len(m.weak_keys)),
    "bytearray": (lambda m: m.data.extend(b"z"), lambda m: bytes(m.data)),
    "array": (lambda m: m.integers.append(3), lambda m: list(m.integers)),
    "attribute": (lambda m: vars(m.plain).update(x=2), lambda m: vars(m.plain)),
    "__dict__ replaced": (lambda m: setattr(m.plain, "__dict__", {"y": 2}), lambda m: vars(m.plain)),
    "__class__": (lambda m: setattr(m.plain, "__class__", m.Lazy), lambda m: type(m.plain).__name__),
    "slots": (
        both(lambda m: setattr(m.slotted, "a", 2), lambda m: setattr(m.slotted, "b", 2)),
        lambda m: (m.slotted.a, hasattr(m.slotted, "b")),
    ),
    "slot deleted": (lambda m: delattr(m.slotted, "a"), lambda m: hasattr(m.slotted, "a")),
    "dataclass with slots": (lambda m: setattr(m.record, "n", 2), lambda m: m.record.n),
    "Borg": (lambda m: setattr(m.borg, "z", 1), lambda m: dict(m.Borg.shared)),
    "class attribute": (lambda m: setattr(m.Counting, "count", 5), lambda m: m.Counting.count),
    "list of a class": (lambda m: m.Counting.names.append(1), lambda m: m.Counting.names),
    "method patched": (patch, lambda m: (hasattr(m.Plain, "hello"), "__init__" in vars(m.Plain))),
    "mutable default": (lambda m: m.counter(), lambda m: m.counter.__defaults__[0]),
    "closure": (lambda m: m.step(), lambda m: [cell.cell_contents for cell in m.step.__closure__]),
    "function attribute": (lambda m: m.calls(), lambda m: m.calls.made),
    "defaults replaced": (lambda m: setattr(m.counter, "__defaults__", ([5],)), lambda m: m.counter.__defaults__),
    "globals": (add_and_remove, lambda m: (hasattr(m, "removed"), hasattr(m, "added"))),
    "count": (lambda m: next(m.ids), lambda m: repr(m.ids)),
    "count of class and instance": (
        lambda m: (next(m.Holder.ids), next(m.holder.own)),
        lambda m: (repr(m.Holder.ids), repr(m.holder.own)),
    ),
    "count().__next__": (lambda m: m.next_id(), lambda m: repr(m.next_id.__self__)),
    "list iterator": (lambda m: next(m.walk), lambda m: m.walk.__reduce__()[2]),
    "lru_cache, empty": (lambda m: m.bounded(1), lambda m: m.bounded.cache_info().currsize),
    "lru_cache of a library's function": (lambda m: m.parsed("1"), lambda m: m.parsed.cache_info().currsize),
    "cache": (
        lambda m: (m.unbounded.cache_clear(), m.unbounded(0), m.unbounded(1)),
        lambda m: m.unbounded(0) is m.first,
    ),
    "cached_property": (lambda m: m.lazy.value, lambda m: vars(m.lazy)),
    "asyncio.Lock": (in_loop(lambda m: m.lock.acquire()), lambda m: (m.lock.locked(), m.lock._loop)),
    "asyncio.Event": (lambda m: m.event.set(), lambda m: m.event.is_set()),
    "asyncio.Queue": (
        both(in_loop(lambda m: m.waiting.get()), lambda m: m.waiting.put_nowait(1)),
        lambda m: (m.waiting.qsize(), m.waiting._loop),
    ),
    "asyncio.Semaphore": (in_loop(lambda m: m.semaphore.acquire()), lambda m: m.semaphore._value),
    "asyncio.Condition": (in_loop(lambda m: m.condition.acquire()), lambda m: m.condition.locked()),
    "threading.Lock": (lambda m: m.mutex.acquire(), lambda m: m.mutex.locked()),
    "threading.RLock": (lambda m: m.reentrant.acquire(), lambda m: m.reentrant._is_owned()),
    "threading.Event": (lambda m: m.alarm.set(), lambda m: m.alarm.is_set()),
    "queue.Queue": (lambda m: m.jobs.put(1), lambda m: m.jobs.qsize()),
    "queue.SimpleQueue": (lambda m: m.simple.put(1), lambda m: m.simple.qsize()),
    "threading.local": (lambda m: setattr(m.local, "x", 1), lambda m: hasattr(m.local, "x")),
    "random.Random": (lambda m: m.chance.random(), lambda m: hash(m.chance.getstate())),
    "logging": (loggers, lambda m: (m.log.level, len(m.log.handlers), m.log._cache)),
    "default of a ContextVar": (lambda m: m.variable.get().append(1), lambda m: m.variable.get()),
    "StringIO": (lambda m: m.text.write("zzz"), lambda m: m.text.getvalue()),
    "BytesIO": (lambda m: m.raw.read(), lambda m: m.raw.tell()),
    "file, read": (lambda m: m.read.read(1), lambda m: m.read.tell()),
    "SimpleNamespace": (lambda m: m.namespace.a.append(2), lambda m: m.namespace.a),
    "memoryview": (lambda m: m.view.__setitem__(0, 0), lambda m: bytes(m.view)),
    "ChainMap": (lambda m: m.chain.update(a=1), lambda m: dict(m.chain)),
    "nested": (lambda m: m.nested["a"]["b"][0]["c"].add(1), lambda m: repr(m.nested)),
    "list in a tuple": (lambda m: m.inside[0].append(1), lambda m: m.inside),
    "what is put back has a destructor": (
        lambda m: m.watching.append(m.Watching()),
        lambda m: (len(m.watching), m.Watching.gone),
    ),
    "os.environ": (lambda m: os.environ.update(HOLDINGS="1"), lambda m: os.environ.get("HOLDINGS")),
    "working folder": (lambda m: os.chdir("/"), lambda m: os.getcwd()),
    "library's global": (lambda m: setattr(json, "taken", True), lambda m: hasattr(json, "taken")),
    "library's class": (lambda m: setattr(json.JSONDecoder, "taken", 1), lambda m: hasattr(json.JSONDecoder, "taken")),
    "sys.path": (lambda m: sys.path.append("/zz"), lambda m: "/zz" in sys.path),
}
if sys.version_info < (3, 14):  # where Python still offers a copy of it
    RESTORED["cycle"] = (lambda m: next(m.robin), lambda m: standing(m.robin))

TOLD: dict[str, tuple[Use, str]] = {
    "count within a partial": (lambda m: m.part(), "part"),
    "generator": (lambda m: next(m.generator), "generator"),
    "lru_cache, filled": (lambda m: m.settings.cache_clear(), "settings"),
    "file, written": (lambda m: m.written.write("x"), "written"),
    "SQLite": (lambda m: m.database.execute("insert into t values(1)"), "database"),
    "future": (lambda m: m.future.set_result(1), "future"),
}
"""What has no way back, and the attribute that is named."""


@contextmanager
def imported() -> Iterator[ModuleType]:
    """The module as if imported for the first time, by a process that has a world."""
    gate_threads()
    before = sys.modules.pop(HOLDINGS, None)
    made = importlib.import_module(HOLDINGS)
    yield made
    sys.modules.pop(HOLDINGS, None)
    if before is not None:
        sys.modules[HOLDINGS] = before
    close(made)


@pytest.fixture
def module() -> Iterator[ModuleType]:
    with imported() as made:
        yield made


def close(module: Any) -> None:
    for thing in (module.written, module.read, module.database, module.future.get_loop()):
        thing.close()


def snapshot() -> Snapshot:
    taken = Snapshot(lambda module: module.__name__ == HOLDINGS)
    taken.restore(thorough=True)
    taken.trouble.clear()
    return taken


def shown(look: Use, module: ModuleType) -> str:
    value = look(module)
    return value if isinstance(value, str) else repr(value)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Cases that went wrong, and how: tried where there is little to look at, for a snapshot looks at all there is."""
    return call_in_small(tmp_path_factory.mktemp("small"), tried)


def tried() -> dict[str, str]:
    found = {}
    with imported() as made:
        taken = snapshot()
        for case in RESTORED:
            try:
                put_back(case, made, taken)
            except Exception as error:
                found[case] = f"{type(error).__name__}: {error}"
    return found


@pytest.mark.parametrize("case", RESTORED)
def test_it_is_put_back_as_it_was(case: str, wrong: dict[str, str]) -> None:
    assert case not in wrong, wrong[case]


def put_back(case: str, module: ModuleType, taken: Snapshot) -> None:
    change, look = RESTORED[case]
    for _ in range(2):
        before = shown(look, module)
        change(module)
        assert shown(look, module) != before, "nothing to put back"
        found = taken.restore(thorough=True)
        assert shown(look, module) == before
        assert found
        assert not taken.trouble
    assert not taken.restore(thorough=True)


@pytest.mark.parametrize("case", TOLD)
def test_what_cannot_be_put_back_is_named(case: str, module: ModuleType) -> None:
    change, attribute = TOLD[case]
    taken = snapshot()
    change(module)
    found = taken.restore()
    assert any(f"{HOLDINGS}.{attribute}" in path for path in taken.trouble), taken.trouble
    assert any(not said.lossless for said in found)


def test_what_a_library_remembers_of_its_own_calls_is_nobodys_state(module: Any) -> None:
    """`Literal` reaches a bounded cache of `typing`'s, which has no way back."""
    assert module.special["before"]
    taken = snapshot()
    assert module.special["after"]
    taken.restore()
    assert not taken.trouble


def test_nothing_changes_by_being_looked_at(module: ModuleType) -> None:
    taken = snapshot()
    assert not taken.restore(thorough=True)
    assert not taken.restore(thorough=True)
    assert not taken.trouble


def test_what_came_before_an_execution_is_taken_for_its_beginning(module: Any) -> None:
    taken = snapshot()
    module.mapping["a"] = module.items
    taken.take_in()
    module.mapping["b"] = 1
    module.items.append(7)
    taken.restore()
    assert module.mapping == {"a": [1]} and module.items == [1]


def test_what_a_librarys_function_is_given_goes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that had no attributes has none afterwards, one that had some has those."""
    library: Any = ModuleType("a_library")
    exec("def bare(): ...\ndef known(): ...\nknown.calls = 1", vars(library))
    monkeypatch.setitem(sys.modules, "a_library", library)
    taken = snapshot()
    for _ in range(2):
        library.bare.calls, library.bare.__defaults__ = 7, (1,)
        library.known.calls, library.known.more = 2, 3
        found = taken.restore(thorough=True)
        told = {str(change) for change in found if change.path.startswith("a_library.")}
        assert told == {"a_library.bare (__defaults__, calls)", "a_library.known (dict, 1 -> 2 entries: calls, more)"}
        assert (vars(library.bare), library.bare.__defaults__, vars(library.known)) == ({}, None, {"calls": 1})
    assert not taken.restore(thorough=True) and not taken.trouble


def test_a_calm_target_says_nothing_of_the_next_one(module: Any) -> None:
    taken = snapshot()
    for _ in range(100):
        taken.restore()
    taken.take_in()
    module.items.append(7)
    taken.restore()
    assert module.items == [1]


def test_modules_of_the_project_that_an_execution_imported_go_and_libraries_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, HOLDINGS, raising=False)
    sys.modules.pop("colorsys", None)
    taken = snapshot()
    module = importlib.import_module(HOLDINGS)
    importlib.import_module("colorsys")
    taken.restore()
    assert HOLDINGS not in sys.modules
    assert "colorsys" in sys.modules
    close(module)


def test_a_thread_that_only_asks_for_its_name_is_nobodys(module: ModuleType) -> None:
    """A test runner's own threads come to be known to `threading` at any moment."""
    taken = snapshot()
    done, leave = _thread.allocate_lock(), _thread.allocate_lock()
    done.acquire()
    leave.acquire()

    def run() -> None:
        threading.current_thread()
        done.release()
        leave.acquire()

    before = threading.active_count()
    _thread.start_new_thread(run, ())
    done.acquire()
    try:
        assert threading.active_count() == before + 1
        assert not taken.restore(thorough=True) and not taken.trouble
    finally:
        leave.release()
