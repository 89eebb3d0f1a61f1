"""SASL mechanisms against the examples of their RFCs, and the choice among them."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from xmppctl.config.secrets import Secret
from xmppctl.errors import AuthError
from xmppctl.session import sasl

# RFC 5802 section 5 and RFC 7677 section 3.
EXAMPLES = [
    pytest.param(
        "SCRAM-SHA-1",
        "fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        id="SCRAM-SHA-1",
    ),
    pytest.param(
        "SCRAM-SHA-256",
        "rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        id="SCRAM-SHA-256",
    ),
]


@pytest.mark.parametrize(("name", "nonce", "first", "final", "proof"), EXAMPLES)
def test_the_rfcs_examples(name: str, nonce: str, first: bytes, final: bytes, proof: bytes) -> None:
    mechanism = sasl.Scram(name, "user", Secret("pencil"), nonce=nonce)
    assert mechanism.initial() == f"n,,n=user,r={nonce}".encode()
    assert mechanism.respond(first) == final
    mechanism.finish(proof)


@pytest.mark.parametrize(("name", "nonce", "first", "final", "proof"), EXAMPLES)
def test_any_other_proof_is_refused(name: str, nonce: str, first: bytes, final: bytes, proof: bytes) -> None:
    for wrong in (b"", b"v=", b"v=AAAA", b"v=!!", proof[:-4] + b"AAA=", b"\xff\xfe", b"e=invalid-proof"):
        mechanism = sasl.Scram(name, "user", Secret("pencil"), nonce=nonce)
        assert mechanism.respond(first) == final
        with pytest.raises(AuthError):
            mechanism.finish(wrong)


def test_nothing_can_be_asked_after_the_proof() -> None:
    name, nonce, first, _, proof = EXAMPLES[0].values
    mechanism = sasl.Scram(str(name), "user", Secret("pencil"), nonce=str(nonce))
    mechanism.respond(first)  # type: ignore[arg-type]
    assert mechanism.respond(proof) == b""  # type: ignore[arg-type]
    with pytest.raises(AuthError):
        mechanism.respond(proof)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("r=OURSb,s=c2FsdA==,i=4095", "4095 SCRAM iterations"),
        (f"r=OURSb,s=c2FsdA==,i={sasl.MAX_ITERATIONS + 1}", "SCRAM iterations"),
        ("r=OURSb,s=c2FsdA==,i=9999999999", "SCRAM iterations"),
        ("r=OURSb,s=c2FsdA==,i=4_096", "malformed"),
        ("r=OURSb,s=c2FsdA==,i=\u0664\u0660\u0669\u0666", "malformed"),
        ("r=OURSb,s=,i=4096", "malformed"),
        ("r=OURSb,s=!!,i=4096", "malformed"),
        ("r=OURSb,i=4096", "malformed"),
        ("m=x,r=OURSb,s=c2FsdA==,i=4096", "extension"),
        ("r=OURS,s=c2FsdA==,i=4096", "nonce"),
        ("r=THEIRS,s=c2FsdA==,i=4096", "nonce"),
    ],
)
def test_a_first_message_that_proves_nothing_is_refused(first: str, words: str) -> None:
    mechanism = sasl.Scram("SCRAM-SHA-1", "user", Secret("pencil"), nonce="OURS")
    with pytest.raises(AuthError, match=words):
        mechanism.respond(first.encode())


def test_success_without_a_proof_is_refused() -> None:
    name, nonce, first, _, _ = EXAMPLES[0].values
    mechanism = sasl.Scram(str(name), "user", Secret("pencil"), nonce=str(nonce))
    with pytest.raises(AuthError, match="did not prove"):
        mechanism.finish(b"")
    mechanism.respond(first)  # type: ignore[arg-type]
    with pytest.raises(AuthError, match="did not prove"):
        mechanism.finish(b"")


def test_each_login_has_a_nonce_of_its_own() -> None:
    nonces = {sasl.Scram("SCRAM-SHA-1", "user", Secret("pencil")).initial() for _ in range(20)}
    assert len(nonces) == 20


def test_a_user_name_is_escaped() -> None:
    mechanism = sasl.Scram("SCRAM-SHA-1", "a=b,c", Secret("pencil"), nonce="x")
    assert mechanism.initial() == b"n,,n=a=3Db=2Cc,r=x"


@pytest.mark.parametrize(
    ("mechanism", "initial"),
    [
        (sasl.Plain("tim", Secret("tanstaaftanstaaf")), b"\0tim\0tanstaaftanstaaf"),
        (sasl.Plain("jü", Secret("pü")), "\0jü\0pü".encode()),
        (sasl.External(), b""),
        (sasl.External("juliet@capulet.example"), b"juliet@capulet.example"),
        (sasl.Anonymous(), None),
    ],
)
def test_the_simple_mechanisms(mechanism: sasl.Mechanism, initial: bytes | None) -> None:
    assert mechanism.initial() == initial
    with pytest.raises(AuthError):
        mechanism.respond(b"more?")
    mechanism.finish(b"")


@pytest.mark.parametrize(
    ("text", "prepared"),
    # RFC 4013 section 3, and what people type.
    [
        *(("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX")),
        *(("a\u00a0b", "a b"), ("\u0627\u0628", "\u0627\u0628")),
    ],
)
def test_saslprep(text: str, prepared: str) -> None:
    assert sasl.saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "a\tb", "\u0627\u0007", "\ud800", "\u0627" + "1", "a\u0627"])
def test_saslprep_prohibits(text: str) -> None:
    with pytest.raises(AuthError):
        sasl.saslprep(text)


@pytest.mark.parametrize(
    ("offered", "options", "name"),
    [
        ({"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-512", "SCRAM-SHA-256"}, {"plain": True}, "SCRAM-SHA-512"),
        ({"SCRAM-SHA-1", "SCRAM-SHA-384"}, {}, "SCRAM-SHA-384"),
        ({"PLAIN", "SCRAM-SHA-1"}, {"plain": True}, "SCRAM-SHA-1"),
        ({"PLAIN"}, {"plain": True}, "PLAIN"),
        ({"PLAIN"}, {}, None),
        ({"EXTERNAL", "SCRAM-SHA-1"}, {"certificate": True}, "EXTERNAL"),
        ({"EXTERNAL", "SCRAM-SHA-1"}, {}, "SCRAM-SHA-1"),
        ({"SCRAM-SHA-1"}, {"certificate": True}, None),
        ({"ANONYMOUS", "SCRAM-SHA-1"}, {"username": ""}, "ANONYMOUS"),
        ({"ANONYMOUS"}, {}, None),
        ({"SCRAM-SHA-1"}, {"username": ""}, None),
        (set(), {}, None),
    ],
)
def test_the_choice(offered: Collection[str], options: dict[str, object], name: str | None) -> None:
    given = {
        "username": "user",
        "password": Secret("pencil"),
        "certificate": False,
        "plain": False,
        **options,
    }
    if name is None:
        with pytest.raises(AuthError) as caught:
            sasl.choose(offered, **given)  # type: ignore[arg-type]
        assert caught.value.hint and "pencil" not in caught.value.message
    else:
        assert sasl.choose(offered, **given).name == name  # type: ignore[arg-type]
