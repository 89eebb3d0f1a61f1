"""What is wrong with what was typed, for the line editor: told under it, with the cursor where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from prompt_toolkit.document import Document
from prompt_toolkit.validation import ValidationError, Validator

from xmppctl.errors import IncompleteInput, MalformedInput, XmppctlError
from xmppctl.output.safe import safe
from xmppctl.shell import slash
from xmppctl.shell.reader import Item, Slash, place_of

if TYPE_CHECKING:
    from xmppctl.shell.core import Shell

_LIMIT: Final = 200


class Check(Validator):
    """Finds what keeps `shell` from doing what was typed; `read` gives the items of that."""

    def __init__(self, shell: Shell, read: Callable[[str], list[Item]]) -> None:
        self._shell = shell
        self._read = read

    def validate(self, document: Document) -> None:
        """Raise ValidationError."""
        try:
            for item in self._read(document.text):
                if isinstance(item, Slash):
                    slash.check(self._shell, item)
                else:
                    self._shell.check()
        except IncompleteInput:
            raise ValidationError(len(document.text), "the end is missing") from None
        except MalformedInput as error:
            raise ValidationError(place_of(document.text, error), _in_a_line(error)) from None
        except XmppctlError as error:
            raise ValidationError(document.cursor_position, _in_a_line(error)) from None


def _in_a_line(error: XmppctlError) -> str:
    message = error.message.removeprefix("input, ")
    return safe(f"{message} ({error.hint})" if error.hint else message, limit=_LIMIT)
