"""Coroutines that nobody awaits: the target's own, and those that it makes of a library's functions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest

from crosswire.fuzzer.drivers.unawaited import forgotten, watched

LIBRARY: dict[str, Callable[[], object]] = {}
exec(
    compile("import asyncio\ndef forget():\n    asyncio.sleep(0)\n", "<a library's, made up>", "exec"),
    LIBRARY,
)


async def own() -> None: ...


def forgets_its_own() -> None:
    own()  # type: ignore[unused-coroutine]


def forgets_a_librarys() -> None:
    asyncio.sleep(0)  # type: ignore[unused-coroutine]


async def awaits() -> None:
    await asyncio.sleep(0)


def cancels() -> None:
    """A task that is cancelled before its first step has been awaited."""

    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(0))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (forgets_its_own, "own (test_unawaited.py:"),
        (forgets_a_librarys, "sleep, called in forgets_a_librarys (test_unawaited.py:"),
        (LIBRARY["forget"], None),
        (lambda: asyncio.run(awaits()), None),
        (cancels, None),
    ],
)
def test_what_nobody_awaits_is_told_where_the_target_has_made_it(does: Callable[[], object], told: str | None) -> None:
    before = sys.get_coroutine_origin_tracking_depth()
    with watched() as heard:
        does()
    said = [str(failure.place) for failure in forgotten(heard)]
    assert sys.get_coroutine_origin_tracking_depth() == before
    assert len(said) == (told is not None)
    assert told is None or said[0].startswith(told)
