"""Logins over HTTP, tokens that the application signs, users that are numbers, and events made by requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crosswire.fuzzer import Http, HttpLogin, JsonWire, application, integer_users, uuid_users
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.core.history import Content, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.users import known_as
from crosswire.fuzzer.targets.wire import Login, Wire
from crosswire.fuzzer.world import InOrder

from .applications import shop

READY = {"type": "ready"}
SAY = {"to": "{to}", "text": "{event}"}

BY_JSON = JsonWire(
    before=HttpLogin(
        "POST", "/auth/login", json={"username": "{identity}", "password": "{token}"}, token="data.access_token"
    ),
    path="/ws?token={token}",
    ready=READY,
    user="user",
    recipient="to",
    to_user=SAY,
    authenticates=True,
)
BY_FORM = JsonWire(
    before=HttpLogin(path="/enter", form={"name": "{identity}", "secret": "{token}"}, cookie="session"),
    path="/ws",
    ready=READY,
    user="user",
    recipient="to",
    to_user=Http("POST", "/notify", form=SAY),
    authenticates=True,
)
SIGNED = JsonWire(path="/ws?token={token}", token=shop.signed, ready=READY, user="user", recipient="to", to_user=SAY)
NUMBERED = JsonWire(path="/ws/{user}", users=integer_users, ready=READY, user="user", recipient="to", to_user=SAY)

WIRES = {"a login by JSON": BY_JSON, "a cookie by a form": BY_FORM, "a signed token": SIGNED}


@pytest.mark.parametrize("via", ["direct", "uvicorn"])
@pytest.mark.parametrize("name", WIRES)
def test_clients_log_in_and_nothing_is_reported(name: str, via: str) -> None:
    target = application("tests.applications.shop:app", wire=WIRES[name], via=via, prepare=shop.fill)
    tally = Campaign(target, Plan(executions=120 if via == "direct" else 40, seed=1)).run()
    assert not tally.found, [found.finding.violation.message for found in tally.found.values()]
    assert not tally.doubtful


def test_users_are_numbers_in_paths_and_frames() -> None:
    target = application("tests.applications.shop:numbered", wire=NUMBERED)
    worker = Worker(target)
    with worker.session():
        assert preflight(worker) is None
        program = Program((Operation("connect", "c0", "u0"), Operation("settle"), Operation("emit", "c0", "u0", "u0")))
        history = worker.run(program, InOrder()).history
    frames = [row.detail for row in history if row.kind == RowKind.RECEIVED and isinstance(row.detail, Content)]
    assert frames[-1].recipient == "u0" and frames[-1].mentions[0].recipient == "u0"


@pytest.mark.parametrize("naming", [integer_users, uuid_users])
def test_every_user_has_a_name_of_its_own(naming: object) -> None:
    assert callable(naming)
    named = known_as(naming)
    assert len(named) == 64 and named[str(naming("u3"))] == "u3"


def refused(wire: Wire) -> str:
    target = application("tests.applications.shop:app", wire=wire, prepare=shop.fill)
    worker = Worker(target)
    with worker.session(), pytest.raises(TargetError) as raised:
        preflight(worker)
    return str(raised.value)


def test_a_login_that_fails_says_what_was_answered() -> None:
    assert BY_JSON.before is not None
    other = replace(BY_JSON.before, json={"username": "{identity}", "password": "guess"})
    assert 'POST /auth/login: HTTP 401: {"detail":"wrong password"}' in refused(replace(BY_JSON, before=other))
    elsewhere = replace(BY_JSON.before, path="/login")
    assert "POST /login: HTTP 404" in refused(replace(BY_JSON, before=elsewhere))
    unnamed = replace(BY_JSON.before, token="token")
    assert "no token in the answer" in refused(replace(BY_JSON, before=unnamed))


def test_what_prepares_an_application_prepares_the_modules_that_are_executed_anew() -> None:
    target = application("tests.applications.shop:app", wire=BY_JSON, prepare=shop.fill, state="modules")
    worker = Worker(target)
    with worker.session():
        assert preflight(worker) is None


@pytest.mark.parametrize("via", ["direct", "uvicorn"])
def test_a_client_may_leave_while_it_logs_in(via: str) -> None:
    target = application("tests.applications.shop:app", wire=BY_JSON, via=via, prepare=shop.fill)
    operations = (Operation("connect", "c0", "u0"), Operation("abort", "c0"), Operation("connect", "c1", "u0"))
    worker = Worker(target)
    with worker.session():
        for seed in range(30):
            history = worker.run(Program(operations), RandomWalk(seed)).history
            assert not [row for row in history if row.kind in (RowKind.STUCK, RowKind.LEFT, RowKind.UNHANDLED)]


def test_a_token_is_only_made_for_whom_it_belongs_to() -> None:
    assert SIGNED.said(Login("c0", "u0", "token-u1", "u1"))["token"] == shop.signed("u1")
    assert SIGNED.said(Login("c0", "u0", "invalid", None))["token"] == "invalid"
    assert SIGNED.said(Login("c0", "u0", "issued", "u0", issued=True))["token"] == "issued"
