"""What the parts of stanzas mean: the table against the vocabulary and the examples, and spot checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import pytest

from tests.examples import EXAMPLES, HEADER
from xmppctl.shell import vocabulary
from xmppctl.shell.meanings import Part, of_attribute, of_element, of_text
from xmppctl.stanza.conditions import APPLICATION
from xmppctl.stanza.explain import PUBSUB, SASL, STANZA, STREAM
from xmppctl.stanza.frame import NS_CLIENT, NS_COMPONENT, NS_SERVER, NS_STANZAS, NS_STREAM
from xmppctl.stanza.splitter import Splitter

PROTOCOL = "http://jabber.org/protocol"
PUBSUB_NS = f"{PROTOCOL}/pubsub"
EVENT = f"{PUBSUB_NS}#event"
OWNER = f"{PUBSUB_NS}#owner"
MUC_USER = f"{PROTOCOL}/muc#user"
MUC_ADMIN = f"{PROTOCOL}/muc#admin"
COMMANDS = f"{PROTOCOL}/commands"
RSM = f"{PROTOCOL}/rsm"
FORM = "jabber:x:data"
MAM = "urn:xmpp:mam:2"
STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"
SASL_NS = "urn:ietf:params:xml:ns:xmpp-sasl"
#: Namespaces of the examples that no specification gives elements to, or an obsolete one (XEP-0136).
FOREIGN = {"urn:xmpp:archive"}
#: Namespaces each of whose elements has a meaning; the elements that an explanation of errors has are told there.
WHOLE = [
    *(NS_CLIENT, NS_STREAM, NS_STANZAS, STREAMS, SASL_NS, "jabber:iq:roster", FORM, COMMANDS, RSM, MAM),
    *(f"urn:ietf:params:xml:ns:xmpp-{name}" for name in ("tls", "bind", "session")),
    *(f"{PROTOCOL}/disco#{part}" for part in ("info", "items")),
    *(f"{PROTOCOL}/muc{part}" for part in ("", "#user", "#admin", "#owner")),
    *(f"{PUBSUB_NS}{part}" for part in ("", "#event", "#owner", "#errors")),
    *(f"{PROTOCOL}/{name}" for name in ("chatstates", "mood", "caps", "tune", "xhtml-im", "nick")),
    *(f"jabber:iq:{name}" for name in ("private", "register", "version", "oob", "last", "search")),
    *("jabber:x:oob", "jabber:x:conference", "vcard-temp", "vcard-temp:x:update", "storage:bookmarks"),
    *(f"urn:xmpp:{name}" for name in ("avatar:data", "avatar:metadata", "receipts", "ping", "time", "delay")),
    *(f"urn:xmpp:{name}" for name in ("blocking", "sm:3", "attention:0", "carbons:2", "forward:0", "hints")),
    *(f"urn:xmpp:{name}" for name in ("idle:1", "csi:0", "sid:0", "message-correct:0", "chat-markers:0")),
    *(f"urn:xmpp:{name}" for name in ("jingle:1", "jingle-message:0", "jingle:apps:file-transfer:5")),
    *(f"urn:xmpp:{name}" for name in ("http:upload:0", "omemo:2", "bookmarks:1", "message-retract:1")),
    *(f"urn:xmpp:{name}" for name in ("message-moderate:1", "fallback:0", "reactions:0", "reply:0", "bob")),
    *(f"urn:xmpp:{name}" for name in ("styling:0", "stream-limits:0", "jingle:apps:rtp:errors:1")),
    f"{PROTOCOL}/xdata-validate",
    *("eu.siacs.conversations.axolotl", "http://www.w3.org/2005/Atom", "http://www.w3.org/1999/xhtml"),
]


class Line(NamedTuple):
    """A line of the table: `attribute` is empty for an element's own and for a text, `value` for any value."""

    namespace: str
    element: str
    attribute: str
    value: str
    meaning: str


