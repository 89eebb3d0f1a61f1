"""A scripted XMPP server for one purpose: to deviate from the protocol at one point and to tell what the client did.

A script is a function that plays the server's side of one connection, in a thread of its own; it gets a `Peer` to
speak through. `to_tls`, `to_sasl`, `to_authenticated` and `to_session` play a faultless login up to a point (SCRAM
with real proofs), so that a script deviates where it wants to. Everything the client says is in `Server.heard`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import ssl
import struct
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType

from tests.servers.identities import Identity

DOMAIN = "capulet.example"
USER = "juliet"
JID = f"{USER}@{DOMAIN}"
FULL_JID = f"{JID}/balcony"
PASSWORD = "r0m30r0m30"

NS_STREAM = "http://etherx.jabber.org/streams"
NS_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"

STARTTLS = f"<starttls xmlns='{NS_TLS}'><required/></starttls>"
BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"

#: What a script waits for the client before it gives up.
PATIENCE = 20.0

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


class Gone(Exception):
    """The client hung up: the usual end of a script."""


class Peer:
    """One client, seen from the server. Text is sent as it is; nothing is checked."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self._unread = b""
        sock.settimeout(PATIENCE)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *parts: str | bytes) -> None:
        """Send at once, in one write."""
        try:
            self.sock.sendall(b"".join(part.encode() if isinstance(part, str) else part for part in parts))
        except OSError as error:
            raise Gone from error

    def drip(self, text: str, size: int = 1, pause: float = 0.0) -> None:
        """Send a few bytes at a time."""
        data = text.encode()
        for begin in range(0, len(data), size):
            self.send(data[begin : begin + size])
            if pause:
                sleep(pause)

    def expect(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the client has sent what matches; take everything up to its end."""
        end = monotonic() + seconds
        while True:
            text = self._unread.decode("utf-8", "replace")
            found = re.search(pattern, text, re.DOTALL)
            if found:
                self._unread = text[found.end() :].encode()
                return found
            left = end - monotonic()
            if left <= 0:
                raise AssertionError(f"the client never sent {pattern!r}, but {text!r}")
            self._receive(left)

    def _receive(self, seconds: float) -> None:
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return
        except OSError as error:
            raise Gone from error
        finally:
            with suppress(OSError):
                self.sock.settimeout(PATIENCE)
        if not data:
            raise Gone
        self._unread += data
        self.server.note(data)

    def take(self, seconds: float = PATIENCE) -> bytes:
        """What the client has said and nobody has taken; waits for something."""
        end = monotonic() + seconds
        while not self._unread:
            left = end - monotonic()
            if left <= 0:
                raise AssertionError("the client said nothing more")
            self._receive(left)
        data, self._unread = self._unread, b""
        return data

    def listen(self, seconds: float) -> str:
        """What the client says in `seconds`, or until it hangs up."""
        end = monotonic() + seconds
        with suppress(Gone):
            while (left := end - monotonic()) > 0:
                self._receive(left)
        text, self._unread = self._unread.decode("utf-8", "replace"), b""
        return text

    def until_end(self, seconds: float = PATIENCE) -> str:
        """Be silent until the client closes its stream or hangs up; return what it said."""
        end = monotonic() + seconds
        with suppress(Gone):
            while b"</stream:stream>" not in self._unread and (left := end - monotonic()) > 0:
                self._receive(left)
        return self._unread.decode("utf-8", "replace")

    def start_tls(self, identity: Identity, **context: object) -> None:
        """Be the server of a TLS handshake."""
        try:
            made = identity.context(**context)  # type: ignore[arg-type]
            made.set_servername_callback(self._note_name)
            self.sock = made.wrap_socket(self.sock, server_side=True)
            self.server.alpn.append(self.sock.selected_alpn_protocol())
        except (OSError, ssl.SSLError) as error:
            self.server.tls_failures.append(error)
            raise Gone from error

    def _note_name(self, _: object, name: str | None, __: object) -> None:
        self.server.names.append(name)

    def finish(self) -> None:
        """The orderly end: both footers, then the socket."""
        self.send("</stream:stream>")
        self.close()

    def half_close(self) -> None:
        """Send no more, but go on listening."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close the socket, without a close_notify."""
        self.sock.close()


Script = Callable[[Peer], None]


class Server:
    """Plays a script for each connection on a free port of 127.0.0.1, or on a Unix socket at `path`; the last one for
    all that follow.

    A context manager: at its end connections are cut and what failed in a script is raised.
    """

    def __init__(self, *scripts: Script, host: str = "127.0.0.1", path: Path | None = None) -> None:
        self.heard = b""
        self.connections = 0
        self.names: list[str | None] = []
        self.alpn: list[str | None] = []
        self.tls_failures: list[Exception] = []
        self._scripts = scripts
        self._failures: list[BaseException] = []
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._beginning = threading.Lock()
        if path is None:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, 0), family=family, backlog=20)
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            path.chmod(0o600)
            self._listener.listen(20)
        self.host = host
        self.port: int = 0 if path is not None else self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def text(self) -> str:
        """What all clients said, without the TLS around it, when the scripts that are under way have ended."""
        self.finish()
        return self.heard.decode("utf-8", "replace")

    def note(self, data: bytes) -> None:
        """Remember what was heard."""
        self.heard += data

    def knows_password(self) -> bool:
        """Whether the password can be read in what the client said, as it is or as in SASL PLAIN or LOGIN."""
        self.finish()
        plain = b64encode(f"\0{USER}\0{PASSWORD}".encode())
        alone = b64encode(PASSWORD.encode())
        return any(secret in self.heard for secret in (PASSWORD.encode(), plain, alone))

    def __enter__(self) -> Server:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if error is None and self._failures:
            raise self._failures[0]

    def finish(self, seconds: float = PATIENCE) -> None:
        """Wait until the scripts that are being played have come to their end."""
        with self._beginning:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(seconds)

    def _stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(PATIENCE)
        for thread in self._threads:
            thread.join(0.2)
        for peer in self._peers:
            with suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        self.finish()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            peer = Peer(self, sock)
            self._peers.append(peer)
            thread = threading.Thread(target=self._play, args=(script, peer), daemon=True)
            with self._beginning:  # only what has started can be joined, and what has started must be
                thread.start()
                self._threads.append(thread)

    def _play(self, script: Script, peer: Peer) -> None:
        try:
            script(peer)
            peer.close()
        except Gone:
            peer.close()
        except BaseException as error:
            self._failures.append(error)
            peer.close()


