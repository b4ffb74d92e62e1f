"""A run as JUnit XML: a suite for each target, a case for each promise, as CI systems read it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from ..campaigns.summary import FailureSummary, RunSummary, Status
from ..core.choices import PROMISES

__all__ = ("to_junit",)

ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for (section 2.2), escaped or not."""


def to_junit(summary: RunSummary, statuses: tuple[Status, ...]) -> str:
    """The document; failures of other statuses than these do not fail their case, but are told of in its output."""
    root = ET.Element("testsuites", name="crosswire")
    for target in summary.targets:
        suite = ET.SubElement(root, "testsuite", name=target.target)
        failed = 0
        for promise in PROMISES:
            case = ET.SubElement(suite, "testcase", classname=f"crosswire.{target.target}", name=promise)
            bugs = [bug for bug in target.found if bug.promise == promise]
            failing = [bug for bug in bugs if bug.status in statuses]
            others = [bug for bug in bugs if bug.status not in statuses]
            if failing:
                failed += 1
                heading = "; ".join(f"{bug.violation} ({bug.status}): {bug.message}" for bug in failing)
                failure = ET.SubElement(case, "failure", type=failing[0].violation, message=_legal(heading))
                failure.text = _legal("\n\n".join(map(_text, failing)))
            if others:
                ET.SubElement(case, "system-out").text = _legal("\n\n".join(map(_text, others)))
        suite.set("tests", str(len(PROMISES)))
        suite.set("failures", str(failed))
        suite.set("errors", "0")
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _text(bug: FailureSummary) -> str:
    lines = [f"{bug.violation} ({bug.promise}), {bug.status}: {bug.message}"]
    lines += [f"  {number}. {operation}" for number, operation in enumerate(bug.operations)]
    if bug.file is not None:
        lines.append(f"crosswire replay {bug.file}")
    return "\n".join(lines)


def _legal(text: str) -> str:
    return ILLEGAL.sub("�", text)
