"""The ``crosswire`` command, as tests run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ("crosswire",)

PATIENCE = 600
"""Real seconds for one command: what hangs is ended by it, what a loaded machine slows down is not."""


def crosswire(*arguments: str, cwd: Path, expect: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder; assert its exit code and that no traceback shows."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    done = subprocess.run(
        [sys.executable, "-m", "crosswire.fuzzer", *arguments],
        cwd=cwd,
        env={**inherited, "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done
