"""The same account on two engines: ours, and a program that uses slixmpp's ClientXMPP as its examples do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from slixmpp import ClientXMPP

from tests.servers.hostile import PASSWORD, Server
from xmppctl.config.settings import Settings
from xmppctl.session.base import Session
from xmppctl.session.run import run_direct

#: What runs on a slixmpp client that is online. Everything is bounded by the engine's deadline.
Main = Callable[[ClientXMPP], Awaitable[Any]]


class Report(NamedTuple):
    """How it went.

    `online`: there was a session; `ended`: it failed by itself, before the deadline; `value`: of main.
    """

    online: bool
    ended: bool
    value: Any = None
    error: object = None

    def session(self) -> Report:
        """Itself, where there was a session; else the case never came to its point: no assertion, on purpose."""
        if not self.online:
            raise RuntimeError(f"no session: {self!r}")
        return self


async def linger(_: ClientXMPP) -> None:
    """Stay online for a moment."""
    await asyncio.sleep(0.25)


class Ours:
    """`run_direct`, with slixmpp's plugins on the session."""

    name = "ours"

    def run(
        self,
        settings: Settings,
        server: Server,
        main: Main = linger,
        *,
        seconds: float = 15.0,
        plugins: Sequence[str] = (),
        patient: bool = False,
    ) -> Report:
        """Log in and run `main` on the client. `patient`: use up the time, whatever fails."""
        del patient  # it ends when it fails
        online = False
        value: Any = None

        async def body(session: Session) -> None:
            nonlocal online, value
            online = True
            client = await session.client()
            for plugin in plugins:
                client.register_plugin(plugin)
            value = await client.result(main(client), "testing")

        try:
            run_direct(settings._replace(port=server.port), body, plugins=True, timeout=seconds)
        except Exception as error:
            ended = int(getattr(error, "code", 0)) != 6
            return Report(online, ended, value, error)
        return Report(online, False, value)


class Stock:
    """ClientXMPP, with no more than the settings that it offers for the account."""

    name = "stock"

    def run(
        self,
        settings: Settings,
        server: Server,
        main: Main = linger,
        *,
        seconds: float = 3.0,
        plugins: Sequence[str] = (),
        patient: bool = False,
    ) -> Report:
        """Log in and run `main` on the client. `patient`: use up the time, whatever fails."""
        return asyncio.run(self._run(settings, server, main, seconds, plugins, patient))

    async def _run(
        self,
        settings: Settings,
        server: Server,
        main: Main,
        seconds: float,
        plugins: Sequence[str],
        patient: bool,
    ) -> Report:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        client = ClientXMPP(str(settings.jid), PASSWORD)
        client.ca_certs = settings.ca
        client.enable_direct_tls = settings.tls == "direct"
        client.enable_starttls = settings.tls == "starttls"
        for plugin in plugins:
            client.register_plugin(plugin)
        online: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def mark(future: asyncio.Future[None]) -> Callable[[Any], None]:
            return lambda _: None if future.done() else future.set_result(None)

        client.add_event_handler("session_start", mark(online))
        for name in ("failed_all_auth", "disconnected", "stream_error"):
            client.add_event_handler(name, mark(ended))
        client.connect(server.host, server.port)
        value = error = None
        try:
            ends = [online] if patient else [online, ended]
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if online.done():
                with suppress(TimeoutError):
                    value = await asyncio.wait_for(main(client), seconds)
        except Exception as failure:
            error = failure
        finally:
            self._stop(client)
        return Report(online.done(), ended.done() and not online.done(), value, error)

    def _stop(self, client: ClientXMPP) -> None:
        client.cancel_connection_attempt()
        if client.transport is not None:
            client.abort()
        if client._run_out_filters is not None:
            client._run_out_filters.cancel()
        for name in tuple(client.scheduled_events):
            client.cancel_schedule(name)


Engine = Ours | Stock
