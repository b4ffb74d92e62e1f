"""The benchmark that kills a cluster's workers notices what is lost, counted twice or found otherwise."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.cluster_kills import Outcome, differences

GIVEN = Outcome(
    '{"targets": [{"executions": 7}, {"executions": 2}]}',
    [("factory", "pos", 3, 2, 9, [])],
    [("LostEvent-1", 4, 2)],
    {"factory-LostEvent-1.json": "{}"},
)


def test_outcomes_differ_in_what_is_printed_counted_seen_or_written() -> None:
    assert GIVEN.executions == 9
    assert differences(GIVEN, replace(GIVEN)) == []
    assert differences(GIVEN, replace(GIVEN, printed="{}")) == ["not the same: printed"]
    twice = replace(GIVEN, counts=GIVEN.counts * 2, sightings=[("LostEvent-1", 5, 2)])
    assert differences(GIVEN, twice) == ["not the same: counts", "not the same: sightings"]
    assert differences(GIVEN, replace(GIVEN, files={})) == ["not the same: files"]
