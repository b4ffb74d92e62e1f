"""What may stand in a set is visited in the same order each time."""

from __future__ import annotations

import asyncio
import importlib
import random
import sys
import time
import uuid
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.world.identity import (
    NumberedFuture,
    NumberedTask,
    hashes_by_address,
    importing_with_care,
    number_classes,
    number_loaded,
    numbered_hash,
    numbering_apart,
    restart,
)
from crosswire.fuzzer.world.loop import WorldLoop

KNOWN = (
    "aiohttp.web_protocol:RequestHandler",
    "aiohttp.web_response:StreamResponse",
    "aiohttp.web_ws:WebSocketResponse",
    "asyncio.base_events:Server",
    "asyncio.locks:Condition",
    "asyncio.locks:Event",
    "asyncio.locks:Lock",
    "asyncio.locks:Semaphore",
    "asyncio.queues:PriorityQueue",
    "asyncio.queues:Queue",
    "asyncio.streams:StreamReader",
    "asyncio.streams:StreamWriter",
    "asyncio.transports:Transport",
    "litestar.connection.websocket:WebSocket",
    "quart.wrappers.websocket:Websocket",
    "redis.asyncio.connection:AbstractConnection",
    "sanic.server.protocols.websocket_protocol:WebSocketProtocol",
    "starlette.websockets:WebSocket",
    "uvicorn.protocols.websockets.websockets_sansio_impl:WebSocketsSansIOProtocol",
    "uvicorn.protocols.websockets.wsproto_impl:WSProtocol",
    "websockets.asyncio.connection:Connection",
    "websockets.asyncio.server:ServerConnection",
    "websockets.legacy.protocol:WebSocketCommonProtocol",
)
"""What servers, frameworks and applications keep in sets; a name that is no more is missed here."""


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_kept_in_sets_hashes_by_number(name: str) -> None:
    module, _, attribute = name.partition(":")
    pytest.importorskip(module.partition(".")[0])
    cls = getattr(importlib.import_module(module), attribute)
    number_loaded()
    assert cls.__hash__ is numbered_hash


def order(make: Callable[[], Any]) -> list[int]:
    restart()
    things = [make() for _ in range(40)]
    places = {id(thing): number for number, thing in enumerate(things)}
    return [places[id(thing)] for thing in set(things)]


class Plain:
    pass


class Slotted:
    __slots__ = ("__weakref__",)


class Bare:
    __slots__ = ("name",)


class Own:
    def __hash__(self) -> int:
        return id(self) // 16


class Typed:
    def __hash__(self) -> int:
        return hash(type(self))


@pytest.mark.parametrize("cls", [Plain, Slotted, Bare, Own, asyncio.Queue, asyncio.Event])
def test_a_set_is_visited_in_the_same_order_each_time(cls: type) -> None:
    number_classes([cls])
    number_loaded()
    assert all(order(cls) == order(cls) for _ in range(5))


def test_a_world_makes_futures_and_tasks_that_are_numbered() -> None:
    loop = WorldLoop()
    loop.numbered = True
    assert isinstance(loop.create_future(), NumberedFuture)

    async def nothing() -> None: ...

    coroutine = nothing()
    task = loop.create_task(coroutine)
    assert isinstance(task, NumberedTask)
    task.cancel()
    coroutine.close()
    assert order(lambda: NumberedFuture(loop=loop)) == order(lambda: NumberedFuture(loop=loop))


def test_a_loop_hashes_by_a_number_that_no_code_of_python_is_run_for() -> None:
    """A C task asks for it before each step, and after."""
    number_loaded()
    assert asyncio.AbstractEventLoop.__hash__ is numbered_hash
    loop, other = WorldLoop(), WorldLoop()
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        hashes = hash(loop), hash(other)
    finally:
        sys.setprofile(None)
    assert hashes[0] == hashes[1]
    assert not calls
    assert loop != other


def test_what_has_a_hash_of_its_own_keeps_it() -> None:
    number_classes([Typed, KeyError])
    assert not hashes_by_address(Typed)
    assert hash(Typed()) == hash(Typed)
    assert KeyError.__hash__ is not numbered_hash


class MixIn:
    __slots__ = ()


class Ordinary:
    pass


class Name(MixIn, str):
    """As SQLAlchemy's quoted_name."""

    __slots__ = ("quote",)


class Label(Name):
    __slots__ = ()


class Number(Ordinary, int):
    pass


class Pair(Ordinary, tuple):  # type: ignore[type-arg]
    pass


class Equal:
    def __eq__(self, other: object) -> bool:
        return True


class Unhashable(Ordinary, Equal):
    pass


class Compared(dict):  # type: ignore[type-arg]
    """As aiohttp's responses: a mapping, which would not hash, that says it hashes by address."""

    def __hash__(self) -> int:  # type: ignore[override]
        return object.__hash__(self)


class Answer(Compared):
    pass


def test_who_says_that_it_hashes_by_address_is_numbered_whatever_its_bases_say() -> None:
    number_classes([Compared])
    assert Compared.__hash__ is numbered_hash
    restart()
    first, second = Answer(), Answer()
    assert hash(first) + 1 == hash(second) and hash(first) == hash(first)