def lines() -> Iterator[Line]:
    """The table as its top says it is written."""
    namespace = element = ""
    for line in files("xmppctl.shell").joinpath("meanings.txt").read_text("utf-8").splitlines():
        head, _, meaning = line.strip().partition("  ")
        if not line or line.startswith("#"):
            continue
        if line[0] != " ":
            namespace = line
        elif line[2] != " ":
            element = head
            yield Line(namespace, head, "", "", meaning)
        else:
            attribute, _, values = head.partition("=")
            for value in values.split(","):
                yield Line(namespace, element, attribute, value, meaning)


LINES = list(lines())


def elements(namespace: str) -> set[str]:
    text = files("xmppctl.shell").joinpath("vocabulary.txt").read_text("utf-8")
    found, there = set(), ""
    for line in text.splitlines():
        if line[:1] not in ("", "#", " "):
            there = line
        elif there == namespace and line.startswith("  ") and line[2] != " ":
            found.update(line.split()[0].split("|"))
    return found | ({"stream"} if namespace == NS_STREAM else set())


def names(line: Line) -> set[str]:
    """The elements that a line is about."""
    written = line.element.partition("?")[0].split("|")
    return elements(line.namespace) if written == ["*"] else {name.rpartition("/")[2] for name in written}


def explained_as_an_error(namespace: str, name: str) -> bool:
    conditions = {NS_STANZAS: STANZA, STREAMS: STREAM, SASL_NS: SASL, f"{PUBSUB_NS}#errors": PUBSUB}
    return name in conditions.get(namespace, {}) or f"{{{namespace}}}{name}" in APPLICATION


def meant(namespace: str, name: str, stanza: tuple[str, ...] = (), parent: str = "") -> str:
    return of_element(Part(namespace, name, parent, stanza))


def test_every_element_of_the_table_is_in_the_vocabulary() -> None:
    assert len(LINES) > 1000
    for line in LINES:
        assert names(line) <= elements(line.namespace), line


def test_every_parent_and_stanza_of_the_table_is_one() -> None:
    everywhere = {name for namespace in {line.namespace for line in LINES} for name in elements(namespace)}
    kinds = {"message", "presence", "iq"}
    types = {type for kind in kinds for type in vocabulary.values(NS_CLIENT, kind, "type")}
    for line in LINES:
        written, asked, stanzas = line.element.partition("?")
        assert not asked or set(stanzas.split(",")) <= kinds | types, line
        for name in written.split("|"):
            assert not name.count("/") or name.partition("/")[0] in everywhere | {"features"}, line


def test_every_attribute_value_and_text_of_the_table_is_in_the_vocabulary() -> None:
    booleans = {"1": "true", "0": "false"}
    for namespace, element, attribute, value, meaning in LINES:
        line = Line(namespace, element, attribute, value, meaning)
        if (namespace, element) == (NS_STREAM, "stream"):
            continue  # never typed as an element, so the vocabulary does not offer it
        if attribute:
            assert attribute.startswith("@"), line
            having = [name for name in names(line) if attribute[1:] in vocabulary.attributes(namespace, name)]
            assert having, line
            defined = {one for name in having for one in vocabulary.values(namespace, name, attribute[1:])}
            if value and defined:
                assert {value, booleans.get(value)} & defined, line
        elif value:
            defined = {one for name in names(line) for one in vocabulary.texts(namespace, name)}
            assert value in defined, line


def test_every_meaning_is_short_and_plain() -> None:
    for line in LINES:
        told = line.meaning.rpartition(" (")[0] if line.meaning.endswith(")") else line.meaning
        assert len(told) <= 90, line
        assert line.meaning.isascii()
        assert "  " not in line.meaning
        assert line.meaning == line.meaning.strip().rstrip(".")
        assert line.meaning or not line.attribute, line


def test_a_section_is_written_in_one_way() -> None:
    number = r"\d+(\.\d+)*"
    place = re.compile(rf"{number}(, {number})*|(XEP-\d{{4}}|RFC \d{{4}})( section {number})?")
    ends = [line.meaning.rpartition(" (")[2].rstrip(")") for line in LINES if line.meaning.endswith(")")]
    sections = [end for end in ends if re.search(r"\d", end)]
    assert len(sections) > 300
    assert [section for section in sections if not place.fullmatch(section)] == []


