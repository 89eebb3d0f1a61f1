"""Checks of single values, whatever layer they come from. Each takes what stood there and gives what it means.

`BadValue` says what is wrong with a value, never where it stood: the caller knows that.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from xmppctl.errors import BadJid
from xmppctl.stanza.jid import Jid

Tls = Literal["starttls", "direct", "none"]

_TLS: Final[dict[str, Tls]] = {"starttls": "starttls", "direct": "direct", "none": "none"}
_TRUE: Final = {"true", "yes", "on", "1"}
_FALSE: Final = {"false", "no", "off", "0"}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_PEM_BYTES: Final = 16 * 1024 * 1024


class BadValue(ValueError):
    """A value that cannot be what it should be. `message` reads behind "--port: "."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def jid(text: str) -> Jid:
    """A JID. Raises BadValue."""
    try:
        return Jid.parse(text)
    except BadJid as error:
        raise BadValue(error.message, hint=error.hint) from None


def resource(text: str) -> str:
    """A resource (RFC 7622 section 3.4). Raises BadValue."""
    return jid(f"domain/{text}").resource


def port(value: int | str) -> int:
    """A TCP port. Raises BadValue."""
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise BadValue(f"a port is a number from 1 to 65535, not {_shown(text)}")
    return int(text)


def tls(text: str) -> Tls:
    """One of the words for how TLS begins. Raises BadValue."""
    word = _TLS.get(text)
    if word is None:
        raise BadValue(f"must be starttls, direct or none, not {_shown(text)}")
    return word


def flag(value: bool | str) -> bool:
    """A yes or no. Raises BadValue."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise BadValue(f"must be true or false, not {_shown(value)}")
    return word in _TRUE


def duration(value: float | str) -> float:
    """Seconds: a number of them, or numbers with units, as in 90s, 10m, 1h30m. Raises BadValue."""
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    parts = re.findall(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BadValue(f"must be a duration such as 90s, 10m or 1h, not {_shown(text)}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def size(text: str) -> int:
    """Bytes: a number of them, or of KiB, MiB or GiB, as in 500K, 64M, 1G. Raises BadValue."""
    found = re.fullmatch(r"([0-9]{1,12})(?:([KMG])(?:i?B)?)?", text.strip(), re.IGNORECASE)
    if not found:
        raise BadValue(f"must be a size such as 500K, 64M or 1G, not {_shown(text)}")
    return int(found.group(1)) * _SIZES[(found.group(2) or "").upper()]


def host(text: str) -> str:
    """A host name (international ones as A-labels, RFC 5890) or an address, without brackets. Raises BadValue."""
    if ":" in text.strip("[]") or text.startswith("["):
        return _ipv6(text)
    if "/" in text or "@" in text:
        raise BadValue(f"must be a host name or an address, not {_shown(text)}")
    try:
        domain = Jid.parse(text).domain
    except BadJid:
        raise BadValue(f"must be a host name or an address, not {_shown(text)}") from None
    return domain if domain.isascii() else domain.encode("idna").decode()


def _ipv6(text: str) -> str:
    from ipaddress import AddressValueError, IPv6Address

    try:
        return str(IPv6Address(text[1:-1] if text.startswith("[") and text.endswith("]") else text))
    except AddressValueError:
        hint = "give the port apart, with --port" if re.search(r":[0-9]+\Z", text) else ""
        raise BadValue(f"must be a host name or an address, not {_shown(text)}", hint=hint) from None


def pin(text: str) -> str:
    """The SHA-256 of a SubjectPublicKeyInfo as base64 (RFC 7469 section 2.4).

    It may come as hexadecimal (with colons or without) or base64, with `sha256/`, `sha256//` (curl's) or
    `sha256:` before it. Raises BadValue.
    """
    from base64 import b64decode, b64encode

    digest = re.sub(r"\Asha256[:/]", "", text.strip(), flags=re.IGNORECASE)
    if len(digest) == 45 and digest[0] == "/":
        digest = digest[1:]  # it was "sha256//"; a digest of 44 may itself begin with a slash
    plain = digest.replace(":", "")
    if re.fullmatch(r"[0-9A-Fa-f]{64}", plain):
        return b64encode(bytes.fromhex(plain)).decode()
    if re.fullmatch(r"[A-Za-z0-9+/]{43}=?", digest):
        return b64encode(b64decode(digest[:43] + "=")).decode()
    raise BadValue(
        "must be the SHA-256 of the server's public key, 64 hexadecimal digits or 44 of base64",
        hint="account test shows the pin of the server it meets",
    )


def pem(path: Path, label: str) -> Path:
    """`path`, if it can be read and holds PEM blocks (RFC 7468) with `label` in their name. Raises BadValue."""
    try:
        with path.open("rb") as file:
            text = file.read(_PEM_BYTES)
    except OSError as error:
        raise BadValue(f"cannot read {path}: {error.strerror or error}") from None
    found = re.search(rb"^-----BEGIN [A-Z0-9 ]*%s-----\s*$" % label.encode(), text, re.MULTILINE) is not None
    del text  # a private key has no place in a traceback
    if not found:
        raise BadValue(
            f"{path} holds no PEM {label.lower()}", hint=f"it needs a line -----BEGIN {label}-----"
        )
    return path


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine and no other: 127.0.0.0/8, ::1, localhost."""
    from ipaddress import ip_address

    bare = name.removeprefix("[").removesuffix("]").removesuffix(".").lower()
    if bare == "localhost":
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
