"""Stanzas to push through everything: after the specifications' examples, odd but lawful ones, and unlawful ones."""

from __future__ import annotations

from pathlib import Path

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" from='capulet.example' id='s1' version='1.0'>"
)


def _examples() -> dict[str, bytes]:
    found = {}
    for path in sorted((Path(__file__).parent / "fixtures/xep-examples").glob("*.txt")):
        for number, stanza in enumerate(path.read_bytes().split(b"\n----\n")):
            found[f"{path.stem}-{number}"] = stanza.strip(b"\n")
    return found


def _message(text: str) -> bytes:
    return f"<message from='mallory@evil.example'><body>{text}</body></message>".encode()


EXAMPLES = _examples()

#: What XML and RFC 6120 allow, and what is easily got wrong.
ODD = {
    "astral": _message("\U0001f600\U00020000"),
    "bidi": _message("\u202egnp.exe\u2066"),
    "bidi references": _message("&#x202e;gnp&#8238;"),
    "c1 controls": _message("\x9b31m \x85 \x7f \x9d52;c;aGk=\x9c"),
    "c1 references": _message("&#x9b;31m&#x7f;"),
    "invisible": _message("a\u200bb\ufeffc\u2060\u00ad\U000e0041"),
    "noncharacters": _message("\ufdd0\U0001fffe"),
    "line ends": _message("a\r\nb\rc\n\n\td"),
    "line end references": _message("a&#13;b&#10;c&#9;"),
    "attributes": b"<message from='a@b'><x xmlns='urn:x' y='a\r\nb\tc&#13;&#10;' z='>>'/></message>",
    "cdata": b"<message><body><![CDATA[<a>]]]]><![CDATA[>&lt;]]></body></message>",
    "tag ends": b"<message from='a>b' x=\"'>'\" y='\">\"'><body>]] > ]]&gt;</body></message>",
    "no namespace": b"<message from='a@b'><x xmlns=''><y/></x></message>",
    "stream prefix": b"<stream:x xmlns:stream='urn:o'><stream:y xmlns:stream='urn:t'/></stream:x>",
    "prefixed stanza": b"<p:message xmlns:p='jabber:client' from='q@r'><p:body>hi</p:body></p:message>",
    "no uri": b"<message><x xmlns='a b'/><y:z xmlns:y=' ' y:k='1'/></message>",
    "spaces in tags": b"<message ><body >x</body\n></message\t>",
    "stream end in text": _message("&lt;/stream:stream&gt;<![CDATA[</stream:stream>]]>"),
    "nested stream": b"<message><s:stream xmlns:s='http://etherx.jabber.org/streams'/></message>",
    "hostile head": '<message from="a\u202eb@c/\x9b\n" type="\u202ex" id="&#10;{}"><body/></message>'.encode(),
    "hostile errors": (
        "<iq type='error' id='&#10;\u202e' from='\u202ea\x9b31m&#10;\x7fb@c.example'><error type='\u202ecancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><\u00e9 xmlns='urn:\u202e'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>\u202e\n\x9b\u2028</text></error></iq>"
    ).encode(),
    "hostile names": '<message><élément xmlns="urn:\u202e" 日="x"/></message>'.encode(),
    "combining": _message("a" + "\u0301" * 3000),
    "attribute count": b"<message %s/>" % b" ".join(b"a%d='%d'" % (n, n) for n in range(500)),
    "depth": b"<message>" + b"<a>" * 198 + b"</a>" * 198 + b"</message>",
    "long name": b"<message><" + b"n" * 60_000 + b" xmlns='urn:x'/></message>",
}

#: What must end the stream, or be refused when it is typed. Each as bytes that stand alone between stanzas.
UNLAWFUL = {
    "escape": _message("\x1b[31m"),
    "escape reference": _message("&#x1b;[31m"),
    "nul": _message("\0"),
    "nul reference": _message("&#0;"),
    "U+FFFE": _message("\ufffe"),
    "U+FFFF reference": _message("&#xffff;"),
    "surrogate reference": _message("&#xd800;"),
    "surrogate": b"<message><body>\xed\xa0\x80</body></message>",
    "latin-1": b"<message><body>\xff</body></message>",
    "overlong": b"<message><body>\xc0\xaf</body></message>",
    "comment": b"<message><!-- x --></message>",
    "processing instruction": b"<message><?x y?></message>",
    "document type": b"<!DOCTYPE x [<!ENTITY a 'b'>]><message/>",
    "entity": _message("&lol;"),
    "depth": b"<message>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</message>",
    "attribute count": b"<message %s/>" % b" ".join(b"a%d=''" % n for n in range(5000)),
    "section end": _message("]]>"),
    "after the end": b"</stream:stream><presence/>",
    "second header": HEADER,
    "second header without declaration": HEADER.partition(b"?>")[2],
    "unbound prefix": b"<q:x/>",
    "double attribute": b"<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>",
    "bound xmlns": b"<a xmlns:xmlns='urn:x'/>",
    "prefix undeclared": b"<a xmlns:p=''/>",
    "text": b"hello",
    "tag in attribute": b"<a b='<'/>",
    "ampersand": _message("a & b"),
}
