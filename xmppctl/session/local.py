"""The daemon's socket: what a command and the daemon that holds its account's connection say to each other.

It is XMPP: an XML stream (RFC 6120) over a Unix socket, already authenticated, in UTF-8. So a command speaks to the
daemon as it would to the server, a library's client can attach, and a person can read along. Version 1.

The socket. `$XDG_RUNTIME_DIR/xmppctl/NAME.sock`, mode 0600 in a directory of mode 0700; NAME is the account's name,
or the bare JID where no account is configured. Both ends ask the kernel who the other is and go on only if it is the
same user.

Opening. The client sends a stream header (`to`: the account's domain). The daemon answers with its own and with

    <stream:features>
      <hello xmlns='urn:xmppctl:daemon:1' version='1' program='0.1.0' account='work' jid='romeo@montague.example'
             settings='5f3a9c01' state='online'/>
      <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>
      <sm xmlns='urn:xmpp:sm:3'/>
    </stream:features>

`version` is this protocol's, `program` the daemon's release; a client of another version or release says so and goes
no further. `settings` is a digest of how the daemon connects: a client whose own settings differ does not attach.
`state` is starting, connecting, online, waiting (for the next attempt) or failed.

Attaching. The client binds (RFC 6120 section 7); a wish for a resource is passed over. The answer comes when the
daemon is online and names the full JID that it has bound at the server: every client has the same one. Where the
daemon cannot come online and will not try again, the answer is an error that holds the reason (see Errors). Requests
to the daemon itself can be sent without binding, at any time.

Stanzas. What the client sends goes to the server byte for byte, but for the id of an iq of type get or set, which is
replaced by one that no other client can have. An iq result or error goes to the client that asked, with the id that
it gave, and to nobody else; if the client is gone it goes nowhere. Messages and presence from the server go to every
bound client. So does an incoming iq request, to be seen: the daemon answers it, once, unless bound clients serve its
namespace. Then the first answer that one of them sends is passed on, no other is, and the daemon answers after 30
seconds, or when they have gone. A prefix that only a stream's header binds is declared in the stanza as it crosses.

Acknowledgements. They mean what they mean at a server (XEP-0198): after `<enable/>`, the answer to `<r/>` comes when
the server has every stanza that the client sent before it, and `h` counts those. There is no resumption here: the
daemon resumes its own stream. What a client sent and the daemon could not yet write to any stream is taken back if the
client goes without closing its stream, or while it waits for an answer to `<r/>`.

Presence. Presence without `to` belongs to the client that sent it: when the client goes, what was shown before is
shown again. Directed presence is taken back (type unavailable) when the client goes. What lasts is `<status/>`.

Requests. Those to the daemon itself are iqs to `daemon.xmppctl.invalid`, a name that no server can have; their
payloads are in the namespace `urn:xmppctl:daemon:1`:

  get `<info/>`      what `xmppctl daemon status` shows, as JSON in the element's text
  get `<contacts after=''/>`  the roster and who is online, from memory: `<contacts known='' presence='' total=''
                     more=''><item jid='' name='' subscription='' ask='' approved=''><group/><resource name=''
                     priority=''><show/><status/></resource></item></contacts>`, sorted by JID, in pages: where `more`
                     is true, ask for those after the last one. presence='false': who is online is not known, since
                     the account shows no presence. known='false': the server does not tell its roster
  set `<status hold=''><presence xmlns='jabber:client'/></status>`  show this presence until another is set, over
                     reconnects; with hold='true' as long as this client is attached. The answer comes when the server
                     has it
  set `<online><presence xmlns='jabber:client'/></online>`  while this client is attached, be online at least: if
                     nothing else shows a presence this one is shown, and the priority is at least this one's
  set `<watch only=''><term/>...</watch>`  send what crosses the wire and fits all terms of the filter language (none:
                     all), until the client goes or asks for others. With only='true' it gets no messages, presence
                     and incoming requests besides
  set `<serve namespace=''/>`  iq requests whose payload is in this namespace are this client's to answer; not those
                     about the roster, which are the daemon's
  set `<spool/>`     look at the spool: something was put there
  set `<stop/>`      close the stream to the server properly, and end

Watching. Each frame that fits comes as `<frame xmlns='urn:xmppctl:daemon:1' dir='in|out' time='SECONDS'>` whose text
is the bytes of the wire, secrets taken out, with `&amp;`, `&lt;`, `&gt;` and `&#13;` and no other escapes; in base64,
with encoding='base64', where they are no XML text, or large and much to escape. So it may be larger than a stanza may
be: up to 24 MiB. What is no element says so with part='header', 'footer', or 'rest' (white space, torn bytes). `time`
is in seconds since the epoch. The stream headers in force come first, with known='true': they bind the prefixes of
what follows, and were not just sent; so does each new stream's where the filter does not want it. The terms `body:~`
and `xpath:` may take any time: the daemon refuses them where they are wrong, and the client evaluates them.

Between frames, `<event xmlns='urn:xmppctl:daemon:1' name='offline' time='SECONDS'>` tells that the daemon has lost its
connection to the server, its text why, and name='online' that it is back, the text the full JID and whether the stream
was resumed.

Slow readers. A client that reads too slowly loses its oldest messages, presence, incoming requests and frames, never
replies and stream headers; it is told, where they would have been, with `<dropped xmlns='urn:xmppctl:daemon:1'
count='N'/>`. One that leaves 8 MiB of replies unread is disconnected.

Errors. Those of requests to the daemon and of binding are iq errors with

    <failure xmlns='urn:xmppctl:daemon:1' name='auth' hint='...'>what went wrong</failure>

`name` is the one that `-o json` prints and that decides the exit code.

Lost streams. While the daemon connects again its clients notice nothing but that answers take longer. Where it cannot
resume its stream, a request that the server had taken and not answered gets an iq error `remote-server-timeout`:
nobody knows whether it was done. What the server had not taken is sent again; a request only while somebody waits for
its answer.

The end. The daemon closes the stream with a stream error: `reset` when it has bound another JID than it told,
`remote-connection-failed` with a `<failure/>` (see Errors) when it will not come online any more, `system-shutdown`
when it ends; `policy-violation`, `resource-constraint` (too many clients), `connection-timeout` (no stream was opened)
and those of RFC 6120 section 4.9.3 where the client is at fault. It then waits for the client to close the socket.

Sans-IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from xmppctl.errors import DaemonError, XmppctlError, by_name
from xmppctl.session.acks import count
from xmppctl.stanza import build
from xmppctl.stanza.event import Event
from xmppctl.stanza.frame import NS_STANZAS, Frame

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from xmppctl.session.base import Session

#: The version of this protocol.
VERSION: Final = "1"
NS_DAEMON: Final = "urn:xmppctl:daemon:1"
#: Whom requests to the daemon itself are addressed to (RFC 6761 section 6.4: no server can have the name).
DAEMON: Final = "daemon.xmppctl.invalid"


def payload(name: str, inner: str = "", attributes: Mapping[str, str | None] | None = None) -> str:
    """An element in the daemon's namespace; `inner` is XML."""
    return f"<{name} xmlns='{NS_DAEMON}'{build.attributes(attributes or {})}>{inner}</{name}>"


