"""SASL mechanisms of a client: SCRAM, EXTERNAL, ANONYMOUS, PLAIN. Sans-IO.

RFC 5802, 7677 (SCRAM), 4422 (EXTERNAL), 4505 (ANONYMOUS), 4616 (PLAIN). Ours and not slixmpp's because it runs
before slixmpp is imported, because the server's proof must be demanded, and because slixmpp's `Hi` is a Python
loop that takes ten times as long as `hashlib.pbkdf2_hmac`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from xmppctl.errors import AuthError

if TYPE_CHECKING:
    from xmppctl.config.secrets import Secret

#: Best first. The names of hashlib stand beside them.
SCRAM_HASHES: Final = (
    ("SCRAM-SHA-512", "sha512"),
    ("SCRAM-SHA-384", "sha384"),
    ("SCRAM-SHA-256", "sha256"),
    ("SCRAM-SHA-224", "sha224"),
    ("SCRAM-SHA-1", "sha1"),
)

#: A server that asks for more would make us burn time that no deadline can end: it is refused.
MAX_ITERATIONS: Final = 2_000_000
#: RFC 7677 section 4 asks for 4096 at least; fewer make a stolen exchange cheap to crack.
MIN_ITERATIONS: Final = 4096


class Mechanism:
    """One authentication. `initial()`, then `respond()` to each challenge, then `finish()` with <success/>'s data."""

    name = ""

    def initial(self) -> bytes | None:
        """The initial response; None for none at all."""
        return None

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a challenge. Raises AuthError."""
        del challenge
        raise AuthError(
            f"the server sent a challenge that {self.name} does not have", condition="malformed-request"
        )

    def finish(self, data: bytes) -> None:
        """Check what came with <success/>. Raises AuthError where the server has not proved itself."""


class External(Mechanism):
    """The TLS client certificate says who we are (XEP-0178)."""

    name = "EXTERNAL"

    def __init__(self, authzid: str = "") -> None:
        self._authzid = authzid

    def initial(self) -> bytes:
        return self._authzid.encode()


class Anonymous(Mechanism):
    """No one in particular (XEP-0175)."""

    name = "ANONYMOUS"


class Plain(Mechanism):
    """The password itself. Only inside TLS, and only where the account allows it."""

    name = "PLAIN"

    def __init__(self, username: str, password: Secret) -> None:
        self._username = username
        self._password = password

    def initial(self) -> bytes:
        return b"\0" + self._username.encode() + b"\0" + self._password.reveal().encode()


class Scram(Mechanism):
    """SCRAM without channel binding: proves the password without sending it, and has the server do the same."""

    def __init__(self, name: str, username: str, password: Secret, *, nonce: str = "") -> None:
        self.name = name
        self._hash = dict(SCRAM_HASHES)[name]
        self._password = password
        self._nonce = (nonce or b64encode(os.urandom(24)).decode()).encode()
        name_prepared = saslprep(username).replace("=", "=3D").replace(",", "=2C")
        self._first_bare = b"n=%s,r=%s" % (name_prepared.encode(), self._nonce)
        self._server_signature: bytes | None = None
        self._verified = False

    def initial(self) -> bytes:
        return b"n,," + self._first_bare

    def respond(self, challenge: bytes) -> bytes:
        if self._server_signature is not None:
            if self._verified:
                raise _unproved("it goes on asking after its last SCRAM message")
            self._verify(challenge)  # the server-final message in a challenge of its own
            return b""
        salt, iterations, nonce = self._read_first(challenge)
        final = b"c=biws,r=" + nonce
        password = saslprep(self._password.reveal()).encode()
        salted = hashlib.pbkdf2_hmac(self._hash, password, salt, iterations)
        message = b",".join((self._first_bare, challenge, final))
        client_key = self._mac(salted, b"Client Key")
        signature = self._mac(hashlib.new(self._hash, client_key).digest(), message)
        self._server_signature = self._mac(self._mac(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return final + b",p=" + b64encode(proof)

    def _read_first(self, challenge: bytes) -> tuple[bytes, int, bytes]:
        """Salt, iterations and nonce of the server's first message (RFC 5802 section 5.1)."""
        fields = _fields(challenge)
        try:
            salt = b64decode(fields["s"], validate=True)
            count = fields["i"]
            nonce = fields["r"].encode()
        except (KeyError, ValueError):
            raise _unproved("its first SCRAM message is malformed") from None
        if not salt or not (count.isascii() and count.isdigit()):
            raise _unproved("its first SCRAM message is malformed")
        if "m" in fields:
            raise _unproved("it demands a SCRAM extension that nobody knows")
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise _unproved("its SCRAM nonce does not extend ours")
        if len(count) > 9 or not MIN_ITERATIONS <= int(count) <= MAX_ITERATIONS:
            raise _unproved(f"it asks for {count[:12]} SCRAM iterations")
        return salt, int(count), nonce

    def finish(self, data: bytes) -> None:
        if not self._verified:
            self._verify(data)

    def _verify(self, data: bytes) -> None:
        fields = _fields(data)
        if "e" in fields and self._server_signature is not None:
            raise AuthError(
                f"the server refused the proof of the password: {fields['e']}",
                condition="not-authorized",
                hint="check the user name and the password",
            )
        try:
            given = b64decode(fields.get("v", ""), validate=True)
        except ValueError:
            given = b""
        if self._server_signature is None or not hmac.compare_digest(given, self._server_signature):
            raise _unproved("it does not know the password that it accepts")
        self._verified = True

    def _mac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self._hash)


