"""The HTML report: everything in one file, nothing fetched, everything that comes from a target escaped."""

from __future__ import annotations

import io
import itertools
import json
import re
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from ..campaigns.child import Care
from ..campaigns.replays import replayed_apart
from ..core.choices import PROMISES
from ..core.counting import counted
from ..core.errors import UsageError
from ..core.text import plain
from ..engine.execution import TargetError
from ..findings.causes import in_lines
from ..findings.counterexample import parsed
from ..statistics import Discovery, Frequency, discovery, shares_by_promise, wilson
from ..store import FailureRow, SampleRow, Store, StressRow, StressRuns, StressViolationRow
from .plots import (
    by_users,
    discovery_curve,
    failures_over_time,
    heat_map,
    lanes_figure,
    latency_over_time,
    over_time,
    survival_curves,
    traffic_over_time,
)
from .words import tracebacks

__all__ = ("environment_in_words", "html_report", "regression_test")


def html_report(store: Store, check: Callable[[str, str], None]) -> str:
    """The report of a store, as text; counterexamples are replayed for their pictures.

    ``check`` gets a target's name and the place that names it, and raises `UsageError` where it must not be run.
    """
    campaigns = store.campaigns()
    counts = store.counts()
    totals: dict[int, int] = {}
    for count in counts:
        totals[count.campaign] = totals.get(count.campaign, 0) + count.executions
    last = {count.target: count.campaign for count in sorted(counts, key=lambda count: count.campaign)}
    latest = [count for count in counts if count.campaign == last[count.target]]
    shares = shares_by_promise(latest)
    broken = [_Broken(*cell, last[cell[0]], wilson(*value)) for cell, value in shares.items() if value[0]]
    unbroken = [
        (target, campaign, shares[target, PROMISES[0]][1])
        for target, campaign in sorted(last.items())
        if not any(row.target == target for row in broken)
    ]
    rows = store.failures()
    numbers = itertools.count()
    bugs = [
        _bug(symptoms, [_failure(row, next(numbers), store.counterexamples, check) for row in symptoms])
        for symptoms in _by_bug(rows)
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["when"] = lambda t: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(t))
    environment.filters["environment"] = environment_in_words
    template = environment.from_string(files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8"))
    samples = [sample for sample in store.samples() if sample.campaign == last.get(sample.target)]
    stressed = StressRuns(store)
    runs = stressed.runs()
    violations: dict[int, list[StressViolationRow]] = {}
    for one in stressed.violations():
        violations.setdefault(one.run, []).append(one)
    plots = [("How often each target breaks each promise, in its last campaign", heat_map(latest))]
    if len(totals) > 1:
        plots.append(("How often from campaign to campaign", over_time(counts)))
    plots += [
        ("More users, more failures?", by_users(latest)),
        ("When may I stop? The discoveries of each target's last campaign", discovery_curve(samples)),
        ("Which strategy fails targets soonest", survival_curves(store.firsts())),
    ]
    return template.render(
        runs=runs,
        violations_of=violations,
        live=[_live(stressed, row, number) for number, row in enumerate({row.url: row for row in runs}.values())],
        stress_folder=store.folder / "stress",
        counterexamples=store.counterexamples,
        campaigns=campaigns,
        totals=totals,
        executions=sum(totals.values()),
        targets=list(last),
        failing=len({row.target for row in rows}),
        violations=len(rows),
        broken=broken,
        unbroken=unbroken,
        hopes=_hopes(samples),
        plots=[(title, _svg(drawn, f"p{number}")) for number, (title, drawn) in enumerate(plots)],
        bugs=bugs,
        quote=shlex.quote,
        count=counted,
    )


@dataclass(frozen=True, slots=True)
class _Broken:
    """A target's promise that its last campaign broke, and how often."""

    target: str
    promise: str
    campaign: int
    rate: Frequency


@dataclass(frozen=True, slots=True)
class _Hope:
    """What a target's last campaign left undiscovered; ``unit`` is what was counted."""

    target: str
    campaign: int
    unit: str
    end: Discovery


def _hopes(samples: Iterable[SampleRow]) -> list[_Hope]:
    ends = {sample.target: sample for sample in samples}
    return [
        _Hope(
            target,
            s.campaign,
            "program" if s.programs else "execution",
            discovery(s.programs or s.executions, s.distinct, s.singletons, s.doubletons),
        )
        for target, s in sorted(ends.items())
    ]


def _live(stressed: StressRuns, row: StressRow, number: int) -> dict[str, object]:
    """The pictures of a run against a live server, and the errors it met."""
    intervals, failures = stressed.intervals(row.id), stressed.failures(row.id)
    errors: dict[str, int] = {}
    for failure in failures:
        if not failure.grade:
            errors[failure.failure] = errors.get(failure.failure, 0) + failure.times
    plots = [
        ("How long events took", latency_over_time(intervals)),
        ("What failed", failures_over_time(intervals, failures)),
        ("How much was done", traffic_over_time(intervals)),
    ]
    pictures = [(title, _svg(drawn, f"s{number}-{place}")) for place, (title, drawn) in enumerate(plots)]
    return {"row": row, "errors": errors, "plots": pictures}


def environment_in_words(text: str) -> str:
    """What a campaign ran with, as a store keeps it: "CPython 3.13.0 on Linux x86_64; crosswire 0.1.0"."""
    try:
        said = json.loads(text)
        known = {str(key): plain(str(value)) for key, value in said.items()}
    except (ValueError, AttributeError, RecursionError):
        return plain(text)
    name = {"cpython": "CPython", "pypy": "PyPy"}.get(known.pop("implementation", ""), "Python")
    words = f"{name} {known.pop('python', '')}".strip()
    place = " ".join(filter(None, (known.pop("system", ""), known.pop("machine", ""))))
    if place:
        words += f" on {place}"
    return "; ".join([words, *(f"{package} {version}" for package, version in known.items())])


def _by_bug(rows: Iterable[FailureRow]) -> list[list[FailureRow]]:
    """The symptoms of each bug, its oldest first."""
    bugs: dict[tuple[str, str], list[FailureRow]] = {}
    for row in sorted(rows, key=lambda row: (row.target, row.bug, row.signature != row.bug, row.signature)):
        bugs.setdefault((row.target, row.bug), []).append(row)
    return list(bugs.values())


def _bug(rows: list[FailureRow], symptoms: list[dict[str, object]]) -> dict[str, object]:
    gone = [row.gone_since for row in rows]
    kinds = dict.fromkeys(f"{row.violation} ({row.promise})" for row in rows)
    return {
        "target": rows[0].target,
        "kinds": ", ".join(kinds),
        "times": sum(row.times for row in rows),
        "gone_since": max((when for when in gone if when is not None), default=None) if all(gone) else None,
        "symptoms": symptoms,
    }


def _failure(row: FailureRow, number: int, folder: Path, check: Callable[[str, str], None]) -> dict[str, object]:
    path = folder / row.file
    cause: list[str] = []
    operations: list[str] = []
    try:
        counterexample = parsed(row.counterexample, row.file)
        operations = [str(operation) for operation in counterexample.program]
        check(counterexample.target, row.file)
        outcome = replayed_apart(counterexample, Care(), explaining=True)
        picture: Markup | None = None
        trouble: str | None = f"gone: {outcome.how}"
        if outcome.violation is not None:
            picture, trouble = _svg(lanes_figure(outcome.execution, outcome.violation), f"f{number}"), None
            cause = tracebacks(outcome.execution, outcome.violation)
        if outcome.cause is not None:
            cause += in_lines(outcome.cause, outcome.execution.program)
    except (TargetError, UsageError) as error:
        picture, trouble = None, str(error)
    return {
        "row": row,
        "path": str(path),
        "operations": operations,
        "picture": picture,
        "cause": list(map(plain, cause)),
        "trouble": plain(trouble) if trouble is not None else None,
        "test": regression_test(row, path),
    }


def regression_test(row: FailureRow, path: Path) -> str:
    """A pytest module that fails while the bug is there; ``path`` is that of its counterexample."""
    name = re.sub(r"\W+", "_", row.signature).lower()
    return (
        "from pathlib import Path\n\n"
        "from crosswire.fuzzer.findings.counterexample import load\n"
        "from crosswire.fuzzer.findings.regression import replayed\n\n\n"
        f"def test_{name}():\n"
        f"    outcome = replayed(load(Path({str(path)!r})))\n"
        "    assert outcome.violation is None, outcome.violation.message\n"
    )


def _svg(figure: Figure, prefix: str) -> Markup:
    """A figure as an SVG element; its ids carry a prefix, since one document holds many."""
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):  # text stays text: small, and can be searched
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", text)
    return Markup(text)
