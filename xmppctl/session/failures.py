"""What the server's refusals mean, as errors: stanza errors, stream errors, SASL failures, and what is no XMPP at all.

RFC 6120 sections 4.9, 6.5, 7.7.2 and 8.3. Sans-IO. Text of the server's is passed on as it came, but for the rest of
one that is very long; the XML that an error brings along loses its secrets here, since servers repeat the request in
their refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xmppctl.errors import (
    AuthError,
    CertificateError,
    DeadlineExceeded,
    DnsError,
    StanzaCondition,
    StanzaRefused,
    StreamError,
    TcpError,
    XmppctlError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xmppctl.stanza.frame import Frame

NS_STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"
#: Characters of what a server says that anybody would read; errors are kept, logged and told again.
MAX_TEXT: Final = 2000
NS_SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"

#: What can be done about a connection that broke.
TRY_AGAIN: Final = "try again; if it stays so, the server's log or the network in between tells why"

#: How what speaks on a port gives itself away, and what it is.
_OTHERS: Final = (
    (b"HTTP/", "an HTTP server"),
    (b"<!DOCTYPE html", "an HTTP server"),
    (b"<html", "an HTTP server"),
    (b"SSH-", "an SSH server"),
    (b"220 ", "a mail or FTP server"),
    (b"* OK", "a mail server"),
    (b"+OK", "a mail server"),
    (b"\x15\x03", "a server that expects TLS from the first byte (try --tls direct)"),
    (b"\x16\x03", "a server that expects TLS from the first byte (try --tls direct)"),
)


def refuse_errors(reply: Frame) -> None:
    """Raise StanzaRefused if `reply` is an error stanza."""
    if reply.type == "error":
        raise refusal(reply)


def refusal(stanza: Frame) -> StanzaRefused:
    """The error for an error stanza."""
    from xmppctl.stanza.explain import explain
    from xmppctl.stanza.tree import stanza_condition

    element = stanza.element()
    reason = stanza_condition(element)
    sender = element.get("from")
    meaning, hint = explain(reason, sender)
    kind = f" ({reason.type})" if reason.type else ""
    return StanzaRefused(
        f"{sender or 'the server'} refused: {reason.condition}{kind}: {_brief(reason.text) or meaning}",
        reason=reason,
        hint=hint,
        stanza=_without_secrets(stanza),
    )


def login_refusal(reply: Frame, where: str, doing: str) -> StanzaRefused:
    """The error for an error stanza that came before there was a session (RFC 6120 section 7.7.2)."""
    from xmppctl.stanza.explain import explain

    reason = reply.condition() or StanzaCondition("undefined-condition")
    meaning, hint = explain(reason)
    hints = {
        "conflict": "another session has this resource: leave out --resource, or choose another",
        "resource-constraint": "the account has too many sessions: end one of them, or try again later",
    }
    if doing == BINDING:
        hint = hints.get(reason.condition, hint)
    return StanzaRefused(
        f"{where} refused while {doing}: {reason.condition}: {_brief(reason.text) or meaning}",
        reason=reason,
        hint=hint,
        stanza=_without_secrets(reply),
    )


#: What `login_refusal` calls it.
BINDING: Final = "binding a resource"


def stream_error(frame: Frame, where: str) -> StreamError:
    """What a <stream:error/> says (RFC 6120 section 4.9).

    A redirect is told, never followed: before TLS anyone can send one.
    """
    from xmppctl.stanza.explain import explain_stream

    condition, text, detail = "undefined-condition", "", ""
    for child in frame.element():
        namespace, _, name = str(child.tag).lstrip("{").partition("}")
        if namespace == NS_STREAM_ERRORS and name == "text":
            text = _brief(child.text)
        elif namespace == NS_STREAM_ERRORS:
            condition, detail = name, _brief(child.text)
    meaning, hint = explain_stream(condition)
    if condition == "see-other-host":
        hint = f"it names {detail}: if you trust that, give it with --host"
    return StreamError(
        f"{where} ended the stream: {condition}: {text or meaning}",
        condition=condition,
        hint=hint,
        stanza=_without_secrets(frame),
    )


def sasl_refusal(failure: Frame, mechanism: str, jid: str) -> AuthError:
    """What a SASL <failure/> says (RFC 6120 section 6.5)."""
    from xmppctl.stanza.explain import explain_sasl

    condition, text = "not-authorized", ""
    for child in failure.element():
        namespace, _, name = str(child.tag).lstrip("{").partition("}")
        if name == "text":
            text = _brief(child.text)
        elif namespace == NS_SASL:
            condition = name
    meaning, hint = explain_sasl(condition)
    return AuthError(
        f"{jid} was refused ({mechanism}: {condition}): {text or meaning}",
        condition=condition,
        hint=hint,
        stanza=_without_secrets(failure),
    )


def _brief(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _without_secrets(frame: Frame) -> str:
    from xmppctl.stanza.redact import redact

    return redact(frame).text


def no_xmpp(where: str, first: bytes) -> StreamError:
    """The error for what does not answer a stream header with one. `first` is what it began with."""
    start = first.lstrip().lower()
    other = "something that answers " + repr(first[:24].decode("latin-1"))
    what = next((kind for beginning, kind in _OTHERS if start.startswith(beginning.lower())), other)
    return StreamError(
        f"{where} does not speak XMPP: it is {what}",
        condition="not-well-formed",
        hint="check host and port: clients use 5222, or 5223 for direct TLS",
    )


def most_telling(failures: Sequence[XmppctlError]) -> XmppctlError:
    """Of what went wrong with several servers, the one that got furthest; the others are told in its message."""
    if len(failures) == 1:
        return failures[0]
    chosen = max(failures, key=_progress)
    others = "; ".join(error.message for error in failures if error is not chosen)
    chosen.message = f"{chosen.message}; of the other servers: {others}"
    chosen.args = (chosen.message,)
    return chosen


def _progress(error: XmppctlError) -> int:
    order = ((DnsError, 0), (TcpError, 1), (DeadlineExceeded, 2), (CertificateError, 4))
    return next((rank for kind, rank in order if isinstance(error, kind)), 3)
