"""Clients send messages that mean nothing: a server may hang up or raise for that, and nobody else may notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crosswire.fuzzer import Http, JsonWire, SocketIOWire, application
from crosswire.fuzzer.core.program import Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.json_wire import TEXT
from crosswire.strategies.openings import openings

from .applications.malformed import WIRE
from .schedules import kinds_under


def malformed(target: Target) -> list[Program]:
    return [program for program in openings(target, 3) if any(op.kind == "malform" for op in program.operations)]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("hangs_up", set()),
        ("raises", set()),
        ("forgets", {"WrongAnswer"}),
        ("relays", {"WrongAnswer"}),
        ("defers", {"UnhandledException"}),
        ("handler", {"WrongAnswer"}),
    ],
)
def test_what_a_server_makes_of_messages_without_a_meaning(name: str, wrong: set[str]) -> None:
    worker = Worker(application(f"tests.applications.malformed:{name}", wire=WIRE))
    programs = malformed(worker.target)
    assert len(programs) == 3
    assert kinds_under(worker, 4, *programs) == wrong


def test_what_means_nothing_is_half_a_message_or_json_of_another_shape() -> None:
    half = '{"to": "{to}", "'
    assert [WIRE.malformed(number) for number in range(4)] == [half, "[]", "{}", half]


@pytest.mark.parametrize("wire", [TEXT, JsonWire(to_user=Http("POST", "/say")), SocketIOWire()])
def test_where_every_message_means_something_none_is_sent_that_does_not(wire: JsonWire) -> None:
    target = application("tests.applications.malformed:hangs_up", wire=wire)
    assert not target.offers("malform") and not malformed(target)


def test_of_a_wire_that_is_guessed_nobody_knows_what_means_nothing() -> None:
    target = application("tests.applications.malformed:hangs_up", wire=WIRE)
    assert target.offers("malform")
    guessed = replace(target, traits=replace(target.traits, guessed=("emit",)))  # type: ignore[type-var]
    assert not guessed.offers("malform")
