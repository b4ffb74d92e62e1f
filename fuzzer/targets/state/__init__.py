"""State between executions: what a target's modules and libraries keep is put back, executed anew, or forked away."""

from .keeping import Keeping
from .snapshot import Change, Snapshot

__all__ = ("Change", "Keeping", "Snapshot")
