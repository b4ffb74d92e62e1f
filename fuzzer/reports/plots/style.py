"""What all pictures share: sizes, and colours that colour-blind people tell apart.

Colours: M. Okabe and K. Ito, "Color universal design" (2008).
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...core.text import plain

__all__ = ("COLOURS", "GREY", "MARKERS", "RED", "empty", "figure", "named", "tidy")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREY = "#666666"
RED = "#B2182B"


def named(text: str) -> str:
    """Return a name as matplotlib is to draw it: one line, and no formula between dollars."""
    return plain(text).replace("$", r"\$")


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of axes."""
    made = Figure(figsize=(width, height), dpi=150, layout="constrained")
    return made, made.add_subplot()


def tidy(axes: Axes, title: str, x: str, y: str) -> None:
    """Titles and labels, and no box around."""
    axes.set_title(title, fontsize=11, loc="left")
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
