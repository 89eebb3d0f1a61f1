"""The table of namespaces: whole, resolving versions and parts, and knowing what slixmpp speaks."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import slixmpp.plugins

from xmppctl.stanza import namespaces
from xmppctl.stanza.namespaces import PREFIXES, spec_of, title_of, xep_of, xep_title


@pytest.mark.parametrize(
    ("namespace", "number", "title"),
    [
        ("urn:xmpp:ping", "XEP-0199", "XMPP Ping"),
        ("http://jabber.org/protocol/pubsub", "XEP-0060", "Publish-Subscribe"),
        ("http://jabber.org/protocol/pubsub#event", "XEP-0060", "Publish-Subscribe"),
        ("http://jabber.org/protocol/pubsub#node-config", "XEP-0060", "Publish-Subscribe"),
        ("http://jabber.org/protocol/disco#info", "XEP-0030", "Service Discovery"),
        ("http://jabber.org/protocol/disco#later", "XEP-0030", "Service Discovery"),
        ("http://jabber.org/protocol/muc#later", "XEP-0045", "Multi-User Chat"),
        ("urn:xmpp:mam:2", "XEP-0313", "Message Archive Management"),
        ("urn:xmpp:mam:1", "XEP-0313", "Message Archive Management"),
        ("urn:xmpp:mam:3", "XEP-0313", "Message Archive Management"),
        ("urn:xmpp:omemo:1:devices", "XEP-0384", "OMEMO Encryption"),
        ("eu.siacs.conversations.axolotl", "XEP-0384", "OMEMO Encryption"),
        ("urn:xmpp:http:upload:0", "XEP-0363", "HTTP File Upload"),
        ("urn:xmpp:http:upload:1", "XEP-0363", "HTTP File Upload"),
        ("urn:xmpp:http", "XEP-0332", "HTTP over XMPP transport"),
        ("urn:xmpp:bookmarks:1", "XEP-0402", "PEP Native Bookmarks"),
        ("urn:xmpp:reply:0", "XEP-0461", "Message Replies"),
        ("http://jabber.org/protocol/amp?action=other", "XEP-0079", "Advanced Message Processing"),
    ],
)
def test_xeps(namespace: str, number: str, title: str) -> None:
    assert xep_of(namespace) == number
    assert title_of(namespace) == title
    assert xep_title(number)


@pytest.mark.parametrize(
    ("namespace", "number"),
    [
        ("jabber:client", "RFC 6120"),
        ("jabber:iq:roster", "RFC 6121"),
        ("http://www.w3.org/2005/Atom", "RFC 4287"),
    ],
)
def test_rfcs_are_no_xeps_but_have_a_title(namespace: str, number: str) -> None:
    assert xep_of(namespace) is None
    spec = spec_of(namespace)
    assert spec is not None
    assert spec.number == number
    assert title_of(namespace) == spec.title


@pytest.mark.parametrize(
    "namespace",
    ["", "urn:example", "urn:xmpp", "urn:xmpp:", "urn:xmpp:http:other", "#", ":1", "http://jabber.org/"],
)
def test_a_wrong_answer_is_worse_than_none(namespace: str) -> None:
    assert xep_of(namespace) is None
    assert title_of(namespace) is None


def table() -> list[list[str]]:
    text = Path(namespaces.__file__).with_name("xeps.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]


def test_the_table_is_well_formed() -> None:
    rows = table()
    assert len(rows) > 470
    assert len({row[0] for row in rows}) == len(rows)
    for row in rows:
        namespace, number, status, title = row
        assert re.fullmatch(r"XEP-\d{4}|RFC \d{4}", number), row
        assert namespace.strip() and status.strip() and title.strip(), row
        assert "&" not in title, row
    for namespace, number, _, title in rows:
        assert spec_of(namespace) is not None
        assert (xep_of(namespace) or number, title_of(namespace)) == (number, title)


def test_every_prefix_is_of_a_known_namespace_and_stands_for_one_only() -> None:
    assert len(set(PREFIXES.values())) == len(PREFIXES)
    for prefix, namespace in PREFIXES.items():
        assert re.fullmatch("[a-z][a-z0-9]*", prefix)
        assert spec_of(namespace), prefix


#: Vocabularies of link previews (XEP-0511), not of XMPP.
NOT_OF_XMPP = {"https://ogp.me/ns#", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"}


def namespaces_of_slixmpp() -> Iterator[tuple[str, str]]:
    """The namespaces of the stanza classes and constants of all plugins, with the module that has them."""
    for info in pkgutil.walk_packages(slixmpp.plugins.__path__, "slixmpp.plugins."):
        try:
            module = importlib.import_module(info.name)
        except ImportError:
            continue  # a plugin whose own dependency is not installed
        for name, value in vars(module).items():
            if isinstance(value, type) and isinstance(vars(value).get("namespace"), str):
                yield info.name, vars(value)["namespace"]
            elif isinstance(value, str) and re.fullmatch("NS.*|.*_NS|NAMESPACE.*", name):
                yield info.name, value


def test_the_namespaces_of_slixmpp_are_known() -> None:
    found = dict(reversed(pair) for pair in namespaces_of_slixmpp())
    assert len(found) > 100
    unknown = {namespace: module for namespace, module in found.items() if spec_of(namespace) is None}
    assert set(unknown) <= NOT_OF_XMPP, unknown


def test_a_namespace_is_of_the_xep_of_its_plugin_or_of_an_older_one_that_it_builds_on() -> None:
    for module, namespace in namespaces_of_slixmpp():
        plugin = re.search(r"xep_(\d{4})", module)
        ours = xep_of(namespace)
        if plugin and ours:
            assert ours <= f"XEP-{plugin.group(1)}", (module, namespace)


def test_the_table_is_read_only_when_asked() -> None:
    program = (
        "import sys; import xmppctl.stanza.namespaces as n;"
        "assert n._table.cache_info().currsize == 0; n.xep_of('urn:xmpp:ping');"
        "assert n._table.cache_info().currsize == 1;"
        "assert not {'lxml', 'asyncio', 'slixmpp', 'importlib.resources'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_long_namespaces_of_the_other_side_are_not_remembered() -> None:
    xep_of("urn:xmpp:ping")
    tracemalloc.start()
    try:
        assert all(xep_of(f"urn:xmpp:ping#{'x' * 50_000}{number}") == "XEP-0199" for number in range(100))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1_000_000