def _fields(message: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in message.decode("utf-8", "replace").split(","):
        name, equals, value = part.partition("=")
        if equals and name not in fields:
            fields[name] = value
    return fields


def _unproved(why: str) -> AuthError:
    return AuthError(
        f"the server did not prove who it is: {why}",
        condition="mutual-authentication-failed",
        hint="someone may stand between you and the server; do not repeat this before you know who",
    )


def saslprep(text: str) -> str:
    """SASLprep (RFC 4013) of a user name or password. Raises AuthError where it cannot be prepared."""
    if text.isascii() and text.isprintable():
        return text
    from xmppctl.stanza.preparation import Unpreparable, prepare

    try:
        return prepare(text, spaces=True)
    except Unpreparable:  # without the reason, which tells a character of the password
        raise AuthError(
            "the user name or password has a character that SASL does not allow, or mixes writing directions",
            condition="saslprep",
            hint="check both; a password file may hold control characters that nobody sees",
        ) from None


def choose(
    offered: Collection[str],
    *,
    username: str,
    password: Secret | None,
    certificate: bool,
    plain: bool,
) -> Mechanism:
    """The best mechanism of those that the server offers and the account can do. Raises AuthError.

    One choice, made once: a mechanism that fails is not followed by a weaker one.
    """
    if certificate:
        if "EXTERNAL" in offered:
            return External()
        raise _nothing(offered, "EXTERNAL, for the client certificate")
    if not username:
        if "ANONYMOUS" in offered:
            return Anonymous()
        raise _nothing(offered, "ANONYMOUS, since the JID has no localpart")
    assert password is not None
    for name, _ in SCRAM_HASHES:
        if name in offered:
            return Scram(name, username, password)
    if "PLAIN" in offered and plain:
        return Plain(username, password)
    hint = ""
    if "PLAIN" in offered:
        hint = "if you trust this server with the password itself, set plain = true in the account"
    raise _nothing(offered, "SCRAM", hint)


def of_name(name: str, username: str, password: Secret | None) -> Mechanism:
    """The mechanism of this name, for who chooses by hand. Raises AuthError for one that we do not have."""
    if name == External.name:
        return External()
    if name == Anonymous.name:
        return Anonymous()
    if password is not None and username:
        if name == Plain.name:
            return Plain(username, password)
        if name in dict(SCRAM_HASHES):
            return Scram(name, username, password)
    known = ", ".join([*(each for each, _ in SCRAM_HASHES), Plain.name, External.name, Anonymous.name])
    raise AuthError(f"cannot do {name}", condition="invalid-mechanism", hint=f"known are {known}")


def _nothing(offered: Collection[str], wanted: str, hint: str = "") -> AuthError:
    have = ", ".join(sorted(offered)) or "nothing"
    return AuthError(
        f"no way to authenticate: we can do {wanted}; the server offers {have}",
        condition="invalid-mechanism",
        hint=hint or "ask the server's operator to offer SCRAM-SHA-256",
    )
