"""Throw-away certificates for scripted servers, made in memory with the cryptography package."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Identity(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def context(
        self,
        *,
        client_ca: Path | None = None,
        alpn: list[str] | None = None,
        old: bool = False,
        tls12: bool = False,
    ) -> ssl.SSLContext:
        """A server's context. `client_ca` demands a client certificate, `old` speaks TLS 1.1 only."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        if client_ca is not None:
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_verify_locations(client_ca)
        if alpn is not None:
            made.set_alpn_protocols(alpn)
        if old:
            made.set_ciphers("DEFAULT:@SECLEVEL=0")
            with catch_warnings(action="ignore", category=DeprecationWarning):
                made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_1
        if tls12:
            made.maximum_version = ssl.TLSVersion.TLSv1_2
        return made


class Authority:
    """A certificate authority in `directory`."""

    def __init__(self, directory: Path, name: str = "Verona test CA") -> None:
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._count = 0

    @cached_property
    def file(self) -> Path:
        """The certificate to trust."""
        made = self._builder(self._name, self._key, days=30).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        usage = x509.KeyUsage(
            **dict.fromkeys(
                (
                    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                    *("key_agreement", "encipher_only", "decipher_only"),
                ),
                False,
            ),
            key_cert_sign=True,
            crl_sign=True,
        )
        made = made.add_extension(usage, critical=True)
        signed = made.sign(self._key, hashes.SHA256())
        path = self._directory / "ca.pem"
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(
        self,
        *names: str,
        days: float = 30,
        self_signed: bool = False,
        password: bytes | None = None,
        since: float = -1,
    ) -> Identity:
        """A certificate for domain names and addresses, valid until `days` from now and since `since` days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self._builder(subject, key, days=days, since=since, self_signed=self_signed)
        alternatives = [_general_name(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        signed = builder.sign(key if self_signed else self._key, hashes.SHA256())
        return self._write(signed, key, password)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: float,
        since: float = -1,
        self_signed: bool = False,
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        issuer_key = key if self_signed else self._key
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=min(since, days - 1)))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
        )

    def _write(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, password: bytes | None
    ) -> Identity:
        self._count += 1
        made = Identity(self._directory / f"{self._count}.pem", self._directory / f"{self._count}.key")
        made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        made.key.touch(0o600)
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=encryption
            )
        )
        return made


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
