"""`send --spool`: what is on the disk when it exits, what it tells, what it makes of a daemon."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.servers import local
from tests.servers.hostile import Gone, Peer, Server
from xmppctl.cli import spooling
from xmppctl.config import paths
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import STATES, Entry, News
from xmppctl.session.local import NS_DAEMON

pytestmark = pytest.mark.kinds("memory")

ROMEO = "romeo@montague.example"
JULIET = "juliet@capulet.example"
NURSE = "nurse@capulet.example"


class Home:
    """Where the spool and the daemon's socket of a test are."""

    def __init__(self, root: Path, run_cli: Callable[..., Any]) -> None:
        self._run = run_cli
        self.environ = {
            "XDG_RUNTIME_DIR": str(root),
            "XDG_STATE_HOME": str(root / "state"),
            "HOME": str(root),
        }
        self.path = paths.spool_file(ROMEO, self.environ)

    def run(self, *words: str, **more: Any) -> Any:
        ran = self._run(*words, environ=self.environ | more.pop("environ", {}), **more)
        assert ran.session is None, "it must not connect"
        return ran

    def send(self, *words: str, **more: Any) -> Any:
        return self.run("send", *words, "--spool", **more)

    @property
    def entries(self) -> list[Entry]:
        spool = Spool(self.path)
        try:
            return spool.entries(STATES)
        finally:
            spool.close()

    @property
    def stanzas(self) -> list[str]:
        """What a daemon would send."""
        spool = Spool(self.path)
        try:
            assert spool.open()
            return [
                row.stanza.decode()
                for row in spool.turn(ROMEO, News(), room=10_000, room_bytes=1 << 30).taken
            ]
        finally:
            spool.close()


@pytest.fixture
def home(run_cli: Callable[..., Any]) -> Iterator[Home]:
    # The name of a socket has to be short, which pytest's own directories are not.
    with TemporaryDirectory(prefix="xmppctl-") as root:
        yield Home(Path(root), run_cli)


def bodies(stanzas: list[str]) -> list[str]:
    return [stanza.partition("<body>")[2].partition("</body>")[0] for stanza in stanzas]


def test_a_message_is_in_the_spool_of_the_account(home: Home) -> None:
    ran = home.send("Juliet@Capulet.example", "Wherefore & <art>?", "-o", "jsonl")
    (record,) = ran.records
    assert (ran.code, record["to"], record["state"]) == (0, JULIET, "spooled")
    (entry,) = home.entries
    assert (entry.account, entry.to, entry.id, entry.state) == (ROMEO, JULIET, record["id"], "spooled")
    (stanza,) = home.stanzas
    assert stanza == (
        f"<message to='{JULIET}' type='chat' id='{entry.id}'><body>Wherefore &amp; &lt;art&gt;?</body>"
        f"<origin-id xmlns='urn:xmpp:sid:0' id='{entry.id}'/></message>"
    )


def test_without_a_daemon_it_says_when_it_goes_out(home: Home) -> None:
    ran = home.send(JULIET, "hi")
    assert (ran.code, ran.stdout) == (0, "") and "no daemon runs" in ran.stderr
    assert home.send(JULIET, "hi", "-q").stderr == ""
    assert home.send(JULIET, "hi", "--daemon", "off").stderr == ""
    assert len(home.entries) == 3


def test_verbose_tells_where_it_is(home: Home) -> None:
    assert "the spool has 1 message" in home.send(JULIET, "hi", "-v").stderr


def test_all_that_send_takes(home: Home) -> None:
    ran = home.send(
        *(JULIET, "--to", NURSE, "--type", "headline", "--subject", "S", "--thread", "t", "-", "-o", "jsonl"),
        stdin=b"from stdin\n",
    )
    assert [record["state"] for record in ran.records] == ["spooled", "spooled"]
    one, two = home.stanzas
    assert one.startswith(f"<message to='{JULIET}' type='headline'") and f"to='{NURSE}'" in two
    assert all("<subject>S</subject><body>from stdin</body><thread>t</thread>" in each for each in (one, two))


