"""Simulated clients against real servers, and against the letter of the ASGI specification."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from crosswire.fuzzer.clients.asgi import AsgiLink, ClientGoneError
from crosswire.fuzzer.clients.link import Link
from crosswire.fuzzer.clients.websocket import PINGS
from crosswire.fuzzer.core.history import Farewell
from crosswire.fuzzer.core.program import Pace
from crosswire.fuzzer.engine.enforced import Enforced
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.serving import (
    AsgiService,
    ListeningService,
    Service,
    aiohttp_serving,
    uvicorn_serving,
    websockets_serving,
)
from crosswire.fuzzer.targets.wire import Frame, Request
from crosswire.fuzzer.world import WorldLoop

PLAIN = Request("/")

SCHEDULES = (None, *range(12))


class Client:
    """What a link tells its client, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.seen_written: list[Frame] = []

    def opened(self) -> None:
        self.told.append(("opened",))

    def refused(self, why: str) -> None:
        self.told.append(("refused", why))

    def written(self, frame: Frame) -> bool:
        self.seen_written.append(frame)
        return False

    def received(self, frame: Frame) -> None:
        self.told.append(("received", frame))

    def closed(self, why: Farewell) -> None:
        self.told.append(("closed", why))

    def served(self) -> None:
        self.told.append(("served",))

    @property
    def received_frames(self) -> list[Frame]:
        return [entry[1] for entry in self.told if entry[0] == "received"]

    async def hears(self, kind: str, times: int = 1) -> None:
        while sum(entry[0] == kind for entry in self.told) < times:
            await asyncio.sleep(0.01)


async def over(link: Link) -> None:
    while not link.over:
        await asyncio.sleep(0.01)


Play = Callable[[Service, Client], Any]


@asynccontextmanager
async def connected(
    service: Service, client: Client, pace: Pace | None = None, request: Request = PLAIN
) -> AsyncIterator[Link]:
    link = service.connect("c0", 0, client, pace)
    link.open(request)
    await client.hears("opened")
    yield link
    await over(link)


def in_world(make: Callable[[], Service], play: Play, seed: int | None = None) -> Client:
    client = Client()

    async def main() -> None:
        async with make() as service:
            await play(service, client)

    WorldLoop().run_coroutine(main(), None if seed is None else RandomWalk(seed))
    return client


# -- over bytes ------------------------------


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


# -- without bytes ------------------------------


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


def test_the_headers_of_a_handshake_may_be_a_mapping() -> None:
    assert Request("/", {"X-Name": "u0"}) == Request("/", (("X-Name", "u0"),))  # type: ignore[arg-type]
