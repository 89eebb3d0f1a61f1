"""Tab: the real scripts in the real shells, and that what they insert is harmless there."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xmppctl.cli.app import App
from xmppctl.cli.entry import run
from xmppctl.cli.tab import candidates
from xmppctl.config import known_jids

PROGRAM = Path(sys.executable).with_name("xmppctl")
SHELLS = ["bash", "zsh", "fish"]
HEAVY = ("asyncio", "lxml", "prompt_toolkit", "rich", "slixmpp", "socket", "ssl", "tomlkit")


@pytest.fixture
def environ(private_home: Path) -> dict[str, str]:
    """The test's own home, with two accounts and one known JID."""
    file = private_home / ".config" / "xmppctl" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        '[accounts.work]\njid = "romeo@montague.example"\n[accounts.spare]\njid = "s@x.example"\n'
    )
    environ = dict(os.environ, PATH=f"{PROGRAM.parent}:{os.environ['PATH']}")
    known_jids.remember(["bob@localhost"], environ)
    return environ


def answer(environ: dict[str, str], line: str, shell: str = "zsh", **more: str) -> list[list[str]]:
    """What a script gets: rows of kind, word, help."""
    asked = environ | {"_XMPPCTL_COMPLETE": f"{shell}_complete", "COMP_WORDS": line} | more
    stdout, stderr = io.StringIO(), io.StringIO()
    assert run([], App(stdout=stdout, stderr=stderr, environ=asked)) == 0
    assert stderr.getvalue() == ""
    return [row.split("\t") for row in stdout.getvalue().splitlines()]


def words(environ: dict[str, str], line: str, shell: str = "zsh", **more: str) -> list[str]:
    return [row[1] for row in answer(environ, line, shell, **more)]


def test_commands_come_with_their_help(environ: dict[str, str]) -> None:
    assert ["plain", "ping", "Measure the way to an entity and back"] in answer(environ, "xmppctl p")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("xmppctl -a w", ["work"]),
        ("xmppctl --account=w", ["--account=work"]),
        ("xmppctl ping -a ", ["work", "spare"]),
        ("xmppctl --output js", ["json", "jsonl"]),
        ("xmppctl send bo", ["bob@localhost"]),
        ('xmppctl send "bo', ["bob@localhost"]),
        ("xmppctl send 'bob@l", ["bob@localhost"]),
        ("xmppctl send bob@localhost hi --to=bob", ["--to=bob@localhost"]),
        ("LANG=C XMPPCTL_TLS=none xmppctl send bo", ["bob@localhost"]),
        ("xmppctl completion f", ["fish"]),
        ("xmppctl help exit", ["exit-codes"]),
        ("xmppctl roster ad", ["add"]),
        ("xmppctl watch ki", ["kind:"]),
        ("xmppctl watch kind:mes", ["kind:message"]),
        ("xmppctl watch -type:er", ["-type:error"]),
        ("xmppctl watch kind:iq -ki", ["-kind:"]),
        ("xmppctl watch from:bo", ["from:bob@localhost"]),
        ("xmppctl pubsub subscribe bo", ["bob@localhost"]),
        ("xmppctl disco info bo", ["bob@localhost"]),
        ("xmppctl account show wo", ["work"]),
    ],
)
def test_the_word_under_the_cursor(environ: dict[str, str], line: str, expected: list[str]) -> None:
    assert words(environ, line) == expected


@pytest.mark.parametrize(
    "line", ["", "xmppctl nonsense ", "xmppctl ping --nonsense x ", "xmppctl --port x pin\\", "\x00\x00", "'"]
)
def test_nothing_is_said_of_a_line_that_is_wrong(environ: dict[str, str], line: str) -> None:
    answer(environ, line)


def test_a_flag_that_prints_does_not_print_on_a_tab(environ: dict[str, str]) -> None:
    assert "ping" in words(environ, "xmppctl --version ")


def test_files_are_left_to_the_shell(environ: dict[str, str]) -> None:
    assert answer(environ, "xmppctl --trace ") == [["file", "", ""]]


def test_bash_gets_only_the_piece_that_it_replaces(environ: dict[str, str]) -> None:
    assert words(environ, "xmppctl send bob@lo", "bash", _XMPPCTL_WORD="@lo") == ["@localhost"]
    assert words(environ, "xmppctl --output=js", "bash", _XMPPCTL_WORD="js") == ["json", "jsonl"]
    assert words(environ, "xmppctl send bo", "bash", _XMPPCTL_WORD="bo") == ["bob@localhost"]


@pytest.mark.parametrize(
    "hostile",
    [
        "$(touch pwned)@x.example",
        "$(touch${IFS}pwned)@x.example",
        "`id`@x.example",
        "a;id@x.example",
        "a|id@x.example",
        "a>b@x.example",
        "*@x.example",
        "?@x.example",
        "{a,b}@x.example",
        "[a]@x.example",
        "a\\@x.example",
        "'@x.example",
        '"@x.example',
        "~root@x.example",
        "!1@x.example",
        "#a@x.example",
        "=ls@x.example",
        "a&b@x.example",
        "-rf@x.example",
        "a\tb@x.example",
        "a\x1b]0;b\x07@x.example",
        "a\u202eb@x.example",
    ],
)
def test_only_plain_jids_are_offered(environ: dict[str, str], hostile: str) -> None:
    state = Path(environ["XDG_STATE_HOME"]) / "xmppctl" / "known-jids"
    state.write_text(f"{hostile}\nplain@x.example\n")
    assert words(environ, "xmppctl send ") == ["romeo@montague.example", "s@x.example", "plain@x.example"]


