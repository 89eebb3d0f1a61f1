"""What a sender hears of a stanza that the server does not bear."""

from __future__ import annotations

import pytest

from xmppctl.daemon.refused import bounce, named
from xmppctl.errors import StreamError
from xmppctl.stanza.jid import Jid

ROMEO = Jid.parse("romeo@montague.example/orchard")
WHY = StreamError(
    "the server ended the stream: policy-violation: too\x00 <big>", condition="policy-violation"
)


def test_the_error_looks_like_one_from_whom_the_stanza_was_for() -> None:
    answer = bounce(b"<message to='juliet@capulet.example' id='42'><body>x</body></message>", ROMEO, WHY)
    assert answer is not None
    assert (answer.kind, answer.type, answer.id) == ("message", "error", "42")
    assert (answer.sender, answer.to) == ("juliet@capulet.example", str(ROMEO))
    condition = answer.condition()
    assert condition is not None
    assert (condition.condition, condition.type) == ("policy-violation", "modify")
    assert "too\ufffd <big>" in condition.text


def test_without_a_recipient_it_comes_from_the_own_account() -> None:
    answer = bounce(b"<iq type='set' id='1'><q xmlns='x'/></iq>", ROMEO, WHY)
    assert answer is not None and answer.sender == ROMEO.bare and answer.type == "error"


@pytest.mark.parametrize(
    "stanza",
    [
        b"<message type='error' to='a@b'/>",
        b"<iq type='result' id='1' to='a@b'/>",
        b"<a xmlns='urn:xmpp:sm:3'/>",
        b"<message",
        b"</stream:stream>",
    ],
)
def test_what_no_error_may_answer_is_left_alone(stanza: bytes) -> None:
    assert bounce(stanza, ROMEO, WHY) is None


@pytest.mark.parametrize(
    ("stanza", "told"),
    [
        (b"<message to='a@b' id='42'><body>secret</body></message>", "message 42 to a@b, 55 bytes"),
        (b"<presence><status>secret</status></presence>", "presence without id to the account, 44 bytes"),
        (b"<message><body>secret", "21 bytes"),
    ],
)
def test_a_log_gets_what_it_takes_to_find_it_and_not_what_it_says(stanza: bytes, told: str) -> None:
    assert named(stanza) == told
