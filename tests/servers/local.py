"""The daemon's end of its socket as a script plays it, for what a real daemon never does. See `hostile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.servers.hostile import Gone, Peer, Script
from xmppctl import __version__
from xmppctl.session.local import NS_DAEMON, VERSION
from xmppctl.stanza.frame import NS_STREAM
from xmppctl.stanza.splitter import Splitter

DOMAIN = "montague.example"
JID = f"romeo@{DOMAIN}"
FULL_JID = f"{JID}/orchard"
NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind"

HEADER = (
    f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{NS_STREAM}' version='1.0'"
    f" from='{DOMAIN}'>"
)
SHUTDOWN = "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"


def hello(**attributes: str) -> str:
    """The features with a hello, of which `attributes` replace some; `settings` is what must be given."""
    told = {
        "version": VERSION,
        "program": __version__,
        "account": "work",
        "jid": JID,
        "state": "online",
        "settings": "00000000",
        **attributes,
    }
    words = "".join(f" {name}='{value}'" for name, value in told.items())
    return (
        f"<stream:features><hello xmlns='{NS_DAEMON}'{words}/><bind xmlns='{NS_BIND}'/><sm xmlns='urn:xmpp:sm:3'/>"
        "</stream:features>"
    )


def greet(peer: Peer, **attributes: str) -> None:
    """Open the stream and say hello."""
    peer.expect(r"<stream:stream[^>]*>")
    peer.send(HEADER, hello(**attributes))


def answer_bind(peer: Peer, reply: str = "") -> None:
    """Answer the next request to bind; `reply` instead of the JID."""
    id_ = peer.expect(rf"<iq[^>]* id='([^']*)'[^>]*><bind xmlns='{NS_BIND}'/></iq>").group(1)
    if reply:
        peer.send(f"<iq type='error' id='{id_}'>{reply}</iq>")
    else:
        peer.send(f"<iq type='result' id='{id_}'><bind xmlns='{NS_BIND}'><jid>{FULL_JID}</jid></bind></iq>")


def serving(then: Callable[[Peer], Any] = lambda peer: peer.until_end(), **attributes: str) -> Script:
    """A script that lets the client attach, plays `then`, and closes the stream."""

    def script(peer: Peer) -> None:
        try:
            greet(peer, **attributes)
            answer_bind(peer)
            then(peer)
            peer.send("</stream:stream>")
        except Gone:
            pass

    return script


def answering(peer: Peer) -> None:
    """Acknowledge every stanza, answer every request with a result, until the client closes its stream."""
    splitter, handled = Splitter("out"), 0
    splitter.feed(HEADER.encode())
    while not splitter.closed:
        for frame in splitter.feed(peer.take()):
            handled += frame.kind not in ("nonza", "stream")
            if frame.name == "enable":
                handled = 0
                peer.send("<enabled xmlns='urn:xmpp:sm:3'/>")
            elif frame.name == "r":
                peer.send(f"<a xmlns='urn:xmpp:sm:3' h='{handled}'/>")
            elif frame.kind == "iq" and frame.type in ("get", "set"):
                sender = f" from='{frame.to}'" if frame.to else ""
                peer.send(f"<iq type='result' id='{frame.id}'{sender}/>")
