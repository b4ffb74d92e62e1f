"""The commands, and what every one of them has in common: one clear line for an error, and the exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ...models.isolation.violations import PROMISES
from ...models.managers.interface import SEVEN, differences, matrix
from ..campaigns.rounds import SCHEDULES, Plan
from ..engine.execution import TargetError
from ..findings.counterexample import CounterexampleError
from ..search import DEFAULT, NAMES
from ..store import StoreError
from ..targets.applications import VIA, WIRES
from ..targets.resolve import UnknownTargetError, reached
from .budget import BudgetError, parse_budget
from .plotting import write_plots, write_report
from .profiles import FailOn, Profile, ProfileError, load_profile
from .replaying import explain_file, replay_file
from .results import results_app
from .running import Settings, run_campaigns
from .starting import write_beginning
from .timetable import Kind, TimetableError, timetable

__all__ = ("app", "main")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Finds the interleavings that cross users' wires: fuzzes asyncio connection managers and WebSocket servers.",
)

RESULTS = Path("results")

EXHAUSTIVE = 1000
"""Schedules for each program where all of them are wanted: most programs have fewer with one delay."""


app.add_typer(results_app, name="results")


@app.command()
def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="A standing target's name or module:Adapter; without any, all standing targets."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="How long, over all targets: 30s, 5m, 2h. Default 1m, unless --max-executions.")
    ] = None,
    max_executions: Annotated[
        int | None,
        typer.Option(min=1, help="Executions for each target; with it, the same seed gives the same output."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Names the sequence of executions. Default 0.")] = None,
    users: Annotated[int | None, typer.Option(min=1, max=9, help="Users a program may have. Default 3.")] = None,
    schedules: Annotated[
        int | None,
        typer.Option(min=1, help="Schedules of each program, at most. Default 24; with --strategy delay alone 1000."),
    ] = None,
    promise: Annotated[
        list[str] | None, typer.Option(help="Check only this promise; may be repeated.", show_default=False)
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this scheduling strategy: {', '.join(NAMES)}; may be repeated.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=512, help="Processes; what a seed finds does not depend on it. Default 1."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="Settings from [tool.crosswire.profiles.NAME] in pyproject.toml; nightly and quick exist."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last campaign that was broken off.")] = False,
    wire: Annotated[
        str | None,
        typer.Option(help="How clients speak to an application: json, text, socketio, or module:name of a Wire."),
    ] = None,
    via: Annotated[
        str | None, typer.Option(help=f"How an ASGI application is reached: {', '.join(VIA)}. Default direct.")
    ] = None,
    confirm: Annotated[
        bool | None,
        typer.Option("--confirm", help="Run every finding again on asyncio's own loop, and say if it shows."),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="Which bugs make exit code 1: new ones, any, never. Default any; in profiles new."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder for the store and counterexamples. Default results.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Also write the result as JUnit XML.")] = None,
    notify: Annotated[
        str | None, typer.Option(help="Command to run when something new was found; gets the result as JSON.")
    ] = None,
) -> None:
    """Fuzz targets; exit code 1 when a promise was broken."""
    said = Profile(
        targets=reached(targets, wire, via) or None,
        results=str(results) if results is not None else None,
        budget=budget,
        max_executions=max_executions,
        seed=seed,
        users=users,
        schedules=schedules,
        promises=promise or None,
        strategies=strategy or None,
        workers=workers,
        fail_on=fail_on,
        junit=str(junit) if junit is not None else None,
        notify=notify,
        confirm=confirm,
    )
    set_up = load_profile(profile, Path.cwd())
    if said.budget is not None or said.max_executions is not None:  # a budget on the command line replaces the other
        set_up = msgspec.structs.replace(set_up, budget=None, max_executions=None)
    chosen = said.over(set_up)
    for name in chosen.promises or ():
        if name not in PROMISES:
            raise BudgetError(f"unknown promise {name!r}: name one of {', '.join(PROMISES)}")
    for name in chosen.strategies or ():
        if name not in NAMES:
            raise BudgetError(f"unknown strategy {name!r}: name one of {', '.join(NAMES)}")
    seconds = parse_budget(chosen.budget) if chosen.budget is not None else None
    if seconds is None and chosen.max_executions is None:
        seconds = 60.0
    strategies = tuple(chosen.strategies or DEFAULT)
    plan = Plan(
        seed=chosen.seed if isinstance(chosen.seed, int) else 0,
        executions=chosen.max_executions,
        seconds=seconds,
        users=chosen.users if chosen.users is not None else 3,
        schedules=chosen.schedules or (EXHAUSTIVE if strategies == ("delay",) else SCHEDULES),
        strategies=strategies,
        promises=frozenset(chosen.promises or PROMISES),
    )
    raise typer.Exit(
        run_campaigns(
            Settings(
                targets=tuple(chosen.targets or ()),
                plan=plan,
                results=Path(chosen.results) if chosen.results is not None else RESULTS,
                profile=profile,
                fresh_seed=chosen.seed == "fresh",
                workers=chosen.workers if chosen.workers is not None else 1,
                resume=resume,
                confirm=bool(chosen.confirm),
                scheduled=profile is not None or fail_on is not None,
                fail_on=chosen.fail_on or "any",
                as_json=as_json,
                junit=Path(chosen.junit) if chosen.junit is not None else None,
                notify=chosen.notify,
            )
        )
    )


@app.command()
def init(
    target: Annotated[
        str | None, typer.Argument(help="Your application, as module:name; without it, a manager's adapter is begun.")
    ] = None,
    wire: Annotated[str, typer.Option(help=f"What clients speak: {', '.join(WIRES)}.")] = "json",
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("crosswire_target.py"),
) -> None:
    """Begin: write a commented file that says how to reach your application, for you to complete."""
    write_beginning(target, wire, out)


@app.command()
def plot(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Counterexamples whose lanes to draw; without any, the store.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Results folder.")] = RESULTS,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures. Default: plots in results.")] = None,
) -> None:
    """Draw failure frequencies, discovery and survival, or a counterexample's lanes, as SVG and PNG."""
    for path in write_plots(results, out if out is not None else results / "plots", files or []):
        print(path)


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Results folder.")] = RESULTS,
    out: Annotated[Path | None, typer.Option(help="The file. Default: report.html in the results folder.")] = None,
) -> None:
    """Write one self-contained HTML file: summary, pictures, every bug with its lanes and a regression test."""
    path = out if out is not None else results / "report.html"
    write_report(results, path)
    print(path)


