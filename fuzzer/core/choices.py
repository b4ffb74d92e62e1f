"""What a user chooses by name: promises, strategies, wires, ways to reach an application and to keep its state.

The names only, so that a command line can list them without loading what stands behind them.
"""

from typing import Literal, get_args

__all__ = (
    "BACKENDS",
    "MOST",
    "MOST_SCHEDULES",
    "PROMISES",
    "STRATEGIES",
    "VIA",
    "WAYS",
    "WIRES",
    "Backend",
    "Backends",
    "FailOn",
    "PromiseName",
    "ScheduleKind",
    "StrategyName",
    "Way",
)

PromiseName = Literal[
    "isolation",
    "authentication",
    "no loss",
    "no duplicate",
    "offline delivery",
    "independence",
    "order",
    "agent run",
    "liveness",
    "consistency",
    "hygiene",
    "availability",
]

PROMISES: tuple[str, ...] = get_args(PromiseName)

StrategyName = Literal["fifo", "random", "calm", "together", "pct", "pos", "surw", "delay", "coverage", "portfolio"]

STRATEGIES: tuple[str, ...] = get_args(StrategyName)

WIRES = ("json", "text", "socketio")

VIA = ("direct", "uvicorn", "uvicorn-websockets", "uvicorn-sansio", "uvicorn-wsproto")

Way = Literal["snapshot", "modules", "process"]
"""How executions are kept apart: each is stricter than the one before, and most targets' executions take longer."""

WAYS: tuple[Way, ...] = get_args(Way)

Backend = Literal["asyncio", "trio"]
"""The event loops that a target's tasks can run on."""

BACKENDS: tuple[Backend, ...] = get_args(Backend)

Backends = Literal["asyncio", "trio", "both"]
"""The same for a run, where both makes two targets of one."""

FailOn = Literal["new", "any", "never"]
"""Which bugs make a run fail."""

ScheduleKind = Literal["cron", "systemd", "github"]
"""Files that run a profile every so often."""

MOST = (1 << 62) - 1
"""What a count or a seed can be at most: a database has no more."""

MOST_SCHEDULES = 1_000_000
"""Schedules of one program."""
