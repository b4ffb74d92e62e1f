"""What the benchmarks have in common: options, tables that read well on a terminal and in Markdown, and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

__all__ = ("arguments", "in_turns", "machine", "middle", "per_second", "spread", "table", "write")

PLOTS = Path("results/benchmarks")
"""Where pictures go unless told."""


def arguments(words: str | None, argv: Sequence[str] | None = None) -> tuple[argparse.ArgumentParser, Sequence[str]]:
    """A parser with the options all benchmarks take, and what to parse."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON too")
    parser.add_argument("--plots", metavar="FOLDER", type=Path, help=f"draw pictures into this folder, {PLOTS} say")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: to see that it runs")
    return parser, sys.argv[1:] if argv is None else argv


def machine() -> str:
    """What the figures were measured on, in one line."""
    return f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A Markdown table with its columns aligned: the first, or so many, to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(heading), 3, *(len(row[at]) for row in cells)) for at, heading in enumerate(headings)]
    lines = [
        [
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in [list(headings), *cells]
    ]
    lines.insert(1, ["-" * width if at < left else "-" * (width - 1) + ":" for at, width in enumerate(widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(file: str | None, figures: Mapping[str, object]) -> None:
    """Write the figures as JSON, where a file was asked for."""
    if file:
        Path(file).write_text(json.dumps({"machine": machine(), **figures}, indent=2) + "\n", encoding="utf-8")


def per_second(run: Callable[[], object], times: int) -> float:
    """How often ``run`` ran in a second of the processor's time, which other people's work does not lengthen."""
    began = time.process_time()
    for _ in range(times):
        run()
    return times / (time.process_time() - began)


def in_turns(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take each measure once in every round, so that what disturbs the machine disturbs all of them."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return taken


def middle(values: Sequence[float]) -> float:
    """The median."""
    return float(median(values))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The quartiles, between which the middle half lies."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high
