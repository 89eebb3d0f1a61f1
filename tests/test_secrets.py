"""A planted password is found nowhere: output, notes, trace, recordings, tracebacks, state, command lines, children.

The real program runs against a scripted server, with everything that could tell it turned on.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import daemons
from tests.servers.hostile import (
    JID,
    NS_SASL,
    USER,
    Peer,
    Server,
    answer_pings,
    bind,
    fail,
    greet,
    mechanisms,
    scram,
)
from xmppctl.session import attach, local
from xmppctl.session.deadline import Deadline
from xmppctl.stanza import build

PLANTED = "pl4nted-s3cret"


def forms(password: str) -> dict[str, bytes]:
    """What the password may look like where it gets out."""
    plain = f"\0{USER}\0{password}".encode()
    return {
        "as it is": password.encode(),
        "base64": b64encode(password.encode()).rstrip(b"="),
        "SASL PLAIN": b64encode(plain).rstrip(b"="),
        "hex": password.encode().hex().encode(),
        "reversed": password[::-1].encode(),
    }


def online(peer: Peer) -> None:
    """A faultless server, on which the client then does what it likes."""
    greet(peer, mechanisms("SCRAM-SHA-256"))
    scram(peer, PLANTED)
    bind(peer)


def pinged(peer: Peer) -> None:
    online(peer)
    answer_pings(peer)
    peer.until_end()
    peer.finish()


def watched(peer: Peer) -> None:
    online(peer)
    peer.until_end()
    peer.finish()


def plain(peer: Peer) -> None:
    greet(peer, mechanisms("PLAIN"))
    peer.expect("</auth>")
    peer.send(f"<success xmlns='{NS_SASL}'/>")
    bind(peer)
    answer_pings(peer)
    peer.until_end()
    peer.finish()


def refusing(peer: Peer) -> None:
    """A server that takes the password and refuses it."""
    greet(peer, mechanisms("PLAIN"))
    peer.expect("</auth>")
    fail(peer, "not-authorized", "go away")
    peer.until_end()


def mumbling(peer: Peer) -> None:
    """The login breaks off in the middle of SCRAM."""
    greet(peer, mechanisms("SCRAM-SHA-256"))
    peer.expect("</auth>")
    peer.send(f"<challenge xmlns='{NS_SASL}'>bm9uc2Vuc2U=</challenge>")
    peer.until_end()


class Case:
    """One run of the program, and all places where it may have left something."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.trace = home / "trace.jsonl"
        self.seen = b""
        self.code: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "TMPDIR": str(self.home),
            "PYTHONUTF8": "1",
        }

    def run(
        self, server: Server | None, *words: str, code: str | None = None, stdin: bytes = b"", **environ: str
    ) -> None:
        """Run `xmppctl words` (or the Python `code`, which runs it) and look at its process while it runs."""
        account: tuple[str, ...] = ("--timeout", "10")
        if server is not None:
            account += ("--jid", JID, "--host", "127.0.0.1", "--port", str(server.port), "--tls", "none")
        told = ("--trace", str(self.trace), "-v", "-v")
        program = ["-c", code] if code else ["-m", "xmppctl"]
        process = subprocess.Popen(
            [sys.executable, *program, *words, *account, *told],
            env=self.environment | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.home,
        )
        self.seen += Path(f"/proc/{process.pid}/cmdline").read_bytes()
        stdout, stderr = process.communicate(stdin, timeout=30)
        self.code = process.returncode
        self.seen += stdout + stderr

    def left(self, *, but: tuple[Path, ...] = ()) -> bytes:
        """What was said, and what stands in any file in its home but those that were put there."""
        found = self.seen
        for path in self.home.rglob("*"):
            if path.is_file() and path not in but:
                found += str(path).encode() + path.read_bytes()
        return found

    def assert_clean(self, *, but: tuple[Path, ...] = ()) -> None:
        left = self.left(but=but)
        for name, form in forms(PLANTED).items():
            assert form not in left, f"the password got out ({name})"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


