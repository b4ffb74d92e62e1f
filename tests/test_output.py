"""Text of targets and files, shown as text: on terminals, to CI systems, in files and in pictures."""

from __future__ import annotations

import io
import json
import re
import traceback
import warnings
import xml.etree.ElementTree as ET
from contextlib import redirect_stdout
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.campaigns.summary import (
    BugSummary,
    CauseSummary,
    FailureSummary,
    RunSummary,
    TargetSummary,
)
from crosswire.fuzzer.cli.lanes import lanes
from crosswire.fuzzer.cli.result import compare_backends, print_result
from crosswire.fuzzer.cli.terminal import Guarded
from crosswire.fuzzer.core.history import Failure, Row, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.stacks import Place
from crosswire.fuzzer.core.text import gist, plain, said
from crosswire.fuzzer.engine.execution import Execution
from crosswire.fuzzer.engine.schedule import Schedule
from crosswire.fuzzer.reports.github import step_summary, workflow_commands
from crosswire.fuzzer.reports.junit import to_junit
from crosswire.fuzzer.reports.plots import lanes_figure
from crosswire.models.isolation.violations import UnhandledException

PIECES = (
    "\x1b]0;PWNED\x07",
    "\x1b[2J",
    "\x9b31m",
    "\x00",
    "\r",
    "\n",
    "\u2028",
    "\u202e",
    "\ud800",
    "\ufffe",
    "::error title=x::injected",
    "::stop-commands::tok",
    "##[error]injected",
    "##vso[task.setvariable]",
    "[red]",
    "[/]",
    "[link=x]",
    "<script>alert(1)</script>",
    "]]>",
    "&amp;",
    "```",
    "| a |",
    "$\\frac$",
    "$",
    "%0A",
    "word",
    " ",
)
hostile = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join) | st.text(max_size=20)

COMMAND = re.compile(r"^(?:\s|\x1b\[[0-9;]*m)*::", re.MULTILINE)
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff\ufffe\uffff]")


def shown_by_nobody(text: str) -> bool:
    """Whether a text has nothing in it that a terminal or a CI system would obey."""
    return not (COMMAND.search(text) or FORBIDDEN.search(text) or re.search(r"##\w*\[", text))


@st.composite
def summaries(draw: st.DrawFn) -> RunSummary:
    """A run over a target of which every text is hostile."""
    text = draw(st.shared(st.lists(hostile, min_size=12, max_size=12), key="texts"))
    cause = CauseSummary(text[0], text[1], [text[2], text[3]], text[4], 3)
    failure = FailureSummary(
        signature=text[5],
        status=draw(st.sampled_from(["new", "known", "back"])),
        promise=text[6],
        violation=text[7],
        message=text[8],
        operations=[text[9], text[0]],
        deviations=1,
        times=2,
        first_at=1,
        file=text[10],
        confirmation=text[11],
        certain=draw(st.booleans()),
        bug=text[5],
    )
    bug = BugSummary(text[5], failure.status, text[7], [text[5]], cause, [text[1]])
    target = TargetSummary(
        text[4], 5, 2, {"no loss": 1}, [failure], [text[3]], {}, {text[2]: 1}, [bug], [text[3]], {}, {text[6]: text[0]}
    )
    return RunSummary(0, 3, [target])


@given(summaries(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_finding_is_shown_and_nothing_else(summary: RunSummary, scheduled: bool) -> None:
    out = io.StringIO()
    with redirect_stdout(Guarded(out)):  # type: ignore[type-var]
        print_result(summary, Plan(), scheduled)
        print(json.dumps(msgspec.to_builtins(summary.shown()), indent=2))
    assert shown_by_nobody(out.getvalue())
    data = json.loads(out.getvalue()[out.getvalue().rindex("\n{\n") :])
    assert FORBIDDEN.search(data["targets"][0]["found"][0]["message"]) is None

    for command in workflow_commands(summary, ("new", "back")):
        assert len(command.splitlines()) == 1 and re.match(r"::(error|warning) title=[^:,]*::", command)
        assert FORBIDDEN.search(command) is None

    markdown = step_summary(summary)
    assert FORBIDDEN.search(markdown) is None and "<script" not in outside_fences(markdown)

    failing = to_junit(summary, ("new",))
    assert FORBIDDEN.search(failing) is None
    suite = ET.fromstring(failing)[0]
    assert suite.get("name") == plain(summary.targets[0].target)


def outside_fences(markdown: str) -> str:
    """What of a Markdown text is no code, by the rules of CommonMark."""
    said, fence = [], ""
    for line in markdown.splitlines():
        mark = re.match(r" {0,3}(`{3,})([^`]*)$", line)
        if fence:
            fence = "" if mark and len(mark[1]) >= len(fence) and not mark[2].strip() else fence
        elif mark:
            fence = mark[1]
        else:
            said.append(line)
    assert not fence
    return re.sub(r"\\[<>]", "", "\n".join(said))


@given(st.lists(hostile, min_size=6, max_size=6))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_execution_is_drawn_and_nothing_else(tmp_path: Path, text: list[str]) -> None:
    program = Program((Operation("connect", text[0], text[1]), Operation("join", text[0], room=text[2])))
    rows = (
        Row(0.0, RowKind.SENT, None, text[0], text[3]),
        Row(0.0, RowKind.CLOSED, None, text[0], text[4]),
        Row(0.0, RowKind.UNHANDLED, None, None, Failure(text[5], Place(text[1], text[2], 3), text[3])),
    )
    execution = Execution(program, Schedule(), rows, ())
    violation = UnhandledException(text[4], text[5], (0, 2))
    out = io.StringIO()
    console = Console(file=Guarded(out), width=90, highlight=False)  # type: ignore[arg-type]
    console.print(lanes(execution, violation))
    assert shown_by_nobody(out.getvalue())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font has no picture of this or that character
        for kind in ("svg", "png"):
            lanes_figure(execution, violation).savefig(tmp_path / f"lanes.{kind}", dpi=20)
    svg = (tmp_path / "lanes.svg").read_text()
    assert FORBIDDEN.search(svg) is None and "<script" not in svg
    ET.fromstring(svg)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (("::error::x\n",), "\\x3a:error::x\n"),
        (("  \x1b[1m::error::x\n",), "  \x1b[1m\\x3a:error::x\n"),
        (("a", "::error::x", "\n", "::debug::y"), "a::error::x\n\\x3a:debug::y"),
        (("  ", "::error::x"), "  \\x3a:error::x"),
        (("see a::b\n", "c"), "see a::b\nc"),
        (('"##[error]x"',), '"#\\u0023[error]x"'),
        (("## heading", " [x]"), "## heading [x]"),
        (("\r::error::x",), "\r\\x3a:error::x"),
    ],
)
def test_what_is_printed_gives_no_commands(written: tuple[str, ...], said: str) -> None:
    out = io.StringIO()
    guarded = Guarded(out)
    for text in written:
        assert guarded.write(text) == len(text)
    assert out.getvalue() == said


