"""What all pictures share: sizes, and colours that colour-blind people tell apart.

Colours: M. Okabe and K. Ito, "Color universal design" (2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ...core.text import plain

__all__ = ("COLOURS", "GREY", "RED", "empty", "figure", "ink_on", "line", "named", "panels", "tidy")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))
GREY = "#666666"
RED = "#B2182B"

ACROSS = 4
"""Panels in a row, at most."""


def line(number: int) -> dict[str, Any]:
    """How the line of that number is drawn: beyond the colours there are, its dashes tell it from others."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
    }


def named(text: str) -> str:
    """Return a name as matplotlib is to draw it: one line, and no formula between dollars."""
    return plain(text).replace("$", r"\$")


def ink_on(colour: Any) -> str:
    """The colour of figures on a ground of that colour: white where it is dark (by its luma, ITU-R BT.601)."""
    red, green, blue = to_rgb(colour)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "#111111"


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of axes."""
    made = Figure(figsize=(width, height), dpi=150, layout="constrained")
    return made, made.add_subplot()


def panels(count: int, width: float, height: float, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels with the same axes, each of so many inches, below a title."""
    across = min(count, ACROSS)
    down = -(-count // across)
    made = Figure(figsize=(width * across, height * down + 0.6), dpi=150, layout="constrained")
    made.suptitle(title, fontsize=11, x=0.01, ha="left")
    grid = made.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    every: list[Axes] = list(grid.flat)
    for number, one in enumerate(every):
        one.tick_params(labelsize=8, labelbottom=number + across >= count)
        if number >= count:
            one.set_axis_off()
    return made, every[:count]


def tidy(axes: Axes, title: str, x: str, y: str, size: float = 11) -> None:
    """Titles and labels, and no box around."""
    axes.set_title(title, fontsize=size, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)


def empty(axes: Axes, words: Sequence[str]) -> None:
    """Say that there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, "\n".join(words), ha="center", va="center", color=GREY, transform=axes.transAxes)
