"""The bundled targets by name."""

from __future__ import annotations

from ...fuzzer.targets import Adapter, Target
from .adapters import (
    DegradedAdapter,
    EmergencyAdapter,
    FactoryAdapter,
    IsolatedAdapter,
    OwnIdsAdapter,
    SingletonAdapter,
    UnifiedAdapter,
)
from .keeping import (
    BreakerAdapter,
    GoldenPathAdapter,
    OutboxAdapter,
    PooledRunsAdapter,
    ReferenceAdapter,
    SharedLoginAdapter,
)

__all__ = ("BUNDLED", "MANAGERS", "TARGETS")


def _target(name: str, adapter: type[Adapter]) -> Target:
    return Target(name, adapter, adapter)


MANAGERS: tuple[Target, ...] = (
    _target("isolated", IsolatedAdapter),
    _target("factory", FactoryAdapter),
    _target("emergency", EmergencyAdapter),
    _target("degraded", DegradedAdapter),
    _target("unified", UnifiedAdapter),
    _target("singleton", SingletonAdapter),
    _target("connection-manager", UnifiedAdapter),
)
"""The seven."""

BUNDLED: tuple[Target, ...] = (
    *MANAGERS,
    _target("unified-own-ids", OwnIdsAdapter),
    _target("golden-path-shared-login", SharedLoginAdapter),
    _target("golden-path-pooled-runs", PooledRunsAdapter),
    _target("golden-path-breaker", BreakerAdapter),
    _target("golden-path", GoldenPathAdapter),
    _target("reference", ReferenceAdapter),
    _target("outbox", OutboxAdapter),
)
"""The seven, what is put before and behind them, and those that must survive."""

TARGETS: dict[str, Target] = {target.name: target for target in BUNDLED}
