"""SASL element by element, with a server that is right, and with some that are not."""

from __future__ import annotations

from base64 import b64encode

import pytest

from xmppctl.config.secrets import Secret
from xmppctl.errors import AuthError
from xmppctl.session.exchange import Exchange
from xmppctl.session.sasl import Anonymous, External, Plain, of_name
from xmppctl.stanza.check import split_input

NS = "urn:ietf:params:xml:ns:xmpp-sasl"
JID = "romeo@montague.example"


def element(xml):
    (frame,) = split_input(xml)
    return frame


def test_plain_goes_in_one_step():
    exchange = Exchange(Plain("romeo", Secret("wherefore")), JID)
    data = b64encode(b"\0romeo\0wherefore").decode()
    assert exchange.begin() == f"<auth xmlns='{NS}' mechanism='PLAIN'>{data}</auth>"
    assert exchange.take(element("<r xmlns='urn:xmpp:sm:3'/>")) == ""
    assert not exchange.done
    assert exchange.take(element(f"<success xmlns='{NS}'/>")) == ""
    assert exchange.done


@pytest.mark.parametrize(
    ("mechanism", "begin"),
    [
        (Anonymous(), f"<auth xmlns='{NS}' mechanism='ANONYMOUS'></auth>"),
        (External(), f"<auth xmlns='{NS}' mechanism='EXTERNAL'>=</auth>"),
    ],
)
def test_no_initial_response_and_an_empty_one_are_two_things(mechanism, begin):
    """RFC 6120 section 6.4.2."""
    assert Exchange(mechanism, JID).begin() == begin


def test_a_failure_is_told_with_what_the_server_said():
    exchange = Exchange(Plain("romeo", Secret("wherefore")), JID)
    with pytest.raises(AuthError) as caught:
        exchange.take(element(f"<failure xmlns='{NS}'><not-authorized/></failure>"))
    assert caught.value.condition == "not-authorized"
    assert caught.value.stanza
    assert JID in caught.value.message


@pytest.mark.parametrize(
    "answer",
    [f"<challenge xmlns='{NS}'>%%%</challenge>", f"<challenge xmlns='{NS}'>AAAA</challenge>"],
    ids=["no base64", "not expected"],
)
def test_what_we_refuse_holds_no_stanza_so_that_it_is_aborted(answer):
    exchange = Exchange(Plain("romeo", Secret("wherefore")), JID)
    with pytest.raises(AuthError) as caught:
        exchange.take(element(answer))
    assert not caught.value.stanza
    assert "wherefore" not in str(caught.value)


def test_scram_demands_the_servers_proof():
    exchange = Exchange(of_name("SCRAM-SHA-256", "romeo", Secret("wherefore")), JID)
    assert exchange.begin().startswith(f"<auth xmlns='{NS}' mechanism='SCRAM-SHA-256'>")
    with pytest.raises(AuthError):
        exchange.take(element(f"<success xmlns='{NS}'/>"))
    assert not exchange.done


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-512", "PLAIN", "EXTERNAL", "ANONYMOUS"])
def test_a_mechanism_is_had_by_its_name(name):
    assert of_name(name, "romeo", Secret("wherefore")).name == name


@pytest.mark.parametrize(
    ("name", "user", "password"),
    [("DIGEST-MD5", "romeo", Secret("x")), ("PLAIN", "romeo", None), ("SCRAM-SHA-1", "", Secret("x"))],
)
def test_one_that_cannot_be_done_is_refused(name, user, password):
    with pytest.raises(AuthError, match=name):
        of_name(name, user, password)
