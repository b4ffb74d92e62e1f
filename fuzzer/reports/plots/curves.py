"""Discovery over executions, and survival by strategy."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ...statistics import discovery, kaplan_meier
from ...store import FirstRow, SampleRow
from .style import COLOURS, GREY, MARKERS, empty, figure, named, tidy

__all__ = ("discovery_curve", "first_failures", "survival_curves")


def discovery_curve(samples: Sequence[SampleRow]) -> Figure:
    """Distinct bugs against executions for each target of one campaign; the estimate of how many there are, dashed."""
    made, axes = figure(8.2, 3.8)
    targets = list(dict.fromkeys(sample.target for sample in samples if sample.distinct))
    if not targets:
        empty(axes, ["nothing found yet"])
        return made
    for number, target in enumerate(targets):
        curve = [sample for sample in samples if sample.target == target]
        colour = COLOURS[number % len(COLOURS)]
        last = curve[-1]
        end = discovery(last.executions, last.distinct, last.singletons, last.doubletons)
        hope = f"1 in {end.one_in:,}" if end.one_in else "none expected"
        axes.step(
            [0, *(s.executions for s in curve)],
            [0, *(s.distinct for s in curve)],
            where="post",
            color=colour,
            linewidth=1.6,
            label=f"{named(target)}: {end.seen} of about {end.estimate:.0f}; next new: {hope}",
        )
        axes.plot(last.executions, last.distinct, color=colour, marker=MARKERS[number % len(MARKERS)], markersize=5)
        if end.undiscovered >= 0.5:
            axes.plot([0, last.executions], [end.estimate] * 2, color=colour, linestyle=(0, (4, 3)), linewidth=0.9)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    tidy(axes, "Distinct bugs found (dashed: Chao2 estimate of all)", "executions", "distinct bugs")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made


def first_failures(firsts: Sequence[FirstRow]) -> dict[str, tuple[list[int], list[bool]]]:
    """strategy -> for each campaign and target, executions of it to the first failure, and whether there was one.

    Targets no strategy ever made fail are left out: they say nothing about strategies.
    """
    failing = {row.target for row in firsts if row.signature is not None}
    best: dict[tuple[str, int, str], tuple[int, bool]] = {}
    for row in firsts:
        if row.target in failing:
            key = (row.strategy, row.campaign, row.target)
            value = (row.executions, row.signature is not None)
            best[key] = min(best.get(key, value), value)
    result: dict[str, tuple[list[int], list[bool]]] = {}
    for (strategy, _, _), (executions, failed) in best.items():
        times, events = result.setdefault(strategy, ([], []))
        times.append(executions)
        events.append(failed)
    return result


def survival_curves(firsts: Sequence[FirstRow]) -> Figure:
    """By strategy, the share of campaigns on failing targets that had not failed yet (Kaplan-Meier, 95 % bands)."""
    made, axes = figure(8.2, 3.8)
    by_strategy = first_failures(firsts)
    if not by_strategy:
        empty(axes, ["no failures yet"])
        return made
    for number, (strategy, (times, failed)) in enumerate(sorted(by_strategy.items())):
        curve = kaplan_meier(times, failed)
        colour = COLOURS[number % len(COLOURS)]
        end = max(times)
        x = [*(max(1.0, t) for t in curve.executions), float(end)]
        label = f"{named(strategy)} ({len(times)} campaigns" + (
            f", median {curve.median:,.0f})" if curve.median else ")"
        )
        axes.step(x, [*curve.surviving, curve.surviving[-1]], where="post", color=colour, linewidth=1.6, label=label)
        low, high = [*curve.low, curve.low[-1]], [*curve.high, curve.high[-1]]
        axes.fill_between(x, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        censored = [time for time, event in zip(times, failed, strict=True) if not event]
        axes.plot(censored, [curve.surviving[-1]] * len(censored), "|", color=GREY)
    axes.set_xscale("log")
    axes.set_xlim(left=1)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    tidy(axes, "Not failed yet, by strategy", "executions of the strategy", "campaigns without failure")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made
