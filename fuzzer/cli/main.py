"""The commands and their options; what one does is loaded when it is run, so that asking for help takes no time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..campaigns.beginning import fork_from_here
from ..core.choices import (
    MOST,
    MOST_SCHEDULES,
    STRATEGIES,
    VIA,
    WAYS,
    WIRES,
    Backend,
    Backends,
    FailOn,
    ScheduleKind,
    Way,
)
from .ending import end, end_in_order
from .results import results_app
from .terminal import guard

__all__ = ("app", "main")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Finds the interleavings that cross users' wires: fuzzes asyncio connection managers and WebSocket servers.",
)

RESULTS = Path("results")

app.add_typer(results_app, name="results")


@app.callback(invoke_without_command=True)
def crosswire(
    version: Annotated[bool, typer.Option("--version", help="Print the version, and end.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"crosswire {installed('crosswire')}")
        raise typer.Exit


@app.command()
def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="A bundled target's name or module:Adapter; without any, all bundled targets."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="How long, over all targets: 30s, 5m, 2h. Default 1m, unless --max-executions.")
    ] = None,
    max_executions: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help="Executions for each target; with it, the same seed gives the same output."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="Names the sequence of executions. Default 0.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, max=9, help="Users a program may have. Default 3.")] = None,
    schedules: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_SCHEDULES,
            help="Schedules of each program, at most. Default 24; with --strategy delay alone 1000.",
        ),
    ] = None,
    promise: Annotated[
        list[str] | None, typer.Option(help="Check only this promise; may be repeated.", show_default=False)
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Only this scheduling strategy: {', '.join(STRATEGIES)}; may be repeated.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=512, help="Processes; what a seed finds does not depend on it. Default 1."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Dask scheduler whose workers run the rounds, tcp://host:8786; or local: --workers of them."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="Settings from [tool.crosswire.profiles.NAME] in pyproject.toml; nightly and quick exist."),
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Of each target, stop once it has broken a promise.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last campaign that was broken off.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="With --resume: whatever targets the campaign had may be run.")
    ] = False,
    wire: Annotated[
        str | None,
        typer.Option(help="How clients speak to an application: json, text, socketio, or module:name of a Wire."),
    ] = None,
    via: Annotated[
        str | None, typer.Option(help=f"How an ASGI application is reached: {', '.join(VIA)}. Default direct.")
    ] = None,
    state: Annotated[
        Way | None,
        typer.Option(
            help=f"How executions are kept apart: {', '.join(WAYS)}. Default: the first that is proven.",
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        Backends | None,
        typer.Option(
            help="Whose tasks a target is run as: asyncio, trio, or both. Default: what its imports tell.",
            show_default=False,
        ),
    ] = None,
    confirm: Annotated[
        bool | None,
        typer.Option(
            "--confirm/--no-confirm",
            help="Run every finding again on the stock event loop, and say if it shows. Default: yes.",
            show_default=False,
        ),
    ] = None,
    cause: Annotated[
        bool | None,
        typer.Option(
            "--cause/--no-cause",
            help="Look for the place in the source that each finding comes from. Default: yes.",
            show_default=False,
        ),
    ] = None,
    patience: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=3600.0,
            help="Seconds of processor time an execution may take before its process is ended. Default 10.",
        ),
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=64, max=1 << 20, help="MiB of memory each process may hold. Default 4096.")
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
    from .options import run_settings
    from .running import run_campaigns

    settings = run_settings(
        targets=targets,
        wire=wire,
        via=via,
        state=state,
        backend=backend,
        budget=budget,
        max_executions=max_executions,
        seed=seed,
        users=users,
        schedules=schedules,
        promises=promise,
        strategies=strategy,
        workers=workers,
        cluster=cluster,
        profile=profile,
        first=first,
        resume=resume,
        trust=trust,
        confirm=confirm,
        cause=cause,
        patience=patience,
        memory=memory,
        fail_on=fail_on,
        results=results,
        as_json=as_json,
        junit=junit,
        notify=notify,
    )
    end_in_order()
    raise typer.Exit(run_campaigns(settings))


@app.command("stress")
def stress_server(
    url: Annotated[str, typer.Argument(help="A live server: ws://127.0.0.1:8000/ws, or wss://.")],
    wire: Annotated[
        str, typer.Option(help=f"How clients speak to it: {', '.join(WIRES)}, or module:name of a Wire.")
    ] = "json",
    users: Annotated[int, typer.Option(min=2, max=20_000, help="Clients at a time.")] = 50,
    rate: Annotated[float, typer.Option(min=0.1, max=1e6, help="Events said a second.")] = 100.0,
    duration: Annotated[str, typer.Option("--for", help="For how long: 60s, 5m.")] = "30s",
    churn: Annotated[float, typer.Option(min=0.0, max=1e5, help="Comings, goings and stalls a second.")] = 10.0,
    burst: Annotated[int, typer.Option(min=1, max=1000, help="Events said at once, at most.")] = 8,
    round_length: Annotated[str, typer.Option("--round", help="Traffic of each round, which ends at rest.")] = "4s",
    within: Annotated[
        str, typer.Option(help="The declared time: an event arrives within it, and a login is done.")
    ] = "3s",
    unordered: Annotated[
        bool, typer.Option("--unordered", help="One client's events may arrive in any order.")
    ] = False,
    policy: Annotated[
        str | None, typer.Option(help="What the server does on purpose: module:name of a Policy.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Names the programs and the traffic.")] = 0,
    backend: Annotated[Backend, typer.Option(help="Whose loop the clients run on: asyncio or trio.")] = "asyncio",
    start: Annotated[
        str | None, typer.Option(help="Command that starts the server: afresh for each round, and ended after it.")
    ] = None,
    application: Annotated[
        str | None,
        typer.Option(
            "--reproduce",
            metavar="MODULE:APP",
            help="The server's application: what was found is looked for in it, made small, and saved.",
        ),
    ] = None,
    again: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="Run the lanes of what was found alone against the live server, so many times."
        ),
    ] = 0,
    first: Annotated[bool, typer.Option("--first", help="Stop after the first round that broke a promise.")] = False,
    allow_remote: Annotated[
        str | None, typer.Option(metavar="HOST", help="Another machine that is yours to stress, by name.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Of wss://: take whatever certificate the server shows.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Folder for the store, histories and counterexamples.")] = RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Stress a live server, in any language; exit code 1 when a promise was broken, 2 when nothing was heard."""
    from .stressing import run_stress, stress_settings

    settings = stress_settings(
        url=url,
        wire=wire,
        users=users,
        rate=rate,
        duration=duration,
        churn=churn,
        burst=burst,
        round_length=round_length,
        within=within,
        unordered=unordered,
        policy=policy,
        seed=seed,
        backend=backend,
        command=start,
        first=first,
        allow_remote=allow_remote,
        insecure=insecure,
        results=results,
    )
    end_in_order()
    raise typer.Exit(run_stress(settings, as_json, application, again))


