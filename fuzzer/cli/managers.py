"""``crosswire managers``: which members classes have in which form, how far they differ, and what an adapter calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...models.managers.fitting import OPERATIONS, Fitting, fitting
from ...models.managers.interface import SEVEN, Difference, Member, Sort, differences, matrix
from ..targets.places import UnknownTargetError, load_module, module_and_name
from .terminal import plain_console

__all__ = ("named_classes", "print_adapter", "print_matrix")

Classes = Sequence[tuple[str, type]]

SORTS: dict[Sort, tuple[str, str]] = {
    "async": ("a", "async"),
    "sync": ("s", "sync"),
    "async iterator": ("i", "async iterator"),
    "context manager": ("w", "with"),
    "async context manager": ("aw", "async with"),
    "property": ("p", "property"),
    "async property": ("ap", "awaited property"),
}
"""How a member is used: as a cell has it, and in words."""


def named_classes(names: Sequence[str]) -> Classes:
    """The classes behind ``module:Class``; the seven managers where none is named.  Raises `UnknownTargetError`."""
    if not names:
        return SEVEN
    found: dict[str, tuple[str, type]] = {}
    for name in dict.fromkeys(names):
        module, attributes = module_and_name(name)
        value: Any = load_module(name, module)
        for attribute in attributes.split("."):
            value = getattr(value, attribute, None)
        if not isinstance(value, type):
            raise UnknownTargetError(f"{name!r} is no class: name one as module:Class")
        found[name] = attributes.rpartition(".")[2], value
    taken = Counter(short for short, _ in found.values())
    return tuple((short if taken[short] == 1 else name, value) for name, (short, value) in found.items())


def print_matrix(names: Sequence[str] = (), as_json: bool = False) -> None:
    """Print the members of every class, and how far each pair differs."""
    classes = named_classes(names)
    rows, pairs = matrix(classes), differences(classes)
    if as_json:
        print(json.dumps(_as_data(classes, rows, pairs), indent=2))
        return
    console = plain_console()
    for number, (name, _) in enumerate(classes, 1):
        have = sum(forms[name] is not None for forms in rows.values())
        console.print(Text(f"{number:>3}  {name}: {have}"))
    console.print(_matrix_table(classes, rows))
    if len(classes) > 1:
        console.print(_pairs_table(classes, pairs))
    if len(classes) == 2:
        _print_pair(console, pairs[0], rows)


def _matrix_table(classes: Classes, rows: dict[str, dict[str, Member | None]]) -> Table:
    """One row a member; where classes are called with different things, these are numbered, and stand last."""
    there = {form.sort for forms in rows.values() for form in forms.values() if form is not None}
    key = ", ".join(f"{letters} {words}" for sort, (letters, words) in SORTS.items() if sort in there)
    table = Table(
        title=f"{key}, . absent; = may be left out",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("member", overflow="fold")
    for number in range(1, len(classes) + 1):
        table.add_column(str(number), no_wrap=True)
    table.add_column("called with", overflow="fold")
    for member, forms in rows.items():
        told = list(dict.fromkeys(form.called_with for form in forms.values() if form is not None))
        several = len(told) > 1
        cells = [
            "." if form is None else SORTS[form.sort][0] + (str(told.index(form.called_with) + 1) if several else "")
            for form in forms.values()
        ]
        if several:
            told = [f"{at} {words or 'read'}" for at, words in enumerate(told, 1)]
        table.add_row(Text(member), *cells, Text("\n".join(told)))
    return table


def _pairs_table(classes: Classes, pairs: Sequence[Difference]) -> Table:
    table = Table(
        title="Differences of pairs (= the same class)", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    for heading in ("pair", "differences", "only left", "only right", "other form"):
        table.add_column(heading, justify="left" if heading == "pair" else "right", overflow="fold")
    short = _short(classes)
    for pair in pairs:
        name = f"{short[pair.left]} {'=' if pair.same_class else '/'} {short[pair.right]}"
        counts = (len(pair), len(pair.only_left), len(pair.only_right), len(pair.changed))
        table.add_row(Text(name), *map(str, counts))
    return table


def _short(classes: Classes) -> dict[str, str]:
    """Names without what all of them are, where that tells them apart still."""
    short = {
        name: name if ":" in name else name.replace("WebSocket", "").replace("Manager", "") or name
        for name, _ in classes
    }
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


def _print_pair(console: Console, pair: Difference, rows: dict[str, dict[str, Member | None]]) -> None:
    for side, names in ((pair.left, pair.only_left), (pair.right, pair.only_right)):
        console.print(Text(f"only {side}: {', '.join(names) or 'nothing'}"))
    for name in pair.changed:
        console.print(Text(f"{name}: {pair.left} {rows[name][pair.left]}; {pair.right} {rows[name][pair.right]}"))


def _as_data(
    classes: Classes, rows: dict[str, dict[str, Member | None]], pairs: Sequence[Difference]
) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "classes": [name for name, _ in classes],
        "members": {
            member: {
                name: None
                if form is None
                else {
                    "sort": form.sort,
                    "parameters": [{"name": p.name, "optional": p.optional, "how": p.how} for p in form.parameters],
                }
                for name, form in forms.items()
            }
            for member, forms in rows.items()
        },
        "pairs": [
            {
                "left": pair.left,
                "right": pair.right,
                "differences": len(pair),
                "only_left": pair.only_left,
                "only_right": pair.only_right,
                "changed": pair.changed,
                "same_class": pair.same_class,
            }
            for pair in pairs
        ],
    }


def print_adapter(name: str, as_json: bool = False) -> bool:
    """Print which methods of a class fit which operation of an adapter; whether nothing is wrong with it."""
    ((short, owner),) = named_classes([name])
    found = fitting(owner)
    if as_json:
        print(json.dumps(_fitting_data(short, found), indent=2))
        return not found.faults
    console = plain_console()
    for operation, fits in found.fits.items():
        asked = f"{operation}({', '.join(OPERATIONS[operation].parameters)})"
        console.print(Text(asked if fits else f"{asked}: none"))
        for fit in fits:
            console.print(Text(f"    {fit}"))
    if found.rest:
        console.print(Text(f"no operation: {', '.join(found.rest)}"))
    for fault in found.faults:
        console.print(Text(fault))
    return not found.faults


def _fitting_data(name: str, found: Fitting) -> dict[str, Any]:
    return {
        "class": name,
        "operations": {
            operation: [{"method": fit.method, "call": fit.call, "lacks": fit.lacks} for fit in fits]
            for operation, fits in found.fits.items()
        },
        "no_operation": found.rest,
        "faults": found.faults,
    }
