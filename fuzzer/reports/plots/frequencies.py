"""How often promises are broken: by target and promise, by what programs were like, from campaign to campaign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ...core.choices import PROMISES
from ...statistics import By, shares_by, shares_by_promise, wilson
from ...store import CountRow
from .style import empty, figure, ink_on, line, named, panels, tidy

__all__ = ("by_users", "frequency_by", "heat_map", "over_time", "percent")

WORDS: dict[By, str] = {
    "users": "users in the program",
    "length": "operations in the program",
    "strategy": "strategy",
}


def percent(share: float) -> str:
    """A share with two digits that say something, and no exponent."""
    if share >= 0.0995:
        return f"{share:.0%}"
    if share >= 0.00095:
        return f"{share:.1%}"
    return f"{share:.2%}" if share >= 0.00005 else "<0.01%"


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
    mesh = axes.pcolormesh(*edges, shown, cmap="YlOrRd", norm=norm)
    axes.invert_yaxis()
    for row in range(len(targets)):
        for column in range(len(promises)):
            share = table[row, column]
            ink = ink_on(tuple(mesh.to_rgba(share)) if share else "white")
            text = "·" if share == 0 else percent(share)
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=ink)
    axes.set_xticks(range(len(promises)), [p.replace(" ", "\n") for p in promises], fontsize=8.5)
    for label in axes.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")
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
    return frequency_by(counts, "users")


def frequency_by(counts: Sequence[CountRow], by: By, promise: str | None = None) -> Figure:
    """How often each target breaks a promise, by users, program length or strategy; with 95 % Wilson intervals.

    Without ``promise``, the one that each target breaks most.  Targets that never break it are left out.
    """
    made, axes = figure(8.2, 3.8)
    drawn = 0
    places: dict[object, int] = {}
    for target in dict.fromkeys(count.target for count in counts):
        own = [count for count in counts if count.target == target]
        broken = {p: times for (_, p), (times, _) in shares_by_promise(own).items() if times}
        chosen = promise if promise is not None else max(broken, key=broken.__getitem__, default=None)
        if chosen not in broken:
            continue
        shares = shares_by(own, chosen, by)
        x = [value if isinstance(value, int) else places.setdefault(value, len(places)) for _, value in shares]
        rates = [wilson(*cell) for cell in shares.values()]
        axes.errorbar(
            [at + (drawn % 9 - 4) * 0.03 for at in x],
            [rate.share for rate in rates],
            yerr=[[r.share - r.low for r in rates], [r.high - r.share for r in rates]],
            markersize=5,
            linewidth=0 if by == "strategy" else 1.3,
            elinewidth=1.1,
            capsize=2,
            label=named(target if promise is not None else f"{target}: {chosen}"),
            **line(drawn),
        )
        drawn += 1
    if not drawn:
        empty(axes, ["no promise broken" if promise is None else f"{promise}: not broken"])
        return made
    if places:
        axes.set_xticks(list(places.values()), [str(value) for value in places])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.set_ylim(bottom=0)
    title = (
        "The promise each target breaks most" if promise is None else f"Executions that broke the promise: {promise}"
    )
    tidy(axes, title, WORDS[by], "share of executions")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made


def over_time(counts: Sequence[CountRow]) -> Figure:
    """For each target a panel: the share of executions that broke each promise, campaign by campaign."""
    by_campaign = {
        number: shares_by_promise([count for count in counts if count.campaign == number])
        for number in sorted({count.campaign for count in counts})
    }
    broken = {cell for shares in by_campaign.values() for cell, (times, _) in shares.items() if times}
    targets = sorted({target for target, _ in broken})
    if not targets:
        made, axes = figure(8.2, 3.8)
        empty(axes, ["no promise broken"])
        return made
    made, places = panels(len(targets), 2.7, 2.1, "Executions that broke a promise")
    promises = [promise for promise in PROMISES if any(promise == p for _, p in broken)]
    for target, axes in zip(targets, places, strict=True):
        for number, promise in enumerate(promises):
            points = [(n, s[target, promise]) for n, s in by_campaign.items() if (target, promise) in s]
            if (target, promise) in broken:
                axes.plot(
                    [n for n, _ in points],
                    [times / executions for _, (times, executions) in points],
                    markersize=4,
                    linewidth=1.2,
                    label=promise,
                    **line(number),
                )
        tidy(axes, named(target), "", "", size=9)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_yscale("symlog", linthresh=1e-3)
        axes.set_yticks([0, 1e-3, 1e-2, 1e-1, 1])
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda share, _: f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}")
        )
        axes.set_ylim(0, 1)
    handles = {
        label: handle for axes in places for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    made.legend(handles.values(), handles.keys(), fontsize=8, frameon=False, loc="outside right center")
    made.supxlabel("campaign", fontsize=9)
    made.supylabel("share of executions", fontsize=9)
    return made