def test_another_word_in_the_variable_is_a_usage_error(environ: dict[str, str]) -> None:
    stderr = io.StringIO()
    app = App(stdout=io.StringIO(), stderr=stderr, environ=environ | {"_XMPPCTL_COMPLETE": "tcsh_complete"})
    assert run([], app) == 2
    assert "xmppctl completion bash" in stderr.getvalue()


def test_clicks_own_way_to_get_the_script_works(environ: dict[str, str]) -> None:
    stdout = io.StringIO()
    assert run([], App(stdout=stdout, environ=environ | {"_XMPPCTL_COMPLETE": "bash_source"})) == 0
    assert "complete -o nosort -F _xmppctl_completion xmppctl" in stdout.getvalue()


@pytest.mark.parametrize("line", ["xmppctl ", "xmppctl -a ", "xmppctl send ", "xmppctl ping --"])
def test_a_tab_loads_nothing_heavy_and_opens_no_socket(environ: dict[str, str], line: str) -> None:
    code = "import sys; from xmppctl.cli.entry import run; run([]); print(*sys.modules, file=sys.stderr)"
    asked = environ | {"_XMPPCTL_COMPLETE": "bash_complete", "COMP_WORDS": line}
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=True)
    assert done.stdout
    assert not set(HEAVY) & set(done.stderr.split())


# -- the real shells --


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def in_bash(environ: dict[str, str], line: str, word: str) -> list[str]:
    """Call the function as bash does on a Tab. `word` is what bash takes for the word to complete."""
    code = (
        'eval "$(xmppctl completion bash)"; COMP_LINE=$1; COMP_POINT=${#1}; '
        '_xmppctl_completion xmppctl "$2" ""; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", code, "bash", line, word],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("xmppctl pin", "pin", ["ping"]),
        ("xmppctl ping bob@lo", "@lo", ["@localhost"]),
        ("xmppctl --output=js", "js", ["json", "jsonl"]),
        ("xmppctl -a sp", "sp", ["spare"]),
        ("xmppctl nonsense x", "x", [""]),
    ],
)
def test_bash_completes(environ: dict[str, str], line: str, word: str, expected: list[str]) -> None:
    needs("bash")
    assert in_bash(environ, line, word) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("xmppctl pin", ["ping"]),
        ("xmppctl ping bob@lo", ["bob@localhost"]),
        ("xmppctl --output=js", ["--output=json", "--output=jsonl"]),
        ("xmppctl -a sp", ["spare"]),
        ("xmppctl ping --trace=/etc/host", ["--trace=/etc/hostname"]),
    ],
)
def test_fish_completes(environ: dict[str, str], line: str, expected: list[str]) -> None:
    needs("fish")
    code = "xmppctl completion fish | source; complete -C $argv[1]"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code, line], env=environ, capture_output=True, text=True, check=True
    )
    offered = [row.partition("\t")[0] for row in done.stdout.splitlines()]
    assert set(expected) <= set(offered)
    if not line.endswith("host"):
        assert len(offered) == len(expected)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("xmppctl pin", "xmppctl ping "),
        ("xmppctl ping bob@lo", "xmppctl ping bob@localhost "),
        ("xmppctl ping --output=xm", "xmppctl ping --output=xml "),
        ("xmppctl -a sp", "xmppctl -a spare "),
    ],
)
def test_zsh_completes(environ: dict[str, str], tmp_path: Path, typed: str, expected: str) -> None:
    """Press Tab in an interactive zsh, and have it write its line to a file."""
    needs("zsh")
    line = tmp_path / "line"
    (tmp_path / "rc").write_text(
        "autoload -Uz compinit; compinit -u -D\n"
        'eval "$(xmppctl completion zsh)"\n'
        f"show() {{ print -rn -- \"$BUFFER\" > '{line}' }}; zle -N show; bindkey '^X' show\n"
    )
    code = (
        "zmodload zsh/zpty; zpty shell zsh -f -i; "
        "zpty -w shell \"source '$1'; print re''ady\"; zpty -r -m shell out '*ready*'; "
        "zpty -n -w shell \"$2\"$'\\t\\x18'; "
        "for i in {1..100}; do [[ -s $3 ]] && break; sleep 0.05; zpty -r -t shell out; done; zpty -d shell"
    )
    subprocess.run(
        ["zsh", "-f", "-c", code, "zsh", str(tmp_path / "rc"), typed, str(line)],
        env=environ | {"TERM": "dumb"}, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert line.read_text() == expected


# -- inside a shell of our own --


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pin", ["ping"]),
        ("ping -a w", ["work"]),
        ("ping --account=w", ["--account=work"]),
        ("send bo", ["bob@localhost"]),
        ("roster li", ["list"]),
        ("no-such-command x", []),
        ("--trace ", []),
        ("send 'open", []),
    ],
)
def test_candidates(environ: dict[str, str], line: str, expected: list[str]) -> None:
    assert [word for word, _ in candidates(line, environ)] == expected


def test_candidates_come_with_their_help_in_one_line(environ: dict[str, str]) -> None:
    found = dict(candidates("", environ))
    assert found["ping"] == "Measure the way to an entity and back"
    assert not [told for told in found.values() if "\n" in told]


def test_candidates_never_fail(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    config = Path(environ["HOME"]) / ".config" / "xmppctl" / "config.toml"
    config.write_text("not [toml")
    assert candidates("ping -a ", environ) == []