@pytest.mark.parametrize("namespace", WHOLE)
def test_every_element_of_what_people_meet_has_a_meaning(namespace: str) -> None:
    told = {name for line in LINES if line.namespace == namespace and line.meaning for name in names(line)}
    silent = {name for name in elements(namespace) - told if not explained_as_an_error(namespace, name)}
    assert elements(namespace)
    assert silent == set()


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_specifications_write_has_a_meaning(example: str) -> None:
    splitter = Splitter("in")
    splitter.feed(HEADER)
    (frame,) = (found for found in splitter.feed(EXAMPLES[example]) if found.names)
    if frame.kind != "nonza":
        assert of_element(Part(frame.namespace, frame.name, "", (frame.type or "", frame.kind)))
    for payload in frame.payloads if frame.kind != "nonza" else ():
        namespace, _, name = payload.rpartition(" ")
        stanza = (frame.type or "", frame.kind)
        assert namespace in FOREIGN or of_element(Part(namespace, name, frame.name, stanza)), payload


@pytest.mark.parametrize(
    ("namespace", "name", "words"),
    [
        (NS_STREAM, "features", "offers"),
        (SASL_NS, "challenge", "base64"),
        ("urn:ietf:params:xml:ns:xmpp-tls", "proceed", "TLS handshake"),
        ("urn:ietf:params:xml:ns:xmpp-bind", "jid", "full JID"),
        (NS_CLIENT, "body", "(RFC 6121 section 5.2.3)"),
        ("jabber:iq:roster", "group", "(2.1.2.6)"),
        (FORM, "reported", "columns"),
        (f"{PROTOCOL}/disco#info", "feature", "can do"),
        (f"{PROTOCOL}/disco#items", "item", "there"),
        (f"{PROTOCOL}/muc", "x", "joins a room"),
        (MUC_USER, "destroy", "not exist any more"),
        (f"{PROTOCOL}/muc#owner", "destroy", "for good"),
        (MUC_ADMIN, "actor", "did it"),
        (COMMANDS, "note", "people"),
        ("vcard-temp", "FN", "full name"),
        (RSM, "count", "in all"),
        (PUBSUB_NS, "create", "makes a node"),
        (PUBSUB_NS, "publish-options", "configured"),
        (EVENT, "purge", "were deleted"),
        (OWNER, "purge", "deletes all items"),
        ("jabber:x:oob", "url", "where"),
        (f"{PROTOCOL}/xhtml-im", "html", "markup"),
        ("jabber:iq:register", "remove", "for good"),
        ("urn:xmpp:avatar:metadata", "info", "avatar"),
        (f"{PROTOCOL}/chatstates", "composing", "typing"),
        ("jabber:iq:version", "os", "runs on"),
        (f"{PROTOCOL}/mood", "in_love", "mood"),
        (f"{PROTOCOL}/caps", "c", "hash"),
        (f"{PROTOCOL}/tune", "artist", "plays"),
        ("vcard-temp:x:update", "photo", "SHA-1"),
        ("urn:xmpp:jingle:1", "content", "(7.3)"),
        ("urn:xmpp:receipts", "request", "receipt"),
        ("urn:xmpp:blocking", "unblock", "unblocks"),
        ("urn:xmpp:sm:3", "r", "how many stanzas"),
        ("urn:xmpp:sm:3", "sm", "(2)"),
        ("urn:xmpp:sm:3", "handled-count-too-high", "more stanzas were acknowledged"),
        ("urn:xmpp:ping", "ping", "answer"),
        ("urn:xmpp:time", "tzo", "UTC"),
        ("urn:xmpp:delay", "delay", "earlier"),
        ("urn:xmpp:attention:0", "attention", "nudge"),
        ("jabber:x:conference", "x", "invitation"),
        ("urn:xmpp:carbons:2", "private", "no copies"),
        ("urn:xmpp:forward:0", "forwarded", "passed on"),
        ("urn:xmpp:message-correct:0", "replace", "earlier"),
        (MAM, "fin", "end"),
        ("urn:xmpp:idle:1", "idle", "not touched"),
        ("urn:xmpp:chat-markers:0", "displayed", "read"),
        ("urn:xmpp:hints", "no-copy", "no copies"),
        ("urn:xmpp:csi:0", "inactive", "not looking"),
        ("urn:xmpp:jingle-message:0", "propose", "call"),
        ("urn:xmpp:sid:0", "origin-id", "sender"),
        ("urn:xmpp:http:upload:0", "slot", "upload"),
        ("eu.siacs.conversations.axolotl", "iv", "initialisation vector"),
        ("urn:xmpp:bookmarks:1", "conference", "room"),
        ("urn:xmpp:message-retract:1", "retract", "taken back"),
        ("urn:xmpp:message-moderate:1", "moderated", "moderator"),
        ("urn:xmpp:fallback:0", "fallback", "do not know the protocol"),
        ("urn:xmpp:reactions:0", "reaction", "emoji"),
        ("urn:xmpp:reply:0", "reply", "earlier message"),
        ("http://www.w3.org/2005/Atom", "updated", "(4.2.15)"),
        ("http://www.w3.org/2005/Atom", "generator", "(4.2.4)"),
        ("urn:xmpp:styling:0", "unstyled", "no markup"),
        (PUBSUB_NS, "required", "before anything is sent (6.1.5)"),
        ("urn:xmpp:stream-limits:0", "max-bytes", "bytes"),
        ("urn:xmpp:sasl:2", "task", "second factor"),
        ("urn:xmpp:jingle:apps:rtp:errors:1", "crypto-required", "encrypted"),
        (NS_COMPONENT, "handshake", "secret"),
    ],
)
def test_elements(namespace: str, name: str, words: str) -> None:
    assert words in meant(namespace, name)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part(NS_CLIENT, "message", "", ("chat", "message")), "one-to-one"),
        (Part(NS_CLIENT, "message"), "stands alone"),
        (Part(NS_CLIENT, "presence", "", ("subscribe", "presence")), "wish to see"),
        (Part(NS_CLIENT, "iq", "", ("result", "iq")), "that worked"),
        (Part(NS_SERVER, "iq", "", ("get", "iq")), "request for information"),
        (Part(NS_CLIENT, "subject", "message", ("groupchat", "message")), "topic of the room"),
        (Part(NS_CLIENT, "subject", "message", ("chat", "message")), "subject of the message"),
        (Part("jabber:iq:roster", "query", "iq", ("get", "iq")), "asks for the roster"),
        (Part("jabber:iq:roster", "query", "iq", ("set", "iq")), "push"),
        (Part(MUC_USER, "x", "presence", ("", "presence")), "occupant"),
        (Part(MUC_USER, "x", "presence", ("unavailable", "presence")), "left the room"),
        (Part(MUC_USER, "x", "message", ("", "message")), "invitation"),
        (Part(PUBSUB_NS, "publish", "pubsub", ("set", "iq")), "publishes"),
        (Part(PUBSUB_NS, "publish", "pubsub", ("result", "iq")), "were published"),
        (Part(PUBSUB_NS, "item", "publish", ("result", "iq")), "was published"),
        (Part(PUBSUB_NS, "item", "retract", ("set", "iq")), "to be deleted"),
        (Part(PUBSUB_NS, "item", "items", ("result", "iq")), "one item"),
        (Part(FORM, "value", "option"), "choosing"),
        (Part(FORM, "value", "field"), "value of the field"),
        (Part(NS_STANZAS, "item-not-found", "failed"), "resume"),
        (Part("urn:ietf:params:xml:ns:xmpp-bind", "bind", "features"), "server wants"),
    ],
)
def test_the_place_of_an_element_counts(part: Part, words: str) -> None:
    assert words in of_element(part)


