"""Pictures of what the store holds, and of a counterexample.  Needs matplotlib, which is imported here only."""

from .curves import discovery_curve, survival_curves
from .frequencies import by_users, frequency_by, heat_map, over_time
from .interfaces import interface_map
from .lanes import lanes_figure

__all__ = (
    "by_users",
    "discovery_curve",
    "frequency_by",
    "heat_map",
    "interface_map",
    "lanes_figure",
    "over_time",
    "survival_curves",
)
