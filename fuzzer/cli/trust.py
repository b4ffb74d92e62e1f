"""Which targets a file may have run: those of Crosswire's, and those that the user named, never what it names itself.

A counterexample or a store holds data, but names a target, and to take one up is to import modules and to call what is
named.  So it is done for targets that this user named on a command line or in a fuzz test before, in this folder; that
the project's ``pyproject.toml`` lists; or that ``--trust`` says are to be run.  What was named is remembered beside the
user's other state, not in the project, where a file could bring it along.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl

from ..core.errors import UsageError
from ..core.text import cut, plain
from .profiles import listed_targets

__all__ = ("NotTrustedError", "check_trust", "places_of", "remember")

LARGEST = 1 << 22
"""Bytes of what is remembered."""

MOST = 1000
"""Folders that are remembered."""


class NotTrustedError(UsageError):
    """A file asks for a target that nobody has named; the message says what would be run."""


def places_of(target: str) -> frozenset[str]:
    """Return what taking a target up imports and calls, as ``module:name``; nothing for those of Crosswire's."""
    if ":" not in target:
        return frozenset()
    place, _, options = target.partition("?")
    return frozenset({place, *(value for key, value in parse_qsl(options) if key == "wire" and ":" in value)})


def check_trust(target: str, where: str, trusting: bool = False) -> None:
    """See that a target that a file names may be run; raises `NotTrustedError`.

    ``where``: the file.  ``trusting``: the user has said that it may, which is remembered.
    """
    wanted = places_of(target)
    if trusting:
        remember([target])
        return
    if not wanted:
        return
    folder = Path.cwd()
    known = _remembered().get(str(folder), [])
    listed = frozenset[str]().union(*map(places_of, listed_targets(folder)))
    unknown = sorted(wanted - listed - frozenset(known))
    if unknown:
        modules = " and ".join(dict.fromkeys(name.partition(":")[0] for name in unknown))
        raise NotTrustedError(
            plain(
                f"{where}: would import {cut(modules)} and run {cut(target)}, which nobody named here; if that is what "
                'you want, say --trust, or list it in pyproject.toml: [tool.crosswire] targets = ["..."]'
            )
        )


def remember(targets: Iterable[str]) -> None:
    """Remember that the user named targets, for the current folder; where that cannot be written, nobody minds."""
    wanted = sorted(frozenset[str]().union(*map(places_of, targets)))
    folder, path = str(Path.cwd()), _path()
    known = _remembered()
    before = known.pop(folder, [])
    names = list(dict.fromkeys([*before, *wanted]))
    if names == before:
        return
    known[folder] = names
    kept = {place: named for place, named in known.items() if os.path.isdir(place)}
    text = json.dumps(dict(list(kept.items())[-MOST:]), indent=1)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)


def _path() -> Path:
    """Where what was named is remembered (XDG Base Directory Specification; on Windows below LOCALAPPDATA)."""
    named = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME", "")
    root = Path(named) if os.path.isabs(named) else Path(os.path.expanduser("~/.local/state"))
    return root / "crosswire" / "named.json"


def _remembered() -> dict[str, list[str]]:
    """Return the names that were given, by folder; nothing where that cannot be read."""
    try:
        with _path().open("rb") as file:
            data = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {
        folder: [name for name in names if isinstance(name, str)]
        for folder, names in data.items()
        if isinstance(names, list)
    }
