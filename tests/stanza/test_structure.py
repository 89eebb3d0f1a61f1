"""What counts as the protocol's own: each table by an example that is in it and one that is not."""

from __future__ import annotations

import pytest

from tests.examples import HEADER
from xmppctl.stanza import structure
from xmppctl.stanza.pieces import Piece, pieces
from xmppctl.stanza.splitter import Splitter

FORM = "<iq><x xmlns='jabber:x:data'><field var='{}' type='{}'><value>V</value></field></x></iq>"


def piece(xml: str) -> Piece:
    """The attribute or text of the stanza whose value begins with a V."""
    (frame,) = Splitter().feed(HEADER + xml.encode())[1:]
    (found,) = [each for each in pieces(frame) if each.value.startswith("V")]
    return found


def kept(xml: str, value: str) -> bool:
    return structure.is_harmless(piece(xml)._replace(value=value))


@pytest.mark.parametrize(
    ("xml", "is_address"),
    [
        ("<message from='V@a.example'/>", True),
        ("<iq><x xmlns='x'><jid>V@a.example</jid></x></iq>", True),
        (FORM.format("x", "jid-multi"), True),
        (FORM.format("with", "text-single"), True),
        (FORM.format("x", "text-single"), False),
        ("<message><body>V@a.example</body></message>", False),
        ("<message id='V'/>", False),
    ],
)
def test_where_addresses_stand(xml: str, is_address: bool) -> None:
    assert structure.is_address(piece(xml)) is is_address


@pytest.mark.parametrize(
    ("xml", "is_host"),
    [
        ("<iq><service xmlns='urn:xmpp:extdisco:2' host='V.example'/></iq>", True),
        (
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>V.example</see-other-host>"
            "</stream:error>",
            True,
        ),
        ("<iq><service xmlns='urn:xmpp:extdisco:2' name='V.example'/></iq>", False),
    ],
)
def test_where_hosts_stand(xml: str, is_host: bool) -> None:
    assert structure.is_host(piece(xml)) is is_host


@pytest.mark.parametrize(
    ("xml", "is_reference"),
    [
        ("<message><reference xmlns='urn:xmpp:reference:0' uri='V'/></message>", True),
        ("<iq><error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>V</gone></error></iq>", True),
        ("<message><body>V</body></message>", False),
    ],
)
def test_where_references_stand(xml: str, is_reference: bool) -> None:
    assert structure.is_reference(piece(xml)) is is_reference


def test_numbers_times_and_namespaces_stay_where_a_protocol_has_them() -> None:
    attribute, written = "<iq><x xmlns='x' y='V'/></iq>", "<iq><x xmlns='x' name='V'/></iq>"
    for value in ("17", "-1", "true", "2026-01-31T12:00:00Z", "urn:xmpp:ping"):
        assert kept(attribute, value)
        assert not kept(written, value)
        assert not kept("<message><body>V</body></message>", value)
    for value in ("word", "1234567", "noon", "urn:example:x", "https://a.example/"):
        assert not kept(attribute, value)


def test_what_fields_can_choose_from_stays_and_what_people_fill_in_does_not() -> None:
    assert kept(FORM.format("pubsub#access_model", "list-single"), "whitelist")
    assert not kept(FORM.format("pubsub#access_model", "list-single"), "mine")
    assert not kept(FORM.format("pubsub#title", "text-single"), "open")
    assert not kept(FORM.format("x", "text-single"), "open")


@pytest.mark.parametrize(
    ("xml", "is_kept"),
    [
        ("<message id='V'/>", True),
        ("<iq><content xmlns='urn:xmpp:jingle:1' name='V'/></iq>", True),
        ("<iq><content xmlns='urn:x' name='V'/></iq>", False),
        (FORM.format("FORM_TYPE", "hidden"), True),
        (FORM.format("x", "hidden"), False),
        ("<message><thread>V</thread></message>", True),
        ("<message><subject>V</subject></message>", False),
    ],
)
def test_which_words_stay(xml: str, is_kept: bool) -> None:
    assert structure.is_kept(piece(xml)) is is_kept


@pytest.mark.parametrize(
    ("value", "is_word"),
    [("a1-b2", True), ("a b", False), ("", False), ("é", False), ("a%40b", False), ("x" * 257, False)],
)
def test_what_a_word_is(value: str, is_word: bool) -> None:
    assert structure.is_word(value) is is_word


@pytest.mark.parametrize(
    ("value", "is_namespace"),
    [
        ("urn:xmpp:mam:2", True),
        ("http://jabber.org/protocol/tune", True),
        ("urn:xmpp:a b", False),
        ("http://jabber.org.evil.example/protocol/x", False),
        ("http://a.example/", False),
    ],
)
def test_what_a_namespace_is(value: str, is_namespace: bool) -> None:
    assert structure.is_namespace(value) is is_namespace
