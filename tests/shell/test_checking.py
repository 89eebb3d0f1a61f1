"""What the line editor is told of what was typed, and where the cursor goes."""

from __future__ import annotations

import pytest
from prompt_toolkit.document import Document
from prompt_toolkit.validation import ValidationError

from tests.shell.play import Stage, perform
from xmppctl.errors import ConnectionLost
from xmppctl.shell.checking import Check
from xmppctl.shell.reader import read


@pytest.mark.parametrize(
    ("text", "message", "cursor"),
    [
        ("<a>", "the end is missing", 3),
        ("<a>\n</b>", "line 2, column 1: </b> does not close <a>, which was opened in line 1", 4),
        ("<a/>\n/jobs 'x", "/jobs: no closing quotation (a quote is closed with the sign", 2),
        ("/\x1b[2J", "there is no command /", 2),
    ],
)
def test_what_is_wrong_is_told_in_a_line(text: str, message: str, cursor: int) -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(ValidationError) as caught:
            Check(stage.shell, read).validate(Document(text, 2))
        assert message in caught.value.message
        assert not {"\n", "\x1b"} & set(caught.value.message)
        assert caught.value.cursor_position == cursor

    perform(main)


def test_without_a_stream_commands_are_right_and_stanzas_wait() -> None:
    async def main(stage: Stage) -> None:
        check = Check(stage.shell, read)
        check.validate(Document("<presence/>"))
        stage.session.lose(ConnectionLost("it is gone"))
        await stage.until(lambda: stage.house.events)
        check.validate(Document("/jobs"))
        with pytest.raises(ValidationError, match="it is gone"):
            check.validate(Document("<presence/>"))

    perform(main)
