"""The lanes picture: one column for the server and one for each client, time downwards, the violation marked."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ...models.isolation.violations import Violation
from ..core.handshake import Sent
from ..engine.execution import Execution
from ..reports.words import describe, lane_of
from .terminal import plain_text

__all__ = ("lanes",)

LONGEST = 60
"""Characters of a frame that are shown."""

STYLES = {
    "received": "green",
    "sent": "cyan",
    "raised": "red",
    "stuck": "bold red",
    "gone": "yellow",
    "stalled": "yellow",
    "closed": "yellow",
    "rest": "dim",
    "registry": "dim",
    "active": "dim",
}


def lanes(
    execution: Execution, violation: Violation, frames: Iterable[Sent] = (), longest: int | None = LONGEST
) -> Group:
    """Draw an execution for a terminal; rows that prove the violation carry ``>>``.

    ``frames`` are what clients were sent, shown beside the rows that tell of it, no longer than ``longest`` characters.
    """
    program = execution.program
    texts = {sent.row: sent.shown(longest) for sent in frames}
    identities = {
        op.connection: op.user for op in program.operations if op.kind == "connect" and op.connection is not None
    }
    last = max(violation.evidence, default=len(execution.history) - 1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("", width=2)
    table.add_column("time", justify="right", style="dim")
    table.add_column("server", overflow="fold")
    for name, user in identities.items():
        table.add_column(plain_text(f"{name} ({user})"), overflow="fold")
    columns = ["server", *(name for name in identities if name is not None)]
    for number, row in enumerate(execution.history):
        if number > last:
            break
        if row.kind in ("skipped", "emptied"):
            continue
        proves = number in violation.evidence
        style = "bold red" if proves else STYLES.get(row.kind, "")
        cells = [Text("")] * len(columns)
        lane = lane_of(row, program)
        if lane in columns:
            words = Text(describe(row, program), style=style)
            if number in texts:
                words.append(f": {texts[number]}", style="dim")
            cells[columns.index(lane)] = words
        table.add_row(Text(">>" if proves else "", style="bold red"), f"{row.time:g}", *cells)
    remaining = len(execution.history) - last - 1
    ending = Text(f"... and {remaining} more rows", style="dim") if remaining > 0 else Text("")
    return Group(table, ending)
