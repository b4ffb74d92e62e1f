"""What is measured: percentiles as exact as they claim to be; and that a crowd has users whom frames can name."""

from __future__ import annotations

import socket
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosswire.fuzzer.stress.crowd import Crowd
from crosswire.fuzzer.stress.figures import COARSE, MOST, Course, Figures, Histogram
from crosswire.fuzzer.stress.hub import Hub
from crosswire.fuzzer.stress.link import Address
from crosswire.fuzzer.stress.traffic import Load, Traffic
from crosswire.fuzzer.stress.traits import live_target
from crosswire.fuzzer.targets import JsonWire
from crosswire.fuzzer.targets.policy import Policy, policy_of
from crosswire.fuzzer.targets.users import MANY, integer_users, known_as

SECONDS = st.floats(1e-6, 1e3)


@given(st.lists(SECONDS, min_size=1, max_size=300), st.sampled_from((50.0, 90.0, 99.0, 99.9, 100.0)))
def test_percentiles_are_those_of_all_values_to_a_thousandth(values: list[float], per_cent: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    exact = float(np.percentile(values, per_cent, method="inverted_cdf"))
    assert histogram.percentile(per_cent) == pytest.approx(exact, rel=1e-3)


@given(st.lists(SECONDS, max_size=50), st.lists(SECONDS, max_size=50))
def test_two_histograms_together_are_one_of_both(first: list[float], second: list[float]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for histogram, values in ((one, first), (other, second), (both, [*first, *second])):
        for value in values:
            histogram.record(value)
    one.add(other)
    assert one.percentiles() == both.percentiles()


def test_nothing_recorded_has_no_percentiles_and_what_took_no_time_has() -> None:
    histogram = Histogram()
    assert histogram.percentile(50) is None and histogram.percentiles() == {}
    histogram.record(0.0)
    assert histogram.percentile(100) == pytest.approx(0.0, abs=1e-15)


def test_rounds_add_up_and_the_worst_lag_counts() -> None:
    total, part = Figures(said=1, lag=0.5), Figures(said=2, lag=0.2, heard=3)
    part.errors["HTTP 503"] += 1
    total.add(part)
    assert (total.said, total.heard, total.lag, total.errors["HTTP 503"]) == (3, 3, 0.5, 1)


@given(st.lists(SECONDS, min_size=1, max_size=100))
def test_an_intervals_histogram_takes_in_a_finer_one_and_is_exact_to_a_hundredth(values: list[float]) -> None:
    fine, coarse = Histogram(), Histogram(COARSE)
    for value in values:
        fine.record(value)
    coarse.add(fine)
    exact = float(np.percentile(values, 90, method="inverted_cdf"))
    assert coarse.total == len(values) and coarse.percentile(90) == pytest.approx(exact, rel=1e-2)


@given(st.lists(st.floats(0.0, 5000.0), min_size=1, max_size=60))
def test_a_course_has_what_it_was_told_in_so_many_intervals_at_most(moments: list[float]) -> None:
    course = Course()
    for moment in moments:
        course.at(moment).add(Figures(said=1, lag=moment))
    intervals = course.intervals
    assert len(intervals) <= MOST and sum(figures.said for _, figures in intervals) == len(moments)
    for at, figures in intervals:
        inside = [moment for moment in moments if at <= moment < at + course.seconds]
        assert figures.said == len(inside) and figures.lag == max(inside, default=0.0)
    assert course.seconds == 1.0 or max(moments) >= MOST * course.seconds / 2


def test_users_with_names_of_their_own_are_no_more_than_frames_can_tell() -> None:
    wire = JsonWire(path="/ws/{user}", users=integer_users)
    target = live_target("ws://live", wire, policy_of(Policy()))
    hub = Hub()
    crowd = Crowd(target, hub, Address(socket.AF_INET, ("127.0.0.1", 1), "live"), 0.0, 0, 0, Random(0))
    users = Traffic(crowd, Load(clients=1000), (), Random(0)).users
    hub.close()
    assert len(users) == MANY and all(str(integer_users(user)) in known_as(integer_users) for user in users)
