"""Stand-ins answer the real client libraries, under every schedule, and say when nothing stands in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
import pytest
import redis.asyncio as redis_py
from fakeredis._commands import SUPPORTED_COMMANDS
from fastapi import FastAPI, Request
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from crosswire.fuzzer import HttpService, LineServer, Redis
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.standins import StandIn
from crosswire.fuzzer.world import OutsideWorldError, WorldLoop

SEEDS = (None, *range(6))

Main = Callable[[], Coroutine[Any, Any, Any]]


def in_world(main: Main, *stand_ins: StandIn, seed: int | None = None, loop: WorldLoop | None = None) -> Any:
    world = loop or WorldLoop()

    async def begun() -> Any:
        for stand_in in stand_ins:
            stand_in.start(world)
        return await main()

    return world.run_coroutine(begun(), None if seed is None else RandomWalk(seed))


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_commands(protocol: int) -> None:
    async def main() -> list[Any]:
        async with redis_py.Redis(host="cache", decode_responses=True, protocol=protocol) as store:
            seen: list[Any] = [await store.get("greeting"), await store.set("a", 1, ex=10), await store.incr("a")]
            await store.hset("h", mapping={"x": "1", "y": "2"})
            seen.append(await store.hgetall("h"))
            await store.sadd("s", *"dcba")
            seen.append(sorted(await store.smembers("s")))
            await store.zadd("z", {"one": 1, "two": 2})
            seen.append(await store.zrange("z", 0, -1))
            entry = await store.xadd("events", {"n": "1"})
            seen.append([len(await store.xrange("events") or ()), isinstance(entry, str)])
            async with store.pipeline(transaction=True) as pipe:
                pipe.incr("n")
                pipe.incr("n")
                seen.append(await pipe.execute())
            seen.append(await store.eval("return redis.call('get', KEYS[1]) .. ARGV[1]", 1, "greeting", "!"))
            seen.append(await store.blpop(["nothing"], timeout=3))
            await asyncio.sleep(10)
            seen.append(await store.get("a"))
            return seen

    cache = Redis("cache", holds={"greeting": "hello"})
    expected = ["hello", True, 2, {"x": "1", "y": "2"}, list("abcd"), ["one", "two"], [1, True], [1, 2]]
    expected += ["hello!", None, None]
    loop = WorldLoop()
    for seed in SEEDS:
        assert in_world(main, cache, seed=seed, loop=loop) == expected


def test_a_script_where_nothing_runs_scripts_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SUPPORTED_COMMANDS, "eval")

    async def main(command: str) -> str:
        async with redis_py.Redis(host="cache") as store:
            with pytest.raises(redis_py.ResponseError) as raised:
                await store.execute_command(command, "return 1", 0)  # type: ignore[no-untyped-call]
            return str(raised.value)

    told = "runs scripts where lupa is installed: pip install 'fakeredis[lua]')"
    assert in_world(lambda: main("EVAL"), Redis("cache")).endswith(told)
    assert told not in in_world(lambda: main("EVIL"), Redis("cache"))


def test_redis_publishes_to_who_has_subscribed() -> None:
    async def main() -> list[str]:
        async with redis_py.Redis(host="cache", decode_responses=True) as store, store.pubsub() as listening:
            await listening.subscribe("news")
            assert (await listening.get_message(timeout=5))["type"] == "subscribe"
            assert [await store.publish("news", text) for text in "abc"] == [1, 1, 1]
            return [
                message["data"]
                for _ in range(3)
                if (message := await listening.get_message(ignore_subscribe_messages=True, timeout=5)) is not None
            ]

    for seed in SEEDS:
        assert in_world(main, Redis("cache"), seed=seed) == ["a", "b", "c"]


def moderation() -> FastAPI:
    app = FastAPI()
    app.state.asked = 0

    @app.post("/check")
    async def check(request: Request) -> dict[str, Any]:
        app.state.asked += 1
        return {"said": await request.json(), "asked": app.state.asked, "scheme": request.url.scheme}

    @app.get("/fails")
    async def fails() -> None:
        raise LookupError("as planned")

    return app


API = "https://moderation.example.com"


async def by_httpx() -> list[Any]:
    async with httpx.AsyncClient(base_url=API) as client:
        first, second = [(await client.post("/check", json={"n": n})).json() for n in range(2)]
        missing = (await client.get("/nowhere")).status_code
        return [first, second, missing]


async def by_aiohttp() -> list[Any]:
    async with aiohttp.ClientSession(API) as client:
        answers = []
        for n in range(2):
            async with client.post("/check", json={"n": n}) as answer:
                answers.append(await answer.json())
        async with client.get("/nowhere") as answer:
            return [*answers, answer.status]


@pytest.mark.parametrize("main", [by_httpx, by_aiohttp])
def test_an_http_service_answers_by_its_name_and_is_new_in_every_execution(main: Main) -> None:
    expected = [*({"said": {"n": n}, "asked": n + 1, "scheme": "https"} for n in range(2)), 404]
    loop = WorldLoop()
    for seed in SEEDS:
        assert in_world(main, HttpService(API, make=moderation), seed=seed, loop=loop) == expected


def test_a_service_that_fails_answers_500_and_is_told() -> None:
    async def main() -> int:
        async with httpx.AsyncClient(base_url="http://moderation:8080") as client:
            return (await client.get("/fails")).status_code

    assert in_world(main, HttpService("http://moderation:8080", moderation())) == 500


class Counter:
    """A server with a state of its own."""

    def __init__(self) -> None:
        self.total = 0

    async def __call__(self, line: str) -> list[str]:
        await asyncio.sleep(0.1)
        self.total += int(line)
        return [f"total {self.total}"]


def test_a_line_server_keeps_its_state_for_one_execution() -> None:
    async def main() -> list[bytes]:
        reader, writer = await asyncio.open_connection("stats", 8125)
        writer.write(b"1\n2\r\n3")
        writer.write(b"0\n")
        lines = [await reader.readline() for _ in range(3)]
        writer.close()
        return lines

    for seed in SEEDS:
        lines = in_world(main, LineServer("stats", 8125, Counter), seed=seed)
        assert lines == [b"total 1\n", b"total 3\n", b"total 33\n"]


kept: dict[str, Any] = {}


async def with_a_pool() -> list[int]:
    if "store" not in kept:
        kept["store"] = redis_py.Redis(host="cache")
        kept["client"] = httpx.AsyncClient(base_url=API)
    answers = [int(await kept["store"].incr("n")) for _ in range(2)]
    return [*answers, (await kept["client"].post("/check", json={})).json()["asked"]]


def test_connections_of_a_pool_do_not_outlive_the_execution() -> None:
    loop = WorldLoop()
    for seed in SEEDS:
        assert in_world(with_a_pool, Redis("cache"), HttpService(API, make=moderation), seed=seed, loop=loop) == [
            1,
            2,
            1,
        ]

    async def close() -> None:
        await kept["store"].aclose()
        await kept["client"].aclose()

    in_world(close, Redis("cache"), loop=loop)
    kept.clear()


def test_answers_are_late_but_not_later_than_promised() -> None:
    async def main(patience: float) -> bool:
        async with redis_py.Redis(host="cache", socket_timeout=patience, retry=Retry(NoBackoff(), 0)) as store:
            with suppress(TimeoutError, redis_py.TimeoutError, redis_py.ConnectionError):
                await store.ping()
                return True
        return False

    def share(delay: float) -> int:
        return sum(in_world(lambda: main(5), Redis("cache", delay=delay), seed=seed) for seed in range(40))

    assert share(0.25) == 40
    assert share(60.0) < 40


async def asks_httpx() -> None:
    async with httpx.AsyncClient() as client:
        await client.get("https://api.example.com/")


async def asks_redis() -> None:
    async with redis_py.Redis(host="elsewhere") as store:
        await store.ping()


async def asks_itself() -> None:
    await asyncio.open_connection("elsewhere", 5432)


def test_a_refusal_names_the_library_that_talks_and_not_one_that_uses_it() -> None:
    told = str(OutsideWorldError("loop.create_connection('cache', 6379)", libraries=("limiter", "redis")))
    assert "through redis" in told and 'Redis("host")' in told
    assert "through limiter" in str(OutsideWorldError("loop.create_connection('cache', 6379)", libraries=("limiter",)))


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (asks_httpx, ["in asks_httpx (test_standins.py:", "through httpx", "HttpService("]),
        (asks_redis, ["in asks_redis (test_standins.py:", "through redis", 'Redis("host")']),
        (asks_itself, ["'elsewhere', 5432", "in asks_itself (test_standins.py:", "LineServer(host, port"]),
    ],
)
def test_a_refusal_names_the_call_the_place_the_library_and_the_stand_in(main: Main, words: list[str]) -> None:
    loop = WorldLoop()
    told: list[str] = []

    async def watched() -> None:
        with suppress(Exception):
            await asyncio.create_task(main())
        assert isinstance(loop.trespass, OutsideWorldError)
        told.append(str(loop.trespass))

    in_world(watched, Redis("cache"), loop=loop)
    assert all(word in told[0] for word in words), told
