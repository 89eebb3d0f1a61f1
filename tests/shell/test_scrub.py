"""No secret gets through, whole, torn or malformed; everything else stays as it was typed."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xmppctl.shell.scrub import scrub

PLANTED = "pl4nted-s3cret"
PLAIN = b64encode(f"\0juliet\0{PLANTED}".encode()).decode()

#: Stanzas and nonzas with a secret, `SECRET`.
SECRETS = {
    "SASL": "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>SECRET</auth>",
    "SASL, response": "<s:response\nxmlns:s='urn:ietf:params:xml:ns:xmpp-sasl'>SECRET</s:response>",
    "SASL2": "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>"
    "<initial-response>SECRET</initial-response></authenticate>",
    "FAST": "<iq><token xmlns='urn:xmpp:fast:0' token='SECRET' expiry='2030-01-01T00:00:00Z'/></iq>",
    "registration": "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>juliet</username>"
    "<password>SECRET</password></query></iq>",
    "legacy": "<iq type='set'><query xmlns='jabber:iq:auth'><digest>SECRET</digest></query></iq>",
    "component": "<handshake xmlns='jabber:component:accept'>SECRET</handshake>",
    "room": "<presence to='r@c/n'><x xmlns='http://jabber.org/protocol/muc'>\n<password>SECRET</password></x></presence>",
    "invitation": "<message to='a'><x xmlns='jabber:x:conference' jid='r@c' password='SECRET'/></message>",
    "form": "<iq type='set'><x xmlns='jabber:x:data' type='submit'>"
    "<field var='muc#roomconfig_roomsecret' type='text-private'><value>SECRET</value></field></x></iq>",
    "misspelt namespace": "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sals' mechanism='PLAIN'>SECRET</auth>",
    "no namespace": "<query><Password a='>'>SECRET</Password></query>",
    "upload": "<slot xmlns='urn:xmpp:http:upload:0'><put url='u'><header name='Cookie'>SECRET</header></put></slot>",
    "upload, misspelt": "<slot xmlns='urn:xmpp:upload'><put><header name='Authorization'>SECRET</header></put></slot>",
    "comment": "<!-- <auth a='1'>SECRET</auth> --><iq/>",
    "torn in a comment": "<!-- <password a='1 >SECRET --><iq/>",
    "form in a comment": "<!--<x xmlns='jabber:x:data'><field type='text-private'><value>SECRET</value></field></x>-->",
    "CDATA": "<message><body><![CDATA[<password>SECRET</password>]]></body></message>",
    "attribute": '<x xmlns="u" passwd = "SECRET"/>',
    "JSON": '<json xmlns="urn:xmpp:json:0">{"password": "SECRET"}</json>',
    "JSON, escaped": "<json xmlns='urn:xmpp:json:0'>{&quot;secret&quot;:&quot;SECRET&quot;}</json>",
}
#: Other lines with one.
LINES = [
    "/account password SECRET",
    "/account password work SECRET",
    "/account add work --password SECRET",
    "/account add work --password=SECRET --jid a@b",
    "/account add work --password 'x SECRET'",
    "/account add work --password 'x SECRET",
    "/account add work --new-password-command 'echo SECRET'",
    "  /Account PASSWORD SECRET",
    "/t muc-join r@c nick password=SECRET",
    "/t muc-join r@c nick password='x SECRET'",
    '/t muc-join r@c nick password="x SECRET',
    "/send a@b my password is SECRET",
    "# the password is SECRET",
    "<presence/>\n/account password SECRET\n<iq/>",
    "<presence/> /account password SECRET",
    "/send-raw <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>SECRET",
    "/raw \"<query xmlns='jabber:iq:register'><password>SECRET</password></query>\"",
    "/sasl PLAIN SECRET",
    "token=SECRET",
    "/send a@b xmpp:b?register;preauth=SECRET",
]
#: What is put around a stanza.
AROUND = [
    "{}",
    "<a/>{}<b/>",
    "{}</iq>",
    "<iq>{}",
    "<a>&b;</a>{}",
    "{}<",
    "<a b=>{}",
    "text {} & text",
    "<?xml version='1.0'?>{}",
]


def hides(text: str, secret: str) -> bool:
    kept = scrub(text)
    return kept is None or secret[:6] not in kept


@pytest.mark.parametrize("stanza", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("secret", [PLANTED, PLAIN], ids=["plain", "base64"])
def test_no_secret_of_a_stanza_is_kept_whole_torn_or_malformed(stanza: str, secret: str) -> None:
    typed = stanza.replace("SECRET", secret)
    kept = scrub(typed.lstrip())
    assert kept is not None
    assert "[redacted:" in kept
    for around in AROUND:
        assert hides(around.format(typed).lstrip(), secret), around
    for cut in range(1, len(typed)):
        assert hides(typed[:cut], secret), typed[:cut]
    assert hides(typed[1:], secret)


@pytest.mark.parametrize("line", LINES)
def test_no_secret_of_another_line_is_kept(line: str) -> None:
    kept = scrub(line.replace("SECRET", PLANTED).lstrip())
    assert kept is None or ("pl4nted" not in kept and kept.startswith(line.lstrip()[:6]))
    assert hides(line.replace("SECRET", PLANTED), PLANTED)


@pytest.mark.parametrize("stanza", SECRETS.values(), ids=SECRETS)
def test_bytes_that_hold_a_secret_are_not_kept(stanza: str) -> None:
    sent = stanza.replace("SECRET", PLANTED).encode()
    for hexed in (sent.hex(), sent.hex(" ").upper(), sent[1:].hex(), sent.hex()[:-1]):
        kept = scrub(f"<presence/>\n/send-raw --hex {hexed}\n<presence/>")
        assert kept is None or hexed[20:40] not in kept
    assert scrub("/send-raw --hex 3c 69 71 2f 3e") == "/send-raw --hex 3c 69 71 2f 3e"


def test_around_a_secret_everything_stays() -> None:
    stanza = SECRETS["registration"]
    other = "\n<message to='a&amp;b'>\n <body>x</body></message>"
    kept = scrub(stanza.replace("SECRET", PLANTED) + other)
    assert kept == stanza.replace("SECRET", f"[redacted:{len(PLANTED)}]") + other
    assert scrub(kept) == kept
    assert scrub("/account password x\n<presence/>") == "/account password [redacted:1]\n<presence/>"


@pytest.mark.parametrize(
    "text",
    [
        "<presence/>",
        "<iq type='get'><query xmlns='jabber:iq:register'/></iq>",
        "<message>\n\t<body>passwords are bad, é👍 &amp; &#233;</body></message>\n<a/>",
        "<message><body>not whole",
        "<iq><x xmlns='jabber:x:data'><field var='a'><value>b</value></field></x></iq>",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
        "/ping a@b",
        "/account password",
        "/help password",
        "/account add work --password-file",
        "hello & <",
        "\udcff",
        "\x1b[2J\0",
    ],
)
def test_everything_else_is_kept_as_typed(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize("text", ["", " ", "\n\t\n", " <presence/>", " /ping", "<a>" * 300 + "</a>" * 300])
def test_what_is_not_kept_at_all(text: str) -> None:
    assert scrub(text) is None


@pytest.mark.parametrize(
    "text",
    ["<auth a=\"" * 20000, "<!--" + "<password a='1' " * 20000 + "-->", "password=" * 20000, "/x token\n" * 20000,
     "<" * 90000, "<!--" * 20000, "&" * 90000,
     "<auth>" * 20000, "<!--" + "<auth>" * 20000 + "-->", "password" + " " * 90000],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_long_input_costs_little(text: str) -> None:
    kept = scrub(text)
    assert kept is None or kept == text or "[redacted:" in kept


@given(st.text(st.sampled_from([*"<>'\"/&;=!-[]# \nautoken", "\0", "\ud800", "é"]), max_size=40))
@example("</w><w>")
def test_whatever_is_typed_scrub_gives_an_answer(text: str) -> None:
    kept = scrub(text)
    assert kept is None or kept == text or "[redacted:" in kept


@given(st.lists(st.sampled_from([*SECRETS.values(), *"<>'\"/& \n", "<!--", "-->", "</iq>"]), max_size=5))
@settings(max_examples=300)
def test_no_mixture_lets_a_secret_out(pieces: list[str]) -> None:
    assert hides("".join(pieces).replace("SECRET", PLANTED), PLANTED)
