"""A server that is farther away: a proxy that holds everything back for a while, each way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def distant(port: int, seconds: float) -> Iterator[int]:
    """The port of a proxy to `port` of this machine that brings everything `seconds` later, in both directions."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(_listen(port, seconds), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _listen(port: int, seconds: float) -> int:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * seconds)  # the handshake of TCP, which the kernel has done at once
        there, to = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_bring(reader, to, seconds), _bring(there, writer, seconds))

    server = await asyncio.start_server(serve, "127.0.0.1")
    found: int = server.sockets[0].getsockname()[1]
    return found


async def _bring(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(65536):
            loop.call_later(seconds, writer.write, data)
    except OSError:
        pass  # one side is gone: the other is told so
    loop.call_later(seconds, writer.close)
