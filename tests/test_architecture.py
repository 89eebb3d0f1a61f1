"""The house rules: who may import whom, which library stays behind which door, what starting up may load."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import xmppctl
from tests.servers import local
from tests.servers.hostile import Server
from xmppctl.config import paths
from xmppctl.config.secrets import NoPassword
from xmppctl.config.settings import Settings
from xmppctl.stanza.jid import Jid

ROOT = Path(xmppctl.__file__).parent

#: The floor of each room; a file imports from its own floor and those below.
FLOORS = {
    "": 0,  # xmppctl itself: its version
    "errors": 0,
    "interrupts": 0,
    "stanza": 0,
    "config": 1,
    "session": 2,
    "output": 2,
    "daemon": 3,
    "protocols": 3,
    "sandbox": 3,
    "shell": 4,
    "cli": 5,
    "__main__": 5,
}
#: Library -> the only room, or module, that imports it.
DOORS = {
    "slixmpp": "xmppctl.session.bridge",
    "rich": "xmppctl.output",
    "click": "xmppctl.cli",
    "prompt_toolkit": "xmppctl.shell",
}
HEAVY = ("slixmpp", "asyncio", "rich", "lxml", "prompt_toolkit")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield module_name(path), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules that are imported anywhere in the file, types included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            assert node.module
            if node.module == "xmppctl":
                yield from (f"xmppctl.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


ALL = dict(modules())


def test_every_room_has_a_floor():
    assert {room(module) for module in ALL} <= set(FLOORS)


@pytest.mark.parametrize("module", ALL)
def test_a_module_imports_its_own_floor_and_those_below(module):
    for imported in imports(ALL[module]):
        if imported.split(".")[0] != "xmppctl":
            continue
        there = room(imported)
        if there not in FLOORS:
            assert hasattr(xmppctl, there), f"{module} imports {imported}"
            continue
        assert FLOORS[there] <= FLOORS[room(module)], f"{module} imports {imported}"


def test_output_knows_no_session_and_session_no_output():
    for module, tree in ALL.items():
        if room(module) in ("output", "session"):
            other = {"output": "session", "session": "output"}[room(module)]
            assert not [
                each for each in imports(tree) if room(each) == other and each.startswith("xmppctl.")
            ], module


@pytest.mark.parametrize("library", DOORS)
def test_each_library_stays_behind_its_door(library):
    door = DOORS[library]
    inside = {
        module
        for module, tree in ALL.items()
        if any(imported.split(".")[0] == library for imported in imports(tree))
    }
    assert all(module == door or module.startswith(f"{door}.") for module in inside), inside


def test_nothing_waits_in_a_way_that_misses_its_own_end():
    """asyncio.wait_for() of Python 3.11 goes on where it is cancelled just when it has got what it waits for."""
    for module, tree in ALL.items():
        used = [each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)]
        assert "wait_for" not in used or "asyncio" not in imports(tree), module


def test_files_stay_readable():
    for path in ROOT.rglob("*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 400, f"{path} has {lines} lines"


def test_every_module_says_what_it_is():
    assert [module for module, tree in ALL.items() if not ast.get_docstring(tree)] == []


def loaded(code: str, **environ: str) -> set[str]:
    """The modules that are loaded after running `code` in a new interpreter."""
    report = "print('LOADED', *sorted(sys.modules))"
    # The program leaves by os._exit, which nothing that is registered would outlive.
    before = f"import atexit, os, sys\natexit.register(lambda: exec({report!r}))\nos._exit = sys.exit"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{code}"],
        env=kept | {"PYTHONPATH": str(ROOT.parent), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LOADED")] or [done.stderr]
    return set(line.split()[1:])


def running(*words: str) -> str:
    return f"import sys; sys.argv = ['xmppctl', *{list(words)!r}]\nfrom xmppctl.cli import main\nmain()"


@pytest.mark.parametrize(
    "words",
    [("--version",), ("--help",), ("send", "--help"), ("pubsub", "subscribe", "--help"), ("watch", "--help")],
)
def test_help_loads_click_and_nothing_heavier(words):
    found = loaded(running(*words))
    assert "click" in found
    assert not found & {*HEAVY, "ssl", "xml", "json", "subprocess", "dataclasses"}


@pytest.mark.parametrize("typed", ["xmppctl se", "xmppctl send --ti", "xmppctl -a ", "xmppctl watch kind:"])
def test_completion_loads_nothing_heavy(typed):
    found = loaded(running(), _XMPPCTL_COMPLETE="bash_complete", COMP_WORDS=typed)
    assert not found & {*HEAVY, "ssl", "xml", "subprocess"}


@pytest.mark.parametrize(
    "words",
    [
        ("send", "b@localhost", "hi"),
        ("send", "b@localhost", "hi", "-o", "jsonl"),
        ("ping",),
        ("raw", "<presence/>"),
        ("status", "--hold", "1"),
        ("roster", "list"),
        ("watch", "--count", "1"),
    ],
)
def test_hot_commands_load_nothing_heavy(words):
    """As far as the login, against a server that hangs up; the integration cases go all the way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        account = (
            "--jid",
            "a@localhost",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--tls",
            "none",
            "--timeout",
            "1",
        )
        found = loaded(running(*words, *account), XMPPCTL_PASSWORD="secret")
    assert not found & set(HEAVY)


@pytest.mark.parametrize(
    "module", ["messages", "presence", "raw", "ping", "roster", "watch"], ids=lambda name: f"protocols.{name}"
)
def test_what_hot_commands_run_on_loads_nothing_heavy(module):
    found = loaded(f"import xmppctl.protocols.{module}, xmppctl.session.direct, xmppctl.session.failures")
    assert not found & set(HEAVY)


#: What an attached command has no use for: the daemon has done it, or does it.
SPARED = {*HEAVY, "ssl", "socket", "json", "sqlite3", "subprocess", "difflib", "base64", "dataclasses"}
SPARED |= {"pycares", "aiodns", "hashlib", "random", "xml.etree", "logging", "selectors", "concurrent"}


@pytest.mark.parametrize(
    "words",
    [
        ("send", "juliet@capulet.example", "hi"),
        ("send", "juliet@capulet.example", "hi", "--wait", "none"),
        ("ping",),
        ("ping", "juliet@capulet.example"),
        ("raw", "<message to='juliet@capulet.example'/>"),
        ("status", "away", "out to lunch"),
    ],
    ids=" ".join,
)
def test_attached_commands_load_next_to_nothing(words):
    """From the first to the last, against a daemon that answers everything."""
    # Not pytest's own, which has the test's name in it: the path of a socket must be short.
    with tempfile.TemporaryDirectory() as directory:
        check_what_is_loaded(words, Path(directory))


def check_what_is_loaded(words, tmp_path):
    environ = {
        "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }
    name = Settings(Jid.parse(local.JID), NoPassword("test"))
    script = local.serving(local.answering, settings=name.digest())
    with Server(script, path=paths.daemon_socket(name.name, environ)) as server:
        found = loaded(
            f"{running(*words, '-v', '--daemon', 'only', '--jid', local.JID)}",
            **environ,
            XMPPCTL_PASSWORD="secret",
        )
        assert server.connections == 1
    assert "xmppctl.session.attach" in found
    assert not found & SPARED
    assert not {module for module in found if module.startswith(("xmppctl.daemon", "xmppctl.session.login"))}
