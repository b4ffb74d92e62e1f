"""``crosswire managers`` on anybody's classes: what they have, how far they differ, and what an adapter would call."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.targets import Adapter
from crosswire.fuzzer.targets.adapter import CALLED_WITH, Client, Event, Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.models.managers import ReferenceWebSocketManager
from crosswire.models.managers.adapters import UnifiedAdapter
from crosswire.models.managers.fitting import OPERATIONS, fitting
from crosswire.models.managers.interface import differences, members
from crosswire.strategies.script import Vocabulary

from .command import crosswire


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator whose wrapper is no coroutine function itself."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Base:
    def close(self) -> None: ...


class Hub(Base):
    limit: int = 3

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}

    @logged
    async def send(self, user_id: str, message: Any, *, urgent: bool = False) -> None: ...

    async def watch(self, name: str, /, *topics: str, **options: Any) -> AsyncIterator[Any]:
        yield name

    @property
    def online(self) -> bool:
        return bool(self.table)

    @functools.cached_property
    def started(self) -> float:
        return 0.0

    @staticmethod
    def key(user_id: str) -> str:
        return user_id

    @classmethod
    def create(cls, size: int = 1) -> Hub:
        return cls()

    later = functools.partialmethod(send, message="later")

    @functools.lru_cache  # noqa: B019
    def cached(self, user_id: str) -> str:
        return user_id

    def _private(self) -> None: ...


def test_every_kind_of_member_is_seen_as_callers_see_it() -> None:
    assert {name: str(member) for name, member in members(Hub).items()} == {
        "cached": "sync (user_id)",
        "close": "sync ()",
        "create": "sync (size=)",
        "key": "sync (user_id)",
        "later": "async (user_id, *, message=, urgent=)",
        "online": "property",
        "send": "async (user_id, message, *, urgent=)",
        "started": "property",
        "watch": "async iterator (name, /, *topics, **options)",
    }


class Entered:
    """Members that are used in other ways than they are written in."""

    @contextlib.asynccontextmanager
    async def session(self, websocket: Any) -> AsyncIterator[Any]:
        yield websocket

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        yield

    @logged
    @contextlib.asynccontextmanager
    async def logged_session(self) -> AsyncIterator[None]:
        yield

    @property
    async def size(self) -> int:
        return 0

    @property
    @logged
    async def logged_size(self) -> int:
        return 0

    def anything(*args: Any, **kwargs: Any) -> None: ...

    connect = anything

    def disconnect(self, **options: Any) -> None: ...


def test_what_is_entered_or_awaited_when_read_is_told_from_what_is_walked_or_called() -> None:
    assert {name: str(member) for name, member in members(Entered).items()} == {
        "anything": "sync (*args, **kwargs)",
        "connect": "sync (*args, **kwargs)",
        "disconnect": "sync (**options)",
        "held": "context manager ()",
        "logged_session": "async context manager ()",
        "logged_size": "async property",
        "session": "async context manager (websocket)",
        "size": "async property",
    }


def test_no_call_is_suggested_of_what_does_not_say_what_it_takes() -> None:
    fits = fitting(Entered).fits
    assert [str(fit) for fit in fits["connect"]] == ["manager.connect(...), with args and kwargs of your own"]
    assert [str(fit) for fit in fits["disconnect"]] == ["manager.disconnect(...), with options of your own"]


def test_what_is_entered_is_suggested_so_and_is_no_operation_as_it_is() -> None:
    class Enters:
        @contextlib.asynccontextmanager
        async def connect(self, websocket: Any) -> AsyncIterator[None]:
            yield

    assert str(fitting(Enters).fits["connect"][0]) == "async with manager.connect(client.websocket)"

    class Adapts(Adapter):
        @contextlib.asynccontextmanager
        async def connect(self, client: Client) -> AsyncIterator[None]:
            yield

        async def disconnect(self, client: Client) -> None: ...

    assert fitting(Adapts).faults == ("connect(client) is called as connect(client)",)


def test_what_comes_from_classes_in_c_is_nobodys_interface() -> None:
    class Table(dict[str, int]):
        def total(self) -> int:
            return sum(self.values())

    assert list(members(Table)) == ["total"]


def test_forms_differ_by_how_they_are_called() -> None:
    class One:
        async def send(self, user: str) -> None: ...
        def get(self, name: str) -> None: ...
        def same(self, *names: str) -> None: ...

    class Two:
        def send(self, user: str) -> None: ...
        def get(self, name: str = "") -> None: ...
        def same(self, *names: str) -> None: ...
        def more(self) -> None: ...

    (pair,) = differences([("One", One), ("Two", Two)])
    assert (pair.only_left, pair.only_right, pair.changed) == ((), ("more",), ("get", "send"))
    assert len(pair) == 3
    assert not pair.same_class


def test_the_operations_are_those_of_the_protocol() -> None:
    assert set(OPERATIONS) == set(CALLED_WITH)


def test_methods_are_laid_beside_the_operations_they_fit() -> None:
    class Rooms:
        async def connect(self, websocket: Any, client_id: str) -> None: ...
        def disconnect(self, websocket: Any) -> None: ...
        async def joinRoom(self, client_id: str, room: str) -> None: ...
        async def send_personal_message(self, message: str, user_id: str) -> None: ...
        async def broadcast_to_room(self, room: str, message: str) -> None: ...
        async def broadcast(self, message: str, *, exclude: Any) -> None: ...
        def is_online(self, user_id: str) -> bool:
            return False

        @property
        def connections(self) -> list[Any]:
            return []

        def size(self) -> int:
            return 0

    found = fitting(Rooms)
    said = {name: str(fits[0]) for name, fits in found.fits.items() if fits}
    assert said == {
        "connect": "await manager.connect(client.websocket, client.id)",
        "emit": "await manager.send_personal_message(event.payload, event.to)",
        "emit_to_room": "await manager.broadcast_to_room(event.room, event.payload)",
        "broadcast": "await manager.broadcast(event.payload, ...), with exclude of your own",
        "join": "await manager.joinRoom(client.id, room)",
        "disconnect": "manager.disconnect(client.websocket)",
        "registry": "manager.connections",
        "is_active": "manager.is_online(user)",
    }
    assert found.rest == ("size",)


def test_the_reference_manager_is_called_as_its_adapter_does() -> None:
    fits = fitting(ReferenceWebSocketManager).fits
    assert {name for name, found in fits.items() if found} == {
        "connect",
        "emit",
        "emit_critical",
        "emit_to_thread",
        "broadcast",
        "disconnect",
        "clean_up",
        "registry",
        "is_active",
        "shut_down",
    }


def test_an_adapter_is_checked_against_the_protocol() -> None:
    assert not fitting(UnifiedAdapter).faults

    class Wrong(Adapter):
        async def connect(self, client: Any) -> None: ...
        async def emit(self, user: str, message: str) -> None: ...  # type: ignore[override]
        def logout(self, client: Any) -> None: ...
        def is_active(self) -> bool:
            return False

    found = fitting(Wrong)
    assert found.faults == (
        "emit(user, message) is called as emit(event)",
        "is_active() is called as is_active(user)",
        "disconnect is missing, and every adapter has it",
        "logout is no operation: did you mean log_out?",
    )
    assert found.rest == ("logout",)


CLASSES = """
class One:
    async def send(self, user_id, message): ...
    def a_name_that_is_longer_than_any_column_of_a_terminal_is_wide_where_there_are_others(self): ...

