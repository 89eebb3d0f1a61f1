"""The throw-away CA, checked by real TLS handshakes in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from xmppctl.errors import MissingProgram, SandboxError
from xmppctl.sandbox import certificates
from xmppctl.sandbox.certificates import Certificates, make_certificates


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("with a space")
    return make_certificates(directory, ["localhost", "*.localhost", "pubsub.localhost"], ["127.0.0.1"])


def handshake(made: Certificates, name: str, ca: Path | None = None) -> None:
    """A TLS handshake between two ends in memory; raises what the client says of the certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    client = ssl.create_default_context(cafile=ca or made.ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname=name)
    theirs = server.wrap_bio(there, back, server_side=True)
    waiting = {ours, theirs}
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            return
    raise AssertionError("the handshake does not end")


@pytest.mark.parametrize("name", ["localhost", "pubsub.localhost", "127.0.0.1"])
def test_the_certificate_holds_for_each_name_under_strict_rules(made: Certificates, name: str) -> None:
    handshake(made, name)


def test_the_certificate_holds_for_no_other_name(made: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="ostname"):
        handshake(made, "example.org")


def test_another_ca_does_not_vouch_for_it(made: Certificates, tmp_path: Path) -> None:
    other = make_certificates(tmp_path, ["localhost"])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "localhost", ca=other.ca)


def test_only_the_needed_files_stay_and_the_key_is_private(made: Certificates) -> None:
    directory = made.ca.parent
    assert {path.name for path in directory.iterdir()} == {"ca.pem", "server.pem", "server.key"}
    assert made.key.stat().st_mode & 0o777 == 0o600


def test_without_openssl_the_error_names_the_package(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("xmppctl.sandbox.packages.SYSTEM_DIRECTORIES", str(tmp_path))
    with pytest.raises(MissingProgram, match="openssl is not installed"):
        make_certificates(tmp_path, ["localhost"])


@pytest.mark.parametrize(
    ("script", "says"),
    [("echo 'no such curve' >&2; exit 1", "no such curve"), ("exec sleep 30", "took longer")],
)
def test_an_openssl_that_fails_or_hangs_is_an_error_and_leaves_no_key(
    tmp_path: Path, monkeypatch, script: str, says: str
) -> None:
    fake = tmp_path / "bin" / "openssl"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    monkeypatch.setattr(certificates, "_OPENSSL_SECONDS", 0.3)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(SandboxError, match=says):
        make_certificates(target, ["localhost"])
    assert list(target.iterdir()) == []
