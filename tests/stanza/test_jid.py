"""JIDs: the vectors of RFC 7622 section 3.5, and agreement with slixmpp's JID class, which uses the same profiles."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slixmpp.jid import JID, InvalidJID

from xmppctl.errors import BadJid, ExitCode
from xmppctl.stanza.jid import Jid


@pytest.mark.parametrize(
    ("text", "local", "domain", "resource"),
    [
        ("juliet@example.com", "juliet", "example.com", ""),
        ("juliet@example.com/foo", "juliet", "example.com", "foo"),
        ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
        ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
        ("foo\\20bar@example.com", "foo\\20bar", "example.com", ""),
        ("fussball@example.com", "fussball", "example.com", ""),
        ("π@example.com", "π", "example.com", ""),
        ("king@example.com/♚", "king", "example.com", "♚"),
        ("example.com", "", "example.com", ""),
        ("example.com/foobar", "", "example.com", "foobar"),
        ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
        # RFC 6122 folds these where RFC 7622 keeps or refuses them; servers do as RFC 6122 says.
        ("fußball@example.com", "fussball", "example.com", ""),
        ("Σ@example.com/foo", "σ", "example.com", "foo"),
        ("henryⅣ@example.com", "henryiv", "example.com", ""),
    ],
)
def test_valid_examples_of_the_rfc(text: str, local: str, domain: str, resource: str) -> None:
    jid = Jid.parse(text)
    assert (jid.local, jid.domain, jid.resource) == (local, domain, resource)
    assert Jid.parse(str(jid)) == jid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"juliet"@example.com', "cannot stand in a localpart"),
        ("foo bar@example.com", "cannot stand in a localpart"),
        ("@example.com/", "nothing stands"),
        ("@example.com", "nothing stands before the @"),
        ("juliet@", "it has no domain"),
        ("/foobar", "it has no domain"),
        ("juliet@example.com/", "nothing stands after the /"),
        ("", "it has no domain"),
        ("a@b@c", "cannot stand in a localpart"),
        ("a@b..c", "not a domain name"),
        ("a@-b", "not a domain name"),
        ("a@b c", "not a domain name"),
        ("a@b\n", "not a domain name"),
        ("a@b／c", "not a domain name"),
        ("a@é..c", "not a domain name"),
        ("a@b/\x07", "control character"),
        ("a@" + "b" * 64, "longer than 63"),
        ("a" * 1024 + "@b", "localpart is longer than 1023 bytes"),
        ("ü" * 512 + "@b", "localpart is longer than 1023 bytes"),
        ("a@b/" + "x" * 1024, "resource is longer than 1023 bytes"),
        ("a@" + ".".join(["b" * 60] * 20), "domain is longer than 1023 bytes"),
        ("a@[::1", "not a domain name"),
        ("a@[::x]", "not an IPv6 address"),
        ("a@[fe80::1%eth0]", "zone"),
        ("\u00ad@b", "nothing is left"),
        ("\u05d0a@b", "writing directions"),
        ("\ud800@b", "U\\+D800 cannot stand"),
        ("a@b/\ud800", "U\\+D800 cannot stand"),
    ],
)
def test_what_is_no_jid_says_why(text: str, why: str) -> None:
    with pytest.raises(BadJid, match=why) as caught:
        Jid.parse(text)
    assert caught.value.code is ExitCode.USAGE
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("JULIET@Capulet.EXAMPLE/Balcony", "juliet@capulet.example/Balcony"),
        ("a@example.", "a@example"),
        ("a@[0:0::1]/x", "a@[::1]/x"),
        ("a@127.0.0.1", "a@127.0.0.1"),
        ("a@BÜCHER.example", "a@bücher.example"),
        ("a@b。c", "a@b.c"),
        ("a@b_c", "a@b_c"),
        ("À@b", "à@b"),
        ("a\u0300@b", "à@b"),
    ],
)
def test_preparation(text: str, prepared: str) -> None:
    assert str(Jid.parse(text)) == prepared


def assigned_long_ago(char: str) -> bool:
    """In Unicode 3.2, which the profiles are made for, with the small form it still has, and no mark alone."""
    return unicodedata.ucd_3_2_0.category(char)[0] not in "CM" and all(
        unicodedata.ucd_3_2_0.category(small) != "Cn" for small in char.lower()
    )


parts = st.text(
    st.one_of(
        st.sampled_from("aZ0.-_@/:\\ '\"&<>[]\x00\x7f\xad\u200b\u202e\ufeff\u0300"),
        st.characters(min_codepoint=0x20, max_codepoint=0xFFFD).filter(assigned_long_ago),
    ),
    max_size=6,
)


@given(st.tuples(parts, st.sampled_from(["", "@"]), parts, st.sampled_from(["", "/"]), parts).map("".join))
@example("a@B/C")
@settings(max_examples=1000, deadline=None, derandomize=True)
def test_agrees_with_slixmpp(text: str) -> None:
    try:
        jid = JID(text)
        theirs = (jid.local, jid.domain, jid.resource) if text else None
    except InvalidJID:
        theirs = None
    try:
        parsed = Jid.parse(text)
        ours = (parsed.local, parsed.domain, parsed.resource)
    except BadJid:
        ours = None
    if ours and theirs:
        assert (ours[0], ours[2]) == (theirs[0], theirs[2])
        # slixmpp keeps the last dot and the other full stops, which RFC 7622 section 3.2 wants gone.
        dots = str.maketrans("。．｡", "...")
        assert ours[1] == theirs[1].translate(dots).removesuffix(".")
    elif theirs:
        # slixmpp lets punctuation into domains, which no DNS name has (RFC 7622 section 3.2).
        assert re.search(r"[^\w.-]", theirs[1], re.ASCII), f"refused {text!r}, which slixmpp takes"
    elif ours:
        # slixmpp reads no IPv6 address in brackets, and is stricter with labels (RFC 5891 section 4.2.3).
        strict = any(unicodedata.combining(label[:1] or "a") for label in ours[1].split("."))
        strict = strict or re.search(r"(?:^|\.)..--", ours[1]) is not None
        assert strict or ours[1].startswith("["), f"took {text!r} as {ours}"


@given(parts, parts, parts)
@settings(max_examples=300, deadline=None)
def test_a_prepared_jid_is_stable_and_equal_to_itself(local: str, domain: str, resource: str) -> None:
    try:
        jid = Jid.parse(f"{local}@{domain}/{resource}")
    except BadJid:
        return
    assert Jid.parse(str(jid)) == jid


def test_bare() -> None:
    assert Jid.parse("a@b/c").bare == "a@b"
    assert Jid.parse("b/c").bare == "b"
