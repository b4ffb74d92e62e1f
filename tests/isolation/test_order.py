"""Order: what one emitter says arrives in the order it was said in."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.core.history import Aim, RowKind
from crosswire.fuzzer.core.program import CRITICAL_EVENTS, Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve

from .story import NOBODY, Story, circumstances, kinds, managed, served


def two(*, overlap: bool = False, users: tuple[str, str] = ("u0", "u0"), backwards: bool = True) -> Story:
    story = managed("u1")
    first = story.begin("emit", None, users[0], to="u1")
    if not overlap:
        story.end(first)
    second = story.begin("emit", None, users[1], to="u1")
    for event in (second, first) if backwards else (first, second):
        story.hears("c0", event)
    if overlap:
        story.end(first)
    return story.end(second).rest()


def test_one_after_the_other() -> None:
    assert kinds(two()) == ["OutOfOrder"]
    assert kinds(two(backwards=False)) == []
    assert kinds(two(overlap=True)) == []
    assert kinds(two(users=("u0", "u2"))) == []
    assert "u0 emitted e1 before e2, and c0 received it after" in two().judged()[0].message


def test_a_connection_keeps_the_order_of_what_is_said_on_it() -> None:
    for second_over, want in (("c0", ["OutOfOrder"]), ("c1", [])):
        story = served("u0", "u0", "u1")
        first = story.begin("emit", "c0", "u0", to="u1")
        second = story.begin("emit", second_over, "u0", to="u1")
        story.hears("c2", second).hears("c2", first).end(first, NOBODY).end(second, NOBODY).rest()
        assert kinds(story) == want
    story = served("u0", "u1")
    first = story.begin("emit", "c0", "u0", to="u1")
    second = story.begin("emit", "c0", "u0", to="u1")
    assert kinds(story.hears("c1", first).hears("c1", second).end(first, NOBODY).end(second, NOBODY).rest()) == []


@pytest.mark.parametrize(
    ("hearer", "words", "reported"),
    [
        ("u0", ("message", "message"), True),
        ("u0", ("read", "read"), False),
        ("u0", ("message", "read"), False),
        ("u1", ("read", "read"), True),
    ],
)
def test_receipts_that_reach_the_one_who_spoke_are_in_any_order(
    hearer: str, words: tuple[str, str], reported: bool
) -> None:
    story = served("u0", "u1", hearer)
    said = []
    for _ in range(2):
        said.append(story.begin("emit", "c0", "u0", to="u1"))
        story.hears("c1", said[-1], word="message").end(said[-1], NOBODY)
    for event, word in zip(reversed(said), words, strict=True):
        story.hears("c2", event, word=word)
    assert kinds(story.rest()) == (["OutOfOrder"] if reported else [])


def test_requests_over_http_have_an_order_once_the_first_is_answered() -> None:
    over, beside = Aim("u1"), Aim("u1", by_request=True)
    for first_by, second_by, answered, want in (
        (beside, beside, False, []),
        (beside, over, False, []),
        (over, beside, False, []),
        (over, over, False, ["OutOfOrder"]),
        (beside, beside, True, ["OutOfOrder"]),
        (beside, over, True, ["OutOfOrder"]),
    ):
        story = served("u0", "u1")
        first = story.begin("emit", "c0", "u0", to="u1", detail=first_by)
        if answered:
            story.end(first)
        second = story.begin("emit", "c0", "u0", to="u1", detail=second_by)
        story.hears("c1", second).hears("c1", first)
        if not answered:
            story.end(first)
        assert kinds(story.end(second).rest()) == want


@pytest.mark.parametrize(
    ("target", "emit", "aim"),
    [
        (
            "tests.applications.goes_on:app?wire=tests.applications.goes_on:posted",
            Operation("emit", "c0", "u0", "u1", times=2),
            Aim("u1", by_request=True),
        ),
        ("tests.applications.works:handler?wire=text", Operation("broadcast", "c0", "u0", times=2), Aim()),
    ],
)
def test_how_an_event_went_is_in_the_history(target: str, emit: Operation, aim: Aim) -> None:
    """And a server that takes it by requests is not accused of the order of those that were under way at once."""
    worker = Worker(resolve(target))
    connect = (Operation("connect", "c1", "u1"), Operation("settle"), Operation("connect", "c0", "u0"))
    program = Program((*connect, Operation("stall", "c0"), emit))
    aims: set[object] = set()
    with worker.session():
        for seed in range(60):
            found = judged(worker, worker.run(program, RandomWalk(seed)))
            assert "OutOfOrder" not in [violation.kind for violation in found.violations]
            invoked = [row for row in found.execution.history if row.kind == RowKind.INVOKED]
            aims.update(row.detail for row in invoked if row.operation in (4, 5))
    assert aims == {aim}


def test_an_agents_run_takes_its_own_time() -> None:
    """Two runs of one user may be interleaved, and what is said after asking for a run need not wait for its end."""
    story = served("u0")
    first, second = (story.begin("run_agent", "c0", "u0", to="u0") for _ in range(2))
    said = story.begin("emit", "c0", "u0", to="u0")
    for step in CRITICAL_EVENTS:
        story.hears("c0", (second, step)).hears("c0", (first, step))
    story.hears("c0", said).end(first, NOBODY).end(second, NOBODY).end(said, NOBODY).rest()
    assert kinds(story) == []
    story = served("u0", "u1")
    said, run = story.begin("emit", "c0", "u0", to="u1"), story.begin("run_agent", "c0", "u0", to="u1")
    story.run(run, "c1").hears("c1", said).end(said, NOBODY).end(run, NOBODY).rest()
    assert kinds(story) == ["OutOfOrder"]


def test_what_is_in_one_frame_is_read_together() -> None:
    story = managed("u1")
    first, second = (story.done("emit", None, "u0", to="u1") for _ in range(2))
    assert kinds(story.hears("c0", second, first).rest()) == ["LostEvent"] * 0


def test_the_steps_of_a_run() -> None:
    story = served("u0")
    run = story.begin("run_agent", "c0", "u0", to="u0")
    story.run(run, "c0", (*CRITICAL_EVENTS[1::-1], *CRITICAL_EVENTS[2:])).end(run, NOBODY).rest()
    assert kinds(story) == ["BrokenRun"]
    assert list(circumstances(story)) == ["out of order"]


def test_only_the_first_arrival_counts() -> None:
    story = managed("u1", delivery="at least once")
    first = story.done("emit", None, "u0", to="u1")
    story.hears("c0", first)
    second = story.done("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", second).hears("c0", first).rest()) == []


def test_kept_events_that_are_overtaken_are_told_apart() -> None:
    story = managed("u0", kept="next")
    first = story.done("emit", None, "u0", to="u1")
    login = story.begin("connect", "c1", "u1")
    story.end(login)
    second = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", second).hears("c1", first).end(second).rest()
    assert kinds(story) == ["OfflineOutOfOrder"]


def test_whoever_said_it_may_be_quoted_in_any_order() -> None:
    story = served("u0", "u1")
    first = story.begin("emit", "c0", "u0", to="u1")
    second = story.begin("emit", "c0", "u0", to="u1")
    story.hears("c0", second).hears("c0", first).hears("c1", first).hears("c1", second)
    story.end(first, NOBODY).end(second, NOBODY).rest()
    assert kinds(story) == []
    assert story.excused() == ["quoted"]


def test_each_connection_has_an_order_of_its_own() -> None:
    story = managed("u1", "u1")
    first = story.begin("emit", None, "u0", to="u1")
    second = story.begin("emit", None, "u0", to="u1")
    story.hears("c0", first).hears("c1", first).hears("c0", second).hears("c1", second).end(first).end(second).rest()
    assert kinds(story) == []


def test_each_room_has_an_order_of_its_own() -> None:
    for rooms, want in ((("r0", "r0"), ["OutOfOrder"]), (("r0", "r1"), []), (("r0", None), [])):
        story = served("u0", "u1")
        for connection, user in (("c0", "u0"), ("c1", "u1")):
            for room in ("r0", "r1"):
                story.end(story.begin("join", connection, user, room=room))
        first, second = (
            story.begin("emit", "c0", "u0", to="u1")
            if room is None
            else story.begin("emit_to_room", "c0", "u0", room=room)
            for room in rooms
        )
        story.hears("c1", second).hears("c1", first).end(first, NOBODY).end(second, NOBODY).rest()
        assert kinds(story) == want, rooms
