"""What aiohttp sends waits for a client that does not read, as it would on a connection on which much was sent."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.http import WebSocketWriter

from crosswire.fuzzer import JsonWire, application
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.world.backlog import knows, sends_that_wait

FEED = JsonWire(path="/feed/{user}", ready={"hello": True}, to_all={"text": "{event}"})


def feed(safe: bool) -> web.Application:
    """Tells everybody, one after the other; safe is a copy of who is there."""
    here: set[web.WebSocketResponse] = set()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        here.add(ws)
        await ws.send_json({"hello": True})
        try:
            async for message in ws:
                for other in list(here) if safe else here:
                    with suppress(ConnectionError):
                        await other.send_json(message.json())
        finally:
            here.discard(ws)
        return ws

    app = web.Application()
    app.router.add_get("/feed/{user}", serve)
    return app


def unsafe() -> web.Application:
    return feed(False)


def safe() -> web.Application:
    return feed(True)


@pytest.mark.long
def test_a_set_that_changes_while_a_send_waits_is_seen() -> None:
    plan = Plan(executions=60, seed=1, promises=frozenset({"hygiene"}))
    campaign = Campaign(application(f"{__name__}:unsafe", wire=FEED), plan, explaining=False).run()
    found = [known.finding.violation.message for known in campaign.found.values()]
    assert any("Set changed size during iteration" in message for message in found)
    correct = Campaign(application(f"{__name__}:safe", wire=FEED), plan, explaining=False).run()
    assert not correct.found and not correct.doubtful


def writer(paused: bool) -> Any:
    made = WebSocketWriter(SimpleNamespace(_paused=paused), None, limit=9)  # type: ignore[arg-type]
    made._output_size = 1
    return made


def test_only_who_does_not_read_is_waited_for() -> None:
    assert knows(WebSocketWriter)
    with sends_that_wait():
        there, stalled = writer(False), writer(True)
        assert there._limit == 9
        assert stalled._output_size > stalled._limit
        there._limit = 7
        assert there._limit == 7
    assert stalled._limit == 9
    assert "_limit" not in vars(WebSocketWriter)


def test_a_release_of_other_parts_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __init__(self, transport: object) -> None:
            self.transport = transport

    monkeypatch.setattr(sys.modules["aiohttp.http"], "WebSocketWriter", Other)
    with sends_that_wait():
        assert not hasattr(Other, "_limit")
