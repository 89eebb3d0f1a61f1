"""A slixmpp client on a session, for slixmpp's plugins.

slixmpp never sees the network: it gets stanzas of a stream that is authenticated and bound, and what it sends goes
through the session. So the same client runs on a direct, an attached and a scripted session, and what slixmpp does
wrong while it connects cannot happen. What it does wrong afterwards (1.17) is mended here:

- it grants subscriptions to strangers and tells the remote side of exceptions in handlers: nothing is sent that was
  not asked for;
- any stanza with a matching id resolves an iq: only an iq result or error does, from whom was asked;
- archive results (XEP-0313) are matched by queryid only: they must come from the archive that was asked;
- plugins answer requests on their own: requests never reach it, the session refuses them as RFC 6120 demands;
- it logs text from the network as it came: its log goes nowhere, and what no one caught ends the session.

This is the only module that imports slixmpp.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from slixmpp import JID, ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.stanza.rootstanza import RootStanza
from slixmpp.xmlstream.matcher.base import MatcherBase
from slixmpp.xmlstream.tostring import tostring

from xmppctl.errors import DeadlineExceeded
from xmppctl.session.failures import refusal
from xmppctl.session.replies import prepared
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.tree import parse

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from xmppctl.session.base import Session

T = TypeVar("T")

# Without a handler, Python prints warnings of libraries on standard error.
logging.getLogger("slixmpp").addHandler(logging.NullHandler())

NS_MAM: Final = "urn:xmpp:mam:2"

#: Plugins that would answer or ask on their own.
_PLUGIN_CONFIG: Final = {
    "xep_0184": {"auto_ack": False, "auto_request": False},
    "xep_0333": {"auto_ack": False},
    "xep_0077": {"create_account": False, "force_registration": False},
}


class _OnlyReplies(MatcherBase):
    """In place of the matcher of an iq's callback: an iq result or error with the id, from one who may answer."""

    def __init__(self, inner: MatcherBase, session: Session) -> None:
        super().__init__(inner._criteria)
        asked = str(inner._criteria["peer"])
        self._id = inner._criteria["id"]
        self._senders = session.replies.senders(asked or None)

    def match(self, xml: Any) -> bool:
        return (
            xml.name == "iq"
            and xml["type"] in ("result", "error")
            and xml["id"] == self._id
            and prepared(xml.xml.get("from")) in self._senders
        )


