"""TLS as a client wants it: contexts, pins, and what a handshake and its failure say.

RFC 7590 (TLS in XMPP), RFC 6125 (names), XEP-0368 (ALPN `xmpp-client` on direct TLS).
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from xmppctl.errors import CertificateError, ConfigError, TlsError

if TYPE_CHECKING:
    from xmppctl.config.settings import Settings

#: X509_V_ERR_… (OpenSSL), in the words of somebody who must do something about it.
_REASONS: Final = {
    9: ("it is not valid yet", "check this machine's clock"),
    10: ("it has expired", "tell the server's operator; check this machine's clock"),
    18: ("it is self-signed", "if it is your own server, trust it with --ca FILE or --pin"),
    19: ("it ends in a root that is not trusted", "if it is your own CA, trust it with --ca FILE"),
    20: ("its issuer is not known", "if it is your own CA, trust it with --ca FILE"),
    21: ("its issuer is not known, or the server leaves out the intermediate", "trust the CA with --ca FILE"),
    23: ("it was revoked", "tell the server's operator"),
    62: (
        "it is for another name",
        "check --host and the domain of the JID; the name checked is the JID's domain",
    ),
    64: ("it is for another address", "check the domain of the JID"),
}


def context(settings: Settings, *, direct: bool) -> ssl.SSLContext:
    """An SSLContext for an account. `direct` adds ALPN. Raises ConfigError where its files cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if settings.insecure:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        elif settings.ca is not None:
            made.load_verify_locations(cafile=settings.ca)
        else:
            made.load_default_certs(ssl.Purpose.SERVER_AUTH)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use the CA file {settings.ca}: {_why(error)}", hint="it must hold PEM certificates"
        ) from None
    if settings.certificate is not None:
        try:
            # An empty password and not a prompt of OpenSSL's own: nothing may wait for a terminal here.
            made.load_cert_chain(settings.certificate, settings.key, password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cannot use the client certificate {settings.certificate}: {_why(error)}",
                hint="certificate and key must be PEM files that belong together; the key must not be encrypted",
            ) from None
    if direct:
        made.set_alpn_protocols(["xmpp-client"])
    return made


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or getattr(error, "reason", None) or error)


def check_pin(session: ssl.SSLObject, pin: str | None) -> None:
    """Compare the certificate's key with a pin (base64 of the SHA-256 of its SPKI, as RFC 7469). Raises CertificateError."""
    if pin is None:
        return
    der = session.getpeercert(binary_form=True)
    found = spki_sha256(der) if der else "none"
    if found != pin:
        raise CertificateError(
            f"the server's key is not the pinned one: expected sha256/{pin}, got sha256/{found}",
            hint="if the server's operator has changed the key, ask for the new pin by another way",
        )


def spki_sha256(certificate: bytes) -> str:
    """Base64 of the SHA-256 of a DER certificate's SubjectPublicKeyInfo (RFC 5280 section 4.1). Raises CertificateError."""
    try:
        _, body, _ = _der(certificate, 0)
        _, fields, _ = _der(certificate, body)
        # version [0] (optional), serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
        tag, _, end = _der(certificate, fields)
        position = end if tag == 0xA0 else fields
        for _ in range(5):
            _, _, position = _der(certificate, position)
        _, _, end = _der(certificate, position)
        return b64encode(sha256(certificate[position:end]).digest()).decode()
    except IndexError:
        raise CertificateError("the server's certificate cannot be read") from None


def _der(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag, start of the content and end of the DER element at `position`. Raises IndexError."""
    tag, length, start = data[position], data[position + 1], position + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise IndexError
    return tag, start, start + length


def facts(session: ssl.SSLObject) -> dict[str, Any]:
    """What there is to say of a TLS session: version, cipher, ALPN, certificate. Network text, as it came."""
    cipher = session.cipher()
    der = session.getpeercert(binary_form=True)
    told: dict[str, Any] = {
        "version": session.version(),
        "cipher": cipher[0] if cipher else None,
        "alpn": session.selected_alpn_protocol(),
    }
    certificate: dict[str, Any] = session.getpeercert() or {}  # empty where nothing was verified
    if certificate:
        told["subject"] = _name(certificate.get("subject", ()))
        told["issuer"] = _name(certificate.get("issuer", ()))
        told["not_after"] = certificate.get("notAfter")
        told["names"] = [value for _, value in certificate.get("subjectAltName", ())]
    if der:
        with suppress(CertificateError):
            told["pin"] = spki_sha256(der)
    return told


def _name(parts: Any) -> str:
    return ", ".join(f"{key}={value}" for part in parts for key, value in part)


def failure(error: ssl.SSLError | OSError, *, name: str, where: str) -> TlsError:
    """The error that explains why a handshake failed. `name` is what the certificate was checked against."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, hint = _REASONS.get(error.verify_code, (error.verify_message, "look at it with account test"))
        return CertificateError(
            f"the certificate of {where} is not acceptable for {name}: {reason}", hint=hint
        )
    reason = str(getattr(error, "reason", None) or error.strerror or error)
    hints = {
        "WRONG_VERSION_NUMBER": "this port does not speak TLS: try --tls starttls",
        "UNEXPECTED_EOF_WHILE_READING": "the server hung up: is this port for direct TLS?",
        "NO_PROTOCOLS_AVAILABLE": "the server speaks only TLS older than 1.2",
        "UNSUPPORTED_PROTOCOL": "the server speaks only TLS older than 1.2",
        "TLSV1_ALERT_PROTOCOL_VERSION": "the server speaks only TLS older than 1.2",
    }
    return TlsError(
        f"TLS with {where} failed: {reason.replace('_', ' ').lower()}",
        hint=hints.get(reason, "try --tls starttls or --tls direct, or another port"),
    )
