"""A login's steps in words: what an operator looks for comes first, and hostile text stays text."""

from __future__ import annotations

from xmppctl.cli import steps
from xmppctl.session.login import Step


def test_dns_names_the_server_why_it_is_that_one_and_its_addresses() -> None:
    detail = {
        "host": "xmpp.example",
        "port": 5223,
        "source": "SRV",
        "addresses": ["127.0.0.1:5223", "[::1]:5223"],
    }
    assert steps.told(Step("dns", 0.1, detail)) == ["xmpp.example:5223 (SRV): 127.0.0.1:5223, [::1]:5223"]


def test_features_are_named_with_their_xep() -> None:
    told = steps.told(Step("features", 0.0, {"features": ["urn:xmpp:sm:3 sm", "x:y z"]}))
    assert told == ["urn:xmpp:sm:3 (XEP-0198), x:y"]


def test_a_step_is_a_line_and_what_else_there_is_stands_below_in_its_column() -> None:
    first, second = steps.lines("tls", 0.0123, ["TLSv1.3", "issued by \x1b[31mM\nallory"])
    assert first.split() == ["tls", "12.3", "ms", "TLSv1.3"]
    assert second.startswith(" " * first.index("TLSv1.3") + "issued")
    assert "\x1b" not in second and "\n" not in second