@app.command()
def init(
    target: Annotated[
        str | None, typer.Argument(help="Your application, as module:name; without it, a manager's adapter is begun.")
    ] = None,
    wire: Annotated[
        str | None,
        typer.Option(help=f"What clients speak: {', '.join(WIRES)}. Default: what its handlers' source tells, tried."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("crosswire_target.py"),
) -> None:
    """Begin: write a commented file that says how to reach your application, for you to complete."""
    from .starting import write_beginning

    write_beginning(target, wire, out)


@app.command()
def plot(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Counterexamples whose lanes to draw; without any, the store. With --managers: classes."),
    ] = None,
    managers: Annotated[
        bool, typer.Option("--managers", help="How far classes differ, named as module:Class; or the seven managers.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Results folder.")] = RESULTS,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures. Default: plots in results.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Also run targets that nobody has named here.")] = False,
) -> None:
    """Draw failure frequencies, discovery and survival, a counterexample's lanes, or interfaces, as SVG and PNG."""
    from .plotting import write_interfaces, write_plots

    folder = out if out is not None else results / "plots"
    named = files or []
    if managers:
        written = write_interfaces(named, folder)
    else:
        written = write_plots(results, folder, list(map(Path, named)), trust)
    for path in written:
        print(path)


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Results folder.")] = RESULTS,
    out: Annotated[Path | None, typer.Option(help="The file. Default: report.html in the results folder.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Also run targets that nobody has named here.")] = False,
) -> None:
    """Write one self-contained HTML file: summary, pictures, every bug with its lanes and a regression test."""
    from .plotting import write_report

    path = out if out is not None else results / "report.html"
    write_report(results, path, trust)
    print(path)


@app.command()
def schedule(
    every: Annotated[str, typer.Option(help="How often: 30m, 6h, 1d.")],
    kind: Annotated[ScheduleKind, typer.Option("--as", help="What kind of file to print.")],
    profile: Annotated[str, typer.Option(help="The profile to run.")] = "nightly",
) -> None:
    """Print a ready file that runs a profile every so often: a crontab, systemd units or a GitHub workflow."""
    from .profiles import load_profile
    from .timetable import timetable

    found = load_profile(profile, Path.cwd())
    results = found.results or str(RESULTS)
    print(timetable(every, kind, profile, str(Path.cwd()), results, found.junit), end="")


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Counterexample files.")],
    trace: Annotated[bool, typer.Option("--trace", help="Print every step.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Also on asyncio's own event loop, over real sockets where there are any.")
    ] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Also run targets that nobody has named here.")] = False,
) -> None:
    """Run counterexamples again; exit code 1 where the violation still shows, 0 where it is gone."""
    from .replaying import replay_file

    shown = [replay_file(path, trace, confirm, trusting=trust) for path in files]
    raise typer.Exit(1 if any(shown) else 0)


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="A counterexample file.")],
    svg: Annotated[Path | None, typer.Option(help="Also write the picture to this SVG file.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also tasks and steps that have no part in it.")] = False,
    frames: Annotated[bool, typer.Option("--frames", help="What clients were sent, whole instead of cut.")] = False,
    width: Annotated[int | None, typer.Option(min=60, max=1000, help="Columns; else as many as the terminal.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Also run targets that nobody has named here.")] = False,
) -> None:
    """Draw a counterexample: what clients see, what each task does in the source, and which lines decide."""
    from .replaying import explain_file

    raise typer.Exit(1 if explain_file(file, svg, everything, width, frames, trusting=trust) else 0)


@app.command()
def managers(
    classes: Annotated[
        list[str] | None, typer.Argument(help="Classes, as module:Class; without any, the seven bundled managers.")
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(help="Say instead which methods of this module:Class fit which operation of an adapter."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Print which methods and properties classes have, and how far each pair differs."""
    from ..core.errors import UsageError
    from .managers import print_adapter, print_matrix

    if adapter is not None:
        if classes:
            raise UsageError(f"--adapter looks at {adapter} alone: leave {classes[0]} out, or leave --adapter out")
        raise typer.Exit(0 if print_adapter(adapter, as_json) else 1)
    print_matrix(classes or (), as_json)


def main() -> None:
    """Run the command line, and end: 0, 1 where a promise was broken, 2 with one line, 130 where interrupted."""
    if "PYTHONHASHSEED" in os.environ:
        fork_from_here()
    guard()
    end(app)
