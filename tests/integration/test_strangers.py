"""Other users of the machine at the daemon's socket: nobody but its owner gets in, and it is told in the log.

And the other way round: a socket that another user has put there is not talked to.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.program import Cli, wait_until
from tests.servers.hostile import header
from xmppctl import __version__
from xmppctl.session import local

#: The user `nobody`, or any other who is not us.
STRANGER = 65534

pytestmark = [
    pytest.mark.parametrize("server", ["prosody"], indirect=True),  # which one makes no difference here
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user"),
]

BECOME = f"import os, socket; os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER})\n"
OPEN = (
    b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'><iq type='set' id='1'>"
    b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
    b"<iq type='get' id='2' to='daemon.xmppctl.invalid'><info xmlns='urn:xmppctl:daemon:1'/></iq>"
    b"<iq type='set' id='3' to='daemon.xmppctl.invalid'><stop xmlns='urn:xmppctl:daemon:1'/></iq>"
)
KNOCK = f"""{BECOME}
import sys
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(60)
try:
    os.chdir(os.path.dirname(sys.argv[1]))  # the whole path may be too long for a socket
    sock.connect(os.path.basename(sys.argv[1]))
    sock.sendall({OPEN!r})
    while part := sock.recv(4096):
        sys.stdout.write(part.decode())
except OSError as error:
    print(type(error).__name__)
"""
LISTEN = f"""{BECOME}
import sys
sock = socket.socket(socket.AF_UNIX)
os.chdir(os.path.dirname(sys.argv[1]))
sock.bind(os.path.basename(sys.argv[1]))
os.chmod(sys.argv[1], int(sys.argv[2], 8))
sock.listen()
print("listening", flush=True)
sock.settimeout(60)
heard, _ = sock.accept()
heard.settimeout(60)
print("heard", heard.recv(4096), flush=True)
"""
#: The file is ours, as if somebody had been given our listening socket: only the kernel tells who listens.
SPEAK = f"""
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
os.chdir(os.path.dirname(sys.argv[1]))
sock.bind(os.path.basename(sys.argv[1]))
os.chmod(sys.argv[1], 0o600)
{BECOME}
sock.listen()
print("listening", flush=True)
sock.settimeout(60)
while True:
    caller, _ = sock.accept()
    caller.settimeout(60)
    heard = b""
    try:
        caller.sendall(sys.argv[2].encode())
        while part := caller.recv(4096):
            heard += part
    except OSError:
        pass
    print("heard", heard, flush=True)
"""


def knock(path: Path) -> str:
    """What another user hears who connects and asks for everything."""
    done = subprocess.run(
        [sys.executable, "-c", KNOCK, str(path)], capture_output=True, text=True, timeout=90, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def opened(path: Path) -> Iterator[None]:
    """Have everybody enter the directories that lead to `path`, and write to it."""
    changed = [path, *path.parents]
    modes = {each: each.stat().st_mode for each in changed if each.stat().st_uid == os.geteuid()}
    try:
        for each, mode in modes.items():
            each.chmod(mode | (0o666 if each == path else 0o711))
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


@pytest.fixture
def socket_path(cli: Cli) -> Path:
    """The socket of alice's running daemon."""
    cli.start_daemon()
    return cli.runtime / "xmppctl/alice.sock"


def test_the_socket_and_its_directory_let_no_other_user_in(cli: Cli, socket_path: Path) -> None:
    assert socket_path.stat().st_mode & 0o777 == 0o600
    assert socket_path.parent.stat().st_mode & 0o777 == 0o700
    assert knock(socket_path) == "PermissionError\n"
    assert cli.run("ping", "--daemon", "only").code == 0


def test_another_user_who_gets_to_the_socket_is_refused_and_that_is_told(cli: Cli, socket_path: Path) -> None:
    """As where somebody has opened the directory: the daemon asks the kernel who comes."""
    with opened(socket_path):
        heard = knock(socket_path)
    assert "policy-violation" in heard
    for told in ("<hello", "features", "<jid>", "alice", "<info"):
        assert told not in heard
    wait_until(lambda: f"uid {STRANGER}" in cli.daemon_log(), "it is told")
    assert cli.run("ping", "--daemon", "only").code == 0  # and it has not ended


