"""Clients of ASGI applications that are called directly, against the letter of the specification."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from crosswire.fuzzer.clients.asgi import AsgiLink, ClientGoneError
from crosswire.fuzzer.engine.enforced import Enforced
from crosswire.fuzzer.targets.serving import (
    AsgiService,
    ListeningService,
    Service,
    uvicorn_serving,
)
from crosswire.fuzzer.targets.wire import Request
from crosswire.fuzzer.world import WorldLoop

from .links import PLAIN, SCHEDULES, Client, connected, in_world, over


async def no_lifespan(scope: Any) -> None:
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])


def asgi(application: Callable[..., Any]) -> Callable[[], Service]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await no_lifespan(scope)
        await application(scope, receive, send)

    return lambda: AsgiService(app)


def test_asgi_the_scope_and_what_is_received() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        assert await receive() == {"type": "websocket.connect"}
        await send({"type": "websocket.accept", "subprotocol": "v1", "headers": []})
        text, data, gone, again = [await receive() for _ in range(4)]
        assert text == {"type": "websocket.receive", "text": "hello", "bytes": None}
        assert data == {"type": "websocket.receive", "text": None, "bytes": b"\x00"}
        assert gone == again == {"type": "websocket.disconnect", "code": 1000, "reason": ""}

    async def play(service: Service, client: Client) -> None:
        asked = Request("/a%20b?q=1", (("X-User", "u1"),), ("v1",))
        async with connected(service, client, request=asked) as link:
            link.send("hello")
            link.send(b"\x00")
            link.close()
            assert isinstance(link, AsgiLink)
            while link.task is None or not link.task.done():
                await asyncio.sleep(0.01)
            link.task.result()

    for seed in SCHEDULES:
        in_world(asgi(app), play, seed)
    scope = scopes[0]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"q=1")
    assert (b"x-user", b"u1") in scope["headers"] and (b"sec-websocket-protocol", b"v1") in scope["headers"]
    assert scope["subprotocols"] == ["v1"] and scope["scheme"] == "ws"


def test_asgi_sending_to_who_has_left_raises_oserror() -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as error:
            raised.append(error)

    async def play(service: Service, client: Client) -> None:
        async with connected(service, client) as link:
            link.abort()

    in_world(asgi(app), play)
    assert [type(error) for error in raised] == [ClientGoneError]


def test_asgi_a_slow_client_who_leaves_wakes_the_sender() -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await send({"type": "websocket.send", "text": "never read"})
        except OSError as error:
            raised.append(error)

    async def play(service: Service, client: Client) -> None:
        link = service.connect("c0", 0, client, None)
        link.stall()
        link.open(Request("/"))
        await client.hears("opened")
        await asyncio.sleep(1)
        link.abort()
        await over(link)

    client = in_world(asgi(app), play)
    assert client.received_frames == [] and len(raised) == 1


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([{"type": "websocket.close", "code": 1008}], "HTTP 403"),
        (
            [
                {"type": "websocket.http.response.start", "status": 429, "headers": []},
                {"type": "websocket.http.response.body", "body": b"slow down"},
            ],
            "HTTP 429: slow down",
        ),
    ],
    ids=["close", "response"],
)
def test_asgi_denial(messages: list[Any], why: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)

    async def play(service: Service, client: Client) -> None:
        link = service.connect("c0", 0, client, None)
        link.open(Request("/"))
        await over(link)

    for seed in SCHEDULES:
        assert in_world(asgi(app), play, seed).told == [("refused", why), ("served",)]


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "websocket.send", "text": "before accept"}],
        [{"type": "websocket.accept"}, {"type": "websocket.accept"}],
        [{"type": "websocket.accept"}, {"type": "websocket.close"}, {"type": "websocket.send", "text": "after close"}],
        [{"type": "websocket.accept"}, {"type": "websocket.http.response.start", "status": 403}],
        [{"type": "http.response.start", "status": 200}],
    ],
)
def test_asgi_messages_out_of_order_raise(messages: list[Any]) -> None:
    failures: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            for message in messages:
                await send(message)
        except RuntimeError as error:
            failures.append(str(error))

    async def play(service: Service, client: Client) -> None:
        link = service.connect("c0", 0, client, None)
        link.open(Request("/"))
        await over(link)

    in_world(asgi(app), play)
    assert len(failures) == 1 and "unexpected ASGI message" in failures[0]


def test_asgi_the_server_closes() -> None:
    codes: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001})
        codes.append((await receive())["code"])

    async def play(service: Service, client: Client) -> None:
        async with connected(service, client):
            await client.hears("closed")

    told = in_world(asgi(app), play).told
    assert told == [("opened",), ("closed", "closed with 4001"), ("served",)]
    assert told[1][1].code == 4001
    assert codes == [4001]


def test_asgi_receive_wakes_when_another_task_closes() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

        async def kick() -> None:
            await asyncio.sleep(1)
            await send({"type": "websocket.close", "code": 4001})

        kicking = asyncio.create_task(kick())
        heard.append((await receive())["type"])
        await kicking

    async def play(service: Service, client: Client) -> None:
        async with connected(service, client):
            await client.hears("closed")

    for seed in SCHEDULES:
        assert in_world(asgi(app), play, seed).told == [("opened",), ("closed", "closed with 4001"), ("served",)]
    assert heard == ["websocket.disconnect"] * len(SCHEDULES)


def test_asgi_receive_wakes_after_a_denial() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close"})
        heard.append(await receive())

    async def play(service: Service, client: Client) -> None:
        link = service.connect("c0", 0, client, None)
        link.open(Request("/"))
        await over(link)

    assert in_world(asgi(app), play).told == [("refused", "HTTP 403"), ("served",)]
    assert heard == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


@pytest.mark.parametrize("last", [{"type": "websocket.send", "text": "late"}, {"type": "websocket.close"}])
def test_asgi_a_send_to_who_has_just_gone_may_return_and_later_ones_raise(last: Any) -> None:
    outcomes: set[str] = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        outcome = "returned"
        await asyncio.sleep(0.5)
        for message in ({"type": "websocket.send", "text": "soon"}, {"type": "websocket.send", "text": "later"}, last):
            await asyncio.sleep(0.01)
            try:
                await send(message)
            except OSError:
                outcome = "raised"
            else:
                assert outcome == "returned", "a server does not forget that its client has gone"
            outcomes.add(outcome)
        await receive()

    async def play(service: Service, client: Client) -> None:
        async with connected(service, client) as link:
            await asyncio.sleep(0.5)
            link.abort()

    for seed in range(40):
        assert in_world(asgi(app), play, seed).received_frames == []
    assert outcomes == {"returned", "raised"}


def test_asgi_lifespan_state_is_copied_to_each_connection() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            assert await receive() == {"type": "lifespan.startup"}
            scope["state"]["shared"] = ["list"]
            await send({"type": "lifespan.startup.complete"})
            assert await receive() == {"type": "lifespan.shutdown"}
            seen.append("shut down")
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen.append(scope["state"].copy())
        scope["state"]["own"] = True
        scope["state"]["shared"].append("seen by all")
        await send({"type": "websocket.close"})

    async def play(service: Service, client: Client) -> None:
        for number in range(2):
            link = service.connect(f"c{number}", number, client, None)
            link.open(Request("/"))
            await over(link)

    in_world(lambda: AsgiService(app), play)
    assert [sorted(state) if isinstance(state, dict) else state for state in seen] == [
        ["shared"],
        ["shared"],
        "shut down",
    ]


@pytest.mark.parametrize("said", [{"type": "lifespan.startup.failed", "message": "no database"}, None])
def test_asgi_a_start_up_that_fails_says_why(said: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if said is None:
            raise OSError("no database")
        await send(said)

    async def play(service: Service, client: Client) -> None:
        raise AssertionError("it started")

    with pytest.raises(RuntimeError, match="no database"):
        in_world(lambda: AsgiService(app), play)


@pytest.mark.parametrize("behind", ["called directly", "behind uvicorn"])
@pytest.mark.parametrize(
    ("order", "heard"),
    [((("bytes", "c0"), ("lost", "c1")), "sent"), ((("lost", "c1"), ("bytes", "c0")), "ClientDisconnected")],
)
def test_a_server_learns_of_a_lost_client_in_the_iteration_after(
    behind: str, order: tuple[tuple[str, str], ...], heard: str
) -> None:
    """What arrives in the same iteration and before is answered as if nobody had gone, as a transport has it."""
    sends: list[Any] = []
    outcomes: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        sends.append(send)
        while (await receive())["type"] == "websocket.receive":
            try:
                await sends[1]({"type": "websocket.send", "text": "heard"})
                outcomes.append("sent")
            except OSError:
                outcomes.append("ClientDisconnected")

    async def main() -> None:
        make = AsgiService(app) if behind == "called directly" else ListeningService(uvicorn_serving(app))
        async with make as service:
            clients = [Client(), Client()]
            links = [service.connect(f"c{number}", number, client, None) for number, client in enumerate(clients)]
            for link, client in zip(links, clients, strict=True):
                link.open(PLAIN)
                await client.hears("opened")
            links[0].send("hello")
            links[1].abort()
            await over(links[1])
            links[0].close()
            await over(links[0])

    handshakes = [] if behind == "called directly" else [(("bytes", name), False) for name in ("c0", "c1")]
    first, second = order
    WorldLoop().run_coroutine(main(), Enforced((*handshakes, (first, False), (second, True))))
    assert outcomes == [heard]
