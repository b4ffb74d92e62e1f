"""``crosswire plot`` and ``crosswire report``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..campaigns.child import Care
from ..campaigns.replays import replayed_apart
from ..findings.counterexample import load
from ..store import Store, StoreError, StressRuns
from .trust import check_trust

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("write_interfaces", "write_plots", "write_report")


def write_plots(results: Path, out: Path, files: list[Path], trusting: bool = False) -> list[Path]:
    """Draw the store's pictures, or the lanes of some counterexamples, as SVG and PNG; gives the files written.

    ``trusting``: whatever targets the files name may be run.
    """
    from ..reports.plots import (
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

    figures: dict[str, Figure] = {}
    for path in files:
        counterexample = load(path)
        check_trust(counterexample.target, str(path), trusting)
        outcome = replayed_apart(counterexample, Care())
        if outcome.violation is None:
            print(f"{path}: gone, nothing to draw")
            continue
        figures[path.stem] = lanes_figure(outcome.execution, outcome.violation)
    if not files:
        with Store.open(results, readonly=True) as store:
            campaigns, stressed = store.campaigns(), StressRuns(store)
            runs = stressed.runs()
            if not campaigns and not runs:
                raise StoreError(f"{results}: no campaign yet; crosswire run makes one")
            if campaigns:
                counts = store.counts()
                figures["failure-frequency"] = heat_map(counts)
                figures["over-time"] = over_time(counts)
                figures["users"] = by_users(counts)
                figures["discovery"] = discovery_curve(store.samples(campaigns[-1].id))
                figures["survival"] = survival_curves(store.firsts())
            if runs:
                last = runs[-1].id
                intervals = stressed.intervals(last)
                figures["stress-latency"] = latency_over_time(intervals)
                figures["stress-failures"] = failures_over_time(intervals, stressed.failures(last))
                figures["stress-traffic"] = traffic_over_time(intervals)
    return _saved(figures, out)


def write_interfaces(names: list[str], out: Path) -> list[Path]:
    """Draw how far the interfaces of classes differ; the seven managers' where none is named."""
    from ...models.managers.interface import differences
    from ..reports.plots import interface_map
    from .managers import named_classes

    classes = named_classes(names)
    return _saved({"managers": interface_map([name for name, _ in classes], differences(classes))}, out)


def _saved(figures: dict[str, Figure], out: Path) -> list[Path]:
    """Write each figure as SVG and PNG; gives the files."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, drawn in figures.items():
        for kind in ("svg", "png"):
            written.append(out / f"{name}.{kind}")
            drawn.savefig(written[-1], metadata={"Date": None} if kind == "svg" else None)
    return written


def write_report(results: Path, out: Path, trusting: bool = False) -> None:
    """Write the HTML report of a results folder; ``trusting``: whatever targets are stored there may be run."""
    from ..reports.html import html_report

    with Store.open(results, readonly=True) as store:
        text = html_report(store, partial(check_trust, trusting=trusting))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
