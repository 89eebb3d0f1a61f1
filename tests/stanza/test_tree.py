"""What an error stanza says, and the parser behind it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xmppctl.errors import StanzaCondition
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.tree import parse

STANZAS = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            f"<error type='cancel'><item-not-found {STANZAS}/></error>",
            StanzaCondition("item-not-found", type="cancel"),
        ),
        (
            f"<error type='modify' by='muc.example'><bad-request {STANZAS}/><text xml:lang='en' {STANZAS}>"
            " no &lt;form&gt; </text><nodeid-required xmlns='http://jabber.org/protocol/pubsub#errors'/></error>",
            StanzaCondition(
                "bad-request",
                type="modify",
                text="no <form>",
                application="{http://jabber.org/protocol/pubsub#errors}nodeid-required",
                by="muc.example",
            ),
        ),
        (
            # What was refused may come back before the error (RFC 6120 section 8.3.1).
            "<error xmlns='urn:x'><trap/></error><query xmlns='urn:q'><error/></query>"
            f"<error type='auth'><forbidden {STANZAS}/></error>",
            StanzaCondition("forbidden", type="auth"),
        ),
        ("<error/>", StanzaCondition("undefined-condition")),
        (
            "<error type='wait'><odd xmlns='urn:x'/></error>",
            StanzaCondition("undefined-condition", type="wait", application="{urn:x}odd"),
        ),
        ("", StanzaCondition("undefined-condition", text="the error stanza has no <error/>")),
    ],
)
@pytest.mark.parametrize("namespace", [b"jabber:client", b"jabber:component:accept"])
def test_condition(
    frame: Callable[..., Frame], inside: str, expected: StanzaCondition, namespace: bytes
) -> None:
    assert frame(f"<iq type='error' id='1'>{inside}</iq>", namespace=namespace).condition() == expected


def test_only_error_stanzas_have_a_condition(frame: Callable[..., Frame]) -> None:
    assert frame(f"<iq type='result'><error><gone {STANZAS}/></error></iq>").condition() is None


@pytest.mark.parametrize("raw", ["", "x", "<a/><b/>", "<a>", "</w><w>", "<p:a/>", "<a>&x;</a>"])
def test_parse_takes_exactly_one_element(raw: str) -> None:
    with pytest.raises(ValueError, match=r"element"):
        parse(raw)


def test_parse_binds_hostile_prefixes_safely() -> None:
    assert parse("<p:a/>", {"": "u", "p": "urn:'><x y=\"&"}).tag == "{urn:'><x y=\"&}a"
