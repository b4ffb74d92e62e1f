"""The bugs of the chats written with anyio show on the event loops they are said to, and not in the repaired ones."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.core.program import Operation

from .test_examples import shown

pytest.importorskip("trio")

TALK = {
    "FanOut": (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u0"),
        Operation("settle"),
        Operation("emit", None, "u1", "u0"),
        Operation("abort", "c0"),
    ),
    "Latest": (Operation("connect", "c0", "u0"), Operation("emit", None, "u1", "u0")),
    "Shielded": (
        Operation("connect", "c0", "u0"),
        Operation("emit", None, "u1", "u0"),
        Operation("cancel", None, "u1"),
        Operation("settle"),
        Operation("emit", None, "u2", "u0"),
    ),
}
"""A program in which each bug can show."""

SHOWS = {
    "FanOut": {"asyncio": "LostEvent", "trio": "LostEvent"},
    "Latest": {"trio": "LostEvent"},
    "Shielded": {"asyncio": "Deadlock"},
}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", TALK)
def test_a_program_shows_the_bug_where_it_is_one_and_not_in_the_repaired_twin(name: str, backend: str) -> None:
    found = shown(f"examples.anyio_chats:{name}?backend={backend}", TALK[name], 80)
    assert set(found) == set(filter(None, [SHOWS[name].get(backend)])), found
    assert not shown(f"examples.anyio_chats_repaired:{name}?backend={backend}", TALK[name], 80)
