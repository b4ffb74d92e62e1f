"""Where an application takes WebSocket connections, as far as its framework tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ("websocket_paths",)

PARAMETER = re.compile(r"\{[^}]*\}|<[^>]*>")


def websocket_paths(app: Any) -> list[str]:
    """Path templates of an application's WebSocket routes; the placeholder ``{user}`` stands for every parameter.

    Understands Starlette, FastAPI and Litestar (``routes``) and Quart (``url_map``).  A path without a parameter gets
    the token as a query, so that the application has a way to tell clients apart.
    """
    found = [*_routes(app, ""), *_rules(app)]
    paths = (PARAMETER.sub("{user}", path) for path in dict.fromkeys(found))
    return [path if "{user}" in path else f"{path}?token={{token}}" for path in paths]


def _routes(app: Any, prefix: str) -> Iterator[str]:
    for route in getattr(app, "routes", None) or ():
        path = prefix + str(getattr(route, "path", ""))
        if "WebSocketRoute" in type(route).__name__:
            yield path
        elif hasattr(route, "routes"):
            yield from _routes(route, path)


def _rules(app: Any) -> Iterator[str]:
    rules = getattr(app, "url_map", None)
    if rules is not None and hasattr(rules, "iter_rules"):
        for rule in rules.iter_rules():
            if getattr(rule, "websocket", False):
                yield str(rule.rule)
