"""A cause on a terminal: what each task does as events arrive, the source lines, and what would have helped."""

from __future__ import annotations

import linecache
import os
from collections import defaultdict
from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..core.counting import counted
from ..core.program import Program
from ..core.source import Line, short
from ..core.text import lines, plain
from ..findings.causes import Cause, Story, counterfactual, roles, why
from .terminal import Fitting, plain_text

__all__ = ("in_the_source", "tasks_table")

SHOWN = 2
"""Places whose source is shown."""

AROUND = 1
"""Lines of source before and after each."""

FEW = 12
"""Steps of a story that is told whole, also where nothing runs."""

ALSO = 5
"""Places that are named, with those that are shown."""


NARROW = 26
"""Characters that a column takes in which a line of source is named; what cannot have so many shares the last."""

OTHERS = "other tasks"


def tasks_table(story: Story, everything: bool) -> Fitting:
    """What arrives on the left, where the code goes and waits on the right; rows of the cause carry ``>>``.

    Where the tasks are more than there is room for, those beyond share a column.
    """
    return Fitting(lambda width: _tasks(story, everything, width))


def _tasks(story: Story, everything: bool, width: int) -> Table:
    tasks = [*story.matters, *(at for at in range(len(story.columns)) if everything and at not in story.matters)]
    room = max(width // NARROW - 1, 2)
    alone = sorted(tasks if len(tasks) <= room else tasks[: room - 1])
    headings = [story.columns[at] for at in alone] + ([OTHERS] if len(alone) < len(tasks) else [])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("", width=2)
    for heading in ("what arrives", *headings):
        table.add_column(plain_text(heading), overflow="fold")
    for step in story.steps:
        by_heading: dict[int, list[str]] = defaultdict(list)
        marked = False
        for cell in step.cells:
            if cell.column in alone:
                by_heading[alone.index(cell.column)].append(str(cell))
            elif cell.column in tasks:
                by_heading[len(alone)].append(f"{story.columns[cell.column]}: {cell}")
            marked = marked or (cell.marked and cell.column in tasks)
        if everything or by_heading or len(story.steps) <= FEW:
            texts = (Text(lines("\n".join(by_heading[at]))) for at in range(len(headings)))
            table.add_row(Text(">>" if marked else "", style="bold red"), plain_text(step.event), *texts)
    return table


def in_the_source(cause: Cause, program: Program) -> Group:
    """Name the lines, with what they say, and what would have helped."""
    parts: list[RenderableType] = [plain_text(f"cause: {why(cause)}", style="bold")]
    told = roles(cause)
    file = ""
    for at, place in enumerate(cause.places[: max(SHOWN, len(told))]):
        if place[0].file != file:
            file = place[0].file
            parts.append(plain_text(f"  {short(file)}"))
        parts.append(plain_text(f"  {place[0].function}{f': {told[at]}' if at < len(told) else ''}"))
        parts += _listing(place)
    said = counterfactual(cause, program)
    if said:
        parts.append(plain_text(f"  {said}"))
    others = cause.places[max(SHOWN, len(told)) : ALSO]
    if others:
        parts.append(Text("  less certain:", style="dim"))
        parts += [_cut(f"    {os.path.basename(at.file)}:{at.number} {at.text}", style="dim") for at, *_ in others]
    parts.append(Text(f"  ({counted(cause.executions, 'execution')})", style="dim"))
    return Group(*parts)


def _listing(place: tuple[Line, ...]) -> Iterator[Text]:
    """Lines with those around them; the marked ones carry ``>>``."""
    marked = {line.number for line in place}
    wanted = sorted({number + by for number in marked for by in range(-AROUND, AROUND + 1)})
    before = wanted[0]
    for number in wanted:
        text = linecache.getline(place[0].file, number).rstrip()
        if not text:
            continue
        if number > before + 1:
            yield Text("        ...", style="dim")
        before = number
        sure = number in marked
        yield _cut(f"  {'>>' if sure else '  '} {number:5d} |  {text}", style="bold" if sure else "dim")


def _cut(text: str, style: str = "") -> Text:
    """A line of text that is cut where the terminal ends: source that is wrapped is hard to read."""
    return Text(plain(text.expandtabs(4)), style=style, no_wrap=True, overflow="ellipsis")
