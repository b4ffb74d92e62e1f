"""What a results folder holds, for notebooks: opened in one line, shares of a promise by what programs were like.

    from crosswire.fuzzer import Results

    results = Results("results")
    results.shares("no loss", by="users")

Tables are lists of rows that show as such; pandas is needed only where it is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.choices import PROMISES
from ..core.errors import UsageError
from ..core.renames import PROMISES_NOW, moved
from ..statistics import By, Discovery, discovery, shares_by, shares_by_promise, wilson
from ..store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("Results", "Table")


class Table(Sequence[Mapping[str, Any]]):
    """Rows with the same columns; a notebook shows them as a table, `to_pandas` makes a data frame of them."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = list(rows)

    def __getitem__(self, index: Any) -> Any:
        return Table(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self._rows)

    @property
    def columns(self) -> list[str]:
        return list(self._rows[0]) if self._rows else []

    def __repr__(self) -> str:
        cells = [self.columns, *([_text(value) for value in row.values()] for row in self._rows)]
        if not self._rows:
            return "nothing"
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.columns))]
        numbers = [isinstance(value, int | float) for value in self._rows[0].values()]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(row, widths, numbers, strict=True)
            ).rstrip()
            for row in cells
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(_text(value))}</td>' for value in row.values())}</tr>" for row in self._rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"

    def to_pandas(self) -> Any:
        """The same as a ``pandas.DataFrame``; raises `UsageError` where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise UsageError("a data frame needs pandas: pip install 'crosswire[pandas]'") from None
        return pandas.DataFrame(self._rows, columns=self.columns)


class Results:
    """The results of a folder, read once; ``campaigns`` leaves only those of these numbers.

    `campaigns`, `counts`, `failures`, `samples` and `firsts` are the store's rows.  Raises `StoreError`.
    """

    def __init__(self, folder: str | Path = "results", campaigns: Sequence[int] | None = None) -> None:
        with Store.open(Path(folder), readonly=True) as store:
            wanted = None if campaigns is None else set(campaigns)
            self.campaigns = [row for row in store.campaigns() if wanted is None or row.id in wanted]
            numbers = {row.id for row in self.campaigns}
            self.counts = store.counts(numbers)
            self.failures = store.failures()
            self.samples = [row for row in store.samples() if row.campaign in numbers]
            self.firsts = [row for row in store.firsts() if row.campaign in numbers]

    @property
    def executions(self) -> int:
        return sum(count.executions for count in self.counts)

    def shares(self, promise: str | None = None, by: By | None = None) -> Table:
        """How often each target broke a promise, or every promise that it broke, with 95 % Wilson intervals.

        ``by`` tells executions apart by the ``users`` in the program, its ``length``, or the ``strategy``.
        """
        promise = _checked(promise)
        rows: list[dict[str, Any]] = []
        for one in PROMISES if promise is None else (promise,):
            if by is None:
                cells = {(target, ""): cell for (target, p), cell in shares_by_promise(self.counts).items() if p == one}
            else:
                cells = {
                    (target, str(value)): cell for (target, value), cell in shares_by(self.counts, one, by).items()
                }
            broken = {target for (target, _), (times, _) in cells.items() if times}
            for (target, value), (times, executions) in cells.items():
                if target in broken:
                    rate = wilson(times, executions)
                    apart: dict[str, object] = {} if by is None else {by: value}
                    found = {"broken": times, "executions": executions}
                    interval = {"share": rate.share, "low": rate.low, "high": rate.high}
                    rows.append({"target": target, "promise": one, **apart, **found, **interval})
        return Table(sorted(rows, key=lambda row: row["target"]))

    def plot(self, promise: str | None = None, by: By = "users") -> Figure:
        """The same as a picture: of a promise, or of the one that each target breaks most."""
        from .plots import frequency_by

        promise = _checked(promise)
        return frequency_by(self.counts, by, promise)

    def discoveries(self) -> dict[str, Discovery]:
        """For each target, what its last campaign left undiscovered; in programs, of older stores in executions."""
        last = {sample.target: sample for sample in self.samples}
        return {
            target: discovery(s.programs or s.executions, s.distinct, s.singletons, s.doubletons)
            for target, s in sorted(last.items())
        }


def _checked(promise: str | None) -> str | None:
    if promise is not None and (now := PROMISES_NOW.get(promise)) is not None:
        warnings.warn(moved("promise", promise, now), DeprecationWarning, stacklevel=3)
        return now
    if promise is not None and promise not in PROMISES:
        raise UsageError(f"unknown promise {promise!r}: name one of {', '.join(PROMISES)}")
    return promise


def _text(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