# -- a faultless server, up to a point --


def features(*parts: str) -> str:
    """Stream features."""
    return f"<stream:features>{''.join(parts)}</stream:features>"


def mechanisms(*names: str) -> str:
    """The SASL feature."""
    offered = "".join(f"<mechanism>{name}</mechanism>" for name in names)
    return f"<mechanisms xmlns='{NS_SASL}'>{offered}</mechanisms>"


def header(domain: str = DOMAIN) -> str:
    """The server's stream header."""
    return (
        f"<?xml version='1.0'?><stream:stream from='{domain}' id='s1' version='1.0' xml:lang='en' "
        f"xmlns='jabber:client' xmlns:stream='{NS_STREAM}'>"
    )


def greet(peer: Peer, *parts: str) -> str:
    """Answer a stream header with header and features; return the client's."""
    asked = peer.expect(r"<stream:stream[^>]*>").group()
    peer.send(header(), features(*parts))
    return asked


def to_tls(peer: Peer, identity: Identity, *, direct: bool = False, **context: object) -> None:
    """Up to a TLS session."""
    if not direct:
        greet(peer, STARTTLS)
        peer.expect(r"<starttls [^>]*/>")
        peer.send(f"<proceed xmlns='{NS_TLS}'/>")
    peer.start_tls(identity, **context)


def to_sasl(peer: Peer, identity: Identity, *offered: str, direct: bool = False, **context: object) -> None:
    """Up to the features inside TLS, with these mechanisms (SCRAM-SHA-256 if none are given)."""
    to_tls(peer, identity, direct=direct, **context)
    greet(peer, mechanisms(*(offered or ("SCRAM-SHA-256",))))