def failure(error: XmppctlError) -> str:
    """The <error/> of an iq that tells a client of `error`."""
    return f"<error type='cancel'><undefined-condition xmlns='{NS_STANZAS}'/>{told(error)}</error>"


def told(error: XmppctlError) -> str:
    """The element that tells of `error`. What XML cannot hold of its text is left out."""
    attributes = {"name": error.name, "hint": build.legal(error.hint) or None}
    return payload("failure", build.escape(build.legal(error.message)), attributes)


def error_of(reply: Frame) -> XmppctlError | None:
    """The error that a reply of the daemon's tells of; None where it tells of none of the daemon's."""
    found = reply.element().find(f".//{{{NS_DAEMON}}}failure")
    if found is None:
        return None
    kind = by_name(found.get("name", ""))
    message, hint = "".join(found.itertext()), found.get("hint", "")
    return (kind or DaemonError)(message, hint=hint)


def event(change: Event) -> str:
    """The element that tells those who watch of a change of the connection."""
    attributes = {"name": change.name, "time": repr(change.time)}
    return payload("event", build.escape(build.legal(change.text)), attributes)


def changed(nonza: Frame) -> Event | None:
    """The change that an <event/> tells of; None for any other element, and for a change that is not known here."""
    name = nonza.attributes.get("name")
    if nonza.names[0] != f"{NS_DAEMON} event" or name not in ("online", "offline"):
        return None
    try:
        time = float(nonza.attributes.get("time", ""))
    except ValueError:
        return None
    return Event("online" if name == "online" else "offline", time, "".join(nonza.element().itertext()))


def lost(nonza: Frame) -> int | None:
    """How many stanzas or frames a <dropped/> tells of; None for any other element. Raises DaemonError."""
    if nonza.names[0] != f"{NS_DAEMON} dropped":
        return None
    text = nonza.attributes.get("count", "")
    told = count(text)
    if told is None:
        raise DaemonError(f"the daemon has dropped {text!r} stanzas, which is no number")
    return told


async def ask(session: Session, type: str, request: str, timeout: float | None = None) -> Element:
    """Send the daemon a request (`request`: see `payload`); return the answer's payload, or the iq where it has none.

    Raises the error that it answers with, DeadlineExceeded, ConnectionLost.
    """
    element = (await tell(session, type, request, timeout)).element()
    return next(iter(element), element)


async def tell(session: Session, type: str, request: str, timeout: float | None = None) -> Frame:
    """As `ask`, where nothing is to be read in the answer: no XML library is loaded."""
    reply = await session.ask(build.iq(type, request, to=DAEMON), timeout)
    if reply.type == "error":
        raise error_of(reply) or DaemonError("the daemon does not know this request")
    return reply
