"""What is measured while a server is stressed: latencies from the intended time, counts, errors by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import frexp

from ...models.isolation.outside import Grade

__all__ = ("PERCENTILES", "Course", "Figures", "Histogram")

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
"""Those that are told, by what they are called."""

BUCKETS = 1024
"""For each power of two: a value is known to a thousandth, however many there are."""

COARSE = 128
"""The same in each interval of a run: to a hundredth."""

MOST = 256
"""Intervals of a run; one that takes longer has longer ones."""


class Histogram:
    """How often each value was recorded, in buckets as wide as their values are large.

    After HdrHistogram (Tene, 2012): constant relative precision, and a size that does not grow with what is recorded.
    ``buckets`` there are for each power of two.
    """

    def __init__(self, buckets: int = BUCKETS) -> None:
        self._counts: dict[int, int] = {}
        self._buckets = buckets
        self.total = 0

    def record(self, seconds: float) -> None:
        mantissa, exponent = frexp(seconds)
        count = self._buckets
        bucket = exponent * count + int(mantissa * count * 2) - count if seconds > 0 else -64 * count
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.total += 1

    def add(self, other: Histogram) -> None:
        """Take in what another one has recorded, which is as fine as this one, or finer."""
        fold = other._buckets // self._buckets
        for bucket, count in other._counts.items():
            self._counts[bucket // fold] = self._counts.get(bucket // fold, 0) + count
        self.total += other.total

    def percentile(self, per_cent: float) -> float | None:
        """Return the value that so many per cent do not exceed, in seconds; None where nothing was recorded."""
        wanted, seen = self.total * per_cent / 100, 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                exponent, place = divmod(bucket, self._buckets)
                return float((place + self._buckets + 1) / (self._buckets * 2) * 2.0**exponent)
        return None

    def percentiles(self) -> dict[str, float]:
        """Return the usual ones in milliseconds, by name; empty where nothing was recorded."""
        values = ((name, self.percentile(one)) for name, one in PERCENTILES.items())
        return {name: round(value * 1000, 3) for name, value in values if value is not None}


@dataclass(slots=True)
class Figures:
    """The counts of a second of a round, of a round, or of all rounds; times in seconds."""

    seconds: float = 0.0
    """Of traffic."""
    said: int = 0
    frames: int = 0
    """Received."""
    connects: int = 0
    left: int = 0
    """Clients that left, one way or the other."""
    heard: int = 0
    """Events received, each connection counted: what isolation, order and duplicates are judged by."""
    owed: int = 0
    """Events owed to connections for certain, and looked for."""
    lag: float = 0.0
    """By how much the clients were late themselves, at most."""
    away: float = 0.0
    """For how long the server did not answer."""
    judging: float = 0.0
    processor: float = 0.0
    """Seconds of processor time of this process."""
    delivery: Histogram = field(default_factory=Histogram)
    """From when an event was to be said until it was received, less what a client did not read."""
    connecting: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    violations: Counter[tuple[str, Grade]] = field(default_factory=Counter)
    """By kind, and how far they are proven."""

    def add(self, other: Figures) -> None:
        for name in ("seconds", "said", "frames", "connects", "left", "heard", "owed", "away", "judging", "processor"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.lag = max(self.lag, other.lag)
        self.delivery.add(other.delivery)
        self.connecting.add(other.connecting)
        self.errors.update(other.errors)
        self.violations.update(other.violations)


class Course:
    """How figures went in the course of a run: in intervals of ``seconds``, that grow where there are too many."""

    def __init__(self) -> None:
        self.seconds = 1.0
        self._intervals: dict[int, Figures] = {}

    def at(self, moment: float) -> Figures:
        """Return the figures of the interval in which a moment lies, in seconds from the run's beginning."""
        while moment >= MOST * self.seconds:
            before, self._intervals = self._intervals, {}
            self.seconds *= 2
            for number, figures in before.items():
                self._of(number // 2).add(figures)
        return self._of(int(moment / self.seconds))

    def _of(self, number: int) -> Figures:
        if number not in self._intervals:
            self._intervals[number] = Figures(delivery=Histogram(COARSE), connecting=Histogram(COARSE))
        return self._intervals[number]

    @property
    def intervals(self) -> list[tuple[float, Figures]]:
        """All intervals up to the last in which anything was measured, each with the second in which it begins."""
        return [
            (number * self.seconds, self._intervals.get(number, Figures()))
            for number in range(max(self._intervals, default=-1) + 1)
        ]
