"""The results store: what campaigns counted and found, in one SQLite file that survives crashes."""

from .database import Store, StoreError
from .rows import (
    CampaignRow,
    CountRow,
    FailureRow,
    FirstRow,
    SampleRow,
    SightingRow,
    StressFailureRow,
    StressIntervalRow,
    StressRow,
    StressViolationRow,
)
from .stress import StressRuns

__all__ = (
    "CampaignRow",
    "CountRow",
    "FailureRow",
    "FirstRow",
    "SampleRow",
    "SightingRow",
    "Store",
    "StoreError",
    "StressFailureRow",
    "StressIntervalRow",
    "StressRow",
    "StressRuns",
    "StressViolationRow",
)
