"""What completes, and that it comes from this machine's files alone."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from xmppctl.cli import complete
from xmppctl.cli.app import App
from xmppctl.config import known_jids
from xmppctl.stanza.filters import KEYS, compile_filter


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


@pytest.fixture
def context(environ: dict[str, str]) -> click.Context:
    return click.Context(click.Command("any"), obj=App(environ=environ))


PARAMETER = click.Argument(["any"])


def write_accounts(environ: dict[str, str], text: str) -> Path:
    file = Path(environ["XDG_CONFIG_HOME"]) / "xmppctl" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)
    return file


def write_sandbox_accounts(environ: dict[str, str], text: str) -> None:
    file = Path(environ["XDG_STATE_HOME"]) / "xmppctl" / "sandbox" / "accounts.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.parent.chmod(0o700)
    file.write_text(text)


ACCOUNTS = """
[accounts.work]
jid = "romeo@montague.example/desk"
[accounts.home]
jid = "romeo@home.example"
"""
SANDBOX = """
[accounts.alice]
jid = "alice@localhost"
[accounts.work]
jid = "sandboxed@localhost"
"""


def terms(context: click.Context, incomplete: str) -> list[str]:
    return [item.value for item in complete.filter_terms(context, PARAMETER, incomplete)]


def test_account_names_are_those_of_both_files(environ: dict[str, str]) -> None:
    write_accounts(environ, ACCOUNTS)
    write_sandbox_accounts(environ, SANDBOX)
    assert complete.account_names("", environ) == ["work", "home", "alice"]
    assert complete.account_names("wo", environ) == ["work"]


def test_without_files_there_are_no_names(environ: dict[str, str]) -> None:
    assert complete.account_names("", environ) == []


@pytest.mark.parametrize(
    "broken", ["[accounts", "accounts = 3", "[accounts.x]\njid = 4", '[accounts.x]\nnojid = "a"']
)
def test_a_broken_file_leaves_the_other_files_names(environ: dict[str, str], broken: str) -> None:
    write_accounts(environ, broken)
    write_sandbox_accounts(environ, SANDBOX)
    assert complete.account_names("", environ) == ["alice", "work"]


def test_nothing_is_unlocked(environ: dict[str, str], tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    write_accounts(environ, f'[accounts.a]\njid = "a@x.example"\npassword_command = "touch {mark}"\n')
    assert complete.account_names("", environ) == ["a"]
    assert not mark.exists()


def test_no_home_is_no_error() -> None:
    assert complete.account_names("", {"HOME": "relative", "XDG_CONFIG_HOME": ""}) == []


def test_jids_are_the_accounts_and_then_the_latest_known(
    environ: dict[str, str], context: click.Context
) -> None:
    write_accounts(environ, ACCOUNTS)
    known_jids.remember(["old@x.example", "romeo@home.example", "new@x.example"], environ)
    assert complete.jids(context, PARAMETER, "") == [
        "romeo@montague.example",
        "romeo@home.example",
        "new@x.example",
        "old@x.example",
    ]
    assert complete.jids(context, PARAMETER, "n") == ["new@x.example"]


def test_a_jid_that_looks_like_an_option_is_not_offered(
    environ: dict[str, str], context: click.Context
) -> None:
    known_jids.remember(["--insecure@x.example", "b@x.example"], environ)
    assert complete.jids(context, PARAMETER, "") == ["b@x.example"]


def test_every_key_of_the_filter_language_is_offered_open_ended(context: click.Context) -> None:
    items = complete.filter_terms(context, PARAMETER, "")
    assert [item.value for item in items] == [f"{key}:" for key in KEYS]
    assert {item.type for item in items} == {"open"}


@pytest.mark.parametrize("incomplete", ["kind:", "type:", "dir:", "-type:", "kind:iq,", "type:chat,norm"])
def test_every_offered_term_compiles(context: click.Context, incomplete: str) -> None:
    offered = terms(context, incomplete)
    assert offered
    for term in offered:
        assert term.startswith(incomplete)
        compile_filter([term])


def test_terms_are_narrowed_down(context: click.Context) -> None:
    assert terms(context, "k") == ["kind:"]
    assert terms(context, "-bod") == ["-body:"]
    assert terms(context, "kind:p") == ["kind:presence"]
    assert terms(context, "kind:iq,me") == ["kind:iq,message"]
    assert terms(context, "nonsense:x") == []


def test_terms_with_addresses_offer_known_jids(environ: dict[str, str], context: click.Context) -> None:
    known_jids.remember(["b@x.example"], environ)
    assert terms(context, "from:") == ["from:b@x.example"]
    assert terms(context, "-with:a@x.example,b") == ["-with:a@x.example,b@x.example"]


def test_topics_and_commands(context: click.Context) -> None:
    offered = [item.value for item in complete.topics(context, PARAMETER, "")]
    assert {"exit-codes", "filters", "watch", "roster"} <= set(offered)
    assert [item.value for item in complete.topics(context, PARAMETER, "exit")] == ["exit-codes"]