COMMANDS: tuple[tuple[Callable[[Peer], None], tuple[str, ...]], ...] = (
    (pinged, ("ping",)),
    (pinged, ("ping", "-o", "jsonl")),
    (pinged, ("send", "romeo@montague.example", "hi", "-o", "jsonl")),
    (pinged, ("raw", "<presence/>", "-o", "xml")),
    (pinged, ("status", "--hold", "0.1", "-o", "json")),
    (watched, ("watch", "--until-idle", "0.2")),
    (watched, ("watch", "--until-idle", "0.2", "-o", "jsonl")),
    (watched, ("watch", "--until-idle", "0.2", "-o", "xml")),
    (watched, ("watch", "--until-idle", "0.2", "--format", "line")),
    (watched, ("watch", "--until-idle", "0.2", "--format", "raw")),
    (watched, ("watch", "--until-idle", "0.2", "--record", "kept.rec", "--pair", "--redact")),
    (watched, ("watch", "--until-idle", "0.2", "--record", "kept.rec", "--stats", "-o", "jsonl")),
)


@pytest.mark.parametrize(
    ("script", "words"), COMMANDS, ids=lambda value: value[0] if isinstance(value, tuple) else ""
)
def test_commands_tell_nothing(case: Case, script: Callable[[Peer], None], words: tuple[str, ...]) -> None:
    with Server(script) as server:
        case.run(server, *words, XMPPCTL_PASSWORD=PLANTED)
    assert case.code == 0, case.seen
    assert b"<auth" in case.trace.read_bytes()  # the login was traced, or there would be nothing to hide
    case.assert_clean()


@pytest.mark.parametrize(
    "words", [("ping",), ("watch", "-o", "jsonl", "--until-idle", "0.2"), ("version", "-o", "json")]
)
@pytest.mark.parametrize(("script", "code"), [(refusing, 5), (mumbling, 5)])
def test_failing_logins_tell_nothing(
    case: Case, script: Callable[[Peer], None], code: int, words: tuple[str, ...]
) -> None:
    with Server(script) as server:
        case.run(server, *words, XMPPCTL_PASSWORD=PLANTED, XMPPCTL_PLAIN="1")
    assert case.code == code, case.seen
    case.assert_clean()


def test_plain_is_hidden_in_trace_and_watch(case: Case) -> None:
    with Server(plain) as server:
        case.run(server, "ping", XMPPCTL_PASSWORD=PLANTED, XMPPCTL_PLAIN="1")
        assert case.code == 0, case.seen
        assert forms(PLANTED)["SASL PLAIN"] in server.text.encode()  # it was sent all the same
    case.assert_clean()


#: What another program's log may hold.
IN_CLEAR = (
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>"
    "<authenticate xmlns='urn:xmpp:sasl:2'><initial-response>{plain}</initial-response></authenticate>"
    "<handshake xmlns='jabber:component:accept'>{secret}</handshake>"
    "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>u</username><password>{secret}</password>"
    "</query></iq>"
    "<presence to='r@c.example/n'><x xmlns='http://jabber.org/protocol/muc'><password>{secret}</password></x></presence>"
)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--full",),
        ("--format", "line"),
        ("--format", "raw"),
        ("-o", "jsonl"),
        ("-o", "xml"),
        ("--stats",),
        ("--redact",),
        ("ns:no-such-thing",),
    ],
)
def test_a_log_of_another_program_and_its_recording_tell_nothing(case: Case, words: tuple[str, ...]) -> None:
    data = IN_CLEAR.format(plain=forms(PLANTED)["SASL PLAIN"].decode(), secret=PLANTED).encode()
    case.run(None, "watch", "--stdin", "--record", "kept.rec", *words, stdin=data)
    assert case.code == 0, case.seen
    assert (case.home / "kept.rec").stat().st_size > 20
    case.run(None, "replay", "kept.rec", *words)
    shows_texts = not {"--stats", "line", "ns:no-such-thing"} & set(words)
    assert (b"[redacted:" in case.seen) == shows_texts
    case.run(None, "replay", "kept.rec", "--to", "pcapng")
    assert case.code == 0 and b"\n\r\r\n" in case.seen, case.seen
    case.assert_clean()


CRASH = """
import sys
sys.argv[0] = 'xmppctl'
import xmppctl.protocols.ping
import xmppctl.session.sasl

async def broken(*arguments, **more):
    raise KeyError('a bug')

def broken_choice(*arguments, **more):
    password = more['password'].reveal()
    raise KeyError('a bug')

if {early}:
    xmppctl.session.sasl.choose = broken_choice
else:
    xmppctl.protocols.ping.ping = broken
from xmppctl.cli import main
main()
"""


