"""State between executions: what a target's modules and libraries keep is put back, executed anew, or forked away."""

from .keeping import WAYS, Keeping, Way
from .snapshot import Change, Snapshot

__all__ = ("WAYS", "Change", "Keeping", "Snapshot", "Way")
