"""Expectations: met when each of them was seen, and what is told where one was not."""

from __future__ import annotations

import pytest

from xmppctl.errors import ExitCode
from xmppctl.protocols.expect import Expectations
from xmppctl.stanza.filters import compile_filter
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter


def frame(xml: str) -> Frame:
    splitter = Splitter()
    splitter.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    return splitter.feed(xml.encode())[0]


PING = frame("<iq type='get' id='p' from='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>")
HI = frame("<message from='juliet@capulet.example' type='chat'><body>hi</body></message>")


def expecting(*filters: tuple[str, ...]) -> Expectations:
    return Expectations([compile_filter(terms) for terms in filters])


def test_nothing_expected_is_never_met() -> None:
    nothing = expecting()
    nothing.take(HI)
    assert not nothing and not nothing.met


def test_all_terms_of_one_must_hold_in_one_frame() -> None:
    expected = expecting(("kind:message", "body:bye"))
    expected.take(HI)
    assert not expected.met
    expected.take(frame("<message><body>bye</body></message>"))
    assert expected.met


def test_each_of_several_must_be_seen_in_any_order() -> None:
    expected = expecting(("kind:message",), ("xep:0199",))
    expected.take(PING)
    assert not expected.met
    expected.take(HI)
    assert expected.met


def test_one_frame_may_meet_several() -> None:
    expected = expecting(("kind:message",), ("body:hi",))
    expected.take(HI)
    assert expected.met


def test_what_fits_still_fits_when_it_was_seen() -> None:
    expected = expecting(("kind:message",))
    expected.take(HI)
    assert expected.fits(HI) and not expected.fits(PING)


@pytest.mark.parametrize("how", ["late", "failed"])
def test_the_error_names_what_is_missing_and_only_that(how: str) -> None:
    expected = expecting(("kind:message", "body:bye"), ("xep:0199",))
    expected.take(PING)
    error = expected.late() if how == "late" else expected.failed("it ended")
    assert error.code == (ExitCode.TIMEOUT if how == "late" else ExitCode.EXPECTATION)
    assert "kind:message body:bye" in error.message and "xep:0199" not in error.message