class Two:
    def send(self, message): ...

not_a_class = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "anybody.py").write_text(CLASSES)
    return tmp_path


def test_the_command_compares_the_seven(tmp_path: Path) -> None:
    done = crosswire("managers", cwd=tmp_path, expect=0, COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(r"send_to_user +a1 +\. +a1 +a1 +a2 +a2 +a2", done.stdout)
    assert re.search(r"Factory / Unified +39 +6 +33 +0", done.stdout)
    assert re.search(r"Unified = Connection +0 +0 +0 +0", done.stdout)


def test_the_command_compares_anybodys_classes(folder: Path) -> None:
    done = crosswire("managers", "anybody:One", "anybody:Two", cwd=folder, expect=0, COLUMNS="80")
    assert "send: One async (user_id, message); Two sync (message)" in done.stdout
    assert "only Two: nothing" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    data = json.loads(crosswire("managers", "anybody:One", "anybody:Two", "--json", cwd=folder, expect=0).stdout)
    assert data["classes"] == ["One", "Two"]
    assert data["members"]["send"]["Two"] == {
        "sort": "sync",
        "parameters": [{"name": "message", "optional": False, "how": ""}],
    }
    assert data["pairs"][0]["differences"] == 2


def test_classes_of_one_name_are_told_apart_by_their_modules(folder: Path) -> None:
    (folder / "others.py").write_text("class OneManager:\n    pass\nclass One:\n    def send(self, message): ...\n")
    (folder / "more.py").write_text("class OneManager:\n    pass\n")
    done = crosswire("managers", "anybody:One", "others:One", "anybody:Two", cwd=folder, expect=0, COLUMNS="120")
    assert "anybody:One / others:One" in done.stdout and "others:One / Two" in done.stdout
    assert "  3  Two: 1" in done.stdout.splitlines()
    done = crosswire("managers", "others:OneManager", "more:OneManager", cwd=folder, expect=0, COLUMNS="120")
    assert "others:OneManager / more:OneManager" in done.stdout


def test_a_parameters_name_is_shown_whole(folder: Path) -> None:
    (folder / "others.py").write_text("class Threads:\n    def send(self, thread_id, unread=0): ...\n")
    assert "(thread_id, unread=)" in crosswire("managers", "others:Threads", cwd=folder, expect=0).stdout


def test_where_only_the_parameters_agree_nothing_is_numbered(folder: Path) -> None:
    (folder / "others.py").write_text("class Awaits:\n    async def send(self, message): ...\n")
    done = crosswire("managers", "anybody:Two", "others:Awaits", cwd=folder, expect=0, COLUMNS="80")
    assert re.search(r"^ send +s +a +\(message\) *$", done.stdout, re.M)
    assert "a async, s sync, . absent;" in done.stdout  # no letters that stand nowhere


def test_a_class_named_beside_that_of_an_adapter_is_not_passed_over(folder: Path) -> None:
    done = crosswire("managers", "anybody:One", "--adapter", "anybody:Two", cwd=folder, expect=2)
    assert done.stderr.count("\n") == 1 and "leave anybody:One out" in done.stderr


def test_what_is_no_class_is_said_in_a_line(folder: Path) -> None:
    for name in ("anybody:not_a_class", "anybody:Nothing", "anybody", "nowhere:One"):
        assert name.partition(":")[0] in crosswire("managers", name, cwd=folder, expect=2).stderr


def test_the_command_lays_a_class_beside_the_protocol(folder: Path) -> None:
    done = crosswire("managers", "--adapter", "anybody:One", cwd=folder, expect=0)
    assert "await manager.send(event.to, event.payload)" in done.stdout
    assert "connect(client): none" in done.stdout
    data = json.loads(crosswire("managers", "--adapter", "anybody:Two", "--json", cwd=folder, expect=0).stdout)
    assert data["operations"]["emit"] == [{"method": "send", "call": "manager.send(event.payload)", "lacks": []}]


def test_the_differences_are_drawn(folder: Path) -> None:
    crosswire("plot", "--managers", "--out", "pictures", cwd=folder, expect=0)
    assert (folder / "pictures" / "managers.svg").read_text().count("33") >= 1
    crosswire("plot", "--managers", "anybody:One", "anybody:Two", "--out", "pictures", cwd=folder, expect=0)
    assert (folder / "pictures" / "managers.png").exists()


class Mute(Adapter):
    """Knows who is there, and has nothing to say."""

    def connect(self, client: Client) -> None: ...

    def emit(self, event: Event) -> Any:
        """Not built yet."""

    def disconnect(self, client: Client) -> None: ...


class Waits(Mute):
    async def emit(self, event: Event) -> None: ...


class Speaks(Mute):
    async def broadcast(self, event: Event) -> bool:
        return False


def test_an_emit_with_an_empty_body_is_not_there() -> None:
    for adapter in (Mute, Waits):
        assert not adapter.offers("emit") and adapter.offers("connect")
        assert Vocabulary(Target("mute", adapter, adapter), 3).speeches == ()
    assert Speaks.offers("broadcast") and not Speaks.offers("emit")
    assert Vocabulary(Target("speaks", Speaks, Speaks), 3).speeches == ("broadcast",)


def test_a_target_that_says_nothing_is_told_so() -> None:
    assert resolve(f"{__name__}:Mute").description.startswith("an adapter whose emit does nothing")
    assert resolve(f"{__name__}:Speaks").description == ""
