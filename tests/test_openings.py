"""Openings show what takes many clients, many times or a while: executed in order, once each, wrong and right."""

from __future__ import annotations

from itertools import pairwise

import pytest

from crosswire.fuzzer import JsonWire, Policy, application
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world import InOrder
from crosswire.strategies.openings import openings

from .applications import lounges
from .applications.lounges import Lounge

MOMENTS = (6.0, 29.95, 30.05, 65.0)


def shown(target: Target) -> set[str]:
    """The kinds of violations that the openings show, executed in order."""
    worker = Worker(target)
    with worker.session():
        runs = [judged(worker, worker.run(program, InOrder())) for program in openings(target, 3, MOMENTS)]
    return {violation.kind for run in runs for violation in run.violations}


@pytest.mark.parametrize(
    ("wrong", "right", "kind"),
    [
        (lounges.Forgets, lounges.ForgetsTheAbsent, "LostEvent"),
        (lounges.Crowded, lounges.Roomy, "LostEvent"),
        (lounges.Permits, lounges.PermitsBack, "LostEvent"),
        (lounges.NeverLeft, lounges.Rooms, "CrossUserLeak"),
        (lounges.OneRoom, lounges.Rooms, "LostEvent"),
        (lounges.Slowly, lounges.SlowlyAndSurely, "CrossUserLeak"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_goes_wrong_after_a_while_is_shown(wrong: type[Lounge], right: type[Lounge], kind: str) -> None:
    assert kind in shown(Target(wrong.__name__, wrong, wrong))
    assert shown(Target(right.__name__, right, right)) == set()


WIRE = JsonWire(
    path="/ws",
    first=[{"type": "login", "token": "{token}"}],
    ready={"type": "ready"},
    refused={"type": "error"},
    user="user",
    authenticates=True,
    to_user={"to": "{to}", "text": "{event}"},
    to_all={"text": "{event}"},
)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("before", {"EarlyDelivery"}),
        ("hall", {"EarlyDelivery"}),
        ("once", {"BadTokenAccepted"}),
        ("shared", {"LostEvent"}),
        ("right", set()),
    ],
)
def test_somebody_else_speaks_to_whoever_was_refused_or_has_been_quiet(name: str, kinds: set[str]) -> None:
    assert shown(application(f"tests.applications.doors:{name}", wire=WIRE)) & {*KINDS} == kinds


KINDS = ("EarlyDelivery", "BadTokenAccepted", "LostEvent", "UnhandledException", "Refused", "LeakedTask")


@pytest.mark.parametrize(("name", "kinds"), [("left_shut", {"LostEvent"}), ("open_again", set())])
def test_a_third_speaks_to_whom_a_speaker_that_left_had_spoken_to(name: str, kinds: set[str]) -> None:
    wire = JsonWire(path="/{user}", to_user={"to": "{to}", "text": "{event}"})
    assert shown(application(f"tests.applications.gates:{name}", wire=wire)) == kinds


@pytest.mark.parametrize(("name", "kinds"), [("goes_along", {"CrossUserLeak"}), ("stays", set())])
def test_somebody_speaks_and_goes_into_a_room_where_another_stays(name: str, kinds: set[str]) -> None:
    wire = JsonWire(
        path="/{user}",
        to_user=None,
        rooms=["a", "b"],
        join={"go": "{room}"},
        joined={"there": "{room}"},
        to_room={"in": "{room}", "text": "{event}"},
        rejected={"not": "here"},
    )
    policy = Policy(one_room=True, tabs_apart=True, may_refuse=True)
    target = application(f"tests.applications.moderated:{name}", wire=wire, policy=policy)
    assert shown(target) == kinds


@pytest.mark.parametrize(
    "wire",
    [
        JsonWire(path="/{user}", to_user={"to": "{to}", "text": "{event}"}),
        JsonWire(path="/{room}/{user}", rooms=["a", "b"], to_user=None, to_room={"text": "{event}"}),
    ],
    ids=("users", "rooms"),
)
@pytest.mark.parametrize(("name", "kinds"), [("in_turn", {"HeadOfLineBlocking"}), ("at_once", set())])
def test_somebody_comes_while_another_does_not_read(name: str, kinds: set[str], wire: JsonWire) -> None:
    assert shown(application(f"tests.applications.announced:{name}", wire=wire)) == kinds


def test_where_nothing_is_said_but_in_rooms_whoever_comes_goes_into_one() -> None:
    """Nobody is owed anything, or could overhear it, in a room that nobody has joined."""
    target = resolve("benchmarks.lounge:handler?wire=benchmarks.lounge:wire")
    tally = Campaign(target, Plan(executions=150, seed=3)).run()
    assert not tally.found
    assert tally.exercised["no loss"] > tally.programs * 0.6
    assert tally.exercised["isolation"] > tally.programs * 0.6


def test_somebody_changes_rooms_before_that_is_answered() -> None:
    target = resolve("benchmarks.lounge:handler?wire=benchmarks.lounge:wire")
    kinds = [[(op.kind, op.connection) for op in program.operations] for program in openings(target, 3)]
    for one, then in (("join", "join"), ("join", "leave"), ("leave", "join")):
        assert any(pair == ((one, "c1"), (then, "c1")) for program in kinds for pair in pairwise(program)), (one, then)
