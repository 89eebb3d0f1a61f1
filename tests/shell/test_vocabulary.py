"""What the RFCs and XEPs define, as it is offered: the table against the specifications' examples, and spot checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from xml.etree import ElementTree as ET

import pytest

from tests.examples import EXAMPLES, HEADER
from xmppctl.shell import vocabulary
from xmppctl.stanza.namespaces import spec_of

CLIENT = "jabber:client"
PUBSUB = "http://jabber.org/protocol/pubsub"
MUC = "http://jabber.org/protocol/muc"
INFO = "http://jabber.org/protocol/disco#info"
FORM = "jabber:x:data"
JINGLE = "urn:xmpp:jingle:1"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
ATOM = "http://www.w3.org/2005/Atom"
MAM = "urn:xmpp:mam:2"
XML = "{http://www.w3.org/XML/1998/namespace}"
MECHANISMS = (
    "ANONYMOUS EXTERNAL PLAIN SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS"
    " SCRAM-SHA-512 SCRAM-SHA-512-PLUS"
)
#: An element that holds nothing that is known: what may be called so is then asked of the whole table.
NOWHERE = [("urn:example:nowhere", "x", {})]
#: Namespaces of the examples that no specification gives elements to, or an obsolete one (XEP-0136).
FOREIGN = {
    "http://example.com/virtualworlds",
    "http://myclient.example/bookmark/state",
    "https://example.org/",
    "urn:example:e",
    "urn:example:f",
    "urn:example:nonza",
    "urn:xmpp:archive",
}

Open = tuple[str, str, Mapping[str, str]]


def stanza(name: str, **attributes: str) -> Open:
    return CLIENT, name, attributes


def known(namespace: str, name: str) -> bool:
    return namespace in vocabulary.namespaces(NOWHERE, name)


def names(*parents: Open) -> list[str]:
    return [element.name for element in vocabulary.children(parents)]


def table() -> dict[str, list[str]]:
    """The elements of each namespace, as the file has them."""
    found: dict[str, list[str]] = {}
    for line in files("xmppctl.shell").joinpath("vocabulary.txt").read_text("utf-8").splitlines():
        if line[:1] not in ("", "#", " "):
            namespace = line
        elif line.startswith("  ") and line[2] != " ":
            found.setdefault(namespace, []).extend(line.split()[0].split("|"))
    return found


def elements(parents: list[Open], element: ET.Element) -> Iterator[tuple[list[Open], ET.Element, str, str]]:
    namespace, _, name = element.tag[1:].rpartition("}")
    yield parents, element, namespace, name
    for child in element:
        yield from elements([*parents, (namespace, name, element.attrib)], child)


def test_every_namespace_has_its_specification() -> None:
    assert len(table()) > 120
    assert [namespace for namespace in table() if spec_of(namespace) is None] == []


def test_every_element_of_the_table_is_known_and_may_stand_somewhere() -> None:
    reached: set[tuple[str, str]] = set()
    todo: list[list[Open]] = [[]]
    for kind in ("get", "set", "result", "error"):
        todo += [[stanza(name, type=kind)] for name in ("message", "presence", "iq")]
    todo.append([("http://etherx.jabber.org/streams", "features", {})])
    # Whatever is published may stand in an item.
    todo.append([stanza("message"), (f"{PUBSUB}#event", "event", {}), (f"{PUBSUB}#event", "item", {})])
    while todo:
        parents = todo.pop()
        for element in vocabulary.children(parents):
            assert known(element.namespace, element.name), element
            key = element.namespace, element.name
            if key not in reached:
                reached.add(key)
                todo.append([*parents, (*key, {})])
    everything = [(namespace, name) for namespace, there in table().items() for name in there]
    assert [key for key in everything if key not in reached] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_specifications_write_is_known(example: str) -> None:
    root = ET.fromstring(HEADER + EXAMPLES[example] + b"</stream:stream>")
    for parents, element, namespace, name in (found for child in root for found in elements([], child)):
        if namespace in FOREIGN:
            continue
        assert known(namespace, name), (namespace, name)
        has = {attribute for attribute in element.attrib if not attribute.startswith(XML)}
        assert has <= set(vocabulary.attributes(namespace, name)), name
        if parents and parents[-1][0] not in FOREIGN:
            assert namespace in vocabulary.namespaces(parents, name), (name, parents)
            assert (name, namespace) in {
                (found.name, found.namespace) for found in vocabulary.children(parents)
            }


def test_at_the_start_stand_stanzas_then_nonzas() -> None:
    found = vocabulary.top()
    assert [element.name for element in found[:3]] == ["message", "presence", "iq"]
    assert {element.namespace for element in found[:3]} == {CLIENT}
    assert [element.name for element in found[3:6]] == ["r", "a", "enable"]
    assert vocabulary.Element("active", "urn:xmpp:csi:0", "XEP-0352 Client State Indication") in found
    assert vocabulary.children([]) == found


@pytest.mark.parametrize(
    ("parents", "first", "holds", "lacks"),
    [
        ([stanza("message")], "body subject thread", "x active request event encrypted", "error show ping"),
        ([stanza("message", type="error")], "error body subject thread", "x", ""),
        ([stanza("presence")], "show status priority", "c x idle", "body error"),
        ([stanza("iq", type="get")], "query", "ping time pubsub vCard", "error open enable body"),
        ([stanza("iq", type="set")], "query", "pubsub command block enable", "ping time blocklist error"),
        ([stanza("iq", type="result")], "query", "fin slot", "ping block error"),
        ([stanza("iq", type="error")], "error", "query ping command", "fin"),
        ([stanza("iq")], "query", "ping block fin", "error"),
        ([stanza("iq", type="get"), (PUBSUB, "pubsub", {})], "items", "subscriptions options", "publish"),
        ([stanza("iq", type="set"), (PUBSUB, "pubsub", {})], "publish", "subscribe options", "items"),
        ([stanza("iq", type="result"), (PUBSUB, "pubsub", {})], "items", "subscription", ""),
        ([stanza("iq", type="set"), (FORM, "x", {})], "title instructions field", "reported", "option"),
        ([stanza("iq", type="result"), (INFO, "query", {})], "identity feature x", "", "item set"),
        (
            [stanza("iq"), (CLIENT, "error", {})],
            "bad-request conflict",
            "text closed-node bad-action",
            "body",
        ),
        ([(PUBSUB, "item", {})], "storage", "entry mood list", "field"),
        (
            [("http://etherx.jabber.org/streams", "error", {})],
            "bad-format",
            "conflict text handled-count-too-high",
            "bad-request",
        ),
        ([(ATOM, "feed", {})], "title", "generator icon logo rights contributor entry", "published summary"),
        ([(ATOM, "source", {})], "id title", "subtitle generator icon logo rights contributor", "entry"),
        ([stanza("iq", type="set"), (JINGLE, "jingle", {})], "content reason", "ringing checksum", "query"),
        ([(JINGLE, "reason", {})], "alternative-session", "text file-too-large crypto-required", "tie-break"),
        ([stanza("message")], "body", "unstyled", "crypto-required"),
        ([(FORM, "field", {})], "desc required", "media validate", "field"),
        ([("http://jabber.org/protocol/xdata-validate", "validate", {})], "basic open", "list-range", "text"),
        ([("urn:xmpp:sasl:2", "continue", {})], "additional-data tasks", "text", "task"),
        ([(ATOM, "entry", {})], "title", "geoloc", "entry"),
        ([("http://etherx.jabber.org/streams", "features", {})], "", "limits bind starttls", "unstyled"),
        (
            [stanza("message"), ("urn:xmpp:forward:0", "forwarded", {})],
            "delay message presence iq",
            "",
            "body",
        ),
        ([stanza("message"), stanza("iq", type="get"), (PUBSUB, "pubsub", {})], "items", "", "publish"),
        ([stanza("message"), (CLIENT, "body", {})], "", "", "x"),
        (NOWHERE, "", "", "x"),
    ],
)
def test_what_may_stand_in_an_element(parents: list[Open], first: str, holds: str, lacks: str) -> None:
    found = names(*parents)
    assert found[: len(first.split())] == first.split()
    assert set(holds.split()) <= set(found)
    assert not set(lacks.split()) & set(found)
    assert len(vocabulary.children(parents)) == len(set(vocabulary.children(parents)))


@pytest.mark.parametrize("namespace", ["jabber:server", "jabber:component:accept"])
def test_stanzas_hold_the_same_in_other_content_namespaces(namespace: str) -> None:
    found = vocabulary.children([(namespace, "message", {"type": "error"})])
    assert [element[:2] for element in found[:2]] == [("error", namespace), ("body", namespace)]
    assert "urn:xmpp:receipts" in [element.namespace for element in found]
    assert vocabulary.values(namespace, "iq", "type") == ["get", "set", "result", "error"]
    assert vocabulary.texts(namespace, "show") == ["away", "chat", "dnd", "xa"]


@pytest.mark.parametrize(
    ("parents", "name", "namespaces"),
    [
        ([stanza("presence")], "x", [MUC, f"{MUC}#user", "jabber:x:oob", "vcard-temp:x:update"]),
        ([stanza("iq", type="set"), (PUBSUB, "pubsub", {})], "set", ["http://jabber.org/protocol/rsm"]),
        ([stanza("iq", type="get")], "ping", ["urn:xmpp:ping"]),
        ([stanza("message")], "ping", ["urn:xmpp:ping"]),
        ([stanza("message")], "no-such-element", []),
        ([], "r", ["urn:xmpp:sm:3"]),
    ],
)
def test_namespaces_of_a_name(parents: list[Open], name: str, namespaces: list[str]) -> None:
    assert vocabulary.namespaces(parents, name) == namespaces


@pytest.mark.parametrize(
    ("namespace", "name", "attributes"),
    [
        (CLIENT, "message", "to type id from xml:lang"),
        (CLIENT, "iq", "type to id from xml:lang"),
        ("jabber:iq:roster", "item", "jid name subscription ask approved"),
        (f"{MUC}#admin", "item", "affiliation role jid nick"),
        ("http://jabber.org/protocol/commands", "command", "node action sessionid status xml:lang"),
        (MAM, "fin", "complete stable"),
        (ATOM, "generator", "uri version"),
        ("urn:xmpp:sm:3", "handled-count-too-high", "h send-count"),
        ("urn:xmpp:sm:3", "enabled", "id resume max location"),
        ("urn:xmpp:ping", "ping", ""),
        ("urn:example:nowhere", "x", ""),
    ],
)
def test_attributes(namespace: str, name: str, attributes: str) -> None:
    assert vocabulary.attributes(namespace, name) == attributes.split()


@pytest.mark.parametrize(
    ("namespace", "name", "attribute", "values"),
    [
        (CLIENT, "message", "type", "chat groupchat headline normal error"),
        (
            CLIENT,
            "presence",
            "type",
            "unavailable subscribe subscribed unsubscribe unsubscribed probe error",
        ),
        (CLIENT, "error", "type", "auth cancel continue modify wait"),
        ("jabber:iq:roster", "item", "subscription", "both from none remove to"),
        (FORM, "x", "type", "cancel form result submit"),
        (f"{MUC}#user", "item", "affiliation", "admin member none outcast owner"),
        (f"{MUC}#user", "item", "role", "moderator none participant visitor"),
        ("http://jabber.org/protocol/commands", "command", "action", "cancel complete execute next prev"),
        (PUBSUB, "subscription", "subscription", "none pending subscribed unconfigured"),
        (PUBSUB, "affiliation", "affiliation", "member none outcast owner publish-only publisher"),
        ("urn:xmpp:mam:2", "prefs", "default", "always never roster"),
        ("http://jabber.org/protocol/ibb", "open", "stanza", "iq message"),
        ("http://jabber.org/protocol/amp", "amp", "status", "alert error notify"),
        (
            "http://jabber.org/protocol/amp",
            "rule",
            "value",
            "any direct exact forward gateway none other stored",
        ),
        (JINGLE, "content", "senders", "both initiator none responder"),
        ("urn:xmpp:reference:0", "reference", "type", "data mention"),
        ("urn:xmpp:sfs:0", "file-sharing", "disposition", "attachment inline"),
        (ATOM, "link", "rel", "alternate enclosure related replies self start via"),
        (
            "urn:xmpp:hashes:2",
            "hash",
            "algo",
            "blake2b-256 blake2b-512 id-blake2b256 id-blake2b512 sha-1 sha-256 sha-512 sha3-256 sha3-512",
        ),
        ("urn:xmpp:sasl:2", "authenticate", "mechanism", MECHANISMS),
        ("urn:ietf:params:xml:ns:xmpp-sasl", "auth", "mechanism", MECHANISMS),
        (CLIENT, "message", "to", ""),
        (CLIENT, "message", "no-such-attribute", ""),
        ("urn:example:nowhere", "x", "y", ""),
    ],
)
def test_values(namespace: str, name: str, attribute: str, values: str) -> None:
    assert vocabulary.values(namespace, name, attribute) == values.split()


@pytest.mark.parametrize(
    ("namespace", "name", "attribute", "kind"),
    [
        (CLIENT, "message", "to", "jid"),
        (CLIENT, "iq", "id", "id"),
        (CLIENT, "body", "xml:lang", "lang"),
        ("jabber:server", "message", "from", "jid"),
        ("http://jabber.org/protocol/disco#items", "query", "node", "node"),
        (INFO, "feature", "var", "namespace"),
        (FORM, "field", "var", "field"),
        (PUBSUB, "item", "id", "item"),
        ("urn:xmpp:receipts", "received", "id", "id"),
        ("urn:xmpp:reply:0", "reply", "to", "jid"),
        (FORM, "field", "label", ""),
        (FORM, "field", "no-such-attribute", ""),
        ("urn:example:nowhere", "x", "y", ""),
    ],
)
def test_kinds_of_values(namespace: str, name: str, attribute: str, kind: str) -> None:
    assert vocabulary.value_kind(namespace, name, attribute) == kind


@pytest.mark.parametrize(
    ("namespace", "name", "texts", "kind"),
    [
        (CLIENT, "show", "away chat dnd xa", ""),
        ("http://jabber.org/features/compress", "method", "lzw zlib", ""),
        ("urn:xmpp:mam:2", "jid", "", "jid"),
        ("urn:xmpp:sasl:2", "mechanism", MECHANISMS, ""),
        (CLIENT, "body", "", ""),
        ("urn:example:nowhere", "x", "", ""),
    ],
)
def test_text(namespace: str, name: str, texts: str, kind: str) -> None:
    assert vocabulary.texts(namespace, name) == texts.split()
    assert vocabulary.text_kind(namespace, name) == kind


def test_an_archive_answers_with_its_form_in_a_query() -> None:
    found = vocabulary.children([stanza("iq", type="result")])
    assert {(element.name, element.namespace) for element in found} >= {("query", MAM), ("fin", MAM)}


def test_the_features_that_a_pubsub_service_may_lack() -> None:
    found = vocabulary.values(f"{PUBSUB}#errors", "unsupported", "feature")
    assert {"config-node-max", "multi-items", "retrieve-default-sub"} < set(found)
    assert len(found) == len(set(found))


def test_what_says_why_a_jingle_session_ends_is_no_condition_of_a_stanza_error() -> None:
    found = vocabulary.children([stanza("iq", type="error"), (CLIENT, "error", {})])
    jingle = {element.name for element in found if element.namespace.startswith("urn:xmpp:jingle:")}
    assert jingle == {"out-of-order", "tie-break", "unknown-session", "unsupported-info"}


def test_the_types_of_an_identity() -> None:
    found = vocabulary.values(INFO, "identity", "type")
    assert {"pc", "phone", "im", "pep", "leaf", "collection", "text", "irc", "push"} < set(found)
    assert found == sorted(set(found))


def test_no_value_is_offered_twice() -> None:
    for namespace, found in table().items():
        for name in found:
            attributes = vocabulary.attributes(namespace, name)
            offered = [vocabulary.values(namespace, name, attribute) for attribute in attributes]
            for values in (*offered, vocabulary.texts(namespace, name)):
                assert len(values) == len(set(values)), (namespace, name, values)


def test_every_condition_of_a_stanza_error() -> None:
    found = vocabulary.children([stanza("iq", type="error"), (CLIENT, "error", {})])
    conditions = [element.name for element in found if element.namespace == STANZAS]
    assert len(conditions) == 23  # 22 conditions and <text/>: RFC 6120 section 8.3.3
    assert conditions[-1] == "text"
    assert found[0].help.startswith("RFC 6120 ")
