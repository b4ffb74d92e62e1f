"""What is measured while a server is stressed: latencies from the intended time, counts, errors by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import frexp

__all__ = ("PERCENTILES", "Figures", "Histogram")

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)

BUCKETS = 1024
"""For each power of two: a value is known to a thousandth, however many there are."""


class Histogram:
    """How often each value was recorded, in buckets as wide as their values are large.

    After HdrHistogram (Tene, 2012): constant relative precision, and a size that does not grow with what is recorded.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.total = 0

    def record(self, seconds: float) -> None:
        mantissa, exponent = frexp(seconds)
        bucket = exponent * BUCKETS + int(mantissa * BUCKETS * 2) - BUCKETS if seconds > 0 else -64 * BUCKETS
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.total += 1

    def add(self, other: Histogram) -> None:
        """Take in what another one has recorded."""
        for bucket, count in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self.total += other.total

    def percentile(self, per_cent: float) -> float | None:
        """Return the value that so many per cent do not exceed, in seconds; None where nothing was recorded."""
        wanted, seen = self.total * per_cent / 100, 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                exponent, place = divmod(bucket, BUCKETS)
                return float((place + BUCKETS + 1) / (BUCKETS * 2) * 2.0**exponent)
        return None

    def percentiles(self) -> dict[str, float]:
        """Return the usual ones in milliseconds, by name; empty where nothing was recorded."""
        values = ((f"p{one:g}" if one < 100 else "max", self.percentile(one)) for one in PERCENTILES)
        return {name: round(value * 1000, 3) for name, value in values if value is not None}


@dataclass(slots=True)
class Figures:
    """The counts of a round, or of all rounds; times in seconds."""

    seconds: float = 0.0
    """Of traffic."""
    said: int = 0
    frames: int = 0
    """Received."""
    connects: int = 0
    left: int = 0
    """Clients that left, one way or the other, while there was traffic."""
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

    def add(self, other: Figures) -> None:
        for name in ("seconds", "said", "frames", "connects", "left", "heard", "owed", "away", "judging", "processor"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.lag = max(self.lag, other.lag)
        self.delivery.add(other.delivery)
        self.connecting.add(other.connecting)
        self.errors.update(other.errors)
