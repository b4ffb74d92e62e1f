"""The estimates, against published values and their own laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosswire.fuzzer.statistics import adjusted, differences, discovery, fisher_exact, kaplan_meier, wilson
from crosswire.fuzzer.statistics.discovery import poisson_limits


@pytest.mark.parametrize(
    ("times", "executions", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Stat. Med. 17 (1998), table I
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(times: int, executions: int, low: float, high: float) -> None:
    rate = wilson(times, executions)
    assert rate.low == pytest.approx(low, abs=5e-5)
    assert rate.high == pytest.approx(high, abs=5e-5)


@given(st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_the_share(pair: tuple[int, int]) -> None:
    rate = wilson(*pair)
    assert 0 <= rate.low <= rate.share <= rate.high <= 1


def test_wilson_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


def test_kaplan_meier_as_published() -> None:
    """The 6-MP arm of Freireich et al. (1963), the textbook example (Kalbfleisch and Prentice, Cox and Oakes)."""
    times = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    failed = [bool(f) for f in (1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)]
    curve = kaplan_meier(times, failed)
    assert list(curve.executions) == [0, 6, 7, 10, 13, 16, 22, 23]
    expected = [1, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert list(curve.surviving) == [pytest.approx(value, abs=5e-4) for value in expected]
    assert curve.median == 23
    assert all(low <= s <= high for low, s, high in zip(curve.low, curve.surviving, curve.high, strict=True))


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=40))
def test_kaplan_meier_without_censoring_is_the_share_left(rows: list[tuple[int, bool]]) -> None:
    times = [time for time, _ in rows]
    curve = kaplan_meier(times, [True] * len(times))
    for executions, surviving in zip(curve.executions, curve.surviving, strict=True):
        assert surviving == pytest.approx(sum(time > executions for time in times) / len(times))
    mixed = kaplan_meier(times, [failed for _, failed in rows])
    assert all(a >= b for a, b in zip(mixed.surviving, mixed.surviving[1:], strict=False))


def test_discovery_by_hand() -> None:
    """Chao2, bias-corrected: 20 + 99/100 * 6 * 5 / (2 * (2 + 1))."""
    found = discovery(100, 20, 6, 2)
    assert found.estimate == pytest.approx(24.95)
    assert found.low < found.estimate < found.high
    assert found.next_new == pytest.approx(0.1184, abs=1e-4)  # 11.84 is the upper limit of 6 (Garwood, 1936)
    assert found.one_in == 8


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 2.9957), (1, 0.0513, 4.7439), (2, 0.3554, 6.2958), (10, 5.4254, 16.9622)]
)
def test_the_limits_of_a_count_as_published(count: int, low: float, high: float) -> None:
    assert poisson_limits(count) == pytest.approx((low, high), abs=1e-4)


def test_where_nothing_was_seen_once_only_something_new_is_still_to_be_expected() -> None:
    found = discovery(1000, 19, 0, 0)
    assert found.estimate == 19 < found.high
    assert found.one_in == 333


@given(st.integers(1, 10**6), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_discovery_keeps_its_laws(executions: int, rare: int, twice: int, often: int) -> None:
    found = discovery(executions, rare + twice + often, rare, twice)
    assert found.seen <= found.low <= found.estimate + 1e-9
    assert found.estimate <= found.high + 1e-9
    if rare <= 1:
        assert found.undiscovered == 0


def test_fisher_as_published() -> None:
    """The lady tasting tea (Fisher, 1935): 3 of 4 against 1 of 4."""
    assert fisher_exact(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert fisher_exact(4, 4, 0, 4) == pytest.approx(2 / 70)
    assert fisher_exact(0, 10**6, 40, 10**6) == pytest.approx(2 * 0.5**40, rel=0.01)


def test_benjamini_and_hochberg_by_hand() -> None:
    assert adjusted([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])
    assert adjusted([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_adjusting_never_makes_a_difference_likelier(p_values: list[float]) -> None:
    assert all(a >= p or math.isclose(a, p) for a, p in zip(adjusted(p_values), p_values, strict=True))


def test_differences_name_the_cell_that_changed() -> None:
    before = {("t", "isolation"): (5, 1000), ("t", "order"): (100, 1000), ("u", "order"): (1, 10)}
    after = {("t", "isolation"): (5, 1000), ("t", "order"): (10, 1000)}
    first, second = differences(before, after)
    assert (first.cell, second.cell) == (("t", "order"), ("t", "isolation"))
    assert first.p < 1e-10 < 0.9 < second.p
