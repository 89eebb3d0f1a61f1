"""Explanations: one for each condition of the RFC, as slixmpp lists them, in plain short sentences."""

from __future__ import annotations

import re

import pytest
from slixmpp.features.feature_mechanisms.stanza import Failure
from slixmpp.stanza import Error, StreamError

from xmppctl.errors import StanzaCondition
from xmppctl.stanza import explain
from xmppctl.stanza.conditions import APPLICATION, CONTEXT
from xmppctl.stanza.explain import explain_sasl, explain_stream

CONTEXTS = {f"{name} {each}": said for name, known in CONTEXT.items() for each, said in known.items()}
ALL = {**explain.STANZA, **explain.PUBSUB, **explain.SASL, **explain.STREAM, **APPLICATION, **CONTEXTS}


def test_every_stanza_error_is_explained() -> None:
    assert set(explain.STANZA) >= set(Error.conditions) - {"payment-required"}
    assert len(explain.STANZA) == 22  # RFC 6120 section 8.3.3


def test_every_sasl_failure_is_explained() -> None:
    # slixmpp misspells one.
    theirs = {condition.replace("mechansism", "mechanism") for condition in Failure.conditions}
    assert set(explain.SASL) >= theirs
    assert len(explain.SASL) == 11  # RFC 6120 section 6.5


def test_every_stream_error_is_explained() -> None:
    assert set(explain.STREAM) >= set(StreamError.conditions) - {"xml-not-well-formed"}
    assert len(explain.STREAM) == 25  # RFC 6120 section 4.9.3


@pytest.mark.parametrize(("meaning", "advice"), ALL.values(), ids=ALL)
def test_sentences_are_plain_and_short(meaning: str, advice: str) -> None:
    for sentence in (meaning, advice):
        assert sentence.endswith(".")
        assert sentence[0].isupper() or sentence[0] == "`"
        assert len(sentence) <= 110
    assert meaning != advice


def test_the_advice_is_about_the_condition() -> None:
    meaning, advice = explain.explain(StanzaCondition("item-not-found", type="cancel"))
    assert "no such" in meaning
    assert "spelling" in advice
    assert "TLS" in explain_sasl("encryption-required")[0]
    assert "domain" in explain_stream("host-unknown")[0]


def test_service_unavailable_depends_on_whom_it_was_sent_to() -> None:
    condition = StanzaCondition("service-unavailable")
    resource = explain.explain(condition, "a@b/c")
    account = explain.explain(condition, "a@b")
    service = explain.explain(condition, "muc.b")
    assert "resource of a@b" in resource[0]
    assert "no account a@b" in account[0]
    assert "disco info muc.b" in service[1]
    assert len({resource, account, service, explain.explain(condition)}) == 4


def test_the_specific_condition_of_pubsub_is_the_better_explanation() -> None:
    errors = "{http://jabber.org/protocol/pubsub#errors}"
    found = explain.explain(StanzaCondition("conflict", application=f"{errors}precondition-not-met"))
    assert found == explain.PUBSUB["precondition-not-met"]
    other = StanzaCondition("conflict", application="{urn:x}precondition-not-met")
    assert explain.explain(other) == explain.STANZA["conflict"]
    unknown = StanzaCondition("conflict", application=f"{errors}of-tomorrow")
    assert explain.explain(unknown) == explain.STANZA["conflict"]


def test_an_unknown_condition_is_explained_as_such() -> None:
    assert "standard" in explain.explain(StanzaCondition("of-tomorrow"))[0]
    assert "standard" in explain_sasl("of-tomorrow")[0]
    assert "standard" in explain_stream("of-tomorrow")[0]


def test_commands_that_are_advised_exist() -> None:
    from xmppctl.cli.registry import COMMANDS

    advised = {name for pair in ALL.values() for text in pair for name in re.findall(r"`xmppctl (\w+)", text)}
    assert advised
    assert advised <= set(COMMANDS)
