"""What a promise was asked: it counts where a situation came up in which it could have been broken, and only there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crosswire.fuzzer.core.choices import PROMISES
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.models.isolation import OCCASIONS, exercised, impossible
from crosswire.models.managers.targets import TARGETS

from .story import Story, managed, served


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
    "golden path": (lambda: asked(managed("u0")), lambda: said(managed("u0", "u1"))),
    "liveness": (lambda: managed("u0"), managed),
    "consistency": (
        lambda: managed("u0").rest().mark(RowKind.REGISTRY, ("c0",)),
        lambda: managed("u0").rest(),
    ),
    "hygiene": (lambda: managed("u0").leave("c0").rest(), lambda: managed("u0").rest()),
    "availability": (lambda: managed("u0"), managed),
}


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
    assert "(ask=)" in impossible(wire)["golden path"]
