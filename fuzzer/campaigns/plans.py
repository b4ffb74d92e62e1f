"""Plans as a store has them, and the campaigns that can be gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec

from ..core.choices import MOST, MOST_SCHEDULES, PromiseName, StrategyName
from ..store import CampaignRow, Store, StoreError
from .rounds import Plan

__all__ = ("last_unfinished", "plan_data", "planned")


def plan_data(plan: Plan, targets: Sequence[str]) -> dict[str, object]:
    """What a store keeps of a plan; `planned` reads it."""
    return {
        "targets": list(targets),
        "executions": plan.executions,
        "seconds": plan.seconds,
        "users": plan.users,
        "steps": plan.steps,
        "schedules": plan.schedules,
        "strategies": list(plan.strategies),
        "promises": sorted(plan.promises),
    }


class _PlanData(msgspec.Struct, forbid_unknown_fields=True):
    """A plan as a store has it, and as the command line could have said it."""

    targets: list[str]
    executions: Annotated[int, msgspec.Meta(ge=1, le=MOST)] | None
    seconds: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None
    users: Annotated[int, msgspec.Meta(ge=1, le=9)]
    steps: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    schedules: Annotated[int, msgspec.Meta(ge=1, le=MOST_SCHEDULES)]
    strategies: tuple[StrategyName, ...]
    promises: frozenset[PromiseName]


def planned(row: CampaignRow) -> tuple[list[str], Plan]:
    """The targets and the plan a stored campaign had; raises `StoreError`."""
    try:
        data = msgspec.json.decode(row.plan, type=_PlanData)
    except msgspec.MsgspecError as error:
        raise StoreError(f"campaign {row.id} has no plan that can be gone on with: {error}") from None
    if data.executions is None and data.seconds is None:
        raise StoreError(f"campaign {row.id} has no plan that can be gone on with: it would never end")
    said = msgspec.structs.asdict(data)
    return said.pop("targets"), replace(Plan(seed=row.seed), **said)


def last_unfinished(store: Store, profile: str | None) -> CampaignRow | None:
    """The latest campaign that was killed, interrupted or failed."""
    rows = [r for r in store.campaigns() if r.status in ("killed", "interrupted", "failed") and r.profile == profile]
    return rows[-1] if rows else None
