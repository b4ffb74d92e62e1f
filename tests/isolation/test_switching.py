"""Several logins over one connection: what is whose, before, meanwhile and afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Adapter, JsonWire, Target, application
from crosswire.fuzzer.targets.traits import WireTraits
from crosswire.fuzzer.targets.wire import WireError
from crosswire.strategies.mutation import mend
from crosswire.strategies.openings import openings

from ..schedules import kinds_under
from . import switching
from .story import NOBODY, Story, circumstances, kinds, managed, served


def again(user: str = "u2", *, said: Any = "own", **fields: Any) -> Story:
    """An application whose c0 was u0's, and is another's now; c1 is u1's."""
    story = declared("u0", "u1")
    story.done("authenticate", "c0", user, said=user if said == "own" else said, **fields)
    return story


def declared(*users: str) -> Story:
    story = served(*users)
    traits = story.target.traits
    assert isinstance(traits, WireTraits) and isinstance(traits.wire, JsonWire)
    wire = replace(traits.wire, first=[{"token": "{token}"}], logs_in_again=True)
    story.target = replace(story.target, traits=replace(traits, wire=wire))
    return story


def emit(story: Story, to: str, *heard: str, by: str = "c1", user: str = "u1") -> Story:
    number = story.begin("emit", by, user, to=to)
    for name in heard:
        story.hears(name, number)
    return story.end(number, NOBODY).rest()


# -- who hears ------------------------------


def test_what_is_the_first_users_is_nothing_to_the_second() -> None:
    assert kinds(emit(again(), "u0", "c0")) == ["CrossUserLeak"]
    assert kinds(emit(again(), "u0")) == []


def test_what_is_the_second_users_is_owed_to_it() -> None:
    assert kinds(emit(again(), "u2")) == ["LostEvent"]
    assert kinds(emit(again(), "u2", "c0")) == []


def test_what_was_said_before_may_still_come_out_of_a_queue() -> None:
    story = declared("u0", "u1")
    number = story.begin("emit", "c1", "u1", to="u0")
    story.done("authenticate", "c0", "u2", said="u2")
    assert kinds(story.hears("c0", number).end(number, NOBODY).rest()) == []


def test_while_the_login_is_pending_either_may_hear() -> None:
    for to in ("u0", "u2"):
        story = declared("u0", "u1")
        login = story.begin("authenticate", "c0", "u2")
        number = story.begin("emit", "c1", "u1", to=to)
        story.hears("c0", number).end(login, "u2").end(number, NOBODY)
        assert kinds(story.rest()) == []
    story = declared("u0", "u1")
    login = story.begin("authenticate", "c0", "u2")
    number = story.begin("emit", "c1", "u1", to="u3")
    assert kinds(story.hears("c0", number).end(login, "u2").end(number, NOBODY).rest()) == ["CrossUserLeak"]


def test_while_the_login_is_pending_nothing_is_owed() -> None:
    for to in ("u0", "u2"):
        story = declared("u0", "u1")
        login = story.begin("authenticate", "c0", "u2")
        number = story.begin("emit", "c1", "u1", to=to)
        assert kinds(story.end(number, NOBODY).end(login, "u2").rest()) == []


def test_a_login_that_fails_may_leave_the_one_before_as_it_was() -> None:
    for heard in ((), ("c0",)):
        assert kinds(emit(again("u0", token="invalid", said=False), "u0", *heard)) == []
    assert kinds(emit(again("u2", token="invalid", said=False), "u2", "c0")) == ["CrossUserLeak"]


def test_after_a_login_that_failed_what_is_said_may_be_heard() -> None:
    story = again("u2", token="invalid", said=False)
    assert kinds(emit(story, "u1", "c1", by="c0", user="u0")) == []


def test_what_is_said_while_a_login_is_pending_that_fails_is_owed_to_nobody() -> None:
    story = declared("u0", "u1")
    login = story.begin("authenticate", "c0", "u2")
    number = story.begin("emit", "c0", "u2", to="u1")
    story.end(number, NOBODY).end(login, False)
    assert kinds(story.rest()) == ["Refused"]


def test_who_has_logged_out_may_log_in_again() -> None:
    story = declared("u0", "u1")
    story.done("log_out", "c0")
    story.done("authenticate", "c0", "u2", said="u2")
    assert kinds(emit(story, "u2", "c0")) == []
    assert kinds(emit(story, "u1", "c1", by="c0", user="u2")) == []
    assert kinds(emit(story, "u0", "c0")) == ["CrossUserLeak"]


def test_a_log_out_that_nobody_answers_ends_no_later_login() -> None:
    story = declared("u0", "u1")
    leaving = story.begin("log_out", "c0")
    story.done("authenticate", "c0", "u2", said="u2")
    story.end(leaving, NOBODY).rest()
    assert kinds(emit(story, "u2", "c0")) == []
    assert kinds(emit(story, "u2")) == ["LostEvent"]


def test_the_same_user_once_more_is_the_same_to_everybody() -> None:
    assert kinds(emit(again("u0"), "u0", "c0")) == []
    assert kinds(emit(again("u0"), "u0")) == ["LostEvent"]
    assert kinds(emit(again("u0"), "u0", "c0", "c0")) == ["DuplicateEvent"]


def test_a_second_copy_is_one_too_many_whoever_it_is_by_then() -> None:
    story = declared("u0", "u1")
    number = story.begin("emit", "c1", "u1", to="u0")
    story.hears("c0", number)
    story.done("authenticate", "c0", "u2", said="u2")
    assert kinds(story.hears("c0", number).end(number, NOBODY).rest()) == ["DuplicateEvent"]


