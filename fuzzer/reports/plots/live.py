"""A run against a live server, second by second: latencies, failures, and how much was done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ...store import StressFailureRow, StressIntervalRow
from .style import COLOURS, GREY, RED, empty, figure, named, tidy

__all__ = ("failures_over_time", "latency_over_time", "traffic_over_time")

LINES = (
    ("event_p50", "half of them"),
    ("event_p90", "90 %"),
    ("event_p99", "99 %"),
    ("event_max", "all"),
)
"""Columns, and what took no longer."""

KINDS = 8
"""Kinds of failures that are told apart, those that were most; the others are one."""


class Failure(NamedTuple):
    """What failed: an error, or a promise and how far that is proven."""

    error: bool
    what: str


RESTING = 0.2
"""Share of an interval with traffic below which it counts as rest."""


Lines = tuple[tuple[str, Callable[[StressIntervalRow], float]], ...]


def latency_over_time(intervals: Sequence[StressIntervalRow]) -> Figure:
    """How long events took from when they were to be said, in each interval in which any arrived."""
    made, axes = figure(8.2, 3.8)
    measured = [row for row in intervals if row.event_p50 is not None]
    if not measured:
        empty(axes, ["no event arrived"])
        return made
    _rests(axes, intervals)
    for number, (column, label) in enumerate(LINES):
        x = [at for row in intervals for at in (row.at, row.at + row.seconds)]
        y = [value for row in intervals for value in [_drawn(getattr(row, column))] * 2]
        slowest = column == "event_max"
        colour, width = (GREY, 0.9) if slowest else (COLOURS[number], 1.8)
        dashes = (0, (2, 1.5)) if slowest else "-"
        axes.plot(x, y, color=colour, linewidth=width, linestyle=dashes, label=label, zorder=3 if slowest else 2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(_milliseconds))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    tidy(axes, "From when an event was to be said until it was received", "seconds of the run", "milliseconds")
    _seconds(axes, intervals)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=len(LINES) + 1)
    return made


def failures_over_time(intervals: Sequence[StressIntervalRow], failures: Sequence[StressFailureRow]) -> Figure:
    """How often promises were broken, and errors met, in each interval; those of the second kind may be anybody's."""
    made, axes = figure(8.2, 3.8)
    if not failures:
        empty(axes, ["nothing failed"])
        return made
    _rests(axes, intervals)
    totals: Counter[Failure] = Counter()
    moments: dict[Failure, Counter[float]] = defaultdict(Counter)
    for row in failures:
        failure = Failure(not row.grade, f"{row.failure}, {row.grade}" if row.grade else row.failure)
        totals[failure] += row.times
        moments[failure][row.at] += row.times
    shown = sorted(failure for failure, _ in totals.most_common(KINDS))
    rest: Counter[float] = Counter()
    for failure in totals.keys() - set(shown):
        rest.update(moments[failure])
    width = intervals[0].seconds if intervals else 1.0
    below: Counter[float] = Counter()

    def draw(label: str, heights: Counter[float], colour: str, *, hatched: bool) -> None:
        axes.bar(
            [at + width / 2 for at in heights],
            list(heights.values()),
            width=width * 0.9,
            bottom=[below[at] for at in heights],
            color=colour,
            hatch="////" if hatched else None,
            edgecolor="white",
            linewidth=0.4,
            label=label,
        )
        below.update(heights)

    for number, failure in enumerate(shown):
        colour = RED if number == 0 and not failure.error else COLOURS[number % len(COLOURS)]
        label = f"{named(failure.what)}: {totals[failure]:,}"
        draw(label, moments[failure], colour, hatched=failure.error)
    if rest:
        draw(f"others: {rest.total():,}", rest, "#999999", hatched=True)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    tidy(
        axes,
        "Promises broken, when it showed, and errors (hatched)",
        "seconds of the run",
        f"times in {_length(width)}",
    )
    _seconds(axes, intervals)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    return made


def traffic_over_time(intervals: Sequence[StressIntervalRow]) -> Figure:
    """What was said and heard, who came and left, and by how much the clients and the server were late."""
    made = Figure(figsize=(8.2, 5.6), dpi=150, layout="constrained")
    panels = list(made.subplots(3, 1, sharex=True))
    if not intervals:
        for axes in panels:
            axes.set_axis_off()
        empty(panels[1], ["nothing was measured"])
        return made
    drawn: tuple[tuple[str, str, Lines], ...] = (
        (
            "Events a second, each connection that hears one counted",
            "",
            (("heard", lambda row: row.heard / row.seconds), ("said", lambda row: row.said / row.seconds)),
        ),
        (
            "Clients a second",
            "",
            (("came", lambda row: row.connects / row.seconds), ("left", lambda row: row.departures / row.seconds)),
        ),
        (
            "By how much the clients were late at most; for how long the server did not answer",
            "seconds",
            (("own lag", lambda row: row.lag), ("server away", lambda row: row.away)),
        ),
    )
    edges = [row.at for row in intervals]
    for axes, (title, unit, lines) in zip(panels, drawn, strict=True):
        _rests(axes, intervals, legend=axes is panels[0])
        for number, (label, value) in enumerate(lines):
            values = [value(row) for row in intervals]
            x = [*edges, intervals[-1].at + intervals[-1].seconds]
            axes.step(x, [*values, values[-1]], where="post", color=COLOURS[number], linewidth=1.6, label=label)
        tidy(axes, title, "", unit, size=9)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    panels[-1].set_xlabel("seconds of the run")
    _seconds(panels[-1], intervals)
    return made


def _rests(axes: Axes, intervals: Sequence[StressIntervalRow], *, legend: bool = True) -> None:
    """Shade the intervals in which nothing was said: clients came, or all came to rest."""
    label: str | None = "nothing said" if legend else None
    for row in intervals:
        if row.traffic < RESTING * row.seconds:
            axes.axvspan(row.at, row.at + row.seconds, color="#888888", alpha=0.12, linewidth=0, label=label)
            label = None


def _seconds(axes: Axes, intervals: Sequence[StressIntervalRow]) -> None:
    if intervals:
        axes.set_xlim(intervals[0].at, intervals[-1].at + intervals[-1].seconds)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _drawn(milliseconds: float | None) -> float:
    """A latency on a logarithmic scale; nothing is drawn where there is none."""
    return float("nan") if milliseconds is None else max(milliseconds, 1e-3)


def _milliseconds(value: float, _: int | None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.3g}"


def _length(seconds: float) -> str:
    return "a second" if seconds == 1 else f"{seconds:,.0f} seconds"
