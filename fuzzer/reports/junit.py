"""A run as JUnit XML: a suite for each target, a case for each promise, as CI systems read it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..campaigns.summary import BugSummary, RunSummary, Status, TargetSummary
from ..core.choices import PROMISES

__all__ = ("to_junit",)


def to_junit(summary: RunSummary, statuses: tuple[Status, ...]) -> str:
    """The document; bugs of other statuses than these do not fail their case, but are told of in its output.

    A bug is told of with the promise that its plainest symptom breaks; the others' cases refer to it.
    """
    summary = summary.shown()  # XML 1.0 has no place for some characters (section 2.2), escaped or not
    root = ET.Element("testsuites", name="crosswire")
    for target in summary.targets:
        suite = ET.SubElement(root, "testsuite", name=target.target)
        failed = skipped = 0
        for promise in PROMISES:
            case = ET.SubElement(suite, "testcase", classname=f"crosswire.{target.target}", name=promise)
            bugs = [bug for bug in target.bugs if any(f.promise == promise for f in target.symptoms(bug))]
            failing = [bug for bug in bugs if bug.status in statuses]
            others = [bug for bug in bugs if bug.status not in statuses]
            if failing:
                failed += 1
                shown = [(bug, f) for bug in failing for f in target.symptoms(bug) if f.promise == promise]
                heading = "; ".join(f"{f.violation} ({bug.status}): {f.message}" for bug, f in shown)
                failure = ET.SubElement(case, "failure", type=shown[0][1].violation, message=heading)
                failure.text = "\n\n".join(_text(target, bug, promise) for bug in failing)
            elif promise in target.unexercised:
                skipped += 1
                ET.SubElement(case, "skipped", message=target.unexercised[promise])
            if others:
                ET.SubElement(case, "system-out").text = "\n\n".join(_text(target, bug, promise) for bug in others)
        suite.set("tests", str(len(PROMISES)))
        suite.set("failures", str(failed))
        suite.set("errors", "0")
        suite.set("skipped", str(skipped))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _text(target: TargetSummary, bug: BugSummary, promise: str) -> str:
    first, *others = target.symptoms(bug)
    if first.promise != promise:
        return f"{bug.bug}, {bug.status}: see {first.violation} ({first.promise}), of which this is another symptom"
    lines = [f"{first.violation} ({first.promise}), {bug.status}: {first.message}"]
    lines += [f"  {number}. {operation}" for number, operation in enumerate(first.operations)]
    if bug.cause is not None:
        lines += [f"  {line}" for line in bug.cause.lines()]
    for failure in (first, *others):
        if failure is not first:
            lines.append(f"also seen as {failure.violation} ({failure.promise}): {failure.message}")
        if failure.file is not None:
            lines.append(f"crosswire replay {failure.file}")
    return "\n".join(lines)
