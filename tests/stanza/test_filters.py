"""The filter language, against examples and against a naive evaluator of the whole language."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from fnmatch import fnmatchcase
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmppctl.errors import BadFilter
from xmppctl.stanza.filters import KEYS, compile_filter
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


def holds(term: str, frame: Frame) -> bool:
    """Whether the term holds; that its negation is its opposite is held on the way."""
    result = compile_filter([term])(frame)
    assert compile_filter([f"-{term}"])(frame) is not result
    return result


MESSAGE = (
    "<message from='Juliet@Capulet.example/Balcony' to='romeo@montague.example' id='abc,1*\\'>"
    "<body>Art thou, not Romeo?\nAnd a *Montague</body>"
    "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'><item id='i'>"
    "<entry xmlns='http://www.w3.org/2005/Atom'/></item></items></event></message>"
)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("kind:message", True),
        ("kind:iq", False),
        ("kind:iq,message", True),
        ("dir:in", True),
        ("dir:out", False),
        ("dir:in,out", True),
        ("type:normal", True),
        ("type:chat", False),
        ("type:chat,normal", True),
        ("type:norm*", True),
        ("from:juliet@capulet.example", True),
        ("from:JULIET@CAPULET.EXAMPLE", True),
        ("from:juliet@capulet.example/Balcony", True),
        ("from:juliet@capulet.example/balcony", False),
        ("from:juliet@capulet.example/orchard", False),
        ("from:capulet.example", False),
        ("from:juliet@*", True),
        ("from:JULIET@*", True),
        ("from:*@capulet.example", True),
        ("from:*@CAPULET.example/Bal*", True),
        ("from:*/balcony", False),
        ("from:*", True),
        ("from:juliet", False),
        ("from:nurse@capulet.example,juliet@capulet.example", True),
        ("to:romeo@montague.example", True),
        ("to:romeo@montague.example/orchard", False),
        ("to:juliet@capulet.example", False),
        ("with:romeo@montague.example", True),
        ("with:juliet@capulet.example", True),
        ("with:nurse@capulet.example", False),
        ("id:abc\\,1\\*\\\\", True),
        ("id:abc*", True),
        ("id:abc", False),
        ("id:*c?1*", False),
        ("ns:http://www.w3.org/2005/Atom", True),
        ("ns:http://jabber.org/protocol/pubsub#event", True),
        ("ns:http://jabber.org/protocol/pubsub", False),
        ("ns:http://jabber.org/protocol/pubsub*", True),
        ("ns:*Atom", True),
        ("ns:urn:xmpp:ping,jabber:client", True),
        ("xep:0060", True),
        ("xep:60", True),
        ("xep:XEP-0060", True),
        ("xep:0030,0060", True),
        ("xep:0030", False),
        ("body:Art thou\\, not*", True),
        ("body:*Romeo*", True),
        ("body:*\\*Montague", True),
        ("body:*romeo*", False),
        ("body:Romeo", False),
        ("body:~Romeo", True),
        ("body:~^Art.*Montague$", True),
        ("body:~(?i)ROMEO", True),
        ("body:~thou, [a-z]{2,3} ", True),
        ("body:~^Romeo", False),
        ("xpath:c:body", True),
        ("xpath:/c:message/c:body", True),
        ("xpath://event:item[@id='i']/atom:entry", True),
        ("xpath:@type", False),
        ("xpath:@id", True),
        ("xpath:contains(c:body, 'thou')", True),
        ("xpath:count(*) = 2", True),
        ("xpath:count(*) - 2", False),
        ("xpath:0 div 0", False),
        ("xpath:''", False),
        ("xpath:' '", True),
        ("xpath:true()", True),
        ("xpath:..", False),
        ("xpath:c:body[1]/text()", True),
        ("xpath:local-name() = 'message' and not(c:subject)", True),
    ],
)
def test_terms(frame: Callable[..., Frame], term: str, expected: bool) -> None:
    assert holds(term, frame(MESSAGE)) is expected


@pytest.mark.parametrize(
    ("xml", "term", "expected"),
    [
        ("<presence/>", "type:available", True),
        ("<presence/>", "type:normal", False),
        ("<presence type='unavailable'/>", "type:available", False),
        ("<presence type='unavailable'/>", "type:*available", True),
        ("<message/>", "type:available", False),
        ("<message type='normal'/>", "type:normal", True),
        ("<message type='odd'/>", "type:normal", False),
        ("<message type='odd'/>", "type:o*", True),
        ("<r xmlns='urn:xmpp:sm:3'/>", "type:*", False),
        ("<r xmlns='urn:xmpp:sm:3'/>", "kind:nonza", True),
        ("<r xmlns='urn:xmpp:sm:4'/>", "xep:198", True),
        ("<r xmlns='urn:xmpp:sm:3'/>", "xpath:self::sm:r", True),
        (" ", "kind:stream", True),
        (" ", "xpath:true()", False),
        (" ", "ns:*", False),
        ("<message/>", "from:*", False),
        ("<message/>", "id:*", False),
        ("<message/>", "body:*", False),
        ("<message><body/></message>", "body:*", True),
        ("<message from='not a jid@@'/>", "from:*jid*", True),
        ("<message from='not a jid@@'/>", "from:a@b", False),
        ("<message from='a@b'/>", "from:a@b/*", False),
        ("<message from='b/res'/>", "from:b", True),
        ("<message from='x@b/res'/>", "from:b", False),
        ("<message from='ß@b'/>", "from:SS@b", True),
        ("<message xmlns:p='urn:x' p:a='1'/>", "ns:urn:x", False),
        ("<message><c:body xmlns:c='urn:other'/></message>", "xpath:c:body", False),
        (
            "<m:message xmlns:m='jabber:client'><m:body>x</m:body></m:message>",
            "xpath:/c:message/c:body",
            True,
        ),
        ("<message><stream:x/></message>", "xpath:stream:x", True),
    ],
)
def test_corners(frame: Callable[..., Frame], xml: str, term: str, expected: bool) -> None:
    assert holds(term, frame(xml)) is expected


def test_c_is_the_namespace_of_the_stream_at_hand(frame: Callable[..., Frame]) -> None:
    passes = compile_filter(["xpath:/c:message/c:body"])
    xml = "<message><body>x</body></message>"
    assert passes(frame(xml))
    assert passes(frame(xml, namespace=b"jabber:component:accept"))
    assert not passes(
        frame("<message xmlns='jabber:client'><body/></message>", namespace=b"jabber:component:accept")
    )


def test_all_terms_must_hold(frame: Callable[..., Frame]) -> None:
    found = frame(MESSAGE)
    assert compile_filter([])(found)
    assert compile_filter(["xpath:c:body", "body:~Romeo", "kind:message"])(found)
    assert not compile_filter(["kind:message", "dir:out"])(found)
    assert not compile_filter(["xpath:c:body", "-kind:message"])(found)


def test_cheap_terms_are_evaluated_first(frame: Callable[..., Frame]) -> None:
    """A frame that an attribute already rules out is not parsed."""
    found = frame(MESSAGE)
    assert not compile_filter(["xpath:c:body", "body:*", "kind:iq"])(found)
    assert found._tree is None


def bounded(frame: Frame, *terms: str) -> bool:
    return compile_filter(terms, bounded=True)(frame)


@pytest.mark.parametrize("term", ["body:~[a-z]+nothing", "-body:~Romeo", "xpath:c:subject", "-xpath:c:body"])
def test_a_bounded_filter_lets_through_what_might_fit_the_terms_that_may_take_any_time(
    frame: Callable[..., Frame], term: str
) -> None:
    assert not compile_filter([term])(frame(MESSAGE))
    found = frame(MESSAGE)
    assert bounded(found, term) and bounded(found, term, "kind:message")
    assert not bounded(found, term, "kind:iq")
    assert found._tree is None


def test_a_bounded_filter_keeps_out_what_cannot_fit(frame: Callable[..., Frame]) -> None:
    assert not bounded(frame("<presence/>"), "body:~a") and bounded(frame("<presence/>"), "-body:~a")
    assert not bounded(frame(" "), "xpath:true()") and bounded(frame("<presence/>"), "xpath:true()")


@pytest.mark.parametrize("term", ["body:Art*", "from:juliet@*", "type:normal", "xep:0060"])
def test_every_other_term_is_evaluated_in_a_bounded_filter(frame: Callable[..., Frame], term: str) -> None:
    assert bounded(frame(MESSAGE), term) and not bounded(frame(MESSAGE), f"-{term}")


def test_an_expression_without_end_holds_up_no_bounded_filter(frame: Callable[..., Frame]) -> None:
    evil = frame(f"<message><body>{'a' * 5000}!</body></message>")
    assert bounded(evil, "body:~(a+)+$")


@pytest.mark.parametrize(
    "term", ["body:~(", "xpath:c:body[", "xpath:nothing:x", "xpath:len(.)", "kind:letter"]
)
def test_a_bounded_filter_refuses_what_is_wrong(term: str) -> None:
    with pytest.raises(BadFilter) as plain:
        compile_filter([term])
    with pytest.raises(BadFilter) as refused:
        compile_filter([term], bounded=True)
    assert (refused.value.message, refused.value.hint) == (plain.value.message, plain.value.hint)


def test_a_filter_keeps_its_terms() -> None:
    assert compile_filter(["kind:iq", "-type:error"]).terms == ("kind:iq", "-type:error")


@pytest.mark.parametrize(
    ("term", "says", "hint"),
    [
        ("kind:foo", "there is no kind 'foo'", "message, presence, iq"),
        ("kind:mesage", "there is no kind 'mesage'", "did you mean message?"),
        ("kind:iq,IQ", "there is no kind 'IQ'", "did you mean iq?"),
        ("kind:*", "there is no kind", ""),
        ("dir:up", "there is no direction 'up'", "one of in, out"),
        ("type:eror", "there is no type 'eror'", "did you mean error?"),
        ("knd:iq", "there is no key 'knd'", "did you mean kind?"),
        ("KIND:iq", "there is no key 'KIND'", "did you mean kind?"),
        ("zzz:iq", "there is no key 'zzz'", ", ".join(KEYS)),
        ("--kind:iq", "there is no key '-kind'", "did you mean kind?"),
        (":iq", "there is no key ''", ""),
        ("iq", "a term is KEY:VALUE", "did you mean kind:iq?"),
        ("error", "a term is KEY:VALUE", "did you mean type:error?"),
        ("a@b", "a term is KEY:VALUE", "did you mean with:a@b?"),
        ("", "a term is KEY:VALUE", ""),
        ("-", "a term is KEY:VALUE", ""),
        *[(f"{key}:", "the value is empty", "") for key in KEYS],
        ("id:a,", "an alternative is empty", "\\,"),
        ("id:,a", "an alternative is empty", "\\,"),
        ("from:a@", "it has no domain", "a JID looks like"),
        ("from:a b@c", "cannot stand in a localpart", ""),
        ("xep:ping", "'ping' is not the number of a XEP", "xep:0060"),
        ("xep:0", "'0' is not the number of a XEP", ""),
        ("xep:9999", "XEP-9999 defines no namespace that is known", "ns:"),
        ("body:~(", "not a regular expression: missing )", ""),
        ("body:~*", "not a regular expression", ""),
        ("body:~" + "(" * 5000, "not a regular expression", ""),
        ("xpath:foo()", "there is no function foo() at character 1", ""),
        ("xpath:contain(a,'b')", "there is no function contain()", "did you mean contains?"),
        ("xpath:a[b or foo()]", "there is no function foo() at character 8", ""),
        ("xpath:re:test('a', 'b')", "there is no function re:test()", ""),
        ("xpath:document('/etc/passwd')", "there is no function document()", ""),
        ("xpath:muk:x", "the prefix muk: is not bound at character 1", "did you mean muc?"),
        ("xpath:a/@zz:b", "the prefix zz: is not bound at character 4", ""),
        ("xpath:$x", "there are no variables at character 1", ""),
        ("xpath:a[$x = 1]", "there are no variables at character 3", ""),
        ("xpath:a[b", "[ is not closed at character 2", ""),
        ("xpath:a]", "] closes nothing at character 2", ""),
        ("xpath:(a]", "] closes nothing at character 3", ""),
        ("xpath:'abc", "a text is not closed at character 1", ""),
        ("xpath:a = #", "# cannot stand there at character 5", ""),
        ("xpath://", "//: invalid expression", ""),
        ("xpath:a b", "a b: invalid expression", ""),
        ("xpath:a[count('x')]", "count('x'): invalid type at character 3", ""),
        ("xpath:false() and count(1)", "count(1): invalid type at character 12", ""),
        ("xpath:a[b['x' | 'y']]", "'x' | 'y': invalid type at character 5", ""),
        ("xpath:x[contains(a)]", "contains(a): invalid number of arguments", ""),
        ("xpath:" + "(" * 3000 + "1" + ")" * 3000, "not an XPath expression", ""),
        ("xpath:" + "a " * 3000, "invalid expression", ""),
    ],
)
def test_a_bad_term_says_what_is_wrong_and_what_may_be_meant(term: str, says: str, hint: str) -> None:
    for given_term in (term, f"-{term}") if term[:1] != "-" and term else (term,):
        with pytest.raises(BadFilter) as caught:
            compile_filter(["kind:iq", given_term])
        assert says in caught.value.message
        assert repr(given_term)[:50] in caught.value.message
        assert hint in caught.value.hint
        assert "xmppctl help filters" in caught.value.hint
        assert caught.value.code == 2


@pytest.mark.parametrize(
    "xml",
    [
        "<a b='&#1114111;'/>",
        "<é.-_·à/>",
        "<a xmlns='relative'/>",
        "<a xmlns='%'/>",
        "<a xml:id='1'><b xml:id='1'/></a>",
        "<a xml:lang='not a language'/>",
        "<a>" * 190 + "</a>" * 190,
        "<xmlfoo/>",
    ],
)
def test_odd_xml_never_breaks_an_xpath_term(frame: Callable[..., Frame], xml: str) -> None:
    assert compile_filter(["xpath:/*"])(frame(xml)) in (True, False)


def test_a_glob_costs_linear_time_whatever_is_sent(frame: Callable[..., Frame]) -> None:
    found = frame(f"<message><body>{'a' * 300_000}</body></message>")
    begin = time.process_time()
    assert not compile_filter(["body:*a*a*a*a*a*a*b"])(found)
    assert time.process_time() - begin < 2


def test_only_an_xpath_term_loads_lxml() -> None:
    program = (
        "import sys; from xmppctl.stanza.filters import compile_filter;"
        "compile_filter(['kind:iq', 'from:a@b', 'body:~x', 'ns:x', '-type:error', 'id:1']);"
        "assert not {'lxml', 'asyncio', 'slixmpp', 'xml.etree'} & set(sys.modules);"
        "assert 'xmppctl.stanza.namespaces' not in sys.modules;"
        "compile_filter(['xpath:a']); assert 'lxml' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# -- a naive evaluator ------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "ab", "A"])
jids = st.one_of(
    st.none(),
    st.tuples(names, st.sampled_from(["x", "y.x"]), st.sampled_from(["", "/r", "/R"])).map(
        lambda parts: f"{parts[0]}@{parts[1]}{parts[2]}"
    ),
    st.just("x"),
)
stanzas = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["message", "presence", "iq"]),
        "dir": st.sampled_from(["in", "out"]),
        "type": st.sampled_from([None, "error", "chat", "get", "unavailable", "normal"]),
        "from": jids,
        "to": jids,
        "id": st.sampled_from([None, "1", "12", "a"]),
        "body": st.none() | st.text("ab\n", max_size=5),
        "ns": st.sampled_from(["urn:xmpp:ping", "jabber:iq:roster", "urn:none"]),
    }
)
globs = st.sampled_from(
    ["a", "*", "a*", "*b", "ab", "1", "1*", "*2", "a*a", "*a*", "*a*b*", "**", "b*a", "a*b*b"]
)
terms = st.one_of(
    st.tuples(st.just("kind"), st.sampled_from(["message", "presence", "iq", "stream"])),
    st.tuples(st.just("dir"), st.sampled_from(["in", "out"])),
    st.tuples(st.just("type"), st.sampled_from(["error", "chat", "normal", "available", "unavail*", "*"])),
    st.tuples(st.sampled_from(["id", "body"]), globs),
    st.tuples(
        st.sampled_from(["from", "to", "with"]),
        st.sampled_from(["a@x", "A@X", "a@x/r", "b@y.x", "*@x", "a*", "*/r", "x", "*", "ab@x/R"]),
    ),
    st.tuples(st.just("ns"), st.sampled_from(["urn:xmpp:ping", "jabber:*", "*", "urn:*", "jabber:client"])),
    st.tuples(st.just("xep"), st.sampled_from(["0199", "199", "0060"])),
)


def build(stanza: dict[str, str | None]) -> Frame:
    element = ET.Element(
        str(stanza["kind"]),
        {name: value for name in ("type", "from", "to", "id") if (value := stanza[name]) is not None},
    )
    if stanza["body"] is not None:
        ET.SubElement(element, "body").text = stanza["body"]
    ET.SubElement(element, "x", {"xmlns": str(stanza["ns"])})
    splitter = Splitter("out" if stanza["dir"] == "out" else "in")
    splitter.feed(HEADER)
    (frame,) = splitter.feed(ET.tostring(element))
    return frame


def naive_jid(pattern: str, address: str | None) -> bool:
    if address is None:
        return False
    bare, slash, resource = address.partition("/")
    full = f"{bare.lower()}{slash}{resource}"
    bare_pattern, slash, resource = pattern.partition("/")
    pattern = f"{bare_pattern.lower()}{slash}{resource}"
    return fnmatchcase(full, pattern) or (not slash and fnmatchcase(bare.lower(), pattern))


def naive(key: str, value: str, stanza: dict[str, str | None]) -> bool:
    kind, body = stanza["kind"], stanza["body"]
    if key == "type":
        implied = {"message": "normal", "presence": "available"}.get(str(kind), "")
        found = stanza["type"] if stanza["type"] is not None else implied
        return bool(found) and fnmatchcase(found, value)
    if key == "body":
        return kind == "message" and body is not None and fnmatchcase(body, value)
    if key in ("from", "to"):
        return naive_jid(value, stanza[key])
    if key == "with":
        return naive_jid(value, stanza["from"]) or naive_jid(value, stanza["to"])
    if key == "ns":
        return fnmatchcase(str(stanza["ns"]), value) or fnmatchcase("jabber:client", value)
    if key == "xep":
        return stanza["ns"] == "urn:xmpp:ping" and value in ("0199", "199")
    return stanza[key] is not None and fnmatchcase(str(stanza[key]), value)


@given(stanzas, st.lists(st.tuples(st.booleans(), terms, st.none() | terms), max_size=4))
@settings(max_examples=600, deadline=None)
def test_agrees_with_the_naive_evaluator(
    stanza: dict[str, str | None],
    drawn: list[tuple[bool, tuple[str, str], tuple[str, str] | None]],
) -> None:
    texts, expected = [], True
    for negated, (key, value), other in drawn:
        values = [value, other[1]] if other and other[0] == key else [value]
        texts.append(f"{'-' * negated}{key}:{','.join(values)}")
        expected = expected and any(naive(key, each, stanza) for each in values) is not negated
    assert compile_filter(texts)(build(stanza)) is expected, texts


def test_addresses_that_are_too_long_are_not_remembered() -> None:
    wanted = compile_filter(["from:juliet@*"])
    splitter = Splitter("in")
    splitter.feed(HEADER)
    tracemalloc.start()
    try:
        for number in range(100):
            (frame,) = splitter.feed(f"<message from='juliet@{'x' * 50_000}{number}'/>".encode())
            assert wanted(frame)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 2_000_000