@pytest.mark.parametrize(
    ("namespace", "name", "attribute", "value", "words"),
    [
        ("jabber:iq:roster", "item", "subscription", "both", "you see each other's presence"),
        ("jabber:iq:roster", "item", "subscription", "to", "you see the contact's presence"),
        ("jabber:iq:roster", "item", "subscription", "from", "the contact sees your presence"),
        ("jabber:iq:roster", "item", "ask", "subscribe", "no answer yet"),
        (NS_CLIENT, "error", "type", "wait", "later"),
        (NS_SERVER, "error", "type", "auth", "credentials"),
        (FORM, "field", "type", "list-multi", "any number of the options"),
        (FORM, "field", "var", "FORM_TYPE", "XEP-0068"),
        (FORM, "field", "var", "muc#roomconfig_roomname", "name of the field"),
        (MUC_USER, "status", "code", "110", "your own"),
        (MUC_USER, "status", "code", "201", "just been made"),
        (MUC_USER, "status", "code", "307", "kicked"),
        (MUC_USER, "item", "affiliation", "outcast", "banned"),
        (MUC_USER, "item", "role", "visitor", "may not speak"),
        (MUC_ADMIN, "item", "role", "none", "kicked"),
        (COMMANDS, "command", "status", "completed", "done"),
        (PUBSUB_NS, "items", "node", "news", "name of the node"),
        (PUBSUB_NS, "affiliation", "affiliation", "publish-only", "but not read"),
        (PUBSUB_NS, "subscription", "subscription", "pending", "approval"),
        (EVENT, "items", "node", "news", "name of the node"),
        (f"{PROTOCOL}/caps", "c", "ver", "x=", "hash"),
        ("urn:xmpp:sm:3", "a", "h", "5", "have arrived"),
        (MAM, "fin", "complete", "true", "last page"),
        (MAM, "fin", "complete", "false", "there is more"),
        (MAM, "result", "queryid", "f27", "which query"),
        ("urn:xmpp:bookmarks:1", "conference", "autojoin", "1", "join it at login"),
        ("urn:xmpp:receipts", "received", "id", "m1", "arrived"),
        ("http://www.w3.org/2005/Atom", "link", "rel", "self", "this very feed"),
        ("http://www.w3.org/2005/Atom", "content", "type", "xhtml", "XHTML"),
        (PUBSUB_NS, "subscription", "subscription", "unconfigured", "may get nothing"),
        (EVENT, "subscription", "subscription", "unconfigured", "may get nothing"),
        (PUBSUB_NS, "items", "max_items", "10", "(6.5.7)"),
        (OWNER, "subscription", "subscription", "unconfigured", "may get nothing"),
        ("http://www.w3.org/2005/Atom", "link", "rel", "replies", "comments"),
        (NS_STREAM, "stream", "version", "1.0", "version of XMPP"),
    ],
)
def test_attributes(namespace: str, name: str, attribute: str, value: str, words: str) -> None:
    assert words in of_attribute(Part(namespace, name), attribute, value)


