"""main(): every error becomes its exit code and a message, whatever the streams and signals do."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from xmppctl import errors
from xmppctl.errors import ExitCode

PATIENCE = 30.0
ERRORS = [
    errors.UsageError("m", hint="h"),
    errors.BadJid("m"),
    errors.ConfigError("m"),
    errors.SecretError("m"),
    errors.DnsError("m"),
    errors.CertificateError("m"),
    errors.ConnectionLost("m"),
    errors.AuthError("m"),
    errors.DeadlineExceeded("m"),
    errors.ExpectationFailed("m"),
    errors.MalformedInput("m", line=3, column=4),
    errors.DaemonError("m"),
    errors.PartialFailure("m"),
    errors.OutputFailed("m"),
    errors.Interrupted("m"),
    errors.Terminated("m"),
]


def program(*words: str, **environ: str) -> tuple[list[str], dict[str, str]]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    return [sys.executable, "-m", "xmppctl", *words], kept | {"PYTHONUTF8": "1", **environ}


def start(*words: str, **more):
    argv, env = program(*words, XMPPCTL_PASSWORD="secret")
    return subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
def test_each_error_has_its_code_and_is_told_in_a_few_lines(run_cli, error):
    def fail(_):
        raise error

    ran = run_cli("ping", script=fail)
    assert ran.code == int(type(error).code)
    assert 1 <= len(ran.stderr.splitlines()) <= 3
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_as_json_it_is_one_object(run_cli, error, form):
    def fail(_):
        raise error

    ran = run_cli("ping", "-o", form, script=fail)
    told = json.loads(ran.stderr)
    assert (told["error"], told["exit"], told["message"]) == (error.name, ran.code, "m")
    assert told.get("hint", "") == error.hint


def test_a_reader_that_has_gone_is_a_quiet_success(run_cli):
    def fail(_):
        raise errors.OutputClosed("gone")

    ran = run_cli("ping", script=fail)
    assert (ran.code, ran.stderr) == (0, "")


def test_the_first_of_two_failures_is_told(run_cli, monkeypatch):
    """What failed is a refused login; that the output cannot be ended either is no news."""

    def refuse(_):
        raise errors.AuthError("refused")

    def full(_):
        raise errors.OutputFailed("full")

    monkeypatch.setattr("xmppctl.cli.app.App.close", full)
    ran = run_cli("ping", script=refuse)
    assert ran.code == ExitCode.AUTH and "refused" in ran.stderr and "full" not in ran.stderr


def test_output_that_cannot_be_ended_is_told(run_cli, monkeypatch):
    def full(_):
        raise errors.OutputFailed("full")

    monkeypatch.setattr("xmppctl.cli.app.App.close", full)
    assert run_cli("ping").code == ExitCode.OUTPUT


def test_network_text_in_an_error_is_made_visible(run_cli):
    def fail(_):
        raise errors.AuthError("evil \x1b[2J\u202e\nxmppctl: all is well", hint="\x9b")

    for words in ((), ("-o", "json")):
        ran = run_cli("ping", *words, script=fail)
        assert not set(ran.stderr) & {"\x1b", "\u202e", "\x9b"}
        assert not any(line.startswith("xmppctl: all is well") for line in ran.stderr.splitlines())


def test_quiet_silences_an_interrupt_only(run_cli):
    def interrupt(_):
        raise errors.Interrupted("interrupted")

    def fail(_):
        raise errors.AuthError("refused")

    assert run_cli("ping", "-q", script=interrupt).stderr == ""
    assert "refused" in run_cli("ping", "-q", script=fail).stderr


def test_a_bug_is_70_with_a_private_traceback_without_values(run_cli, private_home):
    def crash(_):
        secret = "wherefore"  # a local variable that must not get into the file
        raise KeyError(len(secret))

    ran = run_cli("ping", script=crash)
    assert ran.code == 70 and len(ran.stderr.splitlines()) == 2
    assert "KeyError" in ran.stderr and "Traceback" not in ran.stderr
    (path,) = (private_home / ".local/state/xmppctl").glob("crash-*.txt")
    assert str(path) in ran.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert "Traceback" in text and "KeyError: 9" in text


def test_a_bug_whose_traceback_has_no_place_is_still_70(run_cli, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    def crash(_):
        raise KeyError(1)

    ran = run_cli("ping", script=crash)
    assert ran.code == 70 and "could not be written" in ran.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pong",), "did you mean ping"),
        (("ping", "--cuont", "1"), "--cuont"),
        (("ping", "a", "b"), "b"),
        (("ping", "-o", "yaml"), "yaml"),
        (("--account",), "--account"),
    ],
)
def test_wrong_words_are_2_with_a_way_on(run_cli, words, told):
    ran = run_cli(*words, account=())
    assert ran.code == 2 and told in ran.stderr and "try:" in ran.stderr


@pytest.mark.parametrize("words", [("-o", "json", "pong"), ("pong", "--output=json"), ("pong", "-ojson")])
def test_wrong_words_are_json_where_json_was_asked_for(run_cli, words):
    ran = run_cli(*words, account=())
    assert json.loads(ran.stderr)["error"] == "usage"


def test_without_words_the_help_is_shown_and_it_is_2(run_cli):
    ran = run_cli(account=())
    assert ran.code == 2 and ran.stdout == "" and "Commands" in ran.stderr


# -- the process ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [("--version",), ("--help",), ("help", "exit-codes"), ("completion", "bash")]
)
def test_a_full_disk_is_74(words):
    argv, env = program(*words)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(argv, env=env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == ExitCode.OUTPUT
    assert len(done.stderr.splitlines()) == 2 and "No space" in done.stderr


@pytest.mark.parametrize(
    "words", [("--version",), ("--help",), ("help", "exit-codes"), ("completion", "bash")]
)
def test_a_closed_pipe_is_0_and_quiet(words):
    argv, env = program(*words)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(argv, env=env, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("closed", "code"), [(">&-", ExitCode.OUTPUT), ("2>&-", 0), ("<&-", 0), (">&- 2>&- <&-", ExitCode.OUTPUT)]
)
def test_closed_standard_streams(closed, code):
    argv, env = program("--version")
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *argv], env=env, capture_output=True, text=True
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_socket_never_takes_the_place_of_a_closed_stream():
    """With stdout closed, the connection would be descriptor 1: what is printed would go to the server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        words = ("--jid", "a@localhost", "--host", "127.0.0.1", "--port", port, "--tls", "direct")
        argv, env = program("ping", *words, XMPPCTL_PASSWORD="secret")
        with subprocess.Popen(["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *argv], env=env) as process:
            server.settimeout(PATIENCE)
            peer, _ = server.accept()
            with peer:
                received = peer.recv(65536)
                peer.shutdown(socket.SHUT_WR)
                while more := peer.recv(65536):
                    received += more
            assert process.wait(PATIENCE) == ExitCode.CONNECT
    assert received.startswith(b"\x16\x03") and b"xmppctl" not in received


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_while_connecting(number, code):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        words = ("--jid", "a@localhost", "--host", "127.0.0.1", "--port", port, "--tls", "direct")
        process = start("ping", *words)
        server.settimeout(PATIENCE)
        peer, _ = server.accept()
        with peer:
            peer.recv(1)
            process.send_signal(number)
            _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert len(stderr.splitlines()) == 1 and "Traceback" not in stderr


def test_a_signal_while_reading_standard_input():
    process = start("send", "b@localhost", "-", "--jid", "a@localhost", stdin=subprocess.PIPE)
    assert process.stdin
    process.stdin.write("half a mess")
    process.stdin.flush()
    end = time.monotonic() + PATIENCE
    while fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)) != bytes(4):  # until it has read that
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "interrupted" in stderr


def test_a_second_signal_ends_it_at_once():
    code = (
        "import sys, time\n"
        "from xmppctl.cli import entry\n"
        "from xmppctl.errors import Interrupted\n"
        "entry._listen_for_signals()\n"
        "try:\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "except Interrupted:\n    print('closing', flush=True)\n    time.sleep(30)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "closing\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 130  # what ended it is the first
    process.stdout.close()


def test_ignored_signals_stay_ignored():
    """As under nohup."""
    code = (
        "import signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from xmppctl.cli import entry\n"
        "entry._listen_for_signals()\n"
        "assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
