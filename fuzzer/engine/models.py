"""Has SQLAlchemy configure an application's models before executions begin, as it would at the first query of each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from .alone import CAN_FORK, AloneError, in_fork

__all__ = ("configure_models",)

_modules = 0
"""How many modules were loaded when models were configured last."""


def configure_models() -> None:
    """Configure all models there are; nothing is done where no module was loaded since the last time.

    A server does it once, and an execution that finds it undone would do it again, which takes longer than all else it
    does.  It is tried in another process first: where a model names one that does not exist yet, SQLAlchemy remembers
    that it failed, and would not try again.
    """
    global _modules
    if not CAN_FORK or _modules == len(sys.modules):
        return
    _modules = len(sys.modules)
    configure = getattr(sys.modules.get("sqlalchemy.orm"), "configure_mappers", None)
    if configure is None:
        return
    try:
        in_fork(lambda: _quietly(configure))
    except AloneError:
        return  # whoever uses the models will hear of it
    configure()


def _quietly(configure: Callable[[], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        configure()
