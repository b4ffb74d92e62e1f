"""A run in the store: entered after its first round, and written anew after each, so that nothing is lost with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from ..core.text import plain
from ..store import Store, StoreError, StressFailureRow, StressIntervalRow, StressRow, StressRuns, StressViolationRow
from ..store.database import environment
from .again import Again
from .figures import PERCENTILES, Figures
from .reproduce import Attempt
from .run import Result, Settings

__all__ = ("Kept",)


class Kept:
    """The row of one run, with all that belongs to it."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._runs, self._settings = store, StressRuns(store), settings
        self._id: int | None = None

    def round(self, result: Result) -> None:
        """Write what there is after a round."""
        with suppress(StoreError):  # it is written again after the next
            number = self._number(result)
            self._runs.write(self._row(result, "running", number), list(_parts(result, number, {}, {})))

    def _number(self, result: Result) -> int:
        if self._id is None:
            self._id = self._runs.begin(self._row(result, "running", 0))
        return self._id

    def end(self, result: Result, attempts: Mapping[str, Attempt], reruns: Mapping[str, Again]) -> None:
        """Write what came of the run, with what was found in the world and seen again, by what was broken."""
        if not result.rounds:
            return
        number = self._number(result)
        for attempt in attempts.values():
            for found in attempt.found:
                self._store.enter(found.path)
        status = "interrupted" if result.interrupted else "finished"
        parts = list(_parts(result, number, attempts, reruns))
        self._runs.write(replace(self._row(result, status, number), ended=self._store.now()), parts, done=True)

    def _row(self, result: Result, status: str, number: int) -> StressRow:
        settings, figures = self._settings, result.figures
        plan = {
            **asdict(settings.plan),
            "run": settings.seconds,
            "backend": settings.backend,
            "command": settings.command,
        }
        return StressRow(
            id=number,
            url=plain(settings.url),
            wire=plain(settings.wire_name),
            started=settings.started,
            ended=None,
            status=status,
            seed=settings.plan.seed,
            plan=json.dumps(plan),
            environment=json.dumps(environment()),
            seconds=result.seconds,
            rounds=result.rounds,
            rested=result.rested,
            owed=figures.owed,
            processor=figures.processor,
            judging=figures.judging,
            **_measured(figures),
        )


def _measured(figures: Figures) -> dict[str, Any]:
    """What the columns of a run and of its intervals have in common."""
    columns: dict[str, Any] = {
        "traffic": figures.seconds,
        "said": figures.said,
        "frames": figures.frames,
        "heard": figures.heard,
        "connects": figures.connects,
        "departures": figures.left,
        "lag": figures.lag,
        "away": figures.away,
    }
    for what, histogram in (("event", figures.delivery), ("connect", figures.connecting)):
        values = histogram.percentiles()
        for name in PERCENTILES:
            columns[f"{what}_{name.replace('.', '')}"] = values.get(name)
    return columns


def _parts(
    result: Result, run: int, attempts: Mapping[str, Attempt], reruns: Mapping[str, Again]
) -> Iterator[StressIntervalRow | StressFailureRow | StressViolationRow]:
    for at, figures in result.course.intervals:
        yield StressIntervalRow(run=run, at=at, seconds=result.course.seconds, **_measured(figures))
        for (kind, grade), times in figures.violations.items():
            yield StressFailureRow(run, at, kind, grade.value, times)
        for error, times in figures.errors.items():
            yield StressFailureRow(run, at, error, "", times)
    for key, one in result.broken.items():
        violation, grade, proof = one.proven
        attempt, again = attempts.get(key), reruns.get(key)
        same = [found.path.name for found in attempt.found if found.same] if attempt is not None else []
        yield StressViolationRow(
            run=run,
            violation=violation.kind,
            promise=violation.promise,
            circumstance=violation.circumstance,
            grade=grade.value,
            proof=proof,
            message=violation.message,
            times=one.times,
            round=one.round,
            at_seconds=one.at,
            at_events=one.said,
            history=one.file.name if one.file is not None else None,
            reproduced=same[0] if same else None,
            reruns=again.times if again is not None else 0,
            failed=again.failed if again is not None else 0,
        )
