"""What XEPs' own conditions mean, and where common ones mean something of their own."""

from __future__ import annotations

import pytest

from xmppctl.errors import StanzaCondition
from xmppctl.stanza.conditions import APPLICATION, CONTEXT
from xmppctl.stanza.explain import STANZA, explain
from xmppctl.stanza.namespaces import spec_of

COMMANDS = "http://jabber.org/protocol/commands"


@pytest.mark.parametrize("condition", APPLICATION)
def test_each_condition_is_of_a_namespace_that_is_known(condition: str) -> None:
    assert spec_of(condition[1:].partition("}")[0]) is not None
    assert explain(StanzaCondition("bad-request", application=condition)) == APPLICATION[condition]


@pytest.mark.parametrize("namespace", CONTEXT)
def test_a_context_explains_conditions_that_exist(namespace: str) -> None:
    assert spec_of(namespace) is not None
    for condition, told in CONTEXT[namespace].items():
        assert condition in STANZA
        assert explain(StanzaCondition(condition), "a.example", [f"{namespace} x"]) == told


def test_the_specific_condition_goes_before_the_context() -> None:
    told = explain(
        StanzaCondition("bad-request", application=f"{{{COMMANDS}}}session-expired"),
        payloads=["http://jabber.org/protocol/muc x"],
    )
    assert "waited too long" in told[0]


def test_an_archive_that_does_not_know_a_field_of_the_form() -> None:
    refused = StanzaCondition("feature-not-implemented")
    meaning, advice = explain(refused, payloads=["urn:xmpp:mam:2 query"])
    assert "field" in meaning
    assert "form" in advice


def test_a_payload_without_a_meaning_of_its_own_changes_nothing() -> None:
    condition = StanzaCondition("conflict")
    assert explain(condition, payloads=["urn:xmpp:ping ping"]) == explain(condition) == STANZA["conflict"]
    assert explain(condition, payloads=["http://jabber.org/protocol/muc x"]) != STANZA["conflict"]
