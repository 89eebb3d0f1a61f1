"""What the server's refusals become."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xmppctl.errors import (
    CertificateError,
    DeadlineExceeded,
    DnsError,
    StreamError,
    TcpError,
    TlsError,
    XmppctlError,
)
from xmppctl.session.failures import (
    login_refusal,
    most_telling,
    no_xmpp,
    refusal,
    sasl_refusal,
    stream_error,
)
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"


def frame(xml: str) -> Frame:
    """One element of a stream."""
    return Splitter().feed(HEADER + xml.encode())[1]


@pytest.mark.parametrize(
    ("content", "condition", "words"),
    [
        (f"<reset xmlns='{STREAMS}'/>", "reset", "reset"),
        (
            f"<text xmlns='{STREAMS}'>bye</text><conflict xmlns='{STREAMS}'/><x xmlns='a:b'/>",
            "conflict",
            "conflict: bye",
        ),
        ("", "undefined-condition", "undefined-condition"),
        ("<conflict/>", "undefined-condition", "undefined-condition"),
    ],
)
def test_a_stream_error(content: str, condition: str, words: str) -> None:
    error = stream_error(frame(f"<stream:error>{content}</stream:error>"), "h:1")
    assert error.condition == condition and words in error.message
    assert (
        error.message.startswith("h:1 ended the stream") and error.hint and "<stream:error>" in error.stanza
    )


@pytest.mark.parametrize(
    ("of", "xml"),
    [
        (
            lambda frame: stream_error(frame, "h:1"),
            "<stream:error><reset xmlns='{streams}'/><text xmlns='{streams}'>{text}</text></stream:error>",
        ),
        (
            lambda frame: stream_error(frame, "h:1"),
            "<stream:error><see-other-host xmlns='{streams}'>{text}</see-other-host></stream:error>",
        ),
        (
            lambda frame: sasl_refusal(frame, "PLAIN", "a@b"),
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>{text}</text></failure>",
        ),
        (refusal, "<message type='error'><error>{stanza}</error></message>"),
        (
            lambda frame: login_refusal(frame, "h:1", "binding"),
            "<iq type='error'><error>{stanza}</error></iq>",
        ),
    ],
)
def test_a_server_that_says_a_lot_is_quoted_with_its_beginning(
    of: Callable[[Frame], XmppctlError], xml: str
) -> None:
    text = "because " + "x" * 1_000_000
    stanza = f"<conflict xmlns='{STANZAS}'/><text xmlns='{STANZAS}'>{text}</text>"
    error = of(frame(xml.format(streams=STREAMS, text=text, stanza=stanza)))
    assert "because xxx" in error.message + error.hint
    assert len(error.message) + len(error.hint) < 5000


def test_a_redirect_names_the_host_and_takes_it_for_nothing_more() -> None:
    error = stream_error(
        frame(
            f"<stream:error><see-other-host xmlns='{STREAMS}'>evil.example</see-other-host></stream:error>"
        ),
        "h",
    )
    assert "evil.example" in error.hint and "if you trust" in error.hint


def test_a_sasl_failure_without_a_condition_is_a_refusal_all_the_same() -> None:
    error = sasl_refusal(frame("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), "PLAIN", "a@b")
    assert (error.condition, int(error.code)) == ("not-authorized", 5)


def test_a_stanza_error_tells_who_what_and_why() -> None:
    stanza = frame(
        "<iq type='error' id='1' from='a@b'><error type='cancel'>"
        "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    error = refusal(stanza)
    assert error.message.startswith("a@b refused: gone (cancel): ") and error.hint
    assert error.stanza == stanza.text


_REGISTER = "<query xmlns='jabber:iq:register'><username>r</username><password>hunter2</password></query>"


@pytest.mark.parametrize(
    "fail",
    [
        lambda iq, _: refusal(iq),
        lambda iq, _: login_refusal(iq, "h", "registering"),
        lambda _, nonza: stream_error(nonza, "h"),
        lambda _, nonza: sasl_refusal(nonza, "PLAIN", "a@b"),
    ],
    ids=["stanza", "login", "stream", "sasl"],
)
def test_what_a_refusal_repeats_of_the_request_holds_no_secret(fail) -> None:
    iq = f"<iq type='error' id='1'>{_REGISTER}<error type='cancel'/></iq>"
    error = fail(frame(iq), frame(f"<stream:error>{_REGISTER}</stream:error>"))
    assert "hunter2" not in error.stanza
    assert "<username>r</username><password>[redacted:7]</password>" in error.stanza


@pytest.mark.parametrize(
    ("first", "word"),
    [
        (b"http/1.0 200", "HTTP"),
        (b"  <HTML>", "HTTP"),
        (b"\x16\x03\x01", "TLS"),
        (b"", "something"),
        (b"\x1b[31m", "x1b"),
    ],
)
def test_what_is_no_xmpp(first: bytes, word: str) -> None:
    assert word in no_xmpp("h:1", first).message


def test_the_failure_that_got_furthest_is_told_first() -> None:
    def errors() -> list[XmppctlError]:
        return [
            DnsError("dns"),
            TcpError("tcp"),
            DeadlineExceeded("late"),
            StreamError("stream"),
            TlsError("tls"),
        ]

    assert type(most_telling(errors()[:1])) is DnsError
    assert type(most_telling(errors()[:2])) is TcpError
    assert type(most_telling(errors()[:3])) is DeadlineExceeded
    assert type(most_telling(errors())) is StreamError
    chosen = most_telling([*errors(), CertificateError("certificate")])
    assert type(chosen) is CertificateError
    assert str(chosen) == chosen.message
    assert all(word in chosen.message for word in ("dns", "tcp", "late", "stream", "tls"))
