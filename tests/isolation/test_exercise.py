"""What a promise was asked: it counts where a situation came up in which it could have been broken, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crosswire.fuzzer import Action
from crosswire.fuzzer.core.choices import PROMISES
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Kind, Program
from crosswire.fuzzer.targets import JsonWire
from crosswire.fuzzer.targets.adapter import Event, Target
from crosswire.fuzzer.targets.policy import Policy
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.targets.traits import WireTraits
from crosswire.models.isolation import OCCASIONS, exercised, impossible
from crosswire.models.managers.targets import TARGETS

from .story import WIRE, Plain, Story, managed, served


def said(story: Story, *hearing: str, to: str | None = "u1") -> Story:
    number = story.done("emit", None, "u0", to=to)
    for name in hearing:
        story.hears(name, number)
    return story


def stalled(act: str | None) -> Story:
    story = managed("u0", "u1").stall("c1")
    if act is not None:
        story.done("emit", act, "u0", to="u1")
    return story.resume("c1").rest()


def away(comes: bool) -> Story:
    story = said(managed("u0", kept="next")).rest()
    if comes:
        story.connect("c1", "u1", said=None)
    return story.rest()


def asked(story: Story) -> Story:
    story.done("run_agent", None, "u0", to="u0")
    return story


GIVEN: dict[str, tuple[Callable[[], Story], Callable[[], Story]]] = {
    "isolation": (lambda: said(managed("u0", "u1", "u2")), lambda: said(managed("u0", "u1"))),
    "authentication": (lambda: served("u0"), lambda: managed("u0")),
    "no loss": (lambda: said(managed("u0", "u1")), lambda: said(managed("u0"))),
    "no duplicate": (lambda: said(managed("u0", "u1"), "c1"), lambda: said(managed("u0", "u1"))),
    "offline delivery": (lambda: away(True), lambda: away(False)),
    "independence": (lambda: stalled("c0"), lambda: stalled(None)),
    "order": (
        lambda: said(said(managed("u0", "u1"), "c1"), "c1"),
        lambda: said(said(managed("u0", "u1"), "c1")),
    ),
    "agent run": (lambda: asked(managed("u0")), lambda: said(managed("u0", "u1"))),
    "liveness": (lambda: managed("u0"), managed),
    "consistency": (
        lambda: managed("u0").rest().mark(RowKind.REGISTRY, ("c0",)),
        lambda: managed("u0").rest(),
    ),
    "hygiene": (lambda: managed("u0").leave("c0").rest(), lambda: managed("u0").rest()),
    "availability": (lambda: managed("u0"), managed),
}


def pending() -> Story:
    story = served()
    story.begin("connect", "c0", "u0")
    return story


def one_pending() -> Story:
    story = served("u0")
    story.begin("connect", "c1", "u1")
    return story


def one_stall(story: Story, kind: Kind, connection: str | None) -> Story:
    """While c1 does not read, one thing is done, and ended before it reads again."""
    story.stall("c1")
    story.done(kind, connection, "u0", to="u1")
    return story.resume("c1")


def spoken(*said: tuple[str, str], unread: bool = False) -> Story:
    """Who says something, and the connection that hears it."""
    story = managed("u0", "u1", "u2")
    for user, name in said:
        number = story.done("emit", None, user, to="u1")
        story.send(name, number)
        if not unread:
            story.receive(name)
    return story


def left(rests: bool) -> Story:
    story = managed("u0").leave("c0")
    return story.rest() if rests else story


def later() -> Story:
    story = said(managed("u0", "u1"))
    story.connect("c2", "u2", said=None)
    return story


def shows(token: str) -> Story:
    story = managed()
    story.connect("c0", "u0", token=token, said=None)
    return story


def in_room(user: str) -> Story:
    story = managed("u0", user)
    story.done("emit_to_room", None, "u0", room="r0")
    return story


def of_ones_own() -> Story:
    story = managed("u0", "u1")
    story.done("emit", None, "u0", to="u0")
    return story


def unfinished() -> Story:
    story = managed("u0", "u1")
    story.begin("emit", None, "u0", to="u1")
    return story


def told_to_all() -> Story:
    return said(managed("u0", "u1"), to=None)


def came_later(user: str, sure: bool = True, kept: Any = "next") -> Story:
    """u1 is spoken to while away, and somebody comes, or only knocks."""
    story = said(managed("u0", kept=kept)).rest()
    if sure:
        story.connect("c1", user, said=None)
    else:
        story.begin("connect", "c1", user)
    return story.rest()


def away_before() -> Story:
    """u1 is there when it is spoken to, and again later."""
    story = said(managed("u0", "u1", kept="next"), "c1").rest()
    story.connect("c2", "u1", said=None)
    return story.rest()


EDGES: list[tuple[str, Callable[[], Story], bool]] = [
    ("isolation", told_to_all, False),
    ("isolation", later, False),
    ("isolation", lambda: in_room("u1"), True),
    ("isolation", lambda: in_room("u0"), False),
    ("isolation", of_ones_own, True),
    ("authentication", lambda: shows("u1"), True),
    ("authentication", lambda: shows("valid"), False),
    ("authentication", lambda: managed("u0").leave("c0"), True),
    ("authentication", lambda: managed("u0", "u1").leave("c0"), True),
    ("authentication", pending, False),
    ("authentication", one_pending, True),
    ("no loss", unfinished, False),
    ("no duplicate", lambda: spoken(("u0", "c1"), unread=True), False),
    ("offline delivery", lambda: came_later("u2"), False),
    ("offline delivery", lambda: came_later("u1", sure=False), False),
    ("offline delivery", lambda: came_later("u1", kept="no"), False),
    ("offline delivery", away_before, False),
    ("offline delivery", told_to_all, False),
    ("independence", lambda: one_stall(managed("u0", "u1"), "emit", "c1"), False),
    ("independence", lambda: one_stall(managed("u0", "u1"), "emit", "c0"), True),
    ("independence", lambda: one_stall(managed("u0", "u1"), "pause", None), False),
    ("independence", lambda: one_stall(managed("u0", "u1"), "settle", None), False),
    ("order", lambda: spoken(("u0", "c1"), ("u2", "c1")), False),
    ("order", lambda: spoken(("u0", "c1"), ("u0", "c2")), False),
    ("order", lambda: spoken(("u0", "c1"), ("u0", "c1"), unread=True), False),
    ("consistency", lambda: managed("u0").rest().mark(RowKind.ACTIVE, ("u0",)), True),
    ("hygiene", lambda: left(False), False),
    ("availability", lambda: shows("u1"), False),
]


@pytest.mark.parametrize("edge", range(len(EDGES)))
def test_each_part_of_an_occasion_decides(edge: int) -> None:
    promise, story, expected = EDGES[edge]
    assert OCCASIONS[promise].given(story().index()) is expected


class Says(Plain):
    def registry(self) -> Any: ...


class Tells(Plain):
    def is_active(self, user: str) -> bool:
        return bool(user)


class Speaks(Plain):
    def emit(self, event: Event) -> Any:
        return event


def never(traits: Any) -> set[str]:
    return set(impossible(Target("target", object, traits)))


def test_what_a_target_lacks_decides_what_is_never_asked() -> None:
    silent = {"isolation", "no loss", "no duplicate", "order"}
    agents, offline, who = "agent run", "offline delivery", "consistency"
    assert never(Plain) == {*silent, agents, offline, who}
    assert never(Speaks) == {offline, who}
    assert never(Says) == never(Tells) == {*silent, agents, offline}
    assert never(WireTraits(WIRE, Policy())) == {agents, offline}
    assert never(WireTraits(WIRE, Policy(kept="next"))) == {agents}
    asks = JsonWire(to_user=None, ask={"ask": "{event}"})
    assert never(WireTraits(asks, Policy())) == {offline}
    acts = JsonWire(to_user=None, actions={"ask": Action({"say": "{event}"}, audience="sender")})
    assert never(WireTraits(acts, Policy())) == {agents, offline}
    assert "(ask=)" in impossible(Target("target", object, WireTraits(acts, Policy())))[agents]
    assert "(ask=)" not in impossible(Target("target", object, Plain))[agents]


@pytest.mark.parametrize("promise", GIVEN)
def test_a_promise_counts_where_it_could_have_been_broken(promise: str) -> None:
    given, missing = GIVEN[promise]
    for story, expected in ((given(), True), (missing(), False)):
        assert OCCASIONS[promise].given(story.index()) is expected


def test_every_promise_has_an_occasion() -> None:
    assert list(OCCASIONS) == list(GIVEN) == list(PROMISES)


def test_nothing_is_said_of_what_a_target_never_does() -> None:
    assert not {"consistency", "offline delivery", "isolation"} & impossible(TARGETS["reference"]).keys()
    story = managed("u0", "u1").rest().mark(RowKind.REGISTRY, ("c0",))
    assert "consistency" in impossible(story.target)
    assert "consistency" not in exercised(story.target, Program(tuple(story.operations)), tuple(story.rows))
    wire = resolve("examples.fastapi_chat:app?wire=examples.wires:fastapi_chat")
    assert "(ask=)" in impossible(wire)["agent run"]


def test_what_nothing_gave_occasion_to_was_not_exercised() -> None:
    story = served("u0")
    given = exercised(story.target, Program(tuple(story.operations)), tuple(story.rows))
    assert given == {"authentication", "liveness", "availability"}
