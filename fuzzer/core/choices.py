"""What a user chooses by name: promises, strategies, wires, and ways to reach an application.

The names only, so that a command line can list them without loading what stands behind them.
"""

from typing import Literal

__all__ = ("PROMISES", "STRATEGIES", "VIA", "WIRES", "FailOn", "ScheduleKind")

PROMISES = (
    "isolation",
    "authentication",
    "no loss",
    "no duplicate",
    "offline delivery",
    "independence",
    "order",
    "golden path",
    "liveness",
    "consistency",
    "hygiene",
    "availability",
)

STRATEGIES = ("fifo", "random", "calm", "pct", "pos", "surw", "delay", "coverage", "portfolio")

WIRES = ("json", "text", "socketio")

VIA = ("direct", "uvicorn", "uvicorn-websockets", "uvicorn-sansio", "uvicorn-wsproto")

FailOn = Literal["new", "any", "never"]
"""Which bugs make a run fail."""

ScheduleKind = Literal["cron", "systemd", "github"]
"""Files that run a profile every so often."""
