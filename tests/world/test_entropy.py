"""The shared generator is copied, kept and given back exactly."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from crosswire.fuzzer.world import WorldLoop
from crosswire.fuzzer.world.entropy import _SharedGenerator


@given(st.integers(), st.integers(0, 1300), st.booleans())
def test_the_state_is_what_seeding_makes_it_and_comes_back(seed: int, drawn: int, gauss: bool) -> None:
    shared = _SharedGenerator()
    random.seed(seed)
    for _ in range(drawn):
        random.getrandbits(32)
    if gauss:
        random.gauss(0, 1)  # leaves a second value for the next call
    before = random.getstate()
    kept = shared.keep()
    shared.seed()
    assert random.getstate() == random.Random(0).getstate()
    random.random()
    shared.give_back(kept)
    assert random.getstate() == before


def test_every_execution_draws_the_same() -> None:
    loop = WorldLoop()

    async def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), random.randint(0, 9)]

    with loop.entropy:
        drawn = [loop.run_coroutine(draw()) for _ in range(3)]
    assert drawn[0] == drawn[1] == drawn[2]
