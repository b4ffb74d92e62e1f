"""How the examples that talk to services are fuzzed: each with a stand-in for its service, a line here.

crosswire run examples.services:redis_tabs
crosswire run examples.services:moderated
"""

from __future__ import annotations

from fastapi import FastAPI

from crosswire.fuzzer import HttpService, JsonWire, Redis, application

__all__ = ("moderated", "moderated_repaired", "redis_tabs", "redis_tabs_repaired")

wire = JsonWire(
    path="/ws/{user}",
    ready={"type": "ready"},
    user="user",
    recipient="to",
    to_user={"to": "{to}", "text": "{event}"},
)

moderation = FastAPI()


@moderation.post("/check")
async def check(message: dict[str, str]) -> dict[str, bool]:
    """Find every message fine."""
    return {"fine": True}


REDIS = {"REDIS_URL": "redis://cache:6379"}

redis_tabs, redis_tabs_repaired = (
    application(f"examples.{name}:app", wire=wire, environment=REDIS, stand_ins=[Redis("cache")])
    for name in ("redis_tabs", "redis_tabs_repaired")
)

moderated, moderated_repaired = (
    application(
        f"examples.{name}:app", wire=wire, stand_ins=[HttpService("https://moderation.example.com", moderation)]
    )
    for name in ("moderated", "moderated_repaired")
)
