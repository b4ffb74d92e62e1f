"""The portfolio gives most to what pays, changes its mind when that changes, and is the same for the same seed."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from crosswire.fuzzer.search.portfolio import Portfolio

NAMES = ("a", "b", "c")


def play(portfolio: Portfolio, chances: dict[str, float], times: int, seed: int = 0) -> Counter[str]:
    """How often each is chosen while each pays with its own chance."""
    luck = Random(seed)
    chosen: Counter[str] = Counter()
    for _ in range(times):
        name = portfolio.choose(NAMES)
        chosen[name] += 1
        portfolio.learn(name, luck.random() < chances[name])
    return chosen


@pytest.mark.parametrize("best", NAMES)
def test_most_goes_to_what_pays_and_something_to_everything(best: str) -> None:
    shares = play(Portfolio(1), {name: 0.5 if name == best else 0.05 for name in NAMES}, 1000)
    assert shares[best] > 700
    assert all(shares[name] > 10 for name in NAMES)


def test_it_changes_its_mind() -> None:
    portfolio = Portfolio(2)
    assert play(portfolio, {"a": 0.5, "b": 0.05, "c": 0.05}, 500).most_common(1)[0][0] == "a"
    play(portfolio, {"a": 0.05, "b": 0.5, "c": 0.05}, 200)
    assert play(portfolio, {"a": 0.05, "b": 0.5, "c": 0.05}, 500).most_common(1)[0][0] == "b"


def test_what_can_no_longer_be_chosen_is_not() -> None:
    portfolio = Portfolio(3)
    play(portfolio, {"a": 0.9, "b": 0.1, "c": 0.1}, 100)
    assert {portfolio.choose(("b", "c")) for _ in range(50)} == {"b", "c"}


def test_a_seed_names_one_sequence_of_choices() -> None:
    first, again, other = ([Portfolio(seed).choose(NAMES) for _ in range(1)] for seed in (5, 5, 6))
    assert first == again
    chances = {"a": 0.3, "b": 0.2, "c": 0.1}
    assert play(Portfolio(5), chances, 200) == play(Portfolio(5), chances, 200) != play(Portfolio(6), chances, 200)
    assert other[0] in NAMES
