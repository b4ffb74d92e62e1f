"""What is answered to its sender alone is owed to the sender alone, and heard by nobody else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from crosswire.fuzzer import Action, Adapter, Client, Event, JsonWire, Target, UsageError, application, operation
from crosswire.fuzzer.core.history import Aim
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk

from .applications.assistants import ASKS, wire
from .isolation.story import NOBODY, Story, kinds, served
from .searching import kinds_found


def accusations(target: Target, executions: int = 80) -> set[str]:
    target.state.proven = True  # proving takes longer than what is asked here
    return kinds_found(target, executions, 7)


def ask(number: int, user: str) -> Operation:
    return Operation("act", f"c{number}", user, name="ask")


def connect(number: int, user: str) -> Operation:
    return Operation("connect", f"c{number}", user)


SETTLE = Operation("settle")
TWO_ASK = (connect(0, "u0"), connect(1, "u1"), SETTLE, ask(0, "u0"), ask(1, "u1"), SETTLE)
TWO_TABS_ASK = (connect(0, "u0"), connect(1, "u0"), SETTLE, ask(0, "u0"), SETTLE, ask(1, "u0"), SETTLE)


def verdicts(target: Target, operations: tuple[Operation, ...], schedules: int = 20) -> set[str]:
    """What the model says over some schedules."""
    worker = Worker(target)
    with worker.session():
        runs = [judged(worker, worker.run(Program(operations), RandomWalk(seed))) for seed in range(schedules)]
    return {violation.kind for run in runs for violation in run.violations}


def test_a_server_that_answers_is_not_reported() -> None:
    assert not accusations(application("tests.applications.assistants:app", wire=wire))


@pytest.mark.parametrize(
    ("name", "kinds"), [("app", set()), ("shared", {"CrossUserLeak", "LostEvent"}), ("one_at_a_time", {"LostEvent"})]
)
def test_whoever_asks_is_answered_and_nobody_else(name: str, kinds: set[str]) -> None:
    assert verdicts(application(f"tests.applications.assistants:{name}", wire=wire), TWO_ASK) == kinds


@pytest.mark.parametrize("answer", [None, {"word": "said"}])
def test_what_is_never_answered_is_lost_whether_an_answer_is_declared_or_not(answer: dict[str, str] | None) -> None:
    asks = {"ask": Action({"prompt": "{event}"}, audience="sender", answer=answer)}
    forgetful = application("tests.applications.assistants:forgetful", wire=replace(wire, actions=asks))
    assert verdicts(forgetful, (connect(0, "u0"), SETTLE, ask(0, "u0"), SETTLE)) == set()
    assert verdicts(forgetful, (connect(0, "u0"), SETTLE, ask(0, "u0"), SETTLE, ask(0, "u0"), SETTLE)) == {"LostEvent"}


def test_who_answers_nobody_does_not_understand() -> None:
    with pytest.raises(TargetError, match=r"nothing of what c0 sends arrives on c0: it sent '\{\"prompt\": \"cw-e"):
        accusations(application("tests.applications.assistants:deaf", wire=wire))


def test_a_server_that_answers_is_told_how_to_say_so() -> None:
    everybody = JsonWire(path="/ask?token={token}", to_user=None, to_all={"prompt": "{event}"})
    with pytest.raises(TargetError, match="where a server answers the sender alone, it is an action for the sender"):
        accusations(application("tests.applications.assistants:app", wire=everybody))


class Echo(Adapter):
    """A manager that answers over the connection that asked."""

    async def connect(self, client: Client) -> None:
        await client.websocket.accept()

    async def emit(self, event: Event) -> None: ...

    async def disconnect(self, client: Client) -> None: ...

    @operation(audience="sender")
    async def echo(self, client: Client, event: Event) -> None:
        with suppress(ConnectionError):
            await client.websocket.send_json(event.payload)


class Stale(Echo):
    """It answers over the first connection of the user."""

    def __init__(self) -> None:
        self.first: dict[str, Client] = {}

    @operation(audience="sender")
    async def echo(self, client: Client, event: Event) -> None:
        await super().echo(self.first.setdefault(client.user, client), event)


@pytest.mark.parametrize(("adapter", "kinds"), [(Echo, set()), (Stale, {"LostEvent"})])
def test_a_manager_answers_over_the_connection_that_asked(adapter: type[Adapter], kinds: set[str]) -> None:
    target = Target(adapter.__name__, adapter, adapter)
    operations = tuple(replace(op, name="echo") if op.kind == "act" else op for op in TWO_TABS_ASK)
    assert verdicts(target, operations) == kinds
    assert kinds or not accusations(target, 150)


def story(**policy: Any) -> Story:
    """u0 asks over c0, has another tab, and u1 is there."""
    made = served("u0", "u0", "u1", **policy)
    asking = replace(made.target.traits, wire=JsonWire(actions=ASKS))  # type: ignore[type-var]
    made.target = replace(made.target, traits=asking)
    return made


@pytest.mark.parametrize(("heard", "said"), [("c0", []), ("c1", ["LostEvent"]), ("", ["LostEvent"])])
def test_the_answer_is_owed_where_it_was_asked_for(heard: str, said: list[str]) -> None:
    told = story()
    number = told.begin("act", "c0", "u0", name="ask", detail=Aim("u0"))
    if heard:
        told.hears(heard, number)
    assert kinds(told.end(number, NOBODY).rest()) == said


def test_an_answer_to_a_tab_is_kept_for_no_other() -> None:
    told = story(kept="next", delivery="at most once")
    number = told.begin("act", "c0", "u0", name="ask", detail=Aim("u0"))
    told.end(number, NOBODY).rest().connect("c4", "u0")
    assert kinds(told.rest()) == [] and "at_most_once" in told.excused()


def test_who_has_no_connection_cannot_be_answered() -> None:
    with pytest.raises(UsageError, match="has no connection of its own"):
        operation(by="user", audience="sender")
    with pytest.raises(UsageError, match="nobody's own"):
        operation(by="server", audience="sender")


def test_a_wire_of_actions_has_something_to_say() -> None:
    assert JsonWire(to_user=None, actions=ASKS).describe() == "JSON at /ws?token={token}"
    assert JsonWire(to_user=None, actions={"look": Action({"type": "look"})}).describe() == "JSON at /ws?token={token}"
    with pytest.raises(UsageError, match="or an action: without one"):
        JsonWire(to_user=None)
