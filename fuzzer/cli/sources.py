"""A cause on a terminal: what each task does as events arrive, the source lines, and what would have helped."""

from __future__ import annotations

import linecache
from collections import defaultdict
from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..core.program import Program
from ..core.source import Line, short
from ..findings.causes import Cause, Story, counterfactual, places_in_words, why

__all__ = ("in_the_source", "tasks_table")

SHOWN = 2
"""Places whose source is shown."""

AROUND = 1
"""Lines of source before and after each."""

FEW = 12
"""Steps of a story that is told whole, also where nothing runs."""

ALSO = 5
"""Places that are named, with those that are shown."""


def tasks_table(story: Story, everything: bool) -> Table:
    """What arrives on the left, where the code goes and waits on the right; rows of the cause carry ``>>``."""
    columns = [at for at in range(len(story.columns)) if everything or at in story.matters]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("", width=2)
    table.add_column("what arrives", overflow="fold")
    for at in columns:
        table.add_column(Text(story.columns[at]), overflow="fold")
    for step in story.steps:
        by_column: dict[int, list[str]] = defaultdict(list)
        marked = False
        for cell in step.cells:
            if cell.column in columns:
                by_column[cell.column].append(str(cell))
                marked = marked or cell.marked
        if everything or by_column or len(story.steps) <= FEW:
            texts = (Text("\n".join(by_column[at])) for at in columns)
            table.add_row(Text(">>" if marked else "", style="bold red"), Text(step.event), *texts)
    return table


def in_the_source(cause: Cause, program: Program) -> Group:
    """Name the lines, with what they say, and what would have helped."""
    parts: list[RenderableType] = [Text(f"cause: {why(cause)}", style="bold")]
    marks = {line for place in cause.places[:SHOWN] for line in place}
    files: dict[str, list[Line]] = defaultdict(list)
    for line in sorted(marks):
        files[line.file].append(line)
    for file, lines in files.items():
        parts.append(Text(f"  {short(file)}"))
        parts += _listing(file, lines)
    said = counterfactual(cause, program)
    if said:
        parts.append(Text(f"  {said}"))
    others = list(places_in_words(cause.places[SHOWN:], ALSO - SHOWN))
    if others:
        parts.append(Text("  less certain:", style="dim"))
        parts += [Text(f"    {place}", style="dim") for place in others]
    parts.append(Text(f"  ({cause.executions} executions)", style="dim"))
    return Group(*parts)


def _listing(file: str, lines: list[Line]) -> Iterator[Text]:
    """Lines with those around them; the marked ones carry ``>>`` and the function they are in."""
    marked = {line.number: line for line in lines}
    wanted = sorted({number + by for number in marked for by in range(-AROUND, AROUND + 1)})
    before = wanted[0]
    for number in wanted:
        text = linecache.getline(file, number).rstrip()
        if not text:
            continue
        if number > before + 1:
            yield Text("        ...", style="dim")
        before = number
        if number in marked:
            yield Text(f"  >> {number:5d} |  {text}", style="bold") + Text(
                f"    in {marked[number].function}", style="dim"
            )
        else:
            yield Text(f"     {number:5d} |  {text}", style="dim")