def test_a_time_to_live(home: Home) -> None:
    assert home.send(JULIET, "hi", "--ttl", "1h30m").code == 0
    (entry,) = home.entries
    assert entry.expires is not None and abs(entry.expires - entry.created - 5400) < 1


def test_the_same_command_again_is_one_message(home: Home) -> None:
    for _ in range(2):
        ran = home.send(JULIET, "hi", "--id", "mine", "-o", "jsonl")
        assert (ran.code, ran.records[0]["state"]) == (0, "spooled")
    assert len(home.entries) == 1
    ran = home.send(JULIET, "something else", "--id", "mine")
    assert ran.code == 2 and "mine" in ran.stderr and ran.stdout == ""
    assert len(home.entries) == 1


@pytest.mark.parametrize(
    "words",
    [
        (JULIET, "hi", "--spool", "--wait", "none"),
        (JULIET, "hi", "--spool", "--wait", "server"),
        (JULIET, "hi", "--ttl", "10m"),
        (JULIET, "hi", "--spool", "--ttl", "0"),
        (JULIET, "hi", "--spool", "--ttl", "soon"),
        (JULIET, "hi", "--spool", "-o", "xml"),
        (JULIET, "hi", "--spool", "--timeout", "0"),
        ("not a jid", "hi", "--spool"),
        (JULIET, "", "--spool"),
    ],
)
def test_usage_errors_put_nothing_in(home: Home, words: tuple[str, ...]) -> None:
    ran = home.run("send", *words)
    assert ran.code == 2 and ran.stderr and home.entries == []


def test_what_xml_cannot_hold_is_not_put_in(home: Home) -> None:
    assert home.send(JULIET, "ring\x07").code == 8 and home.entries == []


# -- lines ------------------------------------------------------------------------------------------------------------


def test_lines_are_a_message_each_in_order(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "GROUP", 7)
    ran = home.send(
        JULIET, "--to", NURSE, "--lines", "-o", "jsonl", stdin=b"".join(b"%d\n\n" % n for n in range(20))
    )
    assert [(record["line"], record["state"]) for record in ran.records] == [
        (line, "spooled") for line in range(1, 40, 2) for _ in range(2)
    ]
    assert bodies(home.stanzas) == [str(number) for number in range(20) for _ in range(2)]


