"""Crosswire and its peers on the same programs: how fast, how soon to a finding, how small, and how many false alarms.

    python -m benchmarks.peers [--json FILE] [--plots FOLDER] [--seeds 20] [--seconds 2] [TOOL ...]

Install the peers with ``pip install -e '.[bench]'``; one that is not installed is named and left out.  Every
measurement runs in a process of its own, so that what one tool patches cannot slow another down, and the tools take
turns.  Executions/s: a lost update with 2 and with 20 tasks, not judged.  A hunt ends at the first finding, or after
the seconds given.  A tool's false alarms are what it says of a correct program.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from .kernels import IN_ORDER, KERNELS, Kernel, Pause, Program, lost_update, run_all
from .kernels import main as judged
from .report import arguments, machine, middle, spread, table, write
from .tools import CANNOT, TOOLS, Budget, Tool, version

__all__ = ("Figures", "hunts", "measure", "rates", "sizes", "twins")

TASKS = (2, 20)
ROUNDS = 4
OURS = ("crosswire", "crosswire portfolio")
NEVER_FINDS = ("asyncio.run",)
"""Tools that have one order only and would hang in a deadlock: measured for speed alone."""

Figures = dict[str, Any]


def _program(kernel: Kernel, correct: bool) -> Callable[[Pause], Program]:
    return lambda pause: kernel.make(pause, correct)


def rates(tool: Tool, seconds: float) -> dict[str, float]:
    """Executions in a second of the processor's time by the number of tasks, after a moment to warm up."""
    taken = {}
    for tasks in TASKS:
        make = partial(lost_update, correct=False, tasks=tasks)
        tool.explore(make, run_all, 1, Budget(seconds=seconds / 4))
        began = time.process_time()
        hunt = tool.explore(make, run_all, 0, Budget(seconds=seconds))
        taken[str(tasks)] = hunt.executions / (time.process_time() - began)
    return taken


def hunts(tool: Tool, seeds: Sequence[int], budget: Budget) -> dict[str, list[dict[str, Any]]]:
    """What came of hunting each kernel's bug from each seed."""
    return {
        name: [asdict(tool.explore(_program(kernel, False), judged, seed, budget)) for seed in seeds]
        for name, kernel in KERNELS.items()
    }


def sizes(tool: Tool, seeds: Sequence[int], budget: Budget) -> dict[str, list[int | None]]:
    """The deviations left in what each seed found, after the tool made it as small as it can."""
    if tool.shrink is None:
        return {}
    return {
        name: [tool.shrink(_program(kernel, False), judged, seed, budget) for seed in seeds]
        for name, kernel in KERNELS.items()
    }


def twins(tool: Tool, seed: int, budget: Budget) -> dict[str, dict[str, Any]]:
    """What is said of programs that are correct."""
    kernels = {**KERNELS, **IN_ORDER}
    return {name: asdict(tool.explore(_program(k, True), judged, seed, budget)) for name, k in kernels.items()}


def measure(name: str, seeds: Sequence[int], budget: Budget, shrink: bool) -> Figures:
    """Everything about one tool from some of the seeds; ``shrink`` only where asked, since it takes long."""
    tool = TOOLS[name]
    tried = {"rates": rates(tool, budget.seconds / 2)}
    if name in NEVER_FINDS:
        return tried
    return {
        **tried,
        "hunts": hunts(tool, seeds, budget),
        "sizes": sizes(tool, seeds[:1], budget) if shrink else {},
        "twins": twins(tool, seeds[0], Budget(seconds=budget.seconds / 4)),
    }