@pytest.mark.parametrize("early", [True, False], ids=["in the login", "in the command"])
def test_crashes_tell_nothing(case: Case, early: bool) -> None:
    with Server(watched) as server:
        case.run(server, "ping", "-o", "json", code=CRASH.format(early=early), XMPPCTL_PASSWORD=PLANTED)
    assert case.code == 70, case.seen
    (crash,) = (case.home / "state/xmppctl").glob("crash-*.txt")
    assert b"KeyError" in crash.read_bytes()
    case.assert_clean()


def test_a_password_file_tells_nothing_more(case: Case) -> None:
    path = case.home / "password"
    path.write_text(PLANTED + "\n")
    path.chmod(0o600)
    with Server(pinged) as server:
        case.run(server, "ping", "--password-file", str(path))
    assert case.code == 0, case.seen
    case.assert_clean(but=(path,))


def test_a_password_on_standard_input_tells_nothing(case: Case) -> None:
    with Server(pinged) as server:
        case.run(server, "ping", "--password-file", "-", stdin=PLANTED.encode() + b"\n")
    assert case.code == 0, case.seen
    case.assert_clean()


def test_children_inherit_nothing(case: Case) -> None:
    """The password command sees neither a password in its environment nor one on a command line."""
    report = case.home / "child"
    script = case.home / "password.py"
    script.write_text(
        "import os, pathlib, sys\n"
        "seen = b''\n"
        "for pid in (os.getpid(), os.getppid()):\n"
        "    seen += pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()\n"
        "seen += pathlib.Path('/proc/self/environ').read_bytes()\n"
        f"pathlib.Path({str(report)!r}).write_bytes(seen)\n"
        "print('another-' + 'secret')\n"
    )

    def with_another(peer: Peer) -> None:
        greet(peer, mechanisms("SCRAM-SHA-256"))
        scram(peer, "another-secret")
        bind(peer)
        answer_pings(peer)
        peer.until_end()
        peer.finish()

    with Server(with_another) as server:
        case.run(
            server,
            "ping",
            "--password-command",
            shlex.join([sys.executable, str(script)]),
            XMPPCTL_PASSWORD=PLANTED,
        )
    assert case.code == 0, case.seen
    assert b"PATH=" in report.read_bytes()
    case.assert_clean()
    left = case.left(but=(script,))
    assert b"another-secret" not in left


# -- the daemon --


def held(peer: Peer) -> None:
    """A login that sends the password itself, then a faultless server."""
    greet(peer, mechanisms("PLAIN"))
    peer.expect("</auth>")
    peer.send(f"<success xmlns='{NS_SASL}'/>")
    bind(peer)
    daemons.answer(peer)


def held_until_presence(peer: Peer) -> None:
    """As `held`, but the connection breaks when somebody shows presence."""
    greet(peer, mechanisms("PLAIN"))
    peer.expect("</auth>")
    peer.send(f"<success xmlns='{NS_SASL}'/>")
    bind(peer)
    peer.expect("<presence")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[daemons.Home]:
    """The planted password is in no file of this home; whoever wants it there writes it."""
    with Server(held_until_presence, held) as server:
        made = daemons.Home(tmp_path, server.port, password="another", more="plain = true")
        yield made
        made.close()
        server.finish()
        assert forms(PLANTED)["SASL PLAIN"] in server.heard  # it was sent all the same


def show_all(home: daemons.Home) -> bytes:
    """Everything that a client can hear of the daemon, while that logs in anew."""
    heard: list[bytes] = []
    limit = Deadline(20)
    stream = attach.reach(home.socket, home.settings, limit, on_frame=lambda frame: heard.append(frame.raw))
    assert stream is not None
    established = stream.bind(limit)
    watch = build.iq("set", local.payload("watch"), to=local.DAEMON)
    established.connection.push(watch.encode() + b"<presence/>")
    while b"&lt;success" not in b"".join(heard):
        established.connection.read(limit, "watching the daemon log in")
    for request in ("info", "contacts"):
        stream.ask("get", local.payload(request), limit)
    established.connection.close()
    told = b"".join(heard)
    assert b"&lt;auth" in told and b"PLAIN" in told
    return told


