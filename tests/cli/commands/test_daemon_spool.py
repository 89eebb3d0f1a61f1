"""`daemon spool`: the list, sending again, dropping, and a damaged file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xmppctl.cli.commands import daemon_spool
from xmppctl.config import paths
from xmppctl.daemon.spool import Spool
from xmppctl.daemon.spool_rows import STATES, New, News, Refusal
from xmppctl.errors import StanzaCondition

pytestmark = pytest.mark.kinds("memory")

ROMEO = "romeo@montague.example"
JULIET = "juliet@capulet.example"


class Home:
    """A spool, and the command on it."""

    def __init__(self, root: Path, run_cli: Callable[..., Any]) -> None:
        self._run = run_cli
        self.environ = {
            "XDG_RUNTIME_DIR": str(root),
            "XDG_STATE_HOME": str(root / "state"),
            "HOME": str(root),
        }
        self.path = paths.spool_file(ROMEO, self.environ)
        self.now: float | None = None

    def run(self, *words: str) -> Any:
        ran = self._run("daemon", "spool", *words, environ=self.environ)
        assert ran.session is None
        return ran

    def store(self, act: Callable[[Spool], Any]) -> Any:
        spool = Spool(self.path) if self.now is None else Spool(self.path, now=lambda: self.now or 0.0)
        try:
            return act(spool)
        finally:
            spool.close()

    def put(self, *ids: str, ttl: float | None = None, account: str = ROMEO) -> None:
        self.store(
            lambda spool: spool.add(account, [New(JULIET, each, "<message/>") for each in ids], ttl=ttl)
        )

    @property
    def states(self) -> dict[str, str]:
        return {each.id: each.state for each in self.store(lambda spool: spool.entries(STATES))}


@pytest.fixture
def home(tmp_path: Path, run_cli: Callable[..., Any]) -> Home:
    (tmp_path / "home").mkdir(mode=0o700)
    return Home(tmp_path / "home", run_cli)


@pytest.fixture
def full(home: Home) -> Home:
    """One message in each state."""
    home.put("gone", "there", "flying")

    def daemon(spool: Spool) -> None:
        spool.open()
        rows = spool.turn(ROMEO, News(), room=3, room_bytes=1000).taken
        why = StanzaCondition("service-unavailable", "cancel", "no\x1b[2J such user")
        news = News(
            [rows[1].n], [Refusal("gone", lambda _: True, "juliet refused: no\x1b[2J such user", why)]
        )
        spool.turn(ROMEO, news, room=0, room_bytes=0)

    home.store(daemon)
    home.put("late", ttl=0.000001)
    home.put("waits", ttl=86400)
    return home


def test_the_list(full: Home) -> None:
    ran = full.run("list")
    assert ran.code == 0 and ran.stderr == ""
    head, *lines = ran.stdout.splitlines()
    assert head.split() == ["ID", "TO", "STATE", "AGE", "ATTEMPTS", "REASON"]
    assert [line.split()[:5] for line in lines] == [
        ["gone", JULIET, "refused", "0s", "1"],
        ["flying", JULIET, "sending", "0s", "1"],
        ["late", JULIET, "expired", "0s", "0"],
        ["waits", JULIET, "spooled", "0s", "0"],
    ]
    assert "juliet refused" in lines[0] and "\x1b" not in ran.stdout


def test_the_list_with_what_was_delivered(full: Home) -> None:
    assert [record["state"] for record in full.run("list", "--all", "-o", "jsonl").records] == [
        "refused",
        "delivered",
        "sending",
        "expired",
        "spooled",
    ]


def test_records(full: Home) -> None:
    records = {record["id"]: record for record in full.run("list", "-o", "jsonl").records}
    gone = records["gone"]
    assert (gone["from"], gone["to"], gone["state"], gone["attempts"]) == (ROMEO, JULIET, "refused", 1)
    assert (gone["condition"], gone["type"]) == ("service-unavailable", "cancel")
    assert gone["reason"].startswith("juliet refused") and "expires" not in gone and gone["age"] == 0
    assert records["waits"]["expires"] > records["waits"]["accepted"] > "2020"
    assert "reason" not in records["waits"]


def test_an_empty_spool(home: Home) -> None:
    for words in (("list",), ("list", "--all")):
        ran = home.run(*words)
        assert (ran.code, ran.stdout) == (0, "") and "spool" in ran.stderr
    assert home.run("list", "-o", "json").stdout == "[]\n"
    assert not home.path.exists()


def test_messages_of_another_address_are_told_of(home: Home) -> None:
    home.put("1", account="mercutio@verona.example")
    ran = home.run("list", "-o", "jsonl")
    assert (
        ran.records[0]["from"] == "mercutio@verona.example" and "mercutio@verona.example wait" in ran.stderr
    )


def test_a_list_of_what_waits_sends_nothing_and_changes_nothing(full: Home) -> None:
    before = full.states
    full.run("list")
    assert full.states == before


def test_sending_again(full: Home) -> None:
    ran = full.run("retry", "gone", "-o", "jsonl")
    assert (ran.code, ran.records[0]["retried"]) == (0, 1)
    assert "1 message waits to be sent again" in ran.stderr and "no daemon runs" in ran.stderr
    assert full.states["gone"] == "spooled" and full.states["late"] == "expired"
    ran = full.run("retry", "--all", "--ttl", "1h")
    assert ran.code == 0 and full.states["late"] == "spooled"
    (entry,) = full.store(lambda spool: [each for each in spool.entries(STATES) if each.id == "late"])
    assert entry.expires is not None
    ran = full.run("retry", "--all")
    assert ran.code == 0 and "nothing has failed" in ran.stderr and "daemon" not in ran.stderr


def test_dropping(full: Home) -> None:
    ran = full.run("drop", "gone", "flying", "-o", "jsonl")
    assert (ran.code, ran.records[0]["dropped"]) == (0, 2)
    assert "may have arrived" in ran.stderr
    assert set(full.states) == {"there", "late", "waits"}
    ran = full.run("drop", "--all", "--state", "expired", "--state", "refused")
    assert ran.code == 0 and set(full.states) == {"there", "waits"}
    assert "dropped 1 message (1 expired)" in ran.stderr
    assert full.run("drop", "--all").code == 0 and full.states == {}
    assert "nothing to drop" in full.run("drop", "--all").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("retry",),
        ("retry", "gone", "--all"),
        ("retry", "nosuch"),
        ("retry", "gone", "nosuch"),
        ("retry", "waits"),
        ("retry", "--all", "--ttl", "0"),
        ("retry", "--all", "--ttl", "soon"),
        ("drop",),
        ("drop", "gone", "--all"),
        ("drop", "nosuch", "gone"),
        ("drop", "gone", "--state", "refused"),
        ("drop", "--all", "--state", "nosuch"),
        ("list", "-o", "xml"),
        ("drop", "--all", "-o", "xml"),
        ("reset",),
    ],
)
def test_usage_errors_change_nothing(full: Home, words: tuple[str, ...]) -> None:
    before = full.states
    ran = full.run(*words)
    assert ran.code == 2 and ran.stderr and full.states == before


def test_an_unknown_id_is_named(full: Home) -> None:
    ran = full.run("drop", "nosuch", "-o", "json")
    assert ran.errors[0]["message"] == "there is no message nosuch: nothing was changed"
    assert "waits is spooled" in full.run("retry", "waits").stderr


def test_a_damaged_spool_is_moved_aside_on_request_only(full: Home) -> None:
    full.path.write_bytes(b"nonsense" * 1000)
    for words in (("list",), ("retry", "--all"), ("drop", "--all")):
        ran = full.run(*words)
        assert ran.code == 3 and "damaged" in ran.stderr and "daemon spool reset" in ran.stderr
    ran = full.run("reset", "-o", "jsonl")
    assert ran.code == 0 and Path(ran.records[0]["moved"]).read_bytes() == b"nonsense" * 1000
    assert full.states == {}


def test_the_states_are_those_of_the_spool() -> None:
    assert daemon_spool._STATES == STATES


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86400 * 3.5, "3d")],
)
def test_ages(seconds: float, shown: str) -> None:
    assert daemon_spool._age(seconds) == shown
