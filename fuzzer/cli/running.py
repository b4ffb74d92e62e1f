"""``crosswire run``: campaigns over targets, live progress, and the tables at the end."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.live import Live

from ..campaigns.child import Care
from ..campaigns.events import BugFound, CampaignEvent, Finished, Noted, Phase, Progressed, Started
from ..campaigns.plans import last_unfinished, planned
from ..campaigns.rounds import Plan
from ..campaigns.runs import Run
from ..campaigns.summary import RunSummary, Status
from ..core.choices import FailOn
from ..core.counting import counted
from ..core.errors import UsageError
from ..core.text import plain
from ..findings.tally import Tally
from ..reports.github import step_summary, workflow_commands
from ..reports.junit import to_junit
from ..store import CampaignRow, Store
from ..targets.resolve import bundled_by_default, check_name
from .result import print_result
from .terminal import plain_console, plain_text, trusted
from .trust import check_trust, remember

__all__ = ("Settings", "run_campaigns")

FAILS: dict[FailOn, tuple[Status, ...]] = {"new": ("new", "back"), "any": ("new", "back", "known"), "never": ()}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `run_campaigns` is asked to do; ``scheduled`` runs replay what is known first and tell new from known."""

    targets: Sequence[str]
    plan: Plan
    results: Path
    profile: str | None = None
    fresh_seed: bool = False
    workers: int = 1
    cluster: str | None = None
    resume: bool = False
    trusting: bool = False
    confirm: bool = False
    explain: bool = True
    scheduled: bool = False
    fail_on: FailOn = "any"
    as_json: bool = False
    junit: Path | None = None
    notify: str | None = None
    care: Care = field(default_factory=Care)


def run_campaigns(settings: Settings) -> int:
    """Fuzz each target with an equal share of the budget; gives the exit code.

    The result goes to standard output and depends on the executions only; progress and speed go to standard error.
    """
    err = plain_console(stderr=True)
    with Store.open(settings.results) as store:
        for note in store.notes:
            _say(err, note)
        row = _to_resume(store, settings) if settings.resume else None
        if row is not None:
            names, plan = planned(row)
            for name in names:
                check_trust(name, f"{settings.results}: campaign {row.id}", settings.trusting)
            _say(err, f"going on with campaign {row.id}")
        else:
            names, plan = list(settings.targets), settings.plan
            if settings.fresh_seed:
                plan = replace(plan, seed=1 + max((c.seed for c in store.campaigns()), default=0))
                _say(err, f"seed {plan.seed}")
        targets = names or [target.name for target in bundled_by_default()]
        for name in targets:
            check_name(name)
        remember(targets)
        if row is None and plan.seconds is not None:
            plan = replace(plan, seconds=plan.seconds / len(targets))
        began = time.perf_counter()
        interrupted = False
        with _Progress(err, len(targets)) as progress:
            run = Run(
                store,
                targets,
                plan,
                profile=settings.profile,
                workers=settings.workers,
                cluster=settings.cluster,
                regressions=settings.scheduled,
                confirm_findings=settings.confirm,
                explain_findings=settings.explain,
                resume=row,
                care=settings.care,
            )
            before = 0
            try:
                with closing(run.events()) as events:
                    for event in events:
                        if isinstance(event, Started):
                            before += event.tally.executions
                        progress.hear(event)
            except KeyboardInterrupt:
                interrupted = True
        if run.troubles and not interrupted and not any(tally.executions for tally in run.tallies):
            raise run.troubles[0]
        total = sum(tally.executions for tally in run.tallies) - before
        elapsed = time.perf_counter() - began
        _say(err, f"{counted(total, 'execution')} in {elapsed:.1f} s ({total / elapsed if elapsed else 0:,.0f}/s)")
        summary = run.summary()
        if settings.as_json:
            print(json.dumps(summary.data(), indent=2))
        else:
            print_result(summary, plan, settings.scheduled, settings.explain)
        failing = summary.failures(*FAILS[settings.fail_on])
        _tell(err, summary, settings)
        if interrupted:
            err.print("interrupted; everything found so far is saved (go on with --resume)", style="yellow")
            return 130
        for trouble in run.troubles:
            _say(err, f"crosswire: {' '.join(str(trouble).split())}")
        if run.troubles:
            return 1 if failing else 2
        idle = [tally.target for tally in run.tallies if not tally.executions]
        if idle and not failing:
            _say(
                err, f"crosswire: {', '.join(idle)}: the budget ended before the first execution; give it more --budget"
            )
            return 2
        return 1 if failing else 0


def _to_resume(store: Store, settings: Settings) -> CampaignRow:
    row = last_unfinished(store, settings.profile)
    if row is None:
        raise UsageError(f"nothing to resume in {store.folder}: no campaign there was killed or interrupted")
    return row


def _tell(err: Console, summary: RunSummary, settings: Settings) -> None:
    """JUnit, GitHub and the user's own hook."""
    statuses = FAILS[settings.fail_on]
    if settings.junit is not None:
        settings.junit.parent.mkdir(parents=True, exist_ok=True)
        settings.junit.write_text(to_junit(summary, statuses), encoding="utf-8")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(summary, statuses):
            print(line, file=trusted(sys.stderr if settings.as_json else sys.stdout))
        place = os.environ.get("GITHUB_STEP_SUMMARY")
        if place:
            with open(place, "a", encoding="utf-8") as file:
                file.write(step_summary(summary))
    if settings.notify is not None and summary.failures("new", "back"):
        try:
            done = subprocess.run(
                shlex.split(settings.notify), input=json.dumps(summary.data()), text=True, check=False
            )
            trouble = f"exit code {done.returncode}" if done.returncode else ""
        except (OSError, ValueError) as error:
            trouble = str(error)
        if trouble:
            _say(err, f"--notify {settings.notify}: {trouble}")


def _say(err: Console, text: str) -> None:
    err.print(plain(text), soft_wrap=True)


QUIET = 20.0
"""Real seconds without a word, where nobody watches a terminal."""


class _Progress:
    """One line that is alive on a terminal; elsewhere a line now and then, and for each target that is done."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._shown = time.perf_counter()
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> _Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._live is not None:
            self._live.stop()

    def hear(self, event: CampaignEvent) -> None:
        """Show what a run tells."""
        match event:
            case Progressed(tally, phase):
                self._show(tally, phase)
            case BugFound(tally, found):
                violation, after = found.finding.violation, counted(tally.executions, "execution")
                self.note(f"found after {after}: {violation.kind}: {violation.message}")
            case Finished(tally):
                self._done += 1
                self.note(f"[{self._done}/{self._total}] {self._line(tally)}")
            case Noted(text):
                self.note(text)

    def _line(self, tally: Tally) -> str:
        rate = tally.executions / tally.seconds if tally.seconds else 0.0
        return (
            f"{tally.target}: {counted(tally.executions, 'execution')}, {rate:,.0f}/s, "
            f"{counted(len(tally.found), 'distinct violation')}, {tally.seconds:.0f} s"
        )

    def _show(self, tally: Tally, phase: Phase) -> None:
        now = time.perf_counter()
        line = f"[{self._done + 1}/{self._total}] {self._line(tally)}, {phase.value}"
        if self._live is not None and now - self._shown > 0.2:
            self._shown = now
            self._live.update(plain_text(line), refresh=True)
        elif self._live is None and now - self._shown > QUIET:
            self._shown = now
            self.note(line)

    def note(self, text: str) -> None:
        _say(self._console if self._live is None else self._live.console, text)
