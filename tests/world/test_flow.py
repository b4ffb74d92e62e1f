"""Bytes on their way arrive complete and in order."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crosswire.fuzzer.engine.schedule import Recorded, Schedule
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import WorldLoop
from crosswire.fuzzer.world.flow import Reads

from .parity import (
    serving,
)

pieces = st.lists(st.binary(min_size=1, max_size=40) | st.integers(1, 300_000).map(bytes), max_size=6)


@settings(max_examples=60, deadline=None)
@given(up=pieces, down=pieces, seed=st.integers(0, 2**20), reads=st.sampled_from([None, "split", "merged"]))
def test_bytes_arrive_complete_and_in_order(up: list[bytes], down: list[bytes], seed: int, reads: Reads | None) -> None:
    """Under any schedule, in whichever reads; and again, byte for byte, when run again or replayed."""

    async def main() -> tuple[bytes, bytes]:
        received = asyncio.get_running_loop().create_future()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: list[bytes]) -> bytes:
            transport: Any = writer.transport
            transport.inflow.reads = reads

            async def say() -> None:
                for piece in data:
                    writer.write(piece)
                    await writer.drain()
                writer.write_eof()

            async with asyncio.TaskGroup() as group:
                saying = group.create_task(say())
                hearing = group.create_task(reader.read())
            await saying
            writer.close()
            return await hearing

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.set_result(await talk(reader, writer, down))

        server, port = await serving(handler)
        async with server:
            back = await talk(*await asyncio.open_connection("127.0.0.1", port), up)
            return await received, back

    def execution(chooser: Any) -> tuple[Any, list[Any], list[Any]]:
        loop = WorldLoop()
        deviations: list[Any] = []
        visible: list[Any] = []

        async def noted() -> tuple[bytes, bytes]:
            try:
                return await main()
            finally:
                deviations.extend(loop.deviations)
                visible.extend(loop.visible)

        return loop.run_coroutine(noted(), chooser), deviations, visible

    first = execution(RandomWalk(seed))
    assert first[0] == (b"".join(up), b"".join(down))
    assert execution(RandomWalk(seed)) == first
    assert execution(Recorded(Schedule(tuple(first[1])))) == first
