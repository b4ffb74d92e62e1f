"""How often promises are broken: by manager and promise, and by number of users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ...core.choices import PROMISES
from ...statistics import shares_by_promise, wilson
from ...store import CountRow
from .style import COLOURS, MARKERS, empty, figure, named, tidy

__all__ = ("by_users", "heat_map")


def heat_map(counts: Sequence[CountRow]) -> Figure:
    """Targets down, promises across; each cell the share of executions that broke the promise."""
    shares = shares_by_promise(counts)
    targets = list(dict.fromkeys(target for target, _ in shares))
    promises = list(PROMISES)
    made, axes = figure(1.9 + 0.72 * len(promises), 1.9 + 0.34 * max(1, len(targets)))
    if not targets:
        empty(axes, ["nothing counted yet"])
        return made
    table = np.array([[shares[t, p][0] / shares[t, p][1] for p in promises] for t in targets])
    shown = np.ma.masked_where(table == 0, table)
    norm = LogNorm(vmin=1e-4, vmax=1.0, clip=True)
    edges = (np.arange(len(promises) + 1) - 0.5, np.arange(len(targets) + 1) - 0.5)
    axes.pcolormesh(*edges, shown, cmap="cividis_r", norm=norm)
    axes.invert_yaxis()
    for row in range(len(targets)):
        for column in range(len(promises)):
            share = table[row, column]
            dark = share > 0 and norm(share) > 0.55
            text = "·" if share == 0 else f"{share:.0%}" if share >= 0.1 else f"{100 * share:.1g}%"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "#333333")
    axes.set_xticks(range(len(promises)), [p.replace(" ", "\n") for p in promises], fontsize=8, rotation=40, ha="right")
    axes.set_yticks(range(len(targets)), list(map(named, targets)), fontsize=9)
    axes.set_xticks(np.arange(-0.5, len(promises)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(targets)), minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title("Executions that broke a promise (·: none)", fontsize=11, loc="left")
    return made


def by_users(counts: Sequence[CountRow]) -> Figure:
    """For each target, how often it breaks the promise it breaks most, by users; with 95 % Wilson intervals."""
    made, axes = figure(6.4, 3.8)
    shares = shares_by_promise(counts)
    worst: dict[str, str] = {}
    for (target, promise), (times, _) in shares.items():
        if times > (shares[target, worst[target]][0] if target in worst else 0):
            worst[target] = promise
    if not worst:
        empty(axes, ["no promise broken"])
        return made
    for number, (target, promise) in enumerate(worst.items()):
        executions_by: Counter[int] = Counter()
        broken_by: Counter[int] = Counter()
        for count in counts:
            if count.target == target:
                executions_by[count.users] += count.executions
                broken_by[count.users] += count.broken.get(promise, 0)
        users = sorted(executions_by)
        rates = [wilson(broken_by[n], executions_by[n]) for n in users]
        shift = (number - (len(worst) - 1) / 2) * 0.05
        axes.errorbar(
            [n + shift for n in users],
            [rate.share for rate in rates],
            yerr=[[r.share - r.low for r in rates], [r.high - r.share for r in rates]],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            linewidth=1.3,
            capsize=2,
            label=named(f"{target}: {promise}"),
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(bottom=0)
    tidy(axes, "The promise each target breaks most, by number of users", "users in the program", "share of executions")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    made.set_size_inches(8.2, 3.8)
    return made
