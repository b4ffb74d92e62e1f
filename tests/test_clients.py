"""Simulated clients against real servers, over bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from crosswire.fuzzer.clients.websocket import PINGS
from crosswire.fuzzer.core.program import Pace
from crosswire.fuzzer.targets.serving import (
    ListeningService,
    Service,
    aiohttp_serving,
    websockets_serving,
)
from crosswire.fuzzer.targets.wire import Frame, Request

from .links import SCHEDULES, Client, connected, in_world, over


def by_websockets(handler: Any, **options: Any) -> Callable[[], Service]:
    return lambda: ListeningService(websockets_serving(handler, **options))


def by_aiohttp(handler: Any, **options: Any) -> Callable[[], Service]:
    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(**options)
        await socket.prepare(request)
        await handler(socket)
        return socket

    def make() -> Service:
        app = web.Application()
        app.router.add_get("/", serve)
        return ListeningService(aiohttp_serving(app))

    return make


async def echo_by_websockets(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def echo_by_aiohttp(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)


ECHOES = {"websockets": by_websockets(echo_by_websockets), "aiohttp": by_aiohttp(echo_by_aiohttp)}


@pytest.fixture(params=ECHOES)
def echo(request: pytest.FixtureRequest) -> Callable[[], Service]:
    return ECHOES[request.param]


@pytest.mark.parametrize("pace", [None, "slow", "split", "merged"])
def test_messages_come_back_in_order_on_every_link(echo: Callable[[], Service], pace: Pace | None) -> None:
    said: list[Frame] = ["héllo", b"\x00\xff", "", "x" * 70_000, "last"]

    async def play(service: Service, client: Client) -> None:
        async with connected(service, client, pace) as link:
            for frame in said:
                link.send(frame)
            await client.hears("received", len(said))
            link.close()

    for seed in SCHEDULES:
        client = in_world(echo, play, seed)
        assert client.received_frames == client.seen_written == said


def test_a_refused_handshake_tells_its_status() -> None:
    def process(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(401, "who are you?")

    async def play(service: Service, client: Client) -> None:
        link = service.connect("c0", 0, client, None)
        link.open(Request("/"))
        await client.hears("refused")
        await over(link)

    async def not_found(service: Service, client: Client) -> None:
        link = service.connect("c0", 0, client, None)
        link.open(Request("/nowhere"))
        await client.hears("refused")
        await over(link)

    refusing = by_websockets(echo_by_websockets, process_request=process)
    for seed in SCHEDULES:
        assert in_world(refusing, play, seed).told == [("refused", "HTTP 401: who are you?")]
        assert in_world(ECHOES["aiohttp"], not_found, seed).told == [("refused", "HTTP 404: Not Found")]


def test_what_the_handshake_carries_reaches_the_server() -> None:
    async def handler(socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None
        await socket.send(f"{request.path} {request.headers['X-User']} {socket.subprotocol}")
        await socket.wait_closed()

    async def play(service: Service, client: Client) -> None:
        asked = Request("/ws?a=b%20c", (("X-User", "u1"),), ("v1", "v2"))
        async with connected(service, client, request=asked) as link:
            await client.hears("received")
            link.close()

    client = in_world(by_websockets(handler, subprotocols=["v2"]), play)
    assert client.received_frames == ["/ws?a=b%20c u1 v2"]


def test_fragments_are_one_message_and_pings_are_answered() -> None:
    answered: list[bool] = []

    async def handler(socket: ServerConnection) -> None:
        await socket.send(["one ", "message ", "in parts"])
        pong = await socket.ping()
        await pong
        answered.append(True)
        await socket.send([b"and", b" bytes"])
        await socket.close(1001, "enough")

    async def play(service: Service, client: Client) -> None:
        async with connected(service, client):
            await client.hears("closed")

    for seed in SCHEDULES:
        client = in_world(by_websockets(handler), play, seed)
        assert client.told == [
            ("opened",),
            ("received", "one message in parts"),
            ("received", b"and bytes"),
            ("closed", "closed with 1001: enough"),
        ]
        assert client.told[-1][1].code == 1001
    assert answered == [True] * len(SCHEDULES)


@pytest.mark.parametrize(
    ("how", "code"), [("close", 1000), ("abort", 1006), ("garble", 1002), ("truncate", 1006), ("flood", 1000)]
)
@pytest.mark.parametrize("pace", [None, "slow", "split"])
def test_every_way_to_leave_is_what_the_server_sees(how: str, code: int, pace: Pace | None) -> None:
    seen: list[tuple[list[Any], int, int]] = []

    async def handler(socket: ServerConnection) -> None:
        messages: list[Any] = []
        pings = 0
        protocol = socket.protocol
        receive = protocol.recv_frame

        def count(frame: Any) -> None:
            nonlocal pings
            pings += frame.opcode.name == "PING"
            receive(frame)

        protocol.recv_frame = count  # type: ignore[method-assign]
        with contextlib.suppress(ConnectionClosed):
            while True:
                messages.append(await socket.recv())
        sent, received = protocol.close_sent, protocol.close_rcvd
        closed = received if received is not None else sent if code == 1002 else None
        seen.append((messages, int(closed.code) if closed is not None else 1006, pings))

    async def play(service: Service, client: Client) -> None:
        async with connected(service, client, pace) as link:
            link.send("before")
            while link._transport.inflow.backlog != 0:  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
            if how == "close":
                link.close()
            elif how == "abort":
                link.abort()
            else:
                link.misbehave(how)
            if how == "flood":
                link.close()
        assert ("closed",) not in client.told

    for seed in SCHEDULES:
        in_world(by_websockets(handler, ping_interval=None), play, seed)
    assert seen == [(["before"], code, PINGS if how == "flood" else 0)] * len(SCHEDULES)


@pytest.mark.parametrize("pace", [None, "slow"])
def test_a_client_that_stalls_holds_the_server_up_until_it_reads_again(pace: Pace | None) -> None:
    sent: list[int] = []

    async def handler(socket: ServerConnection) -> None:
        await socket.recv()
        for number in range(4):
            await socket.send(f"{number}" * 1000)
            sent.append(number)
        await socket.wait_closed()

    async def play(service: Service, client: Client) -> None:
        sent.clear()
        async with connected(service, client, pace) as link:
            link.stall()
            assert link.stalled
            link.send("go")
            await asyncio.sleep(5)
            assert len(sent) < 4
            assert client.received_frames == []
            link.resume()
            await client.hears("received", 4)
            link.close()
        assert sent == [0, 1, 2, 3]

    in_world(by_websockets(handler, ping_interval=None), play)


def test_a_client_that_leaves_before_it_is_taken_leaves_nothing() -> None:
    async def play(service: Service, client: Client) -> None:
        link = service.connect("c0", 0, client, None)
        link.open(Request("/"))
        link.abort()
        await asyncio.sleep(1)
        assert link.over

    for seed in SCHEDULES:
        assert ("opened",) not in in_world(ECHOES["websockets"], play, seed).told


def test_the_headers_of_a_handshake_may_be_a_mapping() -> None:
    assert Request("/", {"X-Name": "u0"}) == Request("/", (("X-Name", "u0"),))  # type: ignore[arg-type]
