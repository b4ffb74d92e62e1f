"""What kind of application a value is, as far as its signature and class tell."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Literal

from .embedding import is_sanic, is_tornado

__all__ = ("OWN", "Kind", "kind_of", "needed")

Kind = Literal["asgi", "aiohttp", "sanic", "tornado", "handler", "server", "serving"]

OWN = frozenset[Kind]({"handler", "server", "serving"})
"""What listens by itself, or through a library that has a server for each backend."""


def kind_of(value: Any) -> Kind | None:
    """What a value is, as far as its signature and class tell; None for what is none of the kinds."""
    for kind, is_one in OWN_SERVERS.items():
        if is_one(value):
            return kind
    if isinstance(value, type) or not callable(value):
        return None
    call = value
    while isinstance(call, functools.partial):
        call = call.func
    if not (inspect.isfunction(call) or inspect.ismethod(call)):
        call = type(call).__call__
    wanted = needed(value)
    if inspect.iscoroutinefunction(call):
        return {3: "asgi", 2: "handler", 1: "handler", 0: "server"}.get(wanted)  # type: ignore[return-value]
    if wanted == 3 and not inspect.isfunction(value):
        return "asgi"  # a callable object that hands the coroutine of another on
    if wanted == 0 and inspect.isasyncgenfunction(inspect.unwrap(value)):
        return "serving"
    return None


def needed(value: Callable[..., Any]) -> int:
    """How many arguments must be given."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return -1
    return sum(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )


def _is_aiohttp(value: Any) -> bool:
    web = sys.modules.get("aiohttp.web")
    return web is not None and isinstance(value, web.Application)


OWN_SERVERS: dict[Kind, Callable[[Any], bool]] = {"aiohttp": _is_aiohttp, "sanic": is_sanic, "tornado": is_tornado}
"""Applications that bring a server of their own."""
