"""The bug of each example is found, and its repaired twin shows nothing, however it is served."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from benchmarks.examples import EXAMPLES, hunt
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve

TALK = {
    "fastapi_chat": (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("connect", "c2", "u2", pace="slow"),
        Operation("settle"),
        Operation("broadcast", "c2", "u2"),
        Operation("abort", "c0"),
    ),
    "websockets_chat": (
        Operation("connect", "c0", "u0", pace="slow"),
        Operation("connect", "c1", "u0"),
        Operation("emit", "c0", "u0", "u0"),
    ),
    "aiohttp_chat": (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u0"),
        Operation("settle"),
        Operation("abort", "c0"),
        Operation("broadcast", "c1", "u0"),
    ),
    "socketio_rooms": (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u1"),
        Operation("emit", "c1", "u1", "u1"),
    ),
    "agent_server": (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1")),
}
"""A program in which each example's bug can show."""

SERVERS = ("direct", "uvicorn-sansio", "uvicorn-wsproto")

WAYS = [
    (name, f"&via={via}{compression}" if example.asgi else compression)
    for name, example in EXAMPLES.items()
    for via in (SERVERS if example.asgi else ("",))
    for compression in (("",) if via == "direct" else ("", "&compression=on"))
]


def shown(
    target: str, operations: tuple[Operation, ...], schedules: int, until: Collection[str] = ()
) -> dict[str, str]:
    """The kinds of violations that a program shows under random schedules, each with a message.

    Up to the first of those kinds, where any are named.
    """
    worker = Worker(resolve(target))
    program = Program(operations)
    found: dict[str, str] = {}
    with worker.session():
        for seed in range(schedules):
            for violation in judged(worker, worker.run(program, RandomWalk(seed))).violations:
                found.setdefault(violation.kind, violation.message)
            if not found.keys().isdisjoint(until):
                break
    return found


@pytest.mark.parametrize(("name", "options"), WAYS)
def test_a_program_shows_the_bug_and_not_in_the_repaired_twin(name: str, options: str) -> None:
    example = EXAMPLES[name]
    found = shown(example.target(options=options), TALK[name], 120, until=example.shows)
    assert set(found) & set(example.shows), found
    assert not shown(example.target(repaired=True, options=options), TALK[name], 60)


def test_the_crossed_login_is_found_from_a_seed() -> None:
    found = hunt(EXAMPLES["agent_server"], seed=1, executions=2000)
    assert found is not None
    assert len(found.finding.execution.program) == 2


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_repaired_twin_survives(name: str) -> None:
    campaign = Campaign(resolve(EXAMPLES[name].target(repaired=True)), Plan(executions=120, seed=3)).run()
    assert not campaign.found, [found.finding.violation.message for found in campaign.found.values()]
    assert not campaign.doubts


def test_the_readme_lists_every_example() -> None:
    text = (Path(__file__).parents[2] / "examples" / "README.md").read_text(encoding="utf-8")
    for name in EXAMPLES:
        assert f"[{name}.py]({name}.py)" in text
        assert f"({name}_repaired.py)" in text
    assert {target for target in re.findall(r"'(examples\.[^']*)'", text) if resolve(target)}
