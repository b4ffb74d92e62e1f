"""``crosswire managers``: which methods managers have, and how far they differ."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from ...models.managers.interface import SEVEN, differences, matrix

__all__ = ("print_matrix",)


def print_matrix() -> None:
    """Print the interface matrix of the seven managers, and how far each pair differs."""
    console = Console(width=max(Console().width, 140) if not sys.stdout.isatty() else None)
    short = {name: name.replace("WebSocket", "").replace("Manager", "") or name for name, _ in SEVEN}
    table = Table(title="Methods: a = async, s = sync, with their parameters; . = absent")
    table.add_column("method")
    for name, _ in SEVEN:
        table.add_column(short[name], overflow="fold")
    for method, row in matrix().items():
        cells = [
            "." if form is None else f"{'a' if form.is_async else 's'} ({', '.join(form.parameters)})"
            for form in row.values()
        ]
        table.add_row(method, *cells)
    console.print(table)
    pairs = Table(title="Differences of every pair: methods only one has, and methods both have in different forms")
    for heading in ("pair", "differences", "only left", "only right", "in another form"):
        pairs.add_column(heading, justify="left" if heading == "pair" else "right")
    for pair in differences():
        name = f"{short[pair.left]} / {short[pair.right]}" + (" (the same class)" if pair.same_class else "")
        pairs.add_row(name, *map(str, (len(pair), len(pair.only_left), len(pair.only_right), len(pair.changed))))
    console.print(pairs)
