"""The manual's pages say what the code says: every command, option and exit code, and of one release only."""

from __future__ import annotations

import pytest

from xmppctl.cli.manual import Release, pages
from xmppctl.cli.options import SHARED
from xmppctl.cli.registry import COMMANDS
from xmppctl.errors import ExitCode

MADE = pages(Release("9.8.7", "2001-02-03"))


def test_there_is_a_page_for_everything() -> None:
    alone = {"xmppctl.1", "xmppctl-filters.1", "xmppctl-daemon-protocol.7"}
    assert set(MADE) == {*alone, *(f"xmppctl-{name}.1" for name in COMMANDS)}


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_page_is_of_the_release_and_not_of_today(name: str) -> None:
    head = next(line for line in MADE[name].splitlines() if line.startswith(".TH"))
    assert "9.8.7" in head and "2001\\-02\\-03" in head.replace("2001-02-03", "2001\\-02\\-03")


def test_the_main_page_has_every_shared_option_and_exit_code() -> None:
    text = " ".join(MADE["xmppctl.1"].replace("\\-", "-").split())
    for shared in SHARED:
        assert shared.flags[-1] in text, shared.name
    for code in ExitCode:
        assert code.meaning.lower() in text.lower(), code.name


def test_a_commands_page_has_its_own_options() -> None:
    text = MADE["xmppctl-watch.1"].replace("\\-", "-")
    assert all(option in text for option in ("--count", "--until-idle", "--presence"))
