"""``crosswire replay`` and ``crosswire explain``: one counterexample, again."""

from __future__ import annotations

import io
import platform
import re
import sys
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement

from ..campaigns.child import Care
from ..campaigns.replays import confirmed_apart, replayed_apart
from ..core.text import plain
from ..findings.counterexample import Counterexample, load
from ..reports.words import describe, lane_of, tracebacks
from .lanes import LONGEST, lanes
from .sources import in_the_source, tasks_table
from .terminal import plain_console, plain_text
from .trust import check_trust

__all__ = ("explain_file", "replay_file")

CARE = Care()


def replay_file(
    path: Path, trace: bool, confirming: bool = False, care: Care = CARE, *, trusting: bool = False
) -> bool:
    """Replay one file and say whether its violation still shows, and where asked to, whether on the stock loop too.

    ``trusting``: whatever target the file names may be run.
    """
    console = _console()
    counterexample = load(path)
    check_trust(counterexample.target, str(path), trusting)
    outcome = replayed_apart(counterexample, care)
    execution, violation, how = outcome.execution, outcome.violation, outcome.how
    if trace:
        for number, row in enumerate(execution.history):
            mark = ">>" if violation is not None and number in violation.evidence else "  "
            lane = lane_of(row, execution.program)
            console.print(
                plain_text(f"{mark} {number:3d} {row.time:8.3f}  {lane:8s} {describe(row, execution.program)}")
            )
    name = f"{counterexample.target}: {counterexample.violation} ({counterexample.promise})"
    if violation is None:
        word = "changed, and itself gone" if outcome.others else "gone"
        console.print(plain_text(f"{name}: {word}, {how}{_other_python(counterexample)}", style="green"))
        for other in outcome.others:
            shown = f"  the recorded schedule shows something else: {other.kind} ({other.promise}): {other.message}"
            console.print(plain_text(shown, style="yellow"))
        return False
    console.print(plain_text(f"{name}: still there, {how}", style="bold red"))
    console.print(plain_text(f"  {violation.message}"))
    if confirming:
        signature = violation.signature(counterexample.target)
        confirmation = confirmed_apart(counterexample, execution, signature, care)
        console.print(
            plain_text(f"  {confirmation}", style="green" if confirmation.verdict == "confirmed" else "yellow")
        )
    return True


def _other_python(counterexample: Counterexample) -> str:
    """Some bugs need the asyncio of one Python (3.12 rewrote ``wait_for``, say): name both where they differ."""
    here = platform.python_version()
    if not counterexample.python or counterexample.python.split(".")[:2] == here.split(".")[:2]:
        return ""
    return f" (recorded on Python {counterexample.python}, this is {here})"


def explain_file(
    path: Path,
    svg: Path | None = None,
    everything: bool = False,
    width: int | None = None,
    whole: bool = False,
    care: Care = CARE,
    *,
    trusting: bool = False,
) -> bool:
    """Draw one file, on the terminal and where asked to as a picture; whether its violation still shows.

    ``everything``: also the tasks and steps that have no part in the cause.  ``whole``: frames are not cut.
    """
    console = _console(width)
    counterexample = load(path)
    check_trust(counterexample.target, str(path), trusting)
    outcome = replayed_apart(counterexample, care, explaining=True)
    execution, violation = outcome.execution, outcome.violation
    if violation is None:
        gone = f"{counterexample.target}: {counterexample.violation}: gone, nothing to explain"
        console.print(plain_text(gone, style="green"))
        return False
    parts: list[RenderableType] = [
        plain_text(f"{counterexample.target}: {violation.kind} ({violation.promise})", style="bold red"),
        plain_text(violation.message),
        lanes(execution, violation, outcome.frames, None if whole else LONGEST),
        *map(plain_text, tracebacks(execution, violation)),
    ]
    if outcome.cause is not None:
        if outcome.story is not None and (everything or outcome.story.matters):
            parts.append(tasks_table(outcome.story, everything))
        parts.append(in_the_source(outcome.cause, execution.program))
    picture = Group(*parts)
    console.print(picture)
    if svg is not None:
        svg.write_text(_drawn(picture, plain(f"crosswire explain {path.name}")), encoding="utf-8")
    return True


def _drawn(picture: Group, title: str) -> str:
    """The picture as SVG, as wide as it needs; without the web fonts that rich would have a viewer fetch."""
    wide = plain_console(width=140, file=io.StringIO())
    width = Measurement.get(wide, wide.options, picture).maximum
    console = plain_console(width=width, record=True, file=io.StringIO())
    console.print(picture)
    return re.sub(r"@font-face\s*{[^}]*}\s*", "", console.export_svg(title=title))


def _console(width: int | None = None) -> Console:
    return plain_console(width=width or (None if sys.stdout.isatty() else 140))
