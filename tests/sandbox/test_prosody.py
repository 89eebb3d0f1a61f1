"""The text of Prosody's configuration and accounts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path

import pytest

from xmppctl.sandbox import prosody
from xmppctl.sandbox.certificates import Certificates
from xmppctl.sandbox.prosody import Ports, ProsodyFiles

SECRET = "component-secret"


@pytest.fixture
def files(tmp_path: Path) -> ProsodyFiles:
    return ProsodyFiles(tmp_path)


def written(files: ProsodyFiles, **more) -> str:
    directory = files.directory
    certificates = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    prosody.write_config(files, Ports(1001, 1002, 1003, 1004, 1005), certificates, SECRET, **more)
    return files.config.read_text()


def setting(text: str, name: str) -> str:
    found = re.findall(rf"^\s*{name} = (.*)$", text, re.MULTILINE)
    assert len(found) == 1, (name, found)
    return found[0]


def test_every_listener_is_on_loopback_and_on_its_own_port(files: ProsodyFiles) -> None:
    text = written(files)
    for name in (
        "interfaces",
        "local_interfaces",
        "http_interfaces",
        "https_interfaces",
        "component_interfaces",
    ):
        assert setting(text, name) == '{ "127.0.0.1" }'
    ports = ("c2s_ports", "c2s_direct_tls_ports", "http_ports", "https_ports", "component_ports")
    assert [setting(text, name) for name in ports] == [f"{{ {number} }}" for number in range(1001, 1006)]


def test_nothing_speaks_to_other_servers(files: ProsodyFiles) -> None:
    text = written(files)
    assert setting(text, "s2s_ports") == "{}"
    assert '"s2s"' in setting(text, "modules_disabled")


def test_passwords_are_kept_as_scram_sha_256_keys_and_travel_in_tls(files: ProsodyFiles) -> None:
    text = written(files)
    assert setting(text, "password_hash") == '"SHA-256"'
    assert setting(text, "c2s_require_encryption") == "true"


def test_the_file_with_the_component_secret_is_private(files: ProsodyFiles) -> None:
    assert SECRET in written(files)
    assert files.config.stat().st_mode & 0o777 == 0o600


def test_options_win_and_hosts_come_last(files: ProsodyFiles) -> None:
    text = written(
        files, options={"password_hash": '"SHA-1"', "extra": "true"}, hosts='VirtualHost "more.localhost"'
    )
    assert setting(text, "password_hash") == '"SHA-1"'
    assert setting(text, "extra") == "true"
    assert text.rstrip().endswith('VirtualHost "more.localhost"')


def test_a_strange_path_stays_inside_its_lua_string(tmp_path: Path) -> None:
    directory = tmp_path / 'a "quoted" \\ é\n] path'
    directory.mkdir()
    text = written(ProsodyFiles(directory))
    literal = setting(text, "data_path")
    assert literal.isascii() and literal.startswith('"') and literal.endswith('"')
    inside = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1])), literal[1:-1])
    assert inside.encode("latin-1").decode() == str(directory / "data")
    assert '"' not in literal[1:-1]


def test_an_account_holds_the_keys_of_rfc_5802_and_not_the_password(files: ProsodyFiles) -> None:
    files.data.mkdir()
    prosody.add_account(files, "alice-1.x", "pencil")
    stored = files.data / "localhost/accounts/alice%2d1%2ex.dat"
    text = stored.read_text()
    assert "pencil" not in text
    assert stored.stat().st_mode & 0o777 == 0o600
    values = dict(re.findall(r'\["(\w+)"\] = "?([^";]+)"?;', text))
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", values["salt"].encode(), int(values["iteration_count"]))
    client_key = hmac.new(salted, b"Client Key", "sha256").digest()
    assert values["stored_key"] == hashlib.sha256(client_key).hexdigest()
    assert values["server_key"] == hmac.new(salted, b"Server Key", "sha256").hexdigest()
    assert base64.b64encode(bytes.fromhex(values["server_key"]))


def test_the_salt_is_new_each_time(files: ProsodyFiles) -> None:
    files.data.mkdir()
    path = files.data / "localhost/accounts/alice.dat"
    prosody.add_account(files, "alice", "pencil")
    first = path.read_text()
    prosody.add_account(files, "alice", "pencil")
    assert path.read_text() != first


def test_the_logs_tail_and_a_lost_port(files: ProsodyFiles) -> None:
    assert prosody.log_tail(files) == ""
    assert prosody.lost_ports(files) == ""
    files.log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert prosody.log_tail(files, lines=2) == "line 98\nline 99"
    assert prosody.lost_ports(files) == ""
    with files.log.open("a") as log:
        log.write(
            "portmanager\terror\tFailed to open server port 1001 on 127.0.0.1, Address already in use\n"
        )
    assert prosody.lost_ports(files).endswith("Address already in use")
    assert "line" not in prosody.lost_ports(files)
