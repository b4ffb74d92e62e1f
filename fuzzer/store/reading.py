"""What is read of a store: its rows as what they are, whatever a file holds."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import convert

from ..core.text import cut, plain
from .opening import StoreError, reason
from .rows import CampaignRow, CountRow, FailureRow, FirstRow, SampleRow, SightingRow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ("Reading", "RowType")

LATEST = 1e11
"""Seconds since the epoch that a calendar still has, which is beyond all durations."""

RowType = TypeVar("RowType", bound="DataclassInstance")


class Reading:
    """The part of a `Store` that only reads."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._db = connection
        self.folder = folder

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a query gives; raises `StoreError`."""
        try:
            return self._db.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            path = self.folder / "crosswire.db"
            raise StoreError(f"{path}: cannot be read ({reason(error, path)})") from None

    def campaigns(self) -> list[CampaignRow]:
        """All campaigns, oldest first."""
        columns = "id, profile, started, ended, status, seed, plan, environment"
        return self.typed(CampaignRow, self.rows(f"SELECT {columns} FROM campaigns ORDER BY id"))

    def counts(self, campaigns: Iterable[int] | None = None) -> list[CountRow]:
        """What was counted, of some campaigns or all."""
        wanted = None if campaigns is None else set(campaigns)
        broken: defaultdict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
        for campaign, target, promise, strategy, users, length, times in self.rows("SELECT * FROM broken"):
            broken[campaign, target, strategy, users, length][promise] = times
        rows = self.rows("SELECT * FROM executions ORDER BY campaign, target, strategy, users, length")
        chosen = [(*row, broken.get(row[:5], {})) for row in rows if wanted is None or row[0] in wanted]
        return self.typed(CountRow, chosen)

    def failures(self) -> list[FailureRow]:
        """Every finding ever made, by target and signature."""
        rows = self.rows(
            "SELECT f.signature, f.target, promise, violation, message, operations, deviations, file, "
            "counterexample, first_seen, last_seen, "
            "coalesce((SELECT sum(times) FROM sightings s WHERE s.signature = f.signature), 0), gone_since, "
            "coalesce(bug, f.signature) FROM failures f ORDER BY f.target, f.signature"
        )
        return self.typed(FailureRow, rows)

    def sightings(self, campaign: int) -> list[SightingRow]:
        """What a campaign saw, in order of first sight."""
        columns = "campaign, target, signature, times, at_execution, at_seconds, programs"
        query = f"SELECT {columns} FROM sightings WHERE campaign = ? ORDER BY target, at_execution, signature"
        return self.typed(SightingRow, self.rows(query, (campaign,)))

    def samples(self, campaign: int | None = None) -> list[SampleRow]:
        """The discovery curves, of one campaign or all."""
        where, parameters = ("", ()) if campaign is None else ("WHERE campaign = ?", (campaign,))
        columns = "campaign, target, executions, seconds, distinct_signatures, singletons, doubletons"
        query = f"SELECT {columns}, programs FROM samples {where} ORDER BY campaign, target, executions"
        return self.typed(SampleRow, self.rows(query, parameters))

    def firsts(self) -> list[FirstRow]:
        """First sightings by strategy; strategies that showed nothing of a target as censored rows."""
        rows = self.typed(FirstRow, self.rows("SELECT * FROM firsts ORDER BY 1, 2, 3, 4"))
        showed = {(row.campaign, row.target, row.strategy) for row in rows}
        totals = self.rows(
            "SELECT campaign, target, strategy, sum(executions) FROM executions GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        silent = [(row[0], row[1], row[2], None, row[3]) for row in totals if row[:3] not in showed]
        return rows + self.typed(FirstRow, silent)

    def typed(self, kind: type[RowType], rows: Iterable[Sequence[Any]]) -> list[RowType]:
        """Return rows as what they are; a file can hold anything in any column."""
        names = [field.name for field in fields(kind)]
        try:
            return [_shown(convert(_in_range(dict(zip(names, row, strict=True))), kind)) for row in rows]
        except ValueError as error:  # of msgspec's, too
            path = self.folder / "crosswire.db"
            raise StoreError(f"{path}: holds what no campaign writes ({plain(cut(str(error)))})") from None


def _in_range(row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        if isinstance(value, float) and not 0 <= value <= LATEST:
            raise ValueError(f"{name} {value}")
    return row


def _shown(row: RowType) -> RowType:
    """The same row with its texts as they are to be shown; what is JSON stays so."""
    said = {field.name: getattr(row, field.name) for field in fields(row)}
    texts: dict[str, Any] = {
        name: plain(value)
        for name, value in said.items()
        if isinstance(value, str) and name not in ("counterexample", "plan") and plain(value) != value
    }
    return replace(row, **texts) if texts else row