class ScramServer:
    """The server's side of SCRAM (RFC 5802), with a place to lie at each step."""

    def __init__(self, peer: Peer, password: str = PASSWORD, iterations: int = 4096) -> None:
        self._peer = peer
        auth = peer.expect(r"<auth [^>]*mechanism=['\"](SCRAM-SHA-[0-9]+)['\"][^>]*>([^<]*)</auth>")
        self.mechanism = auth.group(1)
        self._hash = HASHES[self.mechanism]
        # What stands before says whether the client could bind channels (RFC 5801 section 4).
        self._client_first = re.sub("^[ny],[^,]*,", "", b64decode(auth.group(2)).decode())
        self.client_nonce = re.search("r=([^,]*)", self._client_first).group(1)  # type: ignore[union-attr]
        self.salt = b"saltsalt"
        self.nonce = self.client_nonce + "server"
        self.first = f"r={self.nonce},s={b64encode(self.salt).decode()},i={iterations}"
        self._iterations = iterations
        self._password = password
        self.signature = b""

    def challenge(self, data: str | None = None) -> None:
        """Send the first message, or this instead of it."""
        text = b64encode((self.first if data is None else data).encode()).decode()
        self._peer.send(f"<challenge xmlns='{NS_SASL}'>{text}</challenge>")

    def verify(self) -> bool:
        """Whether the client's proof is right. Knows the server's own signature then."""
        response = b64decode(self._peer.expect(r"<response [^>]*>([^<]*)</response>").group(1)).decode()
        without, _, proof = response.rpartition(",p=")
        message = ",".join((self._client_first, self.first, without)).encode()
        salted = hashlib.pbkdf2_hmac(self._hash, self._password.encode(), self.salt, self._iterations)
        client_key = hmac.digest(salted, b"Client Key", self._hash)
        stored = hashlib.new(self._hash, client_key).digest()
        signature = hmac.digest(stored, message, self._hash)
        right = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", self._hash), message, self._hash)
        return hmac.compare_digest(right, b64decode(proof))

    @property
    def final(self) -> str:
        """The last message, base64."""
        return b64encode(b"v=" + b64encode(self.signature)).decode()

    def succeed(self, data: str | None = None) -> None:
        """Send <success/> with the proof, or with this."""
        self._peer.send(f"<success xmlns='{NS_SASL}'>{self.final if data is None else data}</success>")


def fail(peer: Peer, condition: str, text: str = "") -> None:
    """Refuse a login."""
    said = f"<text>{text}</text>" if text else ""
    peer.send(f"<failure xmlns='{NS_SASL}'><{condition}/>{said}</failure>")


def scram(peer: Peer, password: str = PASSWORD) -> None:
    """Authenticate, or refuse a wrong proof as servers do."""
    server = ScramServer(peer, password)
    server.challenge()
    if server.verify():
        server.succeed()
    else:
        fail(peer, "not-authorized")
        peer.until_end()
        raise Gone


def to_authenticated(
    peer: Peer,
    identity: Identity,
    *offered: str,
    direct: bool = False,
    password: str = PASSWORD,
    **context: object,
) -> None:
    """Up to <success/>."""
    to_sasl(peer, identity, *offered, direct=direct, **context)
    scram(peer, password)


def bind(peer: Peer, jid: str = FULL_JID, *more: str) -> None:
    """Offer to bind a resource, with `more` features; bind `jid`."""
    greet(peer, BIND, *more)
    id_ = peer.expect(r"<iq [^>]*id=['\"]([^'\"]+)['\"][^>]*>\s*<bind.*?</iq>").group(1)
    peer.send(
        f"<iq type='result' id='{id_}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"<jid>{jid}</jid></bind></iq>"
    )


def to_session(peer: Peer, identity: Identity, *more: str, direct: bool = False) -> None:
    """Up to a bound resource, with `more` features beside bind."""
    to_authenticated(peer, identity, direct=direct)
    bind(peer, FULL_JID, *more)


def answer_pings(peer: Peer, count: int = 1) -> None:
    """Answer so many pings to the server."""
    for _ in range(count):
        id_ = peer.expect(r"<iq [^>]*id='([^']+)'[^>]*>\s*<ping[^>]*/>\s*</iq>").group(1)
        peer.send(f"<iq type='result' id='{id_}' from='{DOMAIN}' to='{FULL_JID}'/>")


# -- addresses where nothing answers --


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def blackhole() -> Iterator[int]:
    """A port that answers no SYN, as behind a firewall: its backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers: list[socket.socket] = []
        try:
            for _ in range(20):
                filler = socket.socket()
                filler.settimeout(0.05)
                fillers.append(filler)
                if filler.connect_ex(("127.0.0.1", port)):
                    break
            else:
                raise AssertionError("the backlog never filled")
            yield port
        finally:
            for filler in fillers:
                filler.close()


def in_turn(scripts: Sequence[Script]) -> Script:
    """One script after the other on the same connection."""

    def play(peer: Peer) -> None:
        for script in scripts:
            script(peer)

    return play