class _Transport:
    """What slixmpp takes for its TCP connection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def write(self, data: bytes) -> None:
        if data.strip():  # no keep-alives: the session has its own
            self._session.write(data)

    def close(self) -> None:
        """The session decides when to close."""

    abort = close

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return default


class Bridge(ClientXMPP):
    """A ClientXMPP whose stream is a session. Made by `Session.client()`, inside a running loop."""

    def __init__(self, session: Session) -> None:
        super().__init__(
            str(session.jid),
            "",
            ssl_context=ssl.SSLContext(
                ssl.PROTOCOL_TLS_CLIENT
            ),  # unused; without it the CA bundle is loaded twice
            loop=asyncio.get_running_loop(),
            plugin_config=dict(_PLUGIN_CONFIG),
        )
        self._session = session
        self._archives: dict[str, frozenset[str | None]] = {}
        #: Whether plugins are only asked, and hear of iq replies alone: no stranger's stanza gets into their handlers.
        self.only_replies = False
        self.auto_authorize = None
        self.auto_subscribe = False
        self.whitespace_keepalive = False
        self.transport = cast(Any, _Transport(session))
        self.boundjid = JID(str(session.jid))
        self.authenticated = self.sessionstarted = self.bound = self._session_started = True
        self.client_roster = self.roster[self.boundjid.bare]
        self.session_bind_event.set()
        self._run_out_filters = asyncio.ensure_future(self.run_filters())
        session.listener = self.take
        self._other_handler = self.loop.get_exception_handler()
        self.loop.set_exception_handler(self._uncaught)

    def shut_down(self) -> None:
        """Stop its task and its timers; what others fail at in the loop is theirs again."""
        if self.loop.get_exception_handler() == self._uncaught:
            self.loop.set_exception_handler(self._other_handler)
        self._session.listener = None
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()
        for name in tuple(self.scheduled_events):
            self.cancel_schedule(name)

    def disconnect(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        """Nothing: whoever opened the session closes it."""
        done: asyncio.Future[None] = self.loop.create_future()
        done.set_result(None)
        return done

    def abort(self) -> None:
        """Nothing, as `disconnect`."""

    def take(self, frame: Frame) -> None:
        """A stanza from the session."""
        if self.only_replies and frame.kind != "iq":
            return
        if self._trusted(frame):
            # Parsed anew: slixmpp changes its elements, and the frame is not its own.
            self._spawn_event(parse(frame.raw, frame.context))

    def _trusted(self, frame: Frame) -> bool:
        """Whether an archive result comes from the archive that was asked (XEP-0313 section 4.2)."""
        if f"{NS_MAM} result" not in frame.payloads:
            return True
        result = frame.element().find(f"{{{NS_MAM}}}result")
        assert result is not None
        return prepared(frame.sender) in self._archives.get(result.get("queryid", ""), frozenset())

    def send(self, data: Any, use_filters: bool = True) -> None:
        """Send; what is asked of an archive is remembered."""
        xml: Element | None = getattr(data, "xml", None)
        query = None if xml is None else xml.find(f"{{{NS_MAM}}}query")
        if xml is not None and query is not None:
            self._archives[query.get("queryid", "")] = self._session.replies.senders(xml.get("to"))
        super().send(data, use_filters)

    def register_handler(self, handler: Any, before: Any = None, after: Any = None) -> None:
        """Register a handler; those of iq replies are made strict."""
        if handler.name.startswith("IqCallback_") and not isinstance(handler._matcher, _OnlyReplies):
            handler._matcher = _OnlyReplies(handler._matcher, self._session)
        super().register_handler(handler, before, after)

    def _build_stanza(self, xml: Element, default_ns: str | None = None) -> Any:
        return self._ours(super()._build_stanza(xml, default_ns))

    def event(self, name: str, data: Any = {}) -> None:  # noqa: B006 (slixmpp's own signature)
        """Trigger an event; plugins hand out stanzas that they have built themselves."""
        super().event(name, self._ours(data))

    def _ours(self, stanza: Any) -> Any:
        """Have a failing handler tell us and not the sender of the stanza."""
        if isinstance(stanza, RootStanza):
            cast(Any, stanza).exception = self.exception
        return stanza

    def exception(self, exception: Exception) -> None:
        """A handler failed: that is for whoever waits on the session, and nobody else's to hear."""
        self._session.fail(exception)

    def _uncaught(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """What no one caught in the loop. A reply that a plugin asked for and did not wait for may well be an error."""
        error = context.get("exception")
        if not isinstance(error, IqError | IqTimeout):
            self._session.fail(
                error if isinstance(error, Exception) else RuntimeError(context.get("message"))
            )

    async def result(self, call: Awaitable[T], doing: str) -> T:
        """What a plugin's call gives, with the session's deadline and failures, in xmppctl's errors.

        `doing` reads as in "while <doing>". Raises StanzaRefused, DeadlineExceeded, ConnectionLost, StreamError.
        """
        task = asyncio.ensure_future(call)
        task.add_done_callback(lambda _: self._session.wake())
        try:
            await self._session.wait(task.done, doing=doing)
            return task.result()
        except IqError as error:
            raise refusal(Frame(tostring(error.iq.xml).encode())) from None
        except IqTimeout:
            raise DeadlineExceeded(
                f"no reply came while {doing}", hint="the other side may be gone"
            ) from None
        finally:
            task.cancel()
