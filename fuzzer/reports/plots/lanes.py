"""The lanes of one counterexample: a sequence diagram, time downwards, the violation marked."""

from __future__ import annotations

from collections import defaultdict, deque
from textwrap import wrap

from matplotlib.figure import Figure

from ....models.isolation.violations import Violation
from ...core.text import plain
from ...engine.execution import Execution
from ..words import describe, lane_of
from .style import COLOURS, GREY, RED

__all__ = ("lanes_figure",)

COLUMN = 2.7
"""Inches for each lane."""

ROW = 0.26
"""Inches for each row of the history."""

WIDTH = 36
"""Characters of a label's line."""

QUIET = ("skipped", "emptied")


def lanes_figure(execution: Execution, violation: Violation) -> Figure:
    """One column for the server and one for each client; arrows are frames, rows in red prove the violation."""
    program = execution.program
    last = max(violation.evidence, default=len(execution.history) - 1)
    rows = [(n, row) for n, row in enumerate(execution.history[: last + 1]) if row.kind not in QUIET]
    users = {op.connection: op.user for op in program.operations if op.kind == "connect" and op.connection}
    columns = ["server", *users]
    labels = [wrap(describe(row, program), WIDTH) or [""] for _, row in rows]
    positions, depth = [], 0.0
    for lines in labels:
        positions.append(depth)
        depth += len(lines) * 0.72 + 0.55
    message = wrap(plain(violation.message), int(len(columns) * COLUMN * 14))
    head = 0.58 + 0.17 * len(message)
    width, height = max(4.6, len(columns) * COLUMN), depth * ROW + head + 0.2
    made = Figure(figsize=(width, height), dpi=150)
    axes = made.add_axes((0.0, 0.0, 1.0, (height - head) / height))
    axes.set_xlim(-0.12, len(columns) - 0.05)
    axes.set_ylim(depth, -1.4)
    axes.set_axis_off()
    left = 0.12 * COLUMN / width / 1.1
    top = f"{violation.kind}: the promise of {violation.promise} is broken"
    made.text(left, 1 - 0.12 / height, top, fontsize=11, fontweight="bold", color=RED, va="top")
    made.text(left, 1 - 0.36 / height, "\n".join(message), fontsize=8.5, va="top", parse_math=False)
    for number, name in enumerate(columns):
        title = name if name == "server" else plain(f"{name} ({users[name]})")
        axes.text(number, -1.0, title, fontsize=9.5, fontweight="bold", parse_math=False)
        axes.plot([number, number], [-0.6, depth], color="#BBBBBB", linewidth=1, zorder=0)
    sent: defaultdict[tuple[str | None, str], deque[float]] = defaultdict(deque)
    for (number, row), lines, y in zip(rows, labels, positions, strict=True):
        lane = lane_of(row, program)
        x = columns.index(lane) if lane in columns else 0
        proves = number in violation.evidence
        colour = RED if proves else GREY if row.kind in ("rest", "registry", "active", "clock", "busy") else "#111111"
        if proves:
            axes.axhspan(y - 0.6, y + 0.72 * len(lines) - 0.1, color=RED, alpha=0.09, linewidth=0)
        if row.kind == "sent":
            sent[row.connection, str(row.detail)].append(y)
            x = 0
        elif row.kind == "received" and sent[row.connection, str(row.detail)]:
            start = sent[row.connection, str(row.detail)].popleft()
            arrow = {"arrowstyle": "-|>", "color": COLOURS[0], "linewidth": 1.1, "shrinkA": 2, "shrinkB": 2}
            axes.annotate("", xy=(x, y), xytext=(0, start), arrowprops=arrow, zorder=1)
        target = plain(f" to {row.connection}") if row.kind == "sent" else ""
        axes.plot(x, y, "o", color=colour, markersize=4, zorder=3)
        text = "\n".join(lines) + target
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}
        weight = "bold" if proves else "normal"
        above = 0.75 if row.kind == "sent" else 0.35  # clear of the frame's arrow
        axes.text(
            x + 0.045,
            y - above,
            text,
            fontsize=7.5,
            va="top",
            color=colour,
            fontweight=weight,
            bbox=box,
            zorder=2,
            parse_math=False,
        )
    return made