@app.command()
def schedule(
    every: Annotated[str, typer.Option(help="How often: 30m, 6h, 1d.")],
    kind: Annotated[Kind, typer.Option("--as", help="What kind of file to print.")],
    profile: Annotated[str, typer.Option(help="The profile to run.")] = "nightly",
) -> None:
    """Print a ready file that runs a profile every so often: a crontab, systemd units or a GitHub workflow."""
    load_profile(profile, Path.cwd())
    print(timetable(every, kind, profile, str(Path.cwd())), end="")


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Counterexample files.")],
    trace: Annotated[bool, typer.Option("--trace", help="Print every step.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Also on asyncio's own event loop, over real sockets where there are any.")
    ] = False,
) -> None:
    """Run counterexamples again; exit code 1 where the violation still shows, 0 where it is gone."""
    shown = [replay_file(path, trace, confirm) for path in files]
    raise typer.Exit(1 if any(shown) else 0)


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="A counterexample file.")],
    svg: Annotated[Path | None, typer.Option(help="Also write the picture to this SVG file.")] = None,
) -> None:
    """Draw a counterexample: one column for each client, time downwards, the violation marked."""
    raise typer.Exit(1 if explain_file(file, svg) else 0)


@app.command()
def managers() -> None:
    """Print the interface matrix of the seven managers, and how far each pair differs."""
    console = Console(width=max(Console().width, 140) if not sys.stdout.isatty() else None)
    short = {name: name.replace("WebSocket", "").replace("Manager", "") or name for name, _ in SEVEN}
    table = Table(title="Methods: a = async, s = sync, with their parameters; . = absent")
    table.add_column("method")
    for name, _ in SEVEN:
        table.add_column(short[name], overflow="fold")
    for method, row in matrix().items():
        cells = [
            "." if form is None else f"{'a' if form.is_async else 's'} ({', '.join(form.parameters)})"
            for form in row.values()
        ]
        table.add_row(method, *cells)
    console.print(table)
    pairs = Table(title="Differences of every pair: methods only one has, and methods both have in different forms")
    for heading in ("pair", "differences", "only left", "only right", "in another form"):
        pairs.add_column(heading, justify="left" if heading == "pair" else "right")
    for pair in differences():
        name = f"{short[pair.left]} / {short[pair.right]}" + (" (the same class)" if pair.same_class else "")
        pairs.add_row(name, *map(str, (len(pair), len(pair.only_left), len(pair.only_right), len(pair.changed))))
    console.print(pairs)


def main() -> None:
    """The ``crosswire`` command.

    Sets of strings iterate in an order that the interpreter's hash seed decides; for executions to be the same
    everywhere it is pinned, which takes a fresh interpreter.
    """
    if "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "crosswire.fuzzer", *sys.argv[1:]])
    try:
        app(prog_name="crosswire")
    except (
        BudgetError,
        CounterexampleError,
        ProfileError,
        StoreError,
        TargetError,
        TimetableError,
        UnknownTargetError,
        OSError,
    ) as error:
        print(f"crosswire: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
