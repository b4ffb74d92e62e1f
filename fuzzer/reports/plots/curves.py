"""Discovery over executions, and survival by strategy."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ...core.counting import counted
from ...statistics import discovery, kaplan_meier
from ...store import FirstRow, SampleRow
from .style import COLOURS, GREY, empty, figure, line, named, panels, tidy

__all__ = ("discovery_curve", "first_failures", "survival_curves")


def discovery_curve(samples: Sequence[SampleRow]) -> Figure:
    """Distinct violations against programs for each target of one campaign; what there may be at most is in the legend.

    Of stores from before programs were counted, against executions.
    """
    made, axes = figure(8.2, 3.8)
    targets = list(dict.fromkeys(sample.target for sample in samples if sample.distinct))
    if not targets:
        empty(axes, ["nothing found yet"])
        return made
    unit = "programs" if all(sample.programs for sample in samples) else "executions"
    for number, target in enumerate(targets):
        curve = [sample for sample in samples if sample.target == target]
        last = curve[-1]
        end = discovery(getattr(last, unit), last.distinct, last.singletons, last.doubletons)
        style = line(number)
        marker = style.pop("marker")
        axes.step(
            [0, *(getattr(sample, unit) for sample in curve)],
            [0, *(sample.distinct for sample in curve)],
            where="post",
            linewidth=1.6,
            label=f"{named(target)}: {end.seen}, up to {end.high:.0f}; next: 1 in {end.one_in:,} at most",
            **style,
        )
        axes.plot(getattr(last, unit), last.distinct, color=style["color"], marker=marker, markersize=5)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    tidy(axes, "Distinct violations found", unit, "distinct violations")
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
    """A panel for each strategy: the share of campaigns on failing targets that had not failed yet (Kaplan-Meier).

    With 95 % bands; the other strategies' curves are in grey behind it.
    """
    by_strategy = sorted(first_failures(firsts).items())
    if not by_strategy:
        made, axes = figure(8.2, 3.8)
        empty(axes, ["no failures yet"])
        return made
    curves = []
    for strategy, (times, failed) in by_strategy:
        curve = kaplan_meier(times, failed)
        x = [*(max(1.0, t) for t in curve.executions), float(max(times))]
        curves.append((strategy, len(times), curve, x, [*curve.surviving, curve.surviving[-1]]))
    made, places = panels(len(curves), 2.4, 1.9, "Not failed yet, by strategy (the others in grey)")
    for axes, (strategy, campaigns, curve, x, surviving) in zip(places, curves, strict=True):
        for _, _, _, other_x, other in curves:
            axes.step(other_x, other, where="post", color="#CCCCCC", linewidth=0.8)
        low, high = [*curve.low, curve.low[-1]], [*curve.high, curve.high[-1]]
        axes.fill_between(x, low, high, step="post", color=COLOURS[0], alpha=0.18, linewidth=0)
        axes.step(x, surviving, where="post", color=COLOURS[0], linewidth=1.8)
        failed_at = f"\nhalf failed by {curve.median:,.0f}" if curve.median else ""
        tidy(axes, named(strategy), "", "", size=9)
        told = f"{counted(campaigns, 'campaign')}{failed_at}"
        axes.text(0.97, 0.95, told, fontsize=7.5, color=GREY, ha="right", va="top", transform=axes.transAxes)
        axes.set_xscale("log")
        axes.set_xlim(left=0.8)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    made.supxlabel("executions of the strategy", fontsize=9)
    made.supylabel("campaigns without failure", fontsize=9)
    return made
