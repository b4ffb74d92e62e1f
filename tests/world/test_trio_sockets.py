"""trio's own sockets, streams and listeners in a world: what connects, reads, waits and closes there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest
import trio

from crosswire.fuzzer.core.stacks import unwrapped
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.world import Chooser, InOrder
from crosswire.fuzzer.world.server import connection
from crosswire.fuzzer.world.trio_world import make


def run(program: Callable[[list[Any]], Awaitable[object]], chooser: Chooser | None = None) -> list[Any]:
    """What a program noted; where it raised, its exception's class."""
    log: list[Any] = []
    world = make()

    async def main() -> None:
        try:
            await program(log)
        except Exception as error:
            log.append(type(unwrapped(error)).__name__)

    with world.entropy:
        world.chooser = chooser or InOrder()
        world.run_world(copy_context(), lambda: world.spawn(copy_context(), "main", main))
        log.append(len(world.in_sockets))
        world.reset()
        world.rest()
    return log


async def echo(log: list[Any], stream: trio.SocketStream) -> None:
    log.append(("serves", connection.get()))
    async for data in stream:
        await stream.send_all(data.upper())


async def ask(log: list[Any], word: bytes) -> None:
    stream = await trio.open_tcp_stream("localhost", 8000)
    await stream.send_all(word)
    log.append((word, await stream.receive_some()))
    await stream.send_eof()
    log.append((word, await stream.receive_some()))
    await stream.aclose()


async def two_ask(log: list[Any]) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, partial(echo, log), 8000, host="127.0.0.1"))
        async with trio.open_nursery() as clients:
            clients.start_soon(ask, log, b"one")
            clients.start_soon(ask, log, b"two")
        nursery.cancel_scope.cancel()


def test_servers_and_clients_of_trios_own_talk_and_leave_no_socket() -> None:
    log = run(two_ask)
    assert {entry for entry in log if isinstance(entry, tuple) and isinstance(entry[0], bytes)} == {
        (b"one", b"ONE"),
        (b"one", b""),
        (b"two", b"TWO"),
        (b"two", b""),
    }
    assert {entry[1] for entry in log[:-1] if entry[0] == "serves"} == {"dialled-0-server", "dialled-1-server"}
    assert log[-1] == 0


def test_who_is_served_first_is_decided_and_replays() -> None:
    logs = [run(two_ask, RandomWalk(seed)) for seed in range(20)]
    assert logs == [run(two_ask, RandomWalk(seed)) for seed in range(20)]
    assert len({str(log) for log in logs}) > 3


async def connect_nowhere(log: list[Any]) -> None:
    listeners = await trio.open_tcp_listeners(8000, host="127.0.0.1")
    await listeners[0].aclose()
    await trio.open_tcp_stream("127.0.0.1", 8000)


async def connect_outside(log: list[Any]) -> None:
    await trio.open_tcp_stream("127.0.0.1", 9999)


async def closed_while_waiting(log: list[Any]) -> None:
    (listener,) = await trio.open_tcp_listeners(8000, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.accept)
        await trio.testing.wait_all_tasks_blocked()
        await listener.aclose()


async def two_wait(log: list[Any]) -> None:
    (listener,) = await trio.open_tcp_listeners(8000, host="127.0.0.1")
    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(listener.accept)
        nursery.start_soon(listener.accept)


async def cancelled(log: list[Any]) -> None:
    (listener,) = await trio.open_tcp_listeners(8000, host="127.0.0.1")
    async with listener:
        for _ in range(2):
            with trio.move_on_after(1):
                await listener.accept()
        log.append("given up twice")


async def a_socket_that_does_not_listen(log: list[Any]) -> None:
    with trio.socket.socket() as sock:
        trio.SocketListener(sock)


@pytest.mark.parametrize(
    ("program", "noted"),
    [
        (connect_nowhere, ["OSError", 0]),
        (connect_outside, ["OutsideWorldError", 0]),
        (closed_while_waiting, ["ClosedResourceError", 0]),
        (two_wait, ["BusyResourceError", 0]),
        (cancelled, ["given up twice", 0]),
        (a_socket_that_does_not_listen, ["ValueError", 0]),
    ],
)
def test_what_goes_wrong_goes_wrong_as_it_does_with_the_kernels(program: Any, noted: list[Any]) -> None:
    assert run(program) == noted
