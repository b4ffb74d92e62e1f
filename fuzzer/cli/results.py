"""``crosswire results``: what the store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ("results_app",)

results_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, compare, prune and export what campaigns stored."
)

Folder = Annotated[Path, typer.Option(help="Results folder.")]
RESULTS = Path("results")


@results_app.command("list")
def list_(results: Folder = RESULTS) -> None:
    """Campaigns, every bug ever found, and runs against live servers."""
    from .stored import list_campaigns

    list_campaigns(results)


@results_app.command()
def compare(
    before: Annotated[int, typer.Argument(help="A campaign's id.")],
    after: Annotated[int, typer.Argument(help="Another's.")],
    results: Folder = RESULTS,
) -> None:
    """Two campaigns side by side: bugs only one saw, and how often each promise was broken."""
    from .stored import compare_campaigns

    compare_campaigns(results, before, after)


@results_app.command()
def prune(
    keep: Annotated[int | None, typer.Option(min=0, help="Keep the latest so many, of either.")] = None,
    older_than: Annotated[
        int | None, typer.Option(min=0, max=36500, help="Forget what began more than so many days ago.")
    ] = None,
    results: Folder = RESULTS,
) -> None:
    """Forget the counts of old campaigns, and old stress runs; bugs and all files stay."""
    from .stored import prune_campaigns

    prune_campaigns(results, keep, older_than)


@results_app.command()
def export(
    out: Annotated[Path, typer.Argument(help="A folder for the files.")],
    to: Annotated[Literal["csv", "parquet"], typer.Option(help="Format; Parquet needs crosswire[parquet].")] = "csv",
    results: Folder = RESULTS,
) -> None:
    """Write the store's tables as files: campaigns, counts, failures, samples, firsts; and of stress runs."""
    from .stored import export_tables

    export_tables(results, out, to)
