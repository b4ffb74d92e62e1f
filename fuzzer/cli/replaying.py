"""``crosswire replay`` and ``crosswire explain``: one counterexample, again."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console, Group
from rich.measure import Measurement
from rich.text import Text

from ...models.violations import Violation
from ..counterexample import Counterexample, load
from ..execution import Execution, Worker
from ..explore import judged
from ..resolve import resolve
from ..schedule import Recorded
from .lanes import lanes
from .words import describe, lane_of

__all__ = ("explain_file", "replay_file")


def replay_file(path: Path, trace: bool) -> bool:
    """Replay one file and say whether its violation still shows."""
    console = _console()
    counterexample, execution, violation, strays = _replay(path)
    if trace:
        for number, row in enumerate(execution.history):
            mark = ">>" if violation is not None and number in violation.evidence else "  "
            lane = lane_of(row, execution.program)
            console.print(Text(f"{mark} {number:3d} {row.time:8.3f}  {lane:8s} {describe(row, execution.program)}"))
    name = f"{counterexample.target}: {counterexample.violation} ({counterexample.promise})"
    if violation is None:
        why = f"; {strays} of its decisions no longer fit the target" if strays else ""
        console.print(Text(f"{name}: gone{why}", style="green"))
        return False
    console.print(Text(f"{name}: still there", style="bold red"))
    console.print(Text(f"  {violation.message}"))
    return True


def explain_file(path: Path, svg: Path | None = None) -> bool:
    """Draw one file, on the terminal and where asked to as a picture; whether its violation still shows."""
    console = _console()
    counterexample, execution, violation, _ = _replay(path)
    if violation is None:
        gone = f"{counterexample.target}: {counterexample.violation}: gone, nothing to explain"
        console.print(Text(gone, style="green"))
        return False
    picture = Group(
        Text(f"{counterexample.target}: {violation.kind} ({violation.promise})", style="bold red"),
        Text(violation.message),
        lanes(execution, violation),
    )
    console.print(picture)
    if svg is not None:
        svg.write_text(_drawn(picture, f"crosswire explain {path.name}"), encoding="utf-8")
    return True


def _drawn(picture: Group, title: str) -> str:
    """The picture as SVG, as wide as it needs; without the web fonts that rich would have a viewer fetch."""
    wide = Console(width=140, file=io.StringIO())
    width = Measurement.get(wide, wide.options, picture).maximum
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(picture)
    return re.sub(r"@font-face\s*{[^}]*}\s*", "", console.export_svg(title=title))


def _replay(path: Path) -> tuple[Counterexample, Execution, Violation | None, int]:
    counterexample = load(path)
    worker = Worker(resolve(counterexample.target))
    chooser = Recorded(counterexample.to_schedule())
    execution = worker.run(counterexample.to_program(), chooser)
    found = judged(worker, execution).violations
    same = [v for v in found if v.signature(worker.target.name) == counterexample.signature]
    return counterexample, execution, same[0] if same else None, chooser.strays


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False)
