"""The commands, and what every one of them has in common: one clear line for an error, and the exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ...models.interface import SEVEN, differences, matrix
from ...models.targets import STANDING
from ...models.violations import PROMISES
from ..counterexample import CounterexampleError
from ..execution import TargetError
from ..resolve import UnknownTargetError, resolve
from .budget import BudgetError, parse_budget
from .replaying import explain_file, replay_file
from .running import run_campaigns

__all__ = ("app", "main")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Finds the interleavings that cross users' wires: fuzzes asyncio connection managers and WebSocket servers.",
)

RESULTS = Path("results")


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
    seed: Annotated[int, typer.Option(min=0, help="Names the sequence of executions.")] = 0,
    users: Annotated[int, typer.Option(min=1, max=9, help="How many users programs may have.")] = 3,
    promise: Annotated[
        list[str] | None, typer.Option(help="Check only this promise; may be repeated.", show_default=False)
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder for counterexamples.")] = RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fuzz targets; exit code 1 when a promise was broken."""
    for name in promise or ():
        if name not in PROMISES:
            raise BudgetError(f"unknown promise {name!r}: name one of {', '.join(PROMISES)}")
    chosen = [resolve(name) for name in targets] if targets else list(STANDING)
    seconds = parse_budget(budget) if budget is not None else None if max_executions is not None else 60.0
    raise typer.Exit(
        run_campaigns(
            chosen,
            seed=seed,
            seconds=seconds,
            executions=max_executions,
            users=users,
            promises=frozenset(promise or PROMISES),
            folder=results / "counterexamples",
            as_json=as_json,
        )
    )


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Counterexample files.")],
    trace: Annotated[bool, typer.Option("--trace", help="Print every step.")] = False,
) -> None:
    """Run counterexamples again; exit code 1 where the violation still shows, 0 where it is gone."""
    shown = [replay_file(path, trace) for path in files]
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
    except (BudgetError, CounterexampleError, TargetError, UnknownTargetError, OSError) as error:
        print(f"crosswire: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
