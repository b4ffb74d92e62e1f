"""Runs a handler for `websockets` as a process: ``python -m tests.stress.servers.serve module:handler port``.

With the file of a certificate and its key after the port, it speaks TLS.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from importlib import import_module

from websockets.asyncio.server import serve


async def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    context = None
    if len(sys.argv) > 3:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[3])
    async with serve(getattr(import_module(module), name), "127.0.0.1", int(sys.argv[2]), ssl=context) as server:
        await server.serve_forever()


asyncio.run(main())
