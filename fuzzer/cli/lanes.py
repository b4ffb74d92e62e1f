"""The lanes picture: one column for the server and one for each client, time downwards, the violation marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ...models.isolation.violations import Violation
from ..core.counting import counted
from ..core.handshake import Sent
from ..engine.execution import Execution
from ..reports.words import describe, lane_of
from .terminal import Fitting, plain_text

__all__ = ("lanes",)

LONGEST = 60
"""Characters of a frame that are shown."""

NARROW = 16
"""Characters that a lane takes in which something can be read, with what is left free beside it."""

MARGIN = 10
"""Characters that marks and times take."""

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
) -> Fitting:
    """Draw an execution for a terminal; rows that prove the violation carry ``>>``.

    ``frames`` are what clients were sent, shown beside the rows that tell of it, no longer than ``longest`` characters.
    Where lanes would be too narrow to read, each row says whose it is instead.
    """
    connects = (op for op in execution.program.operations if op.kind == "connect")
    headings = {"server": "server", **{str(op.connection): f"{op.connection} ({op.user})" for op in connects}}
    last = max(violation.evidence, default=len(execution.history) - 1)
    rows = list(_rows(execution, violation, {sent.row: sent.shown(longest) for sent in frames}, last))
    remaining = len(execution.history) - last - 1
    ending = Text(f"... and {counted(remaining, 'more row')}" if remaining > 0 else "", style="dim")

    def drawn(width: int) -> Group:
        beside = (width - MARGIN) // len(headings) >= NARROW
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
        table.add_column("", width=2)
        table.add_column("time", justify="right", style="dim")
        for heading in headings.values() if beside else ("where", "what"):
            table.add_column(plain_text(heading), overflow="fold", no_wrap=heading == "where")
        for mark, time, lane, words in rows:
            if beside:
                cells = [words if lane == name else Text("") for name in headings]
            else:
                cells = [plain_text(headings.get(lane or "", "")), words]
            table.add_row(mark, time, *cells)
        return Group(table, ending)

    return Fitting(drawn)


def _rows(
    execution: Execution, violation: Violation, texts: Mapping[int | None, str], last: int
) -> Iterator[tuple[Text, str, str | None, Text]]:
    """What is drawn of the history up to a row: the mark, the time, whose lane it is in, and what it says."""
    for number, row in enumerate(execution.history[: last + 1]):
        if row.kind in ("skipped", "emptied"):
            continue
        proves = number in violation.evidence
        words = Text(describe(row, execution.program), style="bold red" if proves else STYLES.get(row.kind, ""))
        if number in texts:
            words.append(f": {texts[number]}", style="dim")
        yield Text(">>" if proves else "", style="bold red"), f"{row.time:g}", lane_of(row, execution.program), words
