"""How far the interfaces of classes differ, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ....models.managers.interface import Difference
from .style import figure, ink_on

__all__ = ("interface_map",)


def interface_map(names: Sequence[str], pairs: Sequence[Difference]) -> Figure:
    """Classes down and across; each cell the number of members in which the two differ."""
    count = len(names)
    table = np.zeros((count, count), dtype=int)
    for pair in pairs:
        left, right = names.index(pair.left), names.index(pair.right)
        table[left, right] = table[right, left] = len(pair)
    made, axes = figure(3.2 + 0.62 * count, 2.4 + 0.42 * count)
    edges = np.arange(count + 1) - 0.5
    most = max(int(table.max()), 1)
    shades = colormaps["cividis_r"]
    axes.pcolormesh(edges, edges, np.ma.masked_where(table == 0, table), cmap=shades, vmin=0, vmax=most)
    axes.invert_yaxis()
    for row in range(count):
        for column in range(count):
            text = "·" if row == column else str(table[row, column])
            ink = ink_on(shades(table[row, column] / most) if table[row, column] else "white")
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color=ink)
    axes.set_xticks(range(count), names, fontsize=8, rotation=40, ha="right")
    axes.set_yticks(range(count), names, fontsize=8)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    made.suptitle("Members that differ: in one class only, or in another form", fontsize=11, x=0.01, ha="left")
    return made
