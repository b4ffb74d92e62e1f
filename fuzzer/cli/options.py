"""From what was typed after ``crosswire run``, and a profile's settings behind it, to what is to be done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..campaigns.child import MEMORY, PATIENCE, Care
from ..campaigns.cluster import check_cluster
from ..campaigns.rounds import SCHEDULES, Plan
from ..core.choices import PROMISES, STRATEGIES, Backends, FailOn
from ..core.errors import UsageError
from ..core.renames import PROMISES_NOW, moved
from ..search import DEFAULT
from ..targets.resolve import reached
from .budget import parse_budget
from .profiles import Profile, load_profile
from .running import Settings

__all__ = ("run_settings",)

RESULTS = Path("results")

EXHAUSTIVE = 1000
"""Schedules for each program where all of them are wanted: most programs have fewer with one delay."""

BUDGET = 60.0
"""Seconds of a run that names no budget."""


def run_settings(
    *,
    targets: list[str] | None,
    wire: str | None,
    via: str | None,
    state: str | None,
    backend: Backends | None,
    budget: str | None,
    max_executions: int | None,
    seed: int | None,
    users: int | None,
    schedules: int | None,
    promises: list[str] | None,
    strategies: list[str] | None,
    workers: int | None,
    cluster: str | None,
    profile: str | None,
    first: bool,
    resume: bool,
    trust: bool,
    confirm: bool | None,
    cause: bool | None,
    patience: float | None,
    memory: int | None,
    fail_on: FailOn | None,
    results: Path | None,
    as_json: bool,
    junit: Path | None,
    notify: str | None,
) -> Settings:
    """Return the settings of a run: the command line's, then the profile's, then the defaults; raises `UsageError`."""
    said = Profile(
        targets=reached(targets, wire, via, state, backend) or None,
        results=str(results) if results is not None else None,
        budget=budget,
        max_executions=max_executions,
        seed=seed,
        users=users,
        schedules=schedules,
        promises=promises or None,
        strategies=strategies or None,
        workers=workers,
        cluster=cluster,
        fail_on=fail_on,
        junit=str(junit) if junit is not None else None,
        notify=notify,
        confirm=confirm,
        cause=cause,
        patience=patience,
        memory=memory,
    )
    set_up = load_profile(profile, Path.cwd())
    if said.budget is not None or said.max_executions is not None:  # a budget on the command line replaces the other
        set_up = msgspec.structs.replace(set_up, budget=None, max_executions=None)
    chosen = said.over(set_up)
    promises = _promises_now(chosen.promises or ())
    _check_names("promise", promises, PROMISES)
    _check_names("strategy", chosen.strategies, STRATEGIES)
    if chosen.cluster is not None:
        check_cluster(chosen.cluster)
    seconds = parse_budget(chosen.budget) if chosen.budget is not None else None
    if seconds is None and chosen.max_executions is None:
        seconds = BUDGET
    used = tuple(chosen.strategies or DEFAULT)
    return Settings(
        targets=tuple(chosen.targets or ()),
        plan=Plan(
            seed=chosen.seed if isinstance(chosen.seed, int) else 0,
            executions=chosen.max_executions,
            seconds=seconds,
            users=chosen.users if chosen.users is not None else 3,
            schedules=chosen.schedules or (EXHAUSTIVE if used == ("delay",) else SCHEDULES),
            strategies=used,
            promises=frozenset(promises or PROMISES),
            first=first,
        ),
        results=Path(chosen.results) if chosen.results is not None else RESULTS,
        profile=profile,
        fresh_seed=chosen.seed == "fresh",
        workers=chosen.workers if chosen.workers is not None else 1,
        cluster=chosen.cluster,
        resume=resume,
        trusting=trust,
        confirm=chosen.confirm is not False,
        explain=chosen.cause is not False,
        scheduled=profile is not None or fail_on is not None,
        fail_on=chosen.fail_on or "any",
        as_json=as_json,
        junit=Path(chosen.junit) if chosen.junit is not None else None,
        notify=chosen.notify,
        care=Care(
            patience=chosen.patience if chosen.patience is not None else PATIENCE,
            memory=chosen.memory if chosen.memory is not None else MEMORY,
        ),
    )


def _promises_now(names: Sequence[str]) -> list[str]:
    for name in names:
        if name in PROMISES_NOW:
            print(f"crosswire: {moved('promise', name, PROMISES_NOW[name])}", file=sys.stderr)
    return [PROMISES_NOW.get(name, name) for name in names]


def _check_names(what: str, names: list[str] | None, known: tuple[str, ...]) -> None:
    for name in names or ():
        if name not in known:
            raise UsageError(f"unknown {what} {name!r}: name one of {', '.join(known)}")