class Code(str):
    """Compared in its own way, and hashing as a text does."""

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return super().__hash__()


class Mixed(MixIn, Code):
    def __hash__(self) -> int:
        return super().__hash__()


class Addressed:
    def __hash__(self) -> int:
        return id(self)


class Further(Addressed):
    def __hash__(self) -> int:
        return super().__hash__()


def test_who_hashes_as_the_next_base_does_is_asked_for_that_one() -> None:
    assert not hashes_by_address(Code)
    number_classes([MixIn, Code, Mixed, Addressed, Further])
    for cls in (Code, Mixed):
        assert hash(cls("abc")) == hash("abc") and cls("abc") in {"abc"}
    restart()
    assert hash(Further()) + 1 == hash(Further())


def test_what_equals_a_text_hashes_as_it_does_whatever_it_is_mixed_with() -> None:
    early = Name("early")
    known = {early: 1}
    number_classes([MixIn, Ordinary])
    assert MixIn.__hash__ is numbered_hash is Ordinary.__hash__
    assert known["early"] == known[early] == 1 and early in {"early": 2}  # type: ignore[index]
    values: list[tuple[Any, Any]] = [(Name, "abc"), (Label, "abc"), (Number, 7), (Pair, (1, 2))]
    for cls, value in values:
        for _ in range(2):
            assert hash(cls(value)) == hash(value) and cls(value) in {value}
    with pytest.raises(TypeError, match="unhashable type"):
        hash(Unhashable())
    restart()
    assert hash(Ordinary()) + 1 == hash(Ordinary()), "others go on being numbered"


class Earlier:
    pass


def test_what_was_in_a_dictionary_before_its_class_was_numbered_is_found_there() -> None:
    early = Earlier()
    known = {early: 1}
    number_classes([Earlier])
    assert Earlier.__hash__ is numbered_hash
    assert early in known
    restart()
    assert hash(Earlier()) + 1 == hash(Earlier())


def test_what_is_not_the_same_does_not_hash_the_same() -> None:
    """SQLAlchemy's ``==`` goes by that: of a function and a column, and of what was there before an execution."""

    class Column:
        pass

    class Function:
        pass

    number_classes([Column, Function])
    with numbering_apart():
        early = Column()
        assert hash(early) == hash(early)
    restart()
    assert len({hash(thing) for thing in (early, Column(), Column(), Function(), Function())}) == 5


def test_a_module_that_is_imported_late_is_numbered_at_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_library.py").write_text("class Peer:\n    pass\npeer = Peer()\nknown = {peer}\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    with importing_with_care():
        late: Any = importlib.import_module("late_library")
    assert late.Peer.__hash__ is numbered_hash
    assert late.peer in late.known
    assert sys.meta_path == before
    del sys.modules["late_library"]


def test_what_has_slots_and_nothing_else_is_forgotten_when_it_goes() -> None:
    class Peer:
        __slots__ = ("name",)

    early = Peer()
    known = {early: 1}
    number_classes([Peer])
    assert early in known
    restart()
    number = 0
    for _ in range(200):  # at the same address, over and over
        thing = Peer()
        number, before = hash(thing), number
        assert number == hash(thing) and before in (0, number - 1)
        del thing
    assert early in known


def test_what_has_slots_and_a_destructor_of_its_own_keeps_hashing_by_address() -> None:
    class Peer:
        __slots__ = ("name",)

    class Closing(Peer):
        __slots__ = ()

        def __del__(self) -> None: ...

    number_classes([Peer])
    closing = Closing()
    assert hash(closing) == object.__hash__(closing)


class Base:
    pass


class Meta(Base, type):
    pass


def test_a_class_whose_metaclass_has_a_numbered_base_keeps_a_hash() -> None:
    number_classes([Base])
    made = Meta("made", (), {})
    assert hash(made) == hash(made) and made in {made}


LAZY = """
class Settings:
    @property
    def __class__(self):
        raise RuntimeError("not configured yet")
settings = Settings()
"""


def test_what_makes_itself_up_when_asked_is_not_asked(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_library.py").write_text(LAZY)
    monkeypatch.syspath_prepend(tmp_path)
    with importing_with_care():
        lazy: Any = importlib.import_module("lazy_library")
    assert lazy.Settings.__hash__ is numbered_hash
    del sys.modules["lazy_library"]


def test_what_a_library_reads_while_it_is_imported_is_not_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An execution that imports a library shows what it would show, had another imported it before."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    asks = "import random, time, uuid\nasked = time.monotonic(), time.time(), random.random(), uuid.uuid4()\n"
    (folder / "asking_library.py").write_text(asks)
    (tmp_path / "asking_project.py").write_text(asks)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(folder)
    loop = WorldLoop()
    read: list[object] = []

    def begin(name: str) -> None:
        importlib.import_module(name)
        read.append((time.monotonic(), time.time(), random.random(), uuid.uuid4()))

    with importing_with_care():
        for name in ("asking_library", "asking_library", "asking_project"):
            loop.run_world(copy_context(), begin, name)
            loop.reset()
    first, again, own = read
    assert first == again != own
    for name in ("asking_library", "asking_project"):
        del sys.modules[name]
