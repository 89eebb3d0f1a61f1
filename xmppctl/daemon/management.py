"""Stream management (XEP-0198) as the link does it: whether it is on, what came in, what a resumption needs. Sans-IO.

What was sent is counted by the outbox. The server's wish where to reconnect to (`location`) is told, and not
followed: the account says where its server is, and whom its certificate must name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from xmppctl.session.acks import MODULUS, NS_SM, count
from xmppctl.stanza import build

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame

FEATURE: Final = f"{NS_SM} sm"
ENABLE: Final = f"<enable xmlns='{NS_SM}' resume='true'/>".encode()


class Management:
    """Outlives streams: `ticket` is what the next one may be resumed with."""

    def __init__(self) -> None:
        #: `asked`: the server has not agreed yet.
        self.state: Literal["off", "asked", "on"] = "off"
        self.id: str | None = None
        self.received = 0  # modulo 2**32
        self.resumptions = 0
        self.location: str | None = None
        self.seconds: int | None = None  # how long the server keeps a lost stream, where it says so

    @property
    def ticket(self) -> tuple[str, int] | None:
        """The id of the stream to resume and the count of what came in, if there is one."""
        return None if self.id is None else (self.id, self.received)

    def begin(self, offered: bool) -> bytes:
        """On a new stream that is none resumed; return what to send first, b"" where the server has none of this."""
        self.forget()
        if not offered:
            return b""
        self.state = "asked"
        return ENABLE

    def forget(self) -> None:
        """There is nothing to resume, and no acknowledgements."""
        self.state = "off"
        self.id = self.location = self.seconds = None
        self.received = 0

    def resume(self) -> None:
        """The stream was resumed; counts go on."""
        self.state = "on"
        self.resumptions += 1

    def enabled(self, frame: Frame) -> None:
        """The server agrees: what comes behind this is counted (section 3)."""
        if self.state != "asked":
            return
        self.state = "on"
        self.received = 0
        given = frame.attributes
        if given.get("resume") in ("true", "1") and given.get("id"):
            self.id = given["id"]
            self.location = given.get("location")
            self.seconds = count(given.get("max"))

    def note_received(self) -> None:
        """A stanza was taken."""
        self.received = (self.received + 1) % MODULUS

    def answer(self) -> bytes:
        """What tells the server how much we have."""
        return b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.received

    def facts(self) -> dict[str, Any]:
        """What there is to tell of it, as JSON can hold it."""
        return {
            "enabled": self.state == "on",
            "resumable": self.id is not None,
            "resumed": self.resumptions,
            "max": self.seconds,
            "location": self.location,
        }


def too_many(handled: int, sent: int) -> bytes:
    """What ends a stream whose server has handled more than it was sent (section 4)."""
    detail = build.attributes({"h": str(handled), "send-count": str(sent)})
    return (
        "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        f"<handled-count-too-high xmlns='{NS_SM}'{detail}/></stream:error>"
    ).encode()
