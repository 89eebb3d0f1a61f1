"""ejabberd, started through Erlang itself: ejabberdctl refuses ordinary users and wants a node name and epmd."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

from tests.servers.base import ANONYMOUS, Server
from xmppctl.errors import MissingProgram, SandboxError
from xmppctl.sandbox import process
from xmppctl.sandbox.packages import find_program
from xmppctl.sandbox.ports import LOOPBACK, free_ports

READY_SECONDS = 45.0
_ATTEMPTS = 5

_CONFIG = """\
hosts: [localhost, {anonymous}]
loglevel: info
certfiles: [{certificate}, {key}]
ca_file: {ca}
acme: {{auto: false}}
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
disable_sasl_mechanisms: [PLAIN, X-OAUTH2]
host_config:
  {anonymous}:
    auth_method: anonymous
    anonymous_protocol: sasl_anon
listen:
  - {{port: {starttls}, ip: {ip}, module: ejabberd_c2s, starttls: true, starttls_required: true, shaper: none}}
  - {{port: {direct}, ip: {ip}, module: ejabberd_c2s, tls: true, shaper: none}}
  - {{port: {component}, ip: {ip}, module: ejabberd_service, hosts: {{component.localhost: {{password: {secret}}}}}}}
  - port: {http}
    ip: {ip}
    module: ejabberd_http
    request_handlers: {{/api: mod_http_api, /upload: mod_http_upload}}
api_permissions:
  tests: {{from: [mod_http_api], who: {{ip: 127.0.0.0/8}}, what: ["*"]}}
acl: {{local: {{user_regexp: ""}}}}
access_rules:
  local: {{allow: local}}
  c2s: {{allow: all}}
  register: {{allow: all}}
registration_timeout: infinity
# No other server is there: a name that is nobody's is refused at once, whatever the DNS does.
s2s_access: none
shaper_rules: {{max_user_sessions: 100, max_user_offline_messages: 1000000}}
modules:
  mod_adhoc: {{}}
  mod_admin_extra: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_configure: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_http_upload:
    host: upload.@HOST@
    put_url: http://{ip}:{http}/upload/@HOST@
    docroot: {directory}/upload
  mod_last: {{}}
  mod_mam: {{default: always}}
  mod_muc: {{host: conference.@HOST@, default_room_options: {{mam: true}}}}
  mod_muc_admin: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub: {{host: pubsub.@HOST@, access_createnode: all, plugins: [flat, pep]}}
  mod_register: {{ip_access: all, access: register}}
  mod_roster: {{versioning: true}}
  mod_stream_mgmt: {{}}
  mod_time: {{}}
  mod_vcard: {{}}
  mod_version: {{}}
"""


class Ejabberd(Server):
    """One ejabberd."""

    kind = "ejabberd"

    def __init__(self) -> None:
        self.erlang = find_program("erl", purpose="this test")
        self.libraries = next(
            (root for root in Path("/usr/lib").glob("*-linux-*") if any(root.glob("ejabberd-*/ebin"))), None
        ) or next(
            (root for root in (Path("/usr/lib"), Path("/usr/lib64")) if any(root.glob("ejabberd-*/ebin"))),
            None,
        )
        if self.libraries is None:
            raise MissingProgram(
                "ejabberd is not installed; this test needs it", hint="install it with: ./dev setup"
            )
        super().__init__()

    def _start(self) -> None:
        for _ in range(_ATTEMPTS):
            self._spawn()
            if self._wait_until_ready():
                return
            process.terminate(self.directory)
        raise SandboxError("ejabberd did not come up: its ports were taken again and again")

    def _spawn(self) -> None:
        self.port_starttls, self.port_direct, self.port_component, self.port_http = free_ports(4)
        config = self.directory / "ejabberd.yml"
        config.write_text(
            _CONFIG.format(
                anonymous=ANONYMOUS,
                certificate=self.certificates.certificate,
                key=self.certificates.key,
                ca=self.ca,
                starttls=self.port_starttls,
                direct=self.port_direct,
                component=self.port_component,
                http=self.port_http,
                ip=LOOPBACK,
                secret=self.component_secret,
                directory=self.directory,
            )
        )
        environment = {
            "HOME": str(self.directory),
            "ERL_LIBS": str(self.libraries),
            "EJABBERD_CONFIG_PATH": str(config),
            "EJABBERD_LOG_PATH": str(self.log),
            "ERL_CRASH_DUMP_SECONDS": "0",
        }
        spool = ["-mnesia", "dir", f'"{self.directory / "mnesia"}"']
        self.log.unlink(missing_ok=True)
        process.spawn(
            [self.erlang, "-noinput", *spool, "-s", "ejabberd"],
            self.directory,
            self.directory / "output.log",
            environment=environment,
        )

    def _wait_until_ready(self) -> bool:
        """Whether it answers; False where a port was taken before it could."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if "eaddrinuse" in self._log_text():
                return False
            if not process.alive(self.directory):
                break
            if self._call("status") is not None and "ejabberd 2" in self._log_text():
                return True
            time.sleep(0.05)
        raise SandboxError("ejabberd did not come up", log=self._log_text()[-3000:])

    def _log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _call(self, command: str, **arguments: str) -> object | None:
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.port_http}/api/{command}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except ConnectionError:
            return None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionError):
                return None
            raise

    def register(self, user: str, password: str) -> None:
        answer = self._call("register", user=user, host=self.domain, password=password)
        assert isinstance(answer, str) and "successfully registered" in answer, answer

    @property
    def log(self) -> Path:
        return self.directory / "ejabberd.log"
