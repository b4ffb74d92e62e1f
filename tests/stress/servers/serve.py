"""Runs a handler for `websockets` as a process: ``python -m tests.stress.servers.serve module:handler port``."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module

from websockets.asyncio.server import serve


async def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    async with serve(getattr(import_module(module), name), "127.0.0.1", int(sys.argv[2])) as server:
        await server.serve_forever()


asyncio.run(main())
