"""Failures that are reported are honest: the event had not arrived."""

from __future__ import annotations

from crosswire.fuzzer.core.history import RowKind

from .story import Story, emit, kinds, managed


def failed(*, late: bool, closed: bool = False, known: tuple[str, ...] | None = None, others: int = 0) -> Story:
    story = managed("u1", *["u1"] * others)
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c0", number)
    if late:
        story.end(number, False).receive("c0")
    else:
        story.receive("c0").end(number, False)
    if closed:
        story.closed("c0")
    story.rest()
    return story if known is None else story.mark(RowKind.REGISTRY, known)


def test_failure_is_false_where_the_event_had_arrived() -> None:
    assert kinds(failed(late=False)) == ["FalseFailure"]
    assert kinds(failed(late=True)) == []
    assert failed(late=True).excused() == ["unread_at_failure"]


def test_failure_is_false_where_the_client_is_given_up_and_left_open() -> None:
    assert "FalseFailure" in kinds(failed(late=True, known=()))
    assert kinds(failed(late=True, known=("c0",))) == []
    assert "FalseFailure" not in kinds(failed(late=True, known=(), closed=True))


def test_failure_is_honest_where_the_client_was_closed_or_another_missed_it() -> None:
    assert kinds(failed(late=False, closed=True)) == []
    assert failed(late=False, closed=True).excused() == ["given_up"]
    assert kinds(failed(late=False, others=1)) == ["LostEvent"]


def test_who_came_later_missed_nothing() -> None:
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c0", number).end(number, False)
    story.connect("c1", "u1", said=None)
    assert kinds(story.rest()) == ["FalseFailure"]


def test_who_had_gone_before_missed_nothing() -> None:
    story = managed("u1", "u1").leave("c1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", number).end(number, False).rest()) == ["FalseFailure"]


def test_failure_may_say_that_nobody_knows() -> None:
    assert kinds(failed(late=False), failure="unknown") == []
    assert "failure" in failed(late=False).judged()[0].message


def test_a_cancelled_failure_is_none() -> None:
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c0", number)
    story.done("cancel", None, "u0", detail=number)
    assert kinds(story.end(number, False).rest()) == []


def test_success_is_no_failure() -> None:
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", number).end(number, True).rest()) == []
    story = managed("u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.end(number, False).hears("c0", number).rest()
    assert kinds(story) == []


def test_an_agents_run_that_reports_failure_is_no_false_one() -> None:
    story = managed("u1")
    number = story.begin("run_agent", None, "u0", to="u1")
    assert kinds(story.run(number, "c0").end(number, False).rest()) == []


def test_who_has_logged_out_was_not_there_to_be_reached() -> None:
    story = managed("u1", "u1")
    story.done("log_out", "c1")
    number = story.begin("emit", None, "u0", to="u1")
    assert kinds(story.hears("c0", number).end(number, False).rest()) == ["FalseFailure"]


def test_what_was_sent_after_a_failure_had_not_been_sent_then() -> None:
    story = managed("u0", "u1")
    number = story.done("emit", None, "u0", to="u1", said=False)
    story.hears("c1", number).rest().mark(RowKind.REGISTRY, ("c0",))
    assert kinds(story) == ["MissingEntry"]


def test_a_failure_is_honest_where_one_of_two_had_not_read_yet() -> None:
    story = managed("u0", "u1", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.hears("c1", number).send("c2", number).end(number, False).receive("c2").rest()
    assert kinds(story) == []
    assert story.excused() == ["unread_at_failure"]


def test_a_failure_is_honest_where_what_was_sent_was_never_read() -> None:
    story = managed("u0", "u1")
    number = story.begin("emit", None, "u0", to="u1")
    story.send("c1", number).end(number, False)
    assert kinds(story) == []


def test_strangers_who_hear_it_make_no_failure_honest() -> None:
    story = emit(managed("u0", "u1", "u2"), "c1", "c2", said=False)
    assert sorted(kinds(story)) == ["CrossUserLeak", "FalseFailure"]