def test_lines_that_are_there_together_are_one_transaction(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    add = Spool.add

    def counted(self: Spool, account: str, messages: Any, **more: Any) -> None:
        groups.append(len(messages))
        add(self, account, messages, **more)

    monkeypatch.setattr(Spool, "add", counted)
    assert home.send(JULIET, "--lines", stdin=b"line\n" * 5000).code == 0
    assert sum(groups) == 5000 and len(groups) <= 4


def test_a_line_is_told_of_when_it_is_on_the_disk_not_when_more_comes(home: Home) -> None:
    read, write = os.pipe()
    seen: list[int] = []

    def type_slowly() -> None:
        os.write(write, b"one\n")
        end = time.monotonic() + 10
        while time.monotonic() < end and not seen:
            if home.path.exists() and home.entries:
                seen.append(len(home.entries))
            time.sleep(0.01)
        os.write(write, b"two\n")
        os.close(write)

    typist = threading.Thread(target=type_slowly)
    typist.start()
    ran = home.send(JULIET, "--lines", stdin=read)
    typist.join()
    assert ran.code == 0 and seen == [1] and len(home.entries) == 2


def test_a_bad_line_ends_it_after_what_stands_before(home: Home) -> None:
    ran = home.send(JULIET, "--lines", "-o", "jsonl", stdin=b"one\ntwo\nbad \xff\nfour\n")
    assert ran.code == 8 and [record["state"] for record in ran.records] == ["spooled", "spooled"]
    (error,) = ran.errors
    assert "line 3, column 5" in error["message"] and "is in the spool (2 messages)" in error["message"]
    assert bodies(home.stanzas) == ["one", "two"]
    ran = home.send(JULIET, "--lines", stdin=b"bad \xff\n")
    assert ran.code == 8 and "nothing was spooled" in ran.stderr


def test_a_time_limit_ends_the_wait_for_lines(home: Home) -> None:
    read, write = os.pipe()
    os.write(write, b"one\n")
    ran = home.send(JULIET, "--lines", "--timeout", "1", stdin=read)
    os.close(write)
    assert ran.code == 6 and bodies(home.stanzas) == ["one"]


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_damaged_spool_is_an_error_and_nothing_is_claimed(home: Home) -> None:
    home.send(JULIET, "hi")
    home.path.write_bytes(b"nonsense" * 1000)
    ran = home.send(JULIET, "more", "-o", "jsonl")
    assert (ran.code, ran.stdout) == (3, "")
    assert ran.errors[0]["error"] == "spool-damaged" and "daemon spool reset" in ran.errors[0]["hint"]


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from xmppctl.cli import main
main()
"""


@pytest.mark.parametrize("limit", [0, 20_000, 2_000_000])
def test_a_full_disk_is_an_error_and_what_is_told_is_there(home: Home, limit: int, tmp_path: Path) -> None:
    words = ("send", JULIET, "--lines", "--spool", "--jid", ROMEO, "-o", "jsonl")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(limit), *words],
        env=home.environ | {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())},
        input=b"a line of the input\n" * 50_000,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 74, done.stderr
    told = [line.split('"id":"')[1].split('"')[0] for line in done.stdout.decode().splitlines()]
    assert [entry.id for entry in home.entries] == told
    assert (len(told) > 0) == (limit > 20_000) and len(told) < 50_000


# -- the daemon -------------------------------------------------------------------------------------------------------


class Daemon:
    """A scripted daemon that counts how often it is told."""

    def __init__(self, home: Home, *, times: int = 2, **attributes: str) -> None:
        self.told = 0
        self._attributes = attributes
        self.server = Server(*[self._script] * times, path=paths.daemon_socket(ROMEO, home.environ))

    def _script(self, peer: Peer) -> None:
        try:
            local.greet(peer, **self._attributes)
            while True:
                id_ = peer.expect(
                    rf"<iq[^>]* id='([^']*)'[^>]*><spool xmlns='{NS_DAEMON}'></spool></iq>"
                ).group(1)
                self.told += 1
                peer.send(f"<iq type='result' id='{id_}'/>")
        except Gone:
            pass


def digest(home: Home) -> str:
    from xmppctl.config.settings import resolve

    return resolve({"jid": ROMEO}, dict(home.environ)).digest()


def test_a_daemon_is_told(home: Home) -> None:
    daemon = Daemon(home, settings=digest(home))
    with daemon.server:
        ran = home.send(JULIET, "hi")
        assert (ran.code, ran.stdout, ran.stderr, daemon.told) == (0, "", "", 1)
        home.send(JULIET, "hi", "--daemon", "off")
        assert daemon.told == 1


def test_it_is_told_last_when_everything_is_in(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "GROUP", 10)
    daemon = Daemon(home, settings=digest(home), times=5)
    with daemon.server:
        assert home.send(JULIET, "--lines", stdin=b"line\n" * 100).code == 0
        assert 2 <= daemon.told <= 5  # at the first group, at the end, and now and then


@pytest.mark.parametrize("attributes", [{"program": "0.0.1"}, {"version": "99"}, {"settings": "12345678"}])
def test_a_daemon_that_does_not_fit_is_told_of_in_a_note(home: Home, attributes: dict[str, str]) -> None:
    daemon = Daemon(home, **({"settings": digest(home)} | attributes))
    with daemon.server:
        ran = home.send(JULIET, "hi")
    assert ran.code == 0 and len(home.entries) == 1 and "could not be told" in ran.stderr


def test_a_daemon_that_says_nothing_is_not_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "TELL_SECONDS", 0.2)
    with Server(lambda peer: peer.until_end(), path=paths.daemon_socket(ROMEO, home.environ)):
        ran = home.send(JULIET, "hi")
    assert ran.code == 0 and len(home.entries) == 1 and "could not be told" in ran.stderr


def test_a_socket_of_a_daemon_that_was_killed(home: Home) -> None:
    path = paths.daemon_socket(ROMEO, home.environ)
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    path.chmod(0o600)
    ran = home.send(JULIET, "hi")
    assert ran.code == 0 and len(home.entries) == 1 and "no daemon runs" in ran.stderr


def test_only_a_daemon_will_do_if_that_is_said(home: Home) -> None:
    ran = home.send(JULIET, "hi", "--daemon", "only")
    assert ran.code == 9 and home.entries == []
    daemon = Daemon(home, settings=digest(home))
    with daemon.server:
        assert home.send(JULIET, "hi", "--daemon", "only").code == 0
    assert daemon.told == 1 and len(home.entries) == 1


def test_a_signal_ends_the_wait_for_lines_though_a_daemon_is_there(home: Home) -> None:
    daemon = Daemon(home, settings=digest(home))
    words = ("send", JULIET, "--lines", "--spool", "--jid", ROMEO, "-o", "jsonl")
    with daemon.server:
        process = subprocess.Popen(
            [sys.executable, "-m", "xmppctl", *words],
            env=home.environ | {"PATH": os.environ["PATH"], "XMPPCTL_PASSWORD": "x"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert b"spooled" in process.stdout.readline()
        end = time.monotonic() + 10
        while not daemon.told and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        process.communicate()
    assert bodies(home.stanzas) == ["one"]


def persistent(home: Home) -> dict[str, str]:
    return {"XMPPCTL_PERSIST": "10m"}


def test_a_daemon_that_is_to_persist_is_started_after_the_message_is_safe(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xmppctl.daemon import launch

    safe: list[int] = []

    def start(*_: Any, **more: Any) -> bool:
        safe.append(len(home.entries))
        assert more["until_idle"] == 600
        return True

    monkeypatch.setattr(launch, "start", start)
    ran = home.send(JULIET, "hi", environ=persistent(home))
    assert ran.code == 0 and safe == [1]


def test_a_daemon_that_cannot_be_started_is_only_a_note(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from xmppctl.daemon import launch
    from xmppctl.errors import AuthError, DeadlineExceeded

    for error, told in (
        (AuthError("romeo was refused"), "romeo was refused"),
        (DeadlineExceeded("x"), "is starting"),
    ):

        def start(*_: Any, error: Exception = error, **__: Any) -> bool:
            raise error

        monkeypatch.setattr(launch, "start", start)
        ran = home.send(JULIET, "hi", environ=persistent(home))
        assert ran.code == 0 and told in ran.stderr
    assert len(home.entries) == 2


def test_nobody_is_asked_for_a_password_for_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from xmppctl.config.secrets import PromptPassword
    from xmppctl.daemon import launch

    monkeypatch.setattr(launch, "start", lambda *_, **__: pytest.fail("started"))
    monkeypatch.setattr(PromptPassword, "get", lambda *_, **__: pytest.fail("asked"))
    ran = home.send(JULIET, "hi", environ=persistent(home) | {"XMPPCTL_PASSWORD": ""})
    assert ran.code == 0 and len(home.entries) == 1


def test_plain_send_loads_no_database(home: Home) -> None:
    code = (
        "import sys; sys.argv = ['xmppctl', 'send', 'b@localhost', 'hi', '--jid', 'a@localhost', '--host', '127.0.0.1',"
        " '--port', '1', '--tls', 'none']\n"
        "import atexit, os; os._exit = sys.exit\n"
        "atexit.register(lambda: print('LOADED', 'sqlite3' in sys.modules, 'xmppctl.cli.spooling' in sys.modules))\n"
        "from xmppctl.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=home.environ | {"XMPPCTL_PASSWORD": "x", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.strip().endswith("LOADED False False"), done