def test_a_socket_of_another_user_is_told_and_not_talked_to(cli: Cli) -> None:
    directory = cli.runtime / "xmppctl"
    cli.start_daemon()
    cli.stop_daemon()
    path = directory / "alice.sock"
    with opened(directory):
        directory.chmod(0o777)
        words = [sys.executable, "-c", LISTEN, str(path), "600"]
        planted = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
        assert planted.stdout is not None
        try:
            assert planted.stdout.readline() == b"listening\n"
            directory.chmod(0o700)
            only = cli.run("ping", "--daemon", "only")
            assert only.code == 9 and f"uid {STRANGER}" in only.stderr
            auto = cli.run("send", cli.jid("bob"), "hi")
            assert auto.code == 0 and f"uid {STRANGER}" in auto.stderr
            started = cli.run("daemon", "start")
            assert started.code != 0 and str(path) in started.stderr
            assert path.is_socket() and path.stat().st_uid == STRANGER
        finally:
            planted.kill()
            heard, _ = planted.communicate()
            path.unlink()
    assert heard == b""
    wait_until(lambda: cli.daemon_pid() is None, "no daemon runs")


def test_another_users_process_at_a_socket_of_ours_hears_nothing(cli: Cli) -> None:
    cli.start_daemon()
    cli.stop_daemon()
    path = cli.runtime / "xmppctl/alice.sock"
    hello = local.payload(
        "hello", attributes={"version": local.VERSION, "program": __version__, "jid": cli.jid("alice")}
    )
    said = f"{header()}<stream:features>{hello}</stream:features>"
    words = [sys.executable, "-c", SPEAK, str(path), said]
    planted = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
    assert planted.stdout is not None
    try:
        assert planted.stdout.readline() == b"listening\n"
        assert path.stat().st_uid == os.geteuid()
        only = cli.run("send", cli.jid("bob"), "secret", "--daemon", "only")
        assert only.code == 9 and f"uid {STRANGER}" in only.stderr
        auto = cli.run("send", cli.jid("bob"), "hi")
        assert auto.code == 0 and f"uid {STRANGER}" in auto.stderr
        assert cli.run("daemon", "status").code == 9
        heard = b"".join(planted.stdout.readline() for _ in range(3))
    finally:
        planted.kill()
        more, _ = planted.communicate()
        path.unlink(missing_ok=True)
    assert more == b""
    assert heard.count(b"heard") == heard.count(b"heard b''") == 3


def test_after_sudo_the_daemon_of_the_user_is_not_talked_to(cli: Cli) -> None:
    """Root has the user's XDG_RUNTIME_DIR then, and whatever the user has put there."""
    directory = cli.runtime / "xmppctl"
    directory.mkdir(parents=True)
    path = directory / "alice.sock"
    for each in (cli.runtime, directory):
        os.chown(each, STRANGER, STRANGER)
        each.chmod(0o700)
    with opened(cli.runtime):
        words = [sys.executable, "-c", LISTEN, str(path), "600"]
        planted = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
        assert planted.stdout is not None
        try:
            assert planted.stdout.readline() == b"listening\n"
            assert cli.run("ping", "--daemon", "only").code == 9
            assert cli.run("ping").stderr == ""
            assert cli.run("daemon", "start").code == 0
            assert cli.run("ping", "--daemon", "only").code == 0
            assert cli.run("daemon", "stop").code == 0
        finally:
            planted.kill()
            heard, _ = planted.communicate()
    assert heard == b""
    assert [each.name for each in directory.iterdir()] == ["alice.sock"]


def test_a_directory_that_others_can_enter_is_not_used(cli: Cli, socket_path: Path) -> None:
    socket_path.parent.chmod(0o755)
    try:
        ran = cli.run("ping", "--daemon", "only")
        assert ran.code == 9 and "0755" in ran.stderr
        assert cli.run("ping").code == 0
    finally:
        socket_path.parent.chmod(0o700)
    assert cli.run("ping", "--daemon", "only").code == 0
