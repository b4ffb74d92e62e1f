"""A run inside GitHub Actions: annotations on standard output, and the step's summary.

Formats: "Workflow commands for GitHub Actions", and GitHub-flavoured Markdown for the file GITHUB_STEP_SUMMARY names.
"""

from __future__ import annotations

import re

from ..campaigns.summary import RunSummary, Status

__all__ = ("step_summary", "workflow_commands")


def workflow_commands(summary: RunSummary, statuses: tuple[Status, ...]) -> list[str]:
    """One workflow command for each bug: an error where it fails the run, else a warning."""
    summary, lines = summary.shown(), []
    for target, bug in summary.bugs("new", "back", "known"):
        level = "error" if bug.status in statuses else "warning"
        first, *others = target.symptoms(bug)
        title = _property(f"{target.target}: {first.violation} ({first.promise}), {bug.status}")
        text = [first.message, *(f"at {place}" for place in bug.cause.places[:1])] if bug.cause else [first.message]
        text += [f"also seen as {f.violation} ({f.promise})" for f in others]
        text += [f"crosswire replay {first.file}"] if first.file else []
        lines.append(f"::{level} title={title}::{_data(chr(10).join(text))}")
    return lines


def step_summary(summary: RunSummary) -> str:
    """The run as Markdown."""
    summary = summary.shown()
    lines = ["## Crosswire", "", "| target | executions | new | back | known | gone |", "| --- " + "| ---: " * 5 + "|"]
    for target in summary.targets:
        by = {status: sum(bug.status == status for bug in target.bugs) for status in ("new", "back", "known")}
        lines.append(
            f"| {_cell(target.target)} | {target.executions:,} | {by['new']} | {by['back']} | {by['known']} "
            f"| {len(target.gone_bugs)} |"
        )
    for target, bug in summary.bugs("new", "back"):
        first, *others = target.symptoms(bug)
        lines += [
            "",
            f"### {_cell(target.target)}: {_cell(first.violation)} ({_cell(first.promise)}), {bug.status}",
            "",
            _cell(first.message),
        ]
        block = [f"{number}. {step}" for number, step in enumerate(first.operations)]
        if bug.cause is not None:
            block += bug.cause.lines()
        block += [f"also seen as {f.violation} ({f.promise})" for f in others]
        block.append(f"crosswire replay {first.file}" if first.file else "")
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", "\n".join(block)))])
        lines += ["", f"{fence}text", *block, fence]
    return "\n".join(lines) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    for character in "\\`*_[]<>|#&~":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