@pytest.mark.parametrize(
    ("executions", "told"),
    [(0, "on trio nothing was run, so there is nothing to compare"), (3, "on asyncio alone none; on trio alone none")],
)
def test_backends_are_compared_where_both_were_run(executions: int, told: str) -> None:
    targets = [
        TargetSummary(f"chat:Chat?backend={backend}", times, 1, {}, [], [], {}, {}, [], [], {}, {})
        for backend, times in (("asyncio", 5), ("trio", executions))
    ]
    out = io.StringIO()
    with redirect_stdout(out):
        print_result(RunSummary(0, 3, targets), Plan(), False)
    assert told in out.getvalue()


def bug(violation: str, *places: str) -> BugSummary:
    cause = CauseSummary("order", "", list(places), "", 1) if places else None
    return BugSummary(violation, "new", violation, [], cause)


@pytest.mark.parametrize(
    ("asyncio", "trio", "told"),
    [
        ([bug("LostEvent")], [bug("LostEvent, Deadlock")], "1 bug on both; on asyncio alone none; on trio alone none"),
        ([bug("LostEvent", "a:1", "a:2")], [bug("Deadlock", "a:2", "a:9")], "1 bug on both; on asyncio alone none"),
        (
            [bug("LostEvent")],
            [bug("Deadlock")],
            "0 bugs on both; on asyncio alone 1 (LostEvent); on trio alone 1 (Deadlock)",
        ),
        (
            [bug("Deadlock"), bug("Deadlock", "a:1")],
            [bug("Deadlock", "a:1")],
            "1 bug on both; on asyncio alone 1 (Deadlock); on trio alone none",
        ),
        (
            [bug("Deadlock", "a:1")],
            [bug("Deadlock", "z:9")],
            "0 bugs on both; on asyncio alone 1 (Deadlock); on trio alone 1 (Deadlock)",
        ),
        ([], [bug("Deadlock")], "0 bugs on both; on asyncio alone none; on trio alone 1 (Deadlock)"),
    ],
)
def test_a_bug_is_on_both_backends_by_its_places_or_by_what_it_looks_like(
    asyncio: list[BugSummary], trio: list[BugSummary], told: str
) -> None:
    targets = {
        backend: TargetSummary("chat:Chat", 5, 1, {}, [], [], bugs=bugs)
        for backend, bugs in (("asyncio", asyncio), ("trio", trio))
    }
    assert compare_backends(targets).startswith(told)


def test_where_an_object_lies_is_not_told() -> None:
    """It lies elsewhere in each execution, and a finding would not be found again."""

    class Row: ...

    told = said(ValueError(f"cannot store {Row()!r} in 0xCAFE"))
    assert told.endswith("Row object at 0x...> in 0xCAFE")
    assert told == said(ValueError(f"cannot store {Row()!r} in 0xCAFE"))


def traceback_of(error: BaseException) -> str:
    try:
        raise error
    except BaseException:
        return traceback.format_exc()


@pytest.mark.parametrize(
    ("text", "comes_to"),
    [
        ("no database", "no database"),
        (traceback_of(ValueError("no: database")), "ValueError: no: database"),
        (traceback_of(KeyError()), "KeyError"),
        (traceback_of(ExceptionGroup("both", [ValueError("one"), OSError("two")])), "OSError: two"),
    ],
)
def test_a_traceback_comes_to_what_was_raised(text: str, comes_to: str) -> None:
    assert gist(text) == comes_to