def test_an_acknowledgement_may_come_after_the_next_login() -> None:
    story = declared("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.done("authenticate", "c0", "u2", said="u2")
    story.hears("c1", number).hears("c0", number).hears("c0", number)
    assert kinds(story.end(number, NOBODY).rest()) == []


def test_what_was_said_before_the_next_login_is_heard() -> None:
    story = declared("u0", "u1")
    number = story.begin("emit", "c0", "u0", to="u1")
    story.done("authenticate", "c0", "u2", said="u2")
    assert kinds(story.end(number, NOBODY).rest()) == ["LostEvent"]


# -- what frames say, who is online, rooms ------------------------------


def test_frames_name_who_it_is_or_was() -> None:
    story = again()
    assert kinds(story.send("c0", word="@u2").receive("c0").send("c0", word="@u0").receive("c0")) == []
    assert kinds(story.send("c0", word="@u1").receive("c0")) == ["CrossUserLeak"]


def test_what_it_says_is_signed_by_who_it_is() -> None:
    for sender, want in (("u2", []), ("u0", ["MixedUp"])):
        story = again()
        number = story.begin("emit", "c0", "u2", to="u1")
        assert kinds(story.hears("c1", number, sender=sender).end(number, NOBODY).rest()) == want


def test_who_it_was_is_not_there_any_more_and_who_it_is_is() -> None:
    for active, want in ((("u1", "u2"), []), (("u0", "u1", "u2"), ["WrongAnswer"]), (("u1",), ["WrongAnswer"])):
        story = again().rest()
        assert kinds(story.mark(RowKind.ACTIVE, active)) == want
    story = again().rest()
    assert kinds(story.mark(RowKind.REGISTRY, ("c0", "c1"))) == []
    assert kinds(story.mark(RowKind.REGISTRY, ("c1",))) == ["MissingEntry"]


def test_whether_it_stays_in_its_rooms_is_the_servers_affair() -> None:
    for heard in ((), ("c0",)):
        story = declared("u0", "u1")
        for name in ("c0", "c1"):
            story.done("join", name, room="r0")
        story.done("authenticate", "c0", "u2", said="u2")
        number = story.begin("emit_to_room", "c1", "u1", room="r0")
        for name in heard:
            story.hears(name, number)
        assert kinds(story.end(number, NOBODY).rest()) == []


def test_a_user_has_as_many_connections_as_sockets() -> None:
    story = declared("u0")
    story.done("authenticate", "c0", "u0", said="u0")
    story.connect("c1", "u0", said=False)
    assert kinds(story, per_user=2) == ["Refused"]
    assert kinds(story, per_user=1) == []


# -- how it ends ------------------------------


def test_it_comes_out_as_whom_the_token_says_where_that_is_declared() -> None:
    assert kinds(again(said="u0")) == ["WrongIdentity"]
    assert kinds(again(said=False)) == ["Refused"]
    assert kinds(again(token="invalid", said="u2")) == ["BadTokenAccepted"]
    story = managed(two_steps=True)
    story.done("connect", "c0", "u0")
    for said in ("u0", "u9", None):
        story.done("authenticate", "c0", said=said)
    assert kinds(story) == []


def test_who_is_hung_up_on_as_another_was_dropped() -> None:
    assert kinds(again().closed("c0")) == ["Dropped"]
    story = declared("u0")
    login = story.begin("authenticate", "c0", "u2")
    assert list(circumstances(story.closed("c0").end(login, False))) == ["closed with 1000"]


# -- servers ------------------------------

SERVERS = {
    "moving": set[str](),
    "looking": set[str](),
    "staying": {"CrossUserLeak", "DuplicateEvent"},
    "forgetting": {"LostEvent", "Refused", "UnhandledException"},
    "signing": {"MixedUp"},
    "Switchboard": set[str](),
    "KeepsBoth": {"CrossUserLeak"},
}


def target(name: str) -> Target:
    made = getattr(switching, name)
    if isinstance(made, type) and issubclass(made, Adapter):
        return Target(name, made, made)
    return application(f"tests.isolation.switching:{name}", wire=switching.WIRE)


def switches(operation: Operation) -> bool:
    return operation.kind == "authenticate" and operation.user is not None


@pytest.mark.parametrize("name", SERVERS)
def test_openings_tell_servers_that_are_right_from_those_that_are_wrong(name: str) -> None:
    worker = Worker(target(name))
    programs = [program for program in openings(worker.target, 3) if any(map(switches, program.operations))]
    assert len(programs) == 4
    assert kinds_under(worker, 5, *programs) == SERVERS[name]


def test_clients_of_a_wire_that_does_not_say_so_log_in_once() -> None:
    wire = replace(switching.WIRE, logs_in_again=False)
    named = application("tests.isolation.switching:moving", wire=wire)
    assert not any(switches(op) for program in openings(named, 3) for op in program.operations)
    program = Program((Operation("connect", "c0", "u0"), Operation("authenticate", "c0", "u1")))
    worker = Worker(named)
    with worker.session():
        assert judged(worker, worker.run(program, RandomWalk(1))).violations == ()


@pytest.mark.parametrize("lacks", [{"first": ()}, {"ready": None}])
def test_a_login_that_is_done_again_has_a_frame_and_an_answer(lacks: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="logs_in_again=True needs first="):
        replace(switching.WIRE, **lacks)


def test_a_program_that_is_changed_keeps_its_second_logins() -> None:
    first, second = Operation("authenticate", "c0"), Operation("authenticate", "c0", "u1", token="u1")
    said = Operation("emit", "c0", "u0", "u2")
    changed = mend((Operation("connect", "c0", "u0"), first, second, said))
    assert changed[1:] == (first, replace(second, token="valid"), replace(said, user="u1"))
