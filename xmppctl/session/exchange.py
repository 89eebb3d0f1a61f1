"""SASL on a stream, element by element (RFC 6120 section 6). Sans-IO."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from xmppctl.errors import AuthError
from xmppctl.session.failures import NS_SASL, sasl_refusal

if TYPE_CHECKING:
    from xmppctl.session.sasl import Mechanism
    from xmppctl.stanza.frame import Frame

#: What ends an exchange that we refuse (section 6.4.4).
ABORT = f"<abort xmlns='{NS_SASL}'/>"


class Exchange:
    """One authentication with `mechanism`, of the account `jid`.

    `done`: the server has accepted it, and proved itself.
    """

    def __init__(self, mechanism: Mechanism, jid: str) -> None:
        self.done = False
        self._mechanism = mechanism
        self._jid = jid

    def begin(self) -> str:
        """What is sent first."""
        initial = self._mechanism.initial()
        text = "" if initial is None else (b64encode(initial).decode() or "=")
        return f"<auth xmlns='{NS_SASL}' mechanism='{self._mechanism.name}'>{text}</auth>"

    def take(self, answer: Frame) -> str:
        """Take what the server says; return what answers it, empty for nothing.

        Raises AuthError: its `stanza` is empty where it is we who refuse, and ABORT is to be sent.
        """
        if answer.namespace != NS_SASL:
            return ""
        if answer.name == "failure":
            raise sasl_refusal(answer, self._mechanism.name, self._jid)
        data = _decoded(answer)
        if answer.name == "challenge":
            response = b64encode(self._mechanism.respond(data)).decode()
            return f"<response xmlns='{NS_SASL}'>{response}</response>"
        if answer.name == "success":
            self._mechanism.finish(data)
            self.done = True
        return ""


def _decoded(frame: Frame) -> bytes:
    """The data of a SASL element; line breaks in it are forgiven. "=" is no data at all (RFC 6120 section 6.4.2)."""
    text = "".join((frame.element().text or "").split())
    if text in ("", "="):
        return b""
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        raise AuthError(
            "the server's SASL data is not base64",
            condition="incorrect-encoding",
            hint="this is a fault of the server, or of something in between",
        ) from None
