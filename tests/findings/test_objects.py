"""Which objects a line has to do with is seen when it runs: what two lines say alike, they may not share."""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from crosswire.fuzzer.core.source import Line, line_of
from crosswire.fuzzer.findings.causes.objects import Objects, Touch, is_same, touches
from crosswire.fuzzer.findings.causes.sharing import access

RIGHTS: dict[tuple[str, str], bool] = {}


class Tab:
    """Somebody's; its text is made when it is asked for."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.asked = 0

    @property
    def text(self) -> str:
        self.asked += 1
        return self.user


class Listening:
    """Calls back who asked for it, and makes a set for whoever comes first."""

    def __init__(self) -> None:
        self.on_close: Callable[[], None] = list[None]().clear
        self.tabs: defaultdict[str, set[str]] = defaultdict(set)

    def close(self) -> None:
        self.on_close()

    def ask(self, call: Callable[[], None]) -> None:
        self.on_close = call

    def enter(self, user: str) -> None:
        self.tabs[user].add("tab")

    def alone(self, user: str) -> bool:
        return not self.tabs.get(user)


class Slotted:
    __slots__ = ("user",)

    def __init__(self, user: str) -> None:
        self.user = user


class Desk:
    """Who is there."""

    def __init__(self) -> None:
        self.tabs: dict[str, list[Tab]] = {"u0": [], "u1": []}
        self.rooms: dict[str, set[Tab]] = {"room:1": set()}

    def enter(self, tab: Tab) -> None:
        self.tabs[tab.user].append(tab)

    def count(self, user: str) -> int:
        return len(self.tabs.get(user, ()))

    def everybody(self) -> list[str]:
        return list(self.tabs)

    def renumber(self, tab: Tab) -> None:
        tab.asked += 1

    def known(self, tab: Tab) -> bool:
        tabs = self.tabs.get(tab.user)
        return tabs is not None

    def says(self, tab: Tab) -> str:
        return tab.text

    def in_room(self, number: int) -> bool:
        return f"room:{number}" in self.rooms


def may(name: str, room: str) -> bool:
    return RIGHTS.get((name, room), False)


def allow(name: str, room: str) -> None:
    RIGHTS[name, room] = True


def renamed(tab: Slotted, name: str) -> None:
    tab.user = name


def called(tab: Slotted) -> str:
    return tab.user


def seen(call: Callable[..., object], *given: Any, line: int = 1) -> list[Touch]:
    """What so manyth line of a function has to do with, before it runs."""
    found: list[Touch] = []
    function = inspect.unwrap(getattr(call, "__func__", call))
    wanted = inspect.getsourcelines(function)[1] + line

    def local(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and frame.f_lineno == wanted:
            at = line_of(frame.f_code, frame.f_lineno)
            found.extend(touches(at, frame.f_locals, frame.f_globals, lambda function: None))
        return local

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: local if frame.f_code is function.__code__ else None)
    try:
        with suppress(RuntimeError):
            call(*given)
    finally:
        sys.settrace(before)
    return found


def meet(changing: list[Touch], others: list[Touch]) -> set[str]:
    """The names of what is changed in one line and has to do with another."""
    return {touch.name for touch in changing if touch.changes and Objects(others).same(touch)}


def test_one_users_entry_is_not_anothers() -> None:
    desk = Desk()
    entering = seen(desk.enter, Tab("u0"))
    assert meet(entering, seen(desk.count, "u0")) == {"tabs"}
    assert meet(entering, seen(desk.count, "u1")) == set()


def test_who_goes_over_all_of_them_goes_by_each() -> None:
    desk = Desk()
    allowing = seen(allow, "u0", "r0")
    assert meet(allowing, seen(may, "u0", "r0")) == {"RIGHTS"}
    assert meet(allowing, seen(may, "u0", "r1")) == set()
    assert {touch.name for touch in seen(desk.everybody) if not touch.changes} == {"tabs"}


def test_two_objects_do_not_share_an_attribute() -> None:
    one, two = Slotted("a"), Slotted("b")
    assert meet(seen(renamed, one, "c"), seen(called, one)) == {"user"}
    assert meet(seen(renamed, one, "c"), seen(called, two)) == set()


def test_what_is_called_back_is_state_too() -> None:
    listening = Listening()
    assert meet(seen(listening.ask, print), seen(listening.close)) == {"on_close"}


def test_who_asks_a_dictionary_for_what_it_makes_enters_it() -> None:
    listening = Listening()
    for already in (False, True):
        assert ("u0" in listening.tabs) is already
        entering = seen(listening.enter, "u0")
        assert meet(entering, seen(listening.alone, "u0")) == {"tabs"}
        assert meet(entering, seen(listening.alone, "u1")) == set()


def test_a_variable_stands_for_what_its_value_was_taken_from() -> None:
    desk, tab = Desk(), Tab("u0")
    asked = seen(desk.known, tab, line=2)
    taken = Touch(id(desk.tabs), "u0", "tabs", True)
    assert {touch.before for touch in asked if is_same(touch, taken)} == {True}


def test_what_is_counted_up_goes_by_what_it_was() -> None:
    tab = Tab("u0")
    assert {(touch.name, touch.changes) for touch in seen(Desk().renumber, tab)} == {("asked", False), ("asked", True)}


def test_what_is_taken_from_itself_again_and_again_is_still_told_soon(tmp_path: Path) -> None:
    """Each line has to do with what the ones before took it from, and with each of that once."""
    source = "def add(self):\n    x = self.x\n" + "    x = x + x + x\n" * 40 + "    return x\n"
    path = tmp_path / "sums.py"
    path.write_text(source, encoding="utf-8")
    assert len(access(Line(str(path), 43, "add")).uses) < 200


def test_nothing_of_the_targets_is_called_for_it() -> None:
    tab = Tab("u0")
    assert seen(Desk().says, tab) == []
    assert tab.asked == 1


class Unbound:
    """A proxy that stands for nothing now, as Quart's are outside a request: whatever it is asked, it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("nothing is bound here")

    def __hash__(self) -> int:
        raise RuntimeError("nothing is bound here")


def test_what_may_not_be_looked_at_is_unknown_and_nothing_comes_out_of_it() -> None:
    assert {touch.name for touch in seen(may, Unbound(), "r0")} <= {"RIGHTS"}
    assert seen(called, Unbound()) == []


def test_a_key_that_is_put_together_is_known() -> None:
    desk = Desk()
    assert (id(desk.rooms), "room:1") in {(touch.where, touch.part) for touch in seen(desk.in_room, 1)}


@pytest.mark.parametrize(("runs", "apart"), [(True, True), (False, False)])
def test_variables_of_a_function_are_told_apart_by_its_calls(runs: bool, apart: bool) -> None:
    """Those of a handler, which each client has called, and not those of what made the application."""

    def handler() -> Callable[[], None]:
        current = 0

        def later() -> None:
            nonlocal current
            current += 1

        return later

    code = handler().__code__
    line = line_of(code, code.co_firstlineno + 2)

    def at(client: str) -> set[tuple[Hashable, Hashable]]:
        said = touches(line, {"current": 0}, {}, lambda function: client if runs else None)
        return {(touch.where, touch.part) for touch in said if touch.changes}

    assert at("c0") and (at("c0") != at("c1")) is apart
