"""A throw-away CA and one server certificate, made with the openssl program.

The CA's key is deleted at once: nobody, not even its owner, can sign anything with it later. RFC 5280 profile, strict
enough for CPython 3.13's VERIFY_X509_STRICT; names as RFC 6125 dNSName.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xmppctl.errors import SandboxError
from xmppctl.sandbox.packages import find_program

VALID_DAYS: Final = 365
_OPENSSL_SECONDS: Final = 30

_PROFILE: Final = """\
[req]
prompt = no
distinguished_name = name
[name]
commonName = {common_name}
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = {alternatives}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the files are: `ca` to trust, `certificate` and its `key` (0600) for the server."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path, names: Sequence[str], addresses: Sequence[str] = ()) -> Certificates:
    """Write ca.pem, server.pem and server.key for `names` and IP `addresses` into `directory`, which must exist.

    Raises MissingProgram without openssl, SandboxError when it fails or takes longer than 30 seconds.
    """
    openssl = find_program("openssl", purpose="making the sandbox's certificate")
    made = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    ca_key, request, profile = directory / "ca.key", directory / "server.csr", directory / "openssl.cnf"
    alternatives = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    valid = ["-sha256", "-days", str(VALID_DAYS), "-set_serial", f"0x{secrets.token_hex(8)}"]
    try:
        _write_profile(profile, "xmppctl sandbox CA", alternatives)
        _openssl(openssl, "genpkey", *curve, "-out", ca_key)
        config: list[str | Path] = ["-config", profile]
        _openssl(
            openssl,
            "req",
            "-new",
            "-x509",
            *config,
            "-extensions",
            "ca",
            *valid,
            "-key",
            ca_key,
            "-out",
            made.ca,
        )
        _write_profile(profile, names[0], alternatives)
        _openssl(openssl, "genpkey", *curve, "-out", made.key)
        made.key.chmod(0o600)
        _openssl(openssl, "req", "-new", *config, "-key", made.key, "-out", request)
        signed_by: list[str | Path] = [
            "-CA",
            made.ca,
            "-CAkey",
            ca_key,
            "-extfile",
            profile,
            "-extensions",
            "server",
        ]
        valid[-1] = f"0x{secrets.token_hex(8)}"
        _openssl(openssl, "x509", "-req", "-in", request, *signed_by, *valid, "-out", made.certificate)
    finally:
        for leftover in (ca_key, request, profile):
            leftover.unlink(missing_ok=True)
    return made


def _write_profile(path: Path, common_name: str, alternatives: Sequence[str]) -> None:
    path.write_text(
        _PROFILE.format(common_name=common_name, alternatives=", ".join(alternatives)), encoding="utf-8"
    )


def _openssl(program: str, *arguments: str | Path) -> None:
    try:
        subprocess.run(
            [program, *map(str, arguments)],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            umask=0o077,
            timeout=_OPENSSL_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        why = said[-1] if said else f"exit status {error.returncode}"
        raise SandboxError(f"openssl {arguments[0]} failed: {why}") from None
    except subprocess.TimeoutExpired:
        raise SandboxError(f"openssl {arguments[0]} took longer than {_OPENSSL_SECONDS} s") from None
