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
    18: ("it is self-signed", "if it is your own server, trust its certificate with --ca FILE"),
    19: ("it ends in a root that is not trusted", "if it is your own CA, trust it with --ca FILE"),
    20: ("its issuer is not trusted", "if it is your own CA, trust it with --ca FILE"),
    21: (
        "its issuer is not trusted, or the server leaves out the intermediate",
        "trust the CA with --ca FILE",
    ),
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
            # Only what the file holds is trusted, and that may be the server's own certificate.
            made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
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
    """Compare the certificate's key with a pin: base64 of the SHA-256 of its SPKI, as RFC 7469 has it.

    Raises CertificateError.
    """
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
    """Base64 of the SHA-256 of a DER certificate's SubjectPublicKeyInfo (RFC 5280 section 4.1).

    Raises CertificateError.
    """
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


#: OpenSSL's reasons, in the words of somebody who must do something about it.
_OLD: Final = "the server speaks only TLS older than 1.2: it must be updated"
_OUR_CERTIFICATE: Final = (
    "the server does not accept our client certificate, or wants one: see certificate and key"
)
_HINTS: Final = {
    "UNSUPPORTED_PROTOCOL": _OLD,
    "NO_PROTOCOLS_AVAILABLE": _OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _OUR_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": _OUR_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _OUR_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _OUR_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _OUR_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": _OUR_CERTIFICATE,
    "TLSV1_ALERT_ACCESS_DENIED": _OUR_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server accepts none of our ciphers, or wants a client certificate",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know the JID's domain: check --jid and --host",
    "NO_APPLICATION_PROTOCOL": "the server does not speak XMPP on this port: try --tls starttls or another port",
}


def failure(error: ssl.SSLError, *, name: str, where: str, direct: bool) -> TlsError:
    """The error that explains why a handshake failed.

    `name` is what the certificate was checked against, `direct` whether TLS was the first thing said.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, hint = _REASONS.get(error.verify_code, (error.verify_message, "look at it with account test"))
        return CertificateError(
            f"the certificate of {where} is not acceptable for {name}: {reason}", hint=hint
        )
    hints = dict(_HINTS)
    if direct:
        hints["WRONG_VERSION_NUMBER"] = "this port does not speak TLS at once: try --tls starttls"
        hints["UNEXPECTED_EOF_WHILE_READING"] = "is this port for STARTTLS? try --tls starttls"
    reason = str(error.reason or error.strerror or error)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        reason = "UNEXPECTED_EOF_WHILE_READING"  # early Pythons 3.11 call it a close
    told = {
        "WRONG_VERSION_NUMBER": "what came is not TLS",
        "UNEXPECTED_EOF_WHILE_READING": "the server hung up in the handshake",
    }.get(reason, reason.replace("_", " ").lower())
    return TlsError(
        f"TLS with {where} failed: {told}",
        hint=hints.get(reason, "see the server's log, or look at it with account test"),
    )


def broken(error: ssl.SSLError) -> TlsError:
    """The error for TLS that failed after the handshake; TLS 1.3 refuses a client certificate so late."""
    reason = str(error.reason or error)
    return TlsError(
        f"TLS failed in mid-stream: {reason.replace('_', ' ').lower()}",
        hint=_HINTS.get(reason, "something in between may have changed the data; see the server's log"),
    )