@pytest.mark.parametrize(
    ("namespace", "name", "text", "words"),
    [
        (NS_CLIENT, "show", "xa", "away for long"),
        (NS_CLIENT, "show", "dnd", "disturbed"),
        (SASL_NS, "mechanism", "PLAIN", "password"),
        (SASL_NS, "mechanism", "SCRAM-SHA-1-PLUS", "TLS connection"),
    ],
)
def test_texts(namespace: str, name: str, text: str, words: str) -> None:
    assert words in of_text(Part(namespace, name), text)


def test_every_status_code_of_a_room_has_a_meaning_of_its_own() -> None:
    codes = vocabulary.values(MUC_USER, "status", "code")
    told = {of_attribute(Part(MUC_USER, "status"), "code", code) for code in codes}
    assert "" not in told
    assert len(told) == len(codes) == 20


def test_what_is_not_known_has_no_meaning() -> None:
    for part in (Part("urn:example", "x"), Part(FORM, "nothing"), Part("", "")):
        assert of_element(part) == ""
        assert of_attribute(part, "type", "form") == ""
        assert of_text(part, "away") == ""
    assert of_attribute(Part(NS_CLIENT, "error"), "type", "no-such-type") == ""
    assert of_text(Part(NS_CLIENT, "show"), "online") == ""
    # What looks like the table's own notation is no name of an element.
    assert of_element(Part(NS_CLIENT, "message?chat")) != of_element(Part(NS_CLIENT, "message"))
