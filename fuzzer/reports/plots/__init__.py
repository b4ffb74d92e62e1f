"""Pictures of what the store holds, and of a counterexample.  Needs matplotlib, which is imported here only."""

from .curves import discovery_curve, survival_curves
from .frequencies import by_users, frequency_by, heat_map, over_time
from .interfaces import interface_map
from .lanes import lanes_figure
from .live import failures_over_time, latency_over_time, traffic_over_time

__all__ = (
    "by_users",
    "discovery_curve",
    "failures_over_time",
    "frequency_by",
    "heat_map",
    "interface_map",
    "lanes_figure",
    "latency_over_time",
    "over_time",
    "survival_curves",
    "traffic_over_time",
)
