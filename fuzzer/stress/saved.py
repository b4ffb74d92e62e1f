"""Histories of rounds as files: what was done and seen, and what it proves.  JSON, never code."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from pathlib import Path

from ..core.history import to_json
from ..core.program import said_of
from .round import Played

__all__ = ("FORMAT", "save")

FORMAT = 1
"""The version of the file format."""


def save(path: Path, url: str, wire: str, seed: int, played: Played) -> None:
    """Write a round down; compressed, where the file's name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "crosswire-stress": FORMAT,
        "url": url,
        "wire": wire,
        "seed": seed,
        "round": played.number,
        "violations": [
            {
                "violation": one.violation.kind,
                "promise": one.violation.promise,
                "grade": one.grade.value,
                "proof": one.proof,
                "message": one.violation.message,
                "circumstance": one.violation.circumstance,
                "evidence": one.violation.evidence,
            }
            for one in played.proven
        ],
        "program": [said_of(asdict(op)) for op in played.program.operations],
        "history": [json.loads(line) for line in to_json(played.history).splitlines()],
    }
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8") as file:
            json.dump(content, file, separators=(",", ":"))
    else:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