def _in_child(name: str, seeds: Sequence[int], seconds: float, shrink: bool) -> Figures:
    command = [sys.executable, "-m", "benchmarks.peers", "--child", *map(str, seeds), "--seconds", str(seconds)]
    done = subprocess.run(
        [*command, *(["--shrink"] if shrink else []), "--", name],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        cwd=Path(__file__).resolve().parent.parent,
        check=True,
        text=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def compare(names: Sequence[str], seeds: int, seconds: float, rounds: int, shrink: bool) -> dict[str, Figures]:
    """Measure the tools in turns, each round with its share of the seeds; tool -> all its rounds together."""
    whole: dict[str, Figures] = {name: {"rates": {}, "hunts": {}, "sizes": {}, "twins": {}} for name in names}
    for number in range(rounds):
        share = range(number, seeds, rounds)
        for name in names:
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            figures = _in_child(name, share, seconds, shrink)
            for tasks, rate in figures["rates"].items():
                whole[name]["rates"].setdefault(tasks, []).append(rate)
            for part in ("hunts", "sizes"):
                for kernel, values in figures.get(part, {}).items():
                    whole[name][part].setdefault(kernel, []).extend(values)
            for kernel, hunt in figures.get("twins", {}).items():
                whole[name]["twins"].setdefault(kernel, []).append(hunt)
    return whole


# -- what it comes to ------------------------------


def _found(figures: Figures, kernel: str, what: str) -> list[float]:
    """Executions or seconds of each hunt; one that found nothing counts with what it spent, which is a lower bound."""
    return [hunt[what] for hunt in figures["hunts"][kernel]]


def _missed(figures: Figures, kernel: str) -> int:
    return sum(hunt["finding"] is None for hunt in figures["hunts"][kernel])


def _cell(figures: Figures, kernel: str, what: str, scale: float, form: str) -> str:
    values = [scale * value for value in _found(figures, kernel, what)]
    low, high = spread(values)
    more = ">" if 2 * _missed(figures, kernel) >= len(values) else ""
    return f"{more}{middle(values):{form}} ({low:{form}}-{high:{form}})"


def _alarms(figures: Figures) -> str:
    accused = [
        f"{name} ({hunts[0]['finding'] or next(h['finding'] for h in hunts if h['finding'])})"
        for name, hunts in figures["twins"].items()
        if any(hunt["finding"] for hunt in hunts)
    ]
    return ", ".join(accused) or "none"


def show(whole: dict[str, Figures], rounds: int) -> None:
    """Print the tables."""
    ours = whole.get("crosswire")
    hunters = {name: figures for name, figures in whole.items() if figures["hunts"]}
    rows = []
    for name, figures in whole.items():
        row = [f"{name} {version(TOOLS[name])}".strip()]
        for tasks, values in figures["rates"].items():
            row.append(f"{middle(values):,.0f}")
            ratios = [] if ours is None else [a / b for a, b in zip(ours["rates"][tasks], values, strict=True)]
            row.append(f"{middle(ratios):.1f} x" if ratios else "")
        rows.append(row)
    print(table(["tool", "2 tasks", "ours", "20 tasks", "ours"], rows))
    print("\nexecutions/s of a lost update; `ours` is Crosswire against the tool\n")
    for name in whole:
        print(f"- {name}: {TOOLS[name].how}")
    print()
    for what, scale, form, words in (
        (
            "executions",
            1,
            ",.0f",
            "executions to the first finding: median (quartiles); > where half the seeds found nothing",
        ),
        ("seconds", 1000, ",.2f", "milliseconds to the first finding"),
    ):
        rows = [[kernel, *(_cell(f, kernel, what, scale, form) for f in hunters.values())] for kernel in KERNELS]
        print(table(["kernel", *hunters], rows))
        print(f"\n{words}\n")
    rows = [
        [
            kernel,
            *(f"{len(f['hunts'][kernel]) - _missed(f, kernel)}/{len(f['hunts'][kernel])}" for f in hunters.values()),
        ]
        for kernel in KERNELS
    ]
    print(table(["kernel", *hunters], rows))
    print("\nseeds that found it\n")
    shrinkers = {name: figures for name, figures in hunters.items() if figures["sizes"]}
    if shrinkers:
        rows = [[kernel, *(_size(f["sizes"][kernel]) for f in shrinkers.values())] for kernel in KERNELS]
        print(table(["kernel", *shrinkers], rows))
        print("\ndeviations left in the smallest counterexample, the median over a seed for each round\n")
    print(table(["tool", "correct programs accused (of what)"], [[name, _alarms(f)] for name, f in hunters.items()]))
    print()
    if ours is not None:
        _verdict(hunters)
    for name, reason in CANNOT.items():
        print(f"{name}: left out, {reason}")


def _size(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{middle(known):g}" if known else "-"


def _verdict(hunters: dict[str, Figures]) -> None:
    """On each kernel, the best peer's time against ours."""
    ours = hunters["crosswire"]
    rows = []
    for kernel in KERNELS:
        times = {
            name: middle(_found(figures, kernel, "seconds"))
            for name, figures in hunters.items()
            if name not in OURS and 2 * _missed(figures, kernel) < len(figures["hunts"][kernel])
        }
        if times:
            best = min(times, key=times.__getitem__)
            rows.append([kernel, best, f"{times[best] / middle(_found(ours, kernel, 'seconds')):.1f} x"])
    if rows:
        print(table(["kernel", "soonest peer", "its time against ours"], rows))
        print(f"\nmedian over the kernels: {middle([float(row[2].split()[0]) for row in rows]):.1f} x\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print; with ``--child``, measure one tool here and print its figures as JSON."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=f"of {', '.join(TOOLS)}")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0, help="for one hunt at most")
    parser.add_argument("--child", type=int, nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--shrink", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.child is not None:
        budget = Budget(seconds=options.seconds)
        print(json.dumps(measure(options.tools[0], options.child, budget, options.shrink)))
        return
    seeds, seconds, rounds = (2, 0.2, 1) if options.quick else (options.seeds, options.seconds, ROUNDS)
    rounds = min(rounds, seeds)
    names = options.tools or list(TOOLS)
    absent = [name for name in names if version(TOOLS[name]) is None]
    whole = compare([name for name in names if name not in absent], seeds, seconds, rounds, shrink=not options.quick)
    print(f"{machine()}; {rounds} rounds in turns, {seeds} seeds, at most {seconds:g} s for a hunt\n")
    show(whole, rounds)
    for name in absent:
        print(f"{name}: left out, not installed; pip install -e '.[bench]'")
    write(options.json, {"seeds": seeds, "seconds": seconds, "tools": whole, "absent": absent, "cannot": CANNOT})
    if options.plots:
        from .plots import draw_peers

        draw_peers(whole, options.plots)


if __name__ == "__main__":
    main()
