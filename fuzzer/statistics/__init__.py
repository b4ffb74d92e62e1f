"""What the store's counts mean: frequencies, survival, discovery, and the difference between two campaigns."""

from .comparison import Difference, adjusted, differences, fisher_exact
from .discovery import Discovery, discovery
from .frequency import By, Frequency, shares_by, shares_by_promise, wilson
from .survival import Survival, kaplan_meier

__all__ = (
    "By",
    "Difference",
    "Discovery",
    "Frequency",
    "Survival",
    "adjusted",
    "differences",
    "discovery",
    "fisher_exact",
    "kaplan_meier",
    "shares_by",
    "shares_by_promise",
    "wilson",
)
