"""Prosody's configuration and accounts, as text and files; starts nothing. Works for Prosody 0.12 and 13.

The same writer serves the sandbox and the integration tests. Accounts are written straight into Prosody's internal
storage as salted SCRAM keys (RFC 5802 section 3): `prosodyctl register` would show the password in its argv.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from xmppctl.config.paths import write_private
from xmppctl.sandbox.certificates import Certificates
from xmppctl.sandbox.ports import LOOPBACK, free_ports

DOMAIN: Final = "localhost"
PUBSUB: Final = "pubsub.localhost"
MUC: Final = "conference.localhost"
UPLOAD: Final = "upload.localhost"
COMPONENT: Final = "component.localhost"
CERTIFICATE_NAMES: Final = (DOMAIN, "*.localhost", PUBSUB, MUC, UPLOAD, COMPONENT)
SCRAM_ITERATIONS: Final = 10_000

_GLOBAL_MODULES: Final = (
    *("roster", "saslauth", "tls", "disco", "private", "blocklist", "carbons", "pep", "bookmarks", "vcard4"),
    *("vcard_legacy", "version", "time", "ping", "register", "register_ibr", "mam", "csi_simple", "smacks"),
    *("admin_adhoc", "offline", "lastactivity", "http"),
)
_OPEN_PUBSUB: Final = """\
-- Lets every member create nodes; without it only admins may. A copy is changed: PEP services share the original.
local config = module:depends("pubsub").get_service().config;
local capabilities = {};
for affiliation, may in pairs(config.capabilities) do
	capabilities[affiliation] = may;
end
capabilities.member = setmetatable({ create = true }, { __index = capabilities.member });
config.capabilities = capabilities;
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on 127.0.0.1: c2s with STARTTLS, c2s with direct TLS, HTTP, HTTPS, external components."""

    starttls: int
    direct: int
    http: int
    https: int
    component: int

    @classmethod
    def free(cls) -> Ports:
        """Ports that nothing uses now."""
        return cls(*free_ports(len(fields(cls))))


@dataclass(frozen=True, slots=True)
class ProsodyFiles:
    """Where one Prosody keeps everything: all below one directory."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "prosody.cfg.lua"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def plugins(self) -> Path:
        return self.directory / "plugins"

    @property
    def log(self) -> Path:
        return self.directory / "prosody.log"


def write_config(
    files: ProsodyFiles,
    ports: Ports,
    certificates: Certificates,
    component_secret: str,
    *,
    options: Mapping[str, str] | None = None,
    hosts: str = "",
) -> None:
    """Write the configuration (0600: it holds the component's secret) and the plugin that it names.

    `options` are further global settings, name to Lua expression, which win over the ones here; `hosts` is
    Lua text put at the end, for further hosts. Raises ConfigError.
    """
    for directory in (files.data, files.plugins):
        directory.mkdir(mode=0o700, exist_ok=True)
    (files.plugins / "mod_pubsub_open.lua").write_text(_OPEN_PUBSUB, encoding="utf-8")
    settings = _settings(files, ports, certificates) | dict(options or {})
    lines = [f"{name} = {value}" for name, value in settings.items()]
    write_private(files.config, "\n".join([*lines, "", _hosts(ports, component_secret), hosts, ""]).encode())


def add_account(files: ProsodyFiles, user: str, password: str, *, domain: str = DOMAIN) -> None:
    """Create the account, or give it a new password; a running server sees it at once.

    `user` and `domain` are plain ASCII letters, digits, dots and hyphens. Raises ConfigError.
    """
    salt = secrets.token_hex(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    values = {
        "iteration_count": str(SCRAM_ITERATIONS),
        "salt": _lua(salt),
        "stored_key": _lua(hashlib.sha256(client_key).hexdigest()),
        "server_key": _lua(hmac.digest(salted, b"Server Key", "sha256").hex()),
    }
    accounts = files.data / _stored(domain) / "accounts"
    accounts.mkdir(parents=True, exist_ok=True, mode=0o700)
    table = "".join(f'\t["{name}"] = {value};\n' for name, value in values.items())
    write_private(accounts / f"{_stored(user)}.dat", f"return {{\n{table}}};\n".encode())


def log_tail(files: ProsodyFiles, lines: int = 15) -> str:
    """The last lines of the server's log; text from outside."""
    try:
        text = files.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def lost_ports(files: ProsodyFiles) -> str:
    """The lines of the log that tell of ports which other processes took before Prosody could; mostly none."""
    lines = log_tail(files, lines=500).splitlines()
    return "\n".join(line for line in lines if "Failed to open server port" in line)


def _settings(files: ProsodyFiles, ports: Ports, certificates: Certificates) -> dict[str, str]:
    tls = f"{{ certificate = {_lua(certificates.certificate)}, key = {_lua(certificates.key)} }}"
    loopback = _list([LOOPBACK])
    log = f'{{ {{ levels = {{ min = "info" }}, to = "file", filename = {_lua(files.log)} }} }}'
    return {
        "run_as_root": "true",
        "umask": '"077"',
        "data_path": _lua(files.data),
        "plugin_paths": _list([files.plugins]),
        "certificates": _lua(files.directory),
        "log": log,
        "interfaces": loopback,
        "local_interfaces": loopback,
        "c2s_ports": f"{{ {ports.starttls} }}",
        "c2s_direct_tls_ports": f"{{ {ports.direct} }}",
        "http_ports": f"{{ {ports.http} }}",
        "http_interfaces": loopback,
        "https_ports": f"{{ {ports.https} }}",
        "https_interfaces": loopback,
        "component_ports": f"{{ {ports.component} }}",
        "component_interfaces": loopback,
        "s2s_ports": "{}",
        "s2s_direct_tls_ports": "{}",
        "ssl": tls,
        "c2s_direct_tls_ssl": tls,
        "https_ssl": tls,
        "c2s_require_encryption": "true",
        "authentication": '"internal_hashed"',
        "password_hash": '"SHA-256"',
        "storage": '"internal"',
        # At its default, 10,000 messages, each further one rewrites an account's whole archive.
        "storage_archive_item_limit": "1000000",
        "allow_registration": "true",
        "modules_enabled": _list(_GLOBAL_MODULES),
        "modules_disabled": _list(["s2s"]),
    }


def _hosts(ports: Ports, component_secret: str) -> str:
    # The upload component answers to the address itself: upload.localhost does not resolve everywhere.
    return f"""\
VirtualHost {_lua(DOMAIN)}

Component {_lua(PUBSUB)} "pubsub"
	modules_enabled = {{ "pubsub_open" }}
	expose_publisher = true

Component {_lua(MUC)} "muc"
	modules_enabled = {{ "muc_mam" }}

Component {_lua(UPLOAD)} "http_file_share"
	http_host = {_lua(LOOPBACK)}
	http_external_url = "https://{LOOPBACK}:{ports.https}/"

Component {_lua(COMPONENT)}
	component_secret = {_lua(component_secret)}
"""


def _list(values: Sequence[str | Path]) -> str:
    return "{ " + ", ".join(map(_lua, values)) + " }"


def _lua(value: str | Path) -> str:
    """A Lua string literal; every byte that is not a plain ASCII character is escaped."""
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03}"
        for byte in str(value).encode()
    )
    return f'"{"".join(plain)}"'


def _stored(name: str) -> str:
    """A name as Prosody's storage writes it in a path: what is neither letter nor digit as %xx."""
    return "".join(chr(b) if chr(b).isascii() and chr(b).isalnum() else f"%{b:02x}" for b in name.encode())
