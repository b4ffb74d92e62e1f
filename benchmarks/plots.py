"""Pictures of what the benchmarks measured, as PNG files in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from crosswire.fuzzer.reports.plots.style import COLOURS, MARKERS, figure, tidy

from .report import middle, spread

__all__ = ("draw_defects", "draw_peers", "draw_speed", "draw_strategies")


def _save(made: Figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made.savefig(folder / f"{name}.png")


def draw_speed(figures: Mapping[str, Any], folder: Path) -> None:
    """Executions/s beside the floors; time for each event as more of them are pending; memory."""
    made, axes = figure(7.5, 3.6)
    sizes = figures["executions"]
    names = list(next(iter(sizes.values())))
    places = np.arange(len(names))
    for number, (size, rates) in enumerate(sizes.items()):
        values = [middle(rates[name]) for name in names]
        axes.bar(places + (number - 0.5) * 0.38, values, 0.36, color=COLOURS[number], label=f"lost update, {size}")
    axes.set_xticks(places, names)
    axes.set_yscale("log")
    tidy(axes, "Executions per second", "", "executions/s")
    axes.legend(frameon=False, fontsize=8)
    _save(made, folder, "executions")

    made, axes = figure(6.5, 3.4)
    for number, (walk, by_size) in enumerate(figures["pending"].items()):
        axes.plot(list(by_size), list(by_size.values()), COLOURS[number], marker=MARKERS[number], label=walk)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    tidy(axes, "Cost of an external event, with more of them pending", "pending at once", "ns for each")
    axes.legend(frameon=False, fontsize=8)
    _save(made, folder, "pending")

    made, axes = figure(6.5, 3.0)
    held = figures["memory"]
    axes.plot(list(held), list(held.values()), COLOURS[0], marker=MARKERS[0], markersize=3)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    tidy(axes, "Resident memory", "executions", "MiB")
    _save(made, folder, "memory")


def draw_strategies(shares: Mapping[str, Mapping[str, float]], folder: Path) -> None:
    """The share of executions that show the bug, kernel by strategy."""
    strategies = list(next(iter(shares.values())))
    made, axes = figure(1.6 + 1.1 * len(strategies), 0.9 + 0.36 * len(shares))
    grid = np.array([[row[strategy] for strategy in strategies] for row in shares.values()])
    axes.imshow(grid, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(grid):
        for x, value in enumerate(row):
            axes.text(
                x, y, f"{100 * value:.1f} %", ha="center", va="center", color="w" if value > 0.6 else "k", fontsize=8
            )
    axes.set_xticks(range(len(strategies)), strategies)
    axes.set_yticks(range(len(shares)), list(shares))
    axes.set_title("Executions that show the bug", fontsize=11, loc="left")
    axes.tick_params(length=0)
    _save(made, folder, "strategies")


def draw_peers(tools: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Time to the first finding on each kernel: the median, and the quartiles as a line; hollow where half missed."""
    hunters = {name: figures["hunts"] for name, figures in tools.items() if figures["hunts"]}
    kernels = list(next(iter(hunters.values())))
    made, axes = figure(8.2, 4.6)
    for number, (name, hunts) in enumerate(hunters.items()):
        colour = COLOURS[number % len(COLOURS)]
        offset = (number - (len(hunters) - 1) / 2) * 0.1
        for at, kernel in enumerate(kernels):
            times = [1000 * hunt["seconds"] for hunt in hunts[kernel]]
            missed = 2 * sum(hunt["finding"] is None for hunt in hunts[kernel]) >= len(times)
            axes.plot(spread(times), [at + offset] * 2, color=colour, linewidth=1.2)
            axes.plot(
                middle(times),
                at + offset,
                MARKERS[number % len(MARKERS)],
                color=colour,
                markersize=5,
                markerfacecolor="none" if missed else colour,
                label=name if at == 0 else None,
            )
    axes.set_xscale("log")
    axes.set_yticks(range(len(kernels)), kernels)
    axes.invert_yaxis()
    tidy(axes, "Time to the first finding (hollow: half the seeds found nothing in time)", "milliseconds", "")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(made, folder, "first-finding")


def draw_defects(found: Mapping[str, list[dict[str, float]]], folder: Path) -> None:
    """Executions until each seed found each defect."""
    made, axes = figure(6.5, 0.9 + 0.24 * len(found))
    for at, seen in enumerate(found.values()):
        axes.plot([hunt["executions"] for hunt in seen], [at] * len(seen), MARKERS[0], color=COLOURS[0], markersize=4)
    axes.set_xscale("log")
    axes.set_yticks(range(len(found)), list(found))
    axes.invert_yaxis()
    tidy(axes, "Executions until a seed found the defect", "executions", "")
    _save(made, folder, "defects")