def assert_daemon_tells_nothing(home: daemons.Home, told: str, *, but: tuple[Path, ...] = ()) -> None:
    """Neither at its socket nor in what it writes, nor to other processes, nor when it has ended."""
    process = Path(f"/proc/{home.pid}")
    found = told.encode() + show_all(home)
    found += (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"XDG_STATE_HOME=" in found
    done = home.run("daemon", "status", "-o", "json")
    found += done.stdout.encode() + done.stderr.encode()
    done = home.run("daemon", "stop", "-v", "-v")
    found += done.stdout.encode() + done.stderr.encode()
    for path in home.path.rglob("*"):
        if path.is_file() and path not in but:
            found += str(path).encode() + path.read_bytes()
    assert b" online as " in found
    for name, form in forms(PLANTED).items():
        assert form not in found, f"the password got out ({name})"


@pytest.mark.parametrize("way", ["environment", "standard input", "command", "file"])
def test_a_daemon_in_the_background_tells_nothing(home: daemons.Home, way: str) -> None:
    secret = home.path / "secret"
    words: tuple[str, ...] = ()
    stdin, environ = "", {}
    if way == "environment":
        environ = {"XMPPCTL_PASSWORD": PLANTED}
    elif way == "standard input":
        words, stdin = ("--password-file", "-"), PLANTED + "\n"
    else:
        secret.write_text(PLANTED + "\n")
        secret.chmod(0o600)
        words = ("--password-file", str(secret)) if way == "file" else ("--password-command", f"cat {secret}")
    done = home.run("daemon", "start", "-v", "-v", *words, stdin=stdin, **environ)
    assert done.returncode == 0, done.stderr
    assert_daemon_tells_nothing(home, done.stdout + done.stderr, but=(secret,))


#: Stands where the package would be, which need not be installed.
KEYRING = """
from pathlib import Path

def get_password(service, user):
    return Path(__file__).with_name("secret").read_text()
"""


def test_a_daemon_whose_password_is_in_a_keyring_tells_nothing(home: daemons.Home) -> None:
    (home.path / "keyring.py").write_text(KEYRING)
    secret = home.path / "secret"
    secret.write_text(PLANTED)
    config = home.path / "config/xmppctl/config.toml"
    config.write_text(config.read_text().replace('password_file = "password"', "keyring = true"))
    home.environ["PYTHONPATH"] = str(home.path)
    done = home.run("daemon", "start", "-v", "-v")
    assert done.returncode == 0, done.stderr
    assert_daemon_tells_nothing(home, done.stdout + done.stderr, but=(secret,))


def test_a_daemon_that_a_command_starts_tells_nothing_nor_does_the_trace(home: daemons.Home) -> None:
    config = home.path / "config/xmppctl/config.toml"
    config.write_text(config.read_text() + 'persist = "10m"\n')
    trace = home.path / "trace"
    words = ("-v", "-v", "--timeout", "3", "--trace", str(trace), "ping")  # which nobody answers
    done = home.run(*words, XMPPCTL_PASSWORD=PLANTED)
    assert "started a daemon" in done.stderr and trace.stat().st_size
    assert_daemon_tells_nothing(home, done.stdout + done.stderr)


def test_a_daemon_in_the_foreground_tells_nothing(home: daemons.Home) -> None:
    process = home.start("-v", "-v", XMPPCTL_PASSWORD=PLANTED)
    home.wait_online()
    assert home.pid == process.pid
    assert_daemon_tells_nothing(home, "")
    stdout, stderr = process.communicate(timeout=20)
    for name, form in forms(PLANTED).items():
        assert form.decode() not in stdout + stderr, f"the password got out ({name})"


def test_a_daemon_that_is_refused_tells_nothing(tmp_path: Path) -> None:
    with Server(refusing) as server:
        home = daemons.Home(tmp_path, server.port, password="another", more="plain = true")
        done = home.run("daemon", "start", "-v", "-v", XMPPCTL_PASSWORD=PLANTED)
        assert done.returncode == 5, done.stderr
        found = (done.stdout + done.stderr + home.log).encode()
        home.close()
    assert b"ended" in found
    for name, form in forms(PLANTED).items():
        assert form not in found, f"the password got out ({name})"
