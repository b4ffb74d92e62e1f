"""Names that were others in an earlier release.

Files and stores of then are read as what they mean now; what users type is taken too, with a line that says so, for one
release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = (
    "CLASSES_NOW",
    "FORMER",
    "PROMISES_NOW",
    "VIOLATIONS_NOW",
    "moved",
    "said_then",
    "signature_now",
    "statements",
)

VIOLATIONS_NOW: Mapping[str, str] = {
    "BrokenGoldenPath": "BrokenRun",
    "Disorder": "OutOfOrder",
    "GhostEntry": "StaleEntry",
    "HeldUp": "HeadOfLineBlocking",
    "LeftBehind": "LeakedTask",
    "OfflineDisorder": "OfflineOutOfOrder",
    "Spinning": "Livelock",
    "Stuck": "Deadlock",
    "UnhandledError": "UnhandledException",
}
"""What classes of violations are called now."""

FORMER: Mapping[str, str] = {now: then for then, now in VIOLATIONS_NOW.items()}
"""What they were called when signatures were first made: a signature's hash stays what it was."""

PROMISES_NOW: Mapping[str, str] = {"golden path": "agent run"}
"""What promises are called now."""

CLASSES_NOW: Mapping[str, str] = {"PeerGoneError": "ClientDisconnectedError"}
"""What public classes are called now."""


def said_then(text: str) -> str:
    """Return what a circumstance said when signatures were first made: so it is compared, too."""
    for then, now in CLASSES_NOW.items():
        text = re.sub(rf"\b{now}\b", then, text)
    return text


def signature_now(signature: str) -> str:
    """Return a signature as it would be written now."""
    kind, dash, rest = signature.partition("-")
    return f"{VIOLATIONS_NOW.get(kind, kind)}{dash}{rest}"


def moved(what: str, then: str, now: str) -> str:
    """The line for whoever still uses an old name."""
    return f"{what} {then!r} is called {now!r} now; the old name goes with the next release"


SIGNATURES = (("failures", "signature"), ("failures", "bug"), ("sightings", "signature"), ("firsts", "signature"))
VIOLATIONS = (("failures", "violation"), ("stress_violations", "violation"))
PROMISES = (("failures", "promise"), ("broken", "promise"), ("stress_violations", "promise"))


def statements() -> Iterable[str]:
    """SQL that brings a store's names up to today's; run twice, it changes nothing more."""
    for then, now in VIOLATIONS_NOW.items():
        for table, column in SIGNATURES:
            new = f"'{now}' || substr({column}, {len(then) + 1})"
            yield f"UPDATE {table} SET {column} = {new} WHERE substr({column}, 1, {len(then) + 1}) = '{then}-'"
        for table, column in VIOLATIONS:
            yield f"UPDATE {table} SET {column} = '{now}' WHERE {column} = '{then}'"
    for then, now in PROMISES_NOW.items():
        for table, column in PROMISES:
            yield f"UPDATE {table} SET {column} = '{now}' WHERE {column} = '{then}'"
        yield f"""UPDATE campaigns SET plan = replace(plan, '"{then}"', '"{now}"')"""
