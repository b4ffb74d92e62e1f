"""What did not show again is told with both sides and what is known of the cause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.core.handshake import Sent
from crosswire.fuzzer.core.history import Content, EventId, Failure, History, Mention, Row, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.sentences import said
from crosswire.fuzzer.core.stacks import Place
from crosswire.fuzzer.engine.difference import Cause, difference
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.doubts import compare, of_replay
from crosswire.fuzzer.findings.finding import Finding, judged, soundness_doubt
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.world import InOrder

TALK = Program(
    (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u0"),
        Operation("settle"),
        Operation("emit", user="u1", to="u0"),
    )
)

E3 = Content((Mention(EventId(3)),))


def history(*rows: tuple[float, RowKind, int | None, str | None, Any]) -> History:
    return tuple(Row(*row) for row in rows)


INVOKED = (0.0, RowKind.INVOKED, 3, None, None)
ON_C0 = (0.0, RowKind.SENT, 3, "c0", E3)
ON_C1 = (0.0, RowKind.SENT, 3, "c1", E3)


def raised(text: str) -> History:
    return history(INVOKED, (0.0, RowKind.RAISED, 3, None, Failure(text, Place("f", "f.py", 1), "KeyError")))


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (history(INVOKED, ON_C0), history(INVOKED), "unknown"),
        (history(INVOKED, ON_C0, ON_C1), history(INVOKED, ON_C1, ON_C0), "order"),
        (history(INVOKED, ON_C0), history(INVOKED, (2.5, *ON_C0[1:])), "delay"),
        (raised("KeyError: <Peer at 0x7f12ab34cd56>"), raised("KeyError: <Peer at 0x7f12ab34ffff>"), "id"),
        (raised("KeyError: 1764100000.25"), raised("KeyError: 1764100001.75"), "clock"),
        (raised("KeyError: 0.7312"), raised("KeyError: 0.25"), "fraction"),
        (raised("KeyError: 'a'"), raised("KeyError: 'b'"), "unknown"),
    ],
)
def test_a_cause_is_named_only_where_there_is_evidence_of_it(before: History, after: History, cause: Cause) -> None:
    found = compare(before, after)
    assert found is not None
    assert found.row == 1
    assert found.cause == cause


def test_what_is_the_same_is_no_difference() -> None:
    assert compare(history(INVOKED, ON_C0), history(INVOKED, ON_C0)) is None
    assert of_replay(TALK.expanded, history(INVOKED), history(INVOKED)) is None


def test_both_sides_are_told_in_words() -> None:
    doubt = of_replay(TALK.expanded, history(INVOKED, ON_C0), history(INVOKED))
    assert doubt is not None
    assert doubt.cause == "unknown"
    assert doubt.call == "operation 3 (emit u1 -> u0)"
    assert "the first time e3 was sent to c0; the second nothing more happened" in doubt.reason
    assert "the cause is not known" in str(doubt)


@pytest.mark.parametrize("kind", RowKind)
def test_every_kind_of_row_has_words(kind: RowKind) -> None:
    assert str(kind.value) not in ("", said(Row(0.0, kind, 3, "c0", None), TALK.expanded))


class Base(Adapter):
    """A manager that passes on what ``skips`` does not tell it to keep to itself."""

    def __init__(self) -> None:
        self.clients: list[Client] = []

    async def connect(self, client: Client) -> None:
        self.clients.append(client)

    async def emit(self, event: Event) -> None:
        for client in list(self.clients):
            if client.user == event.to and not self.skips():
                await client.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        self.clients.remove(client)

    @staticmethod
    def skips() -> bool:
        raise NotImplementedError


def skipping(decides: Callable[[], bool]) -> type[Base]:
    return type("Skipping", (Base,), {"skips": staticmethod(decides)})


def doubts(adapter: type[Base]) -> str | None:
    target = Target("doubtful", adapter, adapter)
    worker = Worker(target)
    with worker.session():
        result = judged(worker, worker.run(TALK, InOrder()))
        assert result.violations
        return soundness_doubt(worker, Finding(result.violations[0], result.execution))


def test_a_target_that_remembers_in_a_file_is_doubted(tmp_path: Path) -> None:
    """Nobody puts that back."""
    calls = tmp_path / "calls"

    def skips() -> bool:
        before = len(calls.read_text()) if calls.exists() else 0
        calls.write_text("x" * (before + 1))
        return before < len(("c0", "c1"))

    reason = doubts(skipping(skips))
    assert reason is not None
    assert "the target is not deterministic" in reason
    assert "the second e3 was sent to c0" in reason
    assert "the cause is not known" in reason


def test_a_target_that_always_does_the_same_is_not() -> None:
    assert doubts(skipping(lambda: True)) is None
    assert doubts(skipping(lambda: time.monotonic() > 0 and threading.active_count() > 0)) is None


def test_what_a_sample_shows_is_told_from_both_sides() -> None:
    """Executions alone and after others: rows as sentences, frames as who was sent what, and the cause."""
    operations = (Operation("connect", "c0", "u0"),)
    sent = Row(0.0, RowKind.SENT, None, "c0", Content((Mention(EventId(1)),)))
    ended = Row(0.25, RowKind.RETURNED, 0, "c0", None)
    found = difference(((ended,), []), ((ended, sent), []), operations)
    assert str(found).startswith(
        "nothing more, and the other time after 0 s "
    ) and "was sent to c0; the cause is not known" in str(found)
    frames = [[Sent("c0", text, None)] for text in ('{"at": 1764100001.5}', '{"at": 1764100002.75}')]
    found = difference(((ended,), frames[0]), ((ended,), frames[1]), operations)
    both = """c0 was sent '{"at": 1764100001.5}', and the other time c0 was sent '{"at": 1764100002.75}'"""
    assert str(found) == f"{both}; what differs looks like a time, as of a clock that the world does not set"
    assert difference(((ended,), frames[0]), ((ended,), frames[0]), operations) is None
