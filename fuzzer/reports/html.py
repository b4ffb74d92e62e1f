"""The HTML report: everything in one file, nothing fetched, everything that comes from a target escaped."""

from __future__ import annotations

import io
import re
import shlex
import time
from collections.abc import Callable
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from ..campaigns.child import Care
from ..campaigns.replays import replayed_apart
from ..core.choices import PROMISES
from ..core.errors import UsageError
from ..core.text import plain
from ..engine.execution import TargetError
from ..findings.causes import in_lines
from ..findings.counterexample import parsed
from ..statistics import discovery, shares_by_promise, wilson
from ..store import FailureRow, Store
from .plots import by_users, discovery_curve, heat_map, lanes_figure, survival_curves
from .words import tracebacks

__all__ = ("html_report", "regression_test")


def html_report(store: Store, check: Callable[[str, str], None]) -> str:
    """The report of a store, as text; counterexamples are replayed for their pictures.

    ``check`` gets a target's name and the place that names it, and raises `UsageError` where it must not be run.
    """
    campaigns = store.campaigns()
    counts = store.counts()
    totals: dict[int, int] = {}
    for count in counts:
        totals[count.campaign] = totals.get(count.campaign, 0) + count.executions
    shares = shares_by_promise(counts)
    targets = list(dict.fromkeys(target for target, _ in shares))
    broken = [p for p in PROMISES if any(shares[t, p][0] for t in targets)]
    samples = store.samples(campaigns[-1].id) if campaigns else []
    last = {sample.target: sample for sample in samples}
    hopes = {
        target: discovery(s.executions, s.distinct, s.singletons, s.doubletons) for target, s in sorted(last.items())
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["when"] = lambda t: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(t))
    template = environment.from_string(files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8"))
    plots = [
        ("How often each target breaks each promise", heat_map(counts)),
        ("More users, more failures?", by_users(counts)),
        ("When may I stop? The last campaign's discoveries", discovery_curve(samples)),
        ("Which strategy fails targets soonest", survival_curves(store.firsts())),
    ]
    return template.render(
        campaigns=campaigns,
        totals=totals,
        targets=targets,
        executions={target: executions for (target, _), (_, executions) in shares.items()},
        broken=broken,
        rates={cell: wilson(*value) for cell, value in shares.items()},
        hopes=hopes,
        plots=[(title, _svg(drawn, f"p{number}")) for number, (title, drawn) in enumerate(plots)],
        failures=[_failure(row, number, check) for number, row in enumerate(_by_bug(store.failures()))],
        quote=shlex.quote,
    )


def _by_bug(rows: list[FailureRow]) -> list[FailureRow]:
    return sorted(rows, key=lambda row: (row.target, row.bug, row.signature != row.bug, row.signature))


def _failure(row: FailureRow, number: int, check: Callable[[str, str], None]) -> dict[str, object]:
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
        "operations": operations,
        "picture": picture,
        "cause": list(map(plain, cause)),
        "trouble": plain(trouble) if trouble is not None else None,
        "test": regression_test(row),
    }


def regression_test(row: FailureRow) -> str:
    """A pytest module that fails while the bug is there."""
    name = re.sub(r"\W+", "_", row.signature).lower()
    return (
        "from pathlib import Path\n\n"
        "from crosswire.fuzzer.findings.counterexample import load\n"
        "from crosswire.fuzzer.findings.regression import replayed\n\n\n"
        f"def test_{name}():\n"
        f"    outcome = replayed(load(Path({f'results/counterexamples/{row.file}'!r})))\n"
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
