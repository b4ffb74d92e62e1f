"""A run inside GitHub Actions: annotations on standard output, and the step's summary.

Formats: "Workflow commands for GitHub Actions", and GitHub-flavoured Markdown for the file GITHUB_STEP_SUMMARY names.
"""

from __future__ import annotations

from ..campaigns.summary import RunSummary, Status

__all__ = ("step_summary", "workflow_commands")


def workflow_commands(summary: RunSummary, statuses: tuple[Status, ...]) -> list[str]:
    """One workflow command for each failure: an error where it fails the run, else a warning."""
    lines = []
    for target, bug in summary.failures("new", "back", "known"):
        level = "error" if bug.status in statuses else "warning"
        title = _property(f"{target.target}: {bug.violation} ({bug.promise}), {bug.status}")
        replay = f"\ncrosswire replay {bug.file}" if bug.file else ""
        lines.append(f"::{level} title={title}::{_data(bug.message + replay)}")
    return lines


def step_summary(summary: RunSummary) -> str:
    """The run as Markdown."""
    lines = ["## Crosswire", "", "| target | executions | new | back | known | gone |", "| --- " + "| ---: " * 5 + "|"]
    for target in summary.targets:
        by = {status: sum(bug.status == status for bug in target.found) for status in ("new", "back", "known")}
        lines.append(
            f"| {_cell(target.target)} | {target.executions:,} | {by['new']} | {by['back']} | {by['known']} "
            f"| {len(target.gone)} |"
        )
    for target, bug in summary.failures("new", "back"):
        lines += [
            "",
            f"### {_cell(target.target)}: {bug.violation} ({bug.promise}), {bug.status}",
            "",
            _cell(bug.message),
        ]
        lines += ["", "```text", *(f"{number}. {step}" for number, step in enumerate(bug.operations))]
        lines += [f"crosswire replay {bug.file}" if bug.file else "", "```"]
    return "\n".join(lines) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    for character in "\\`*_[]<>|#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
