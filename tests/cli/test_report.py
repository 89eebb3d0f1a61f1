"""How errors are told."""

from __future__ import annotations

import io
import json

from xmppctl.cli.report import tell
from xmppctl.errors import MalformedInput, StanzaCondition, StanzaRefused, UsageError


def told(error, *, as_json=False) -> str:
    stream = io.StringIO()
    tell(error, stream, as_json=as_json)
    return stream.getvalue()


def test_what_and_what_to_try():
    assert told(UsageError("no")) == "xmppctl: no\n"
    assert told(UsageError("no", hint="yes")) == "xmppctl: no\n  try: yes\n"


def test_the_place_is_told_once():
    assert told(MalformedInput("bad", line=2, column=3)) == "xmppctl: bad (line 2, column 3)\n"
    assert (
        told(MalformedInput("line 2, column 3: bad", line=2, column=3)) == "xmppctl: line 2, column 3: bad\n"
    )


def test_json_has_all_of_it():
    error = StanzaRefused("no", reason=StanzaCondition("gone"), hint="go", stanza="<iq/>")
    assert json.loads(told(error, as_json=True)) == {
        "error": "stanza-error",
        "exit": 1,
        "message": "no",
        "hint": "go",
        "stanza": "<iq/>",
    }


def test_both_are_safe_and_one_line_each():
    error = UsageError("a\n\x1b[2J\u202e", hint="b\nc")
    assert told(error) == "xmppctl: a\\n\\x1b[2J\\u202e\n  try: b\\nc\n"
    assert told(error, as_json=True).count("\n") == 1 and "\u202e" not in told(error, as_json=True)
