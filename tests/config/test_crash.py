"""A bug's traceback: in a private file, without the values of variables; where it cannot be written, that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.conftest import SECRET
from xmppctl.config import crash, paths


def failed(password: str = SECRET) -> BaseException:
    def inner(given: str) -> None:
        kept = given * 2
        raise KeyError(len(kept))

    try:
        inner(password)
    except KeyError as error:
        return error
    raise AssertionError


def test_it_is_in_a_private_file_of_the_state_directory_that_the_error_names(private_home: Path) -> None:
    told = crash.bug(failed())
    (path,) = (private_home / ".local/state/xmppctl").glob("crash-*.txt")
    assert told.code == 70 and "KeyError" in told.message
    assert told.hint is not None and told.hint.endswith(str(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_has_the_frames_and_no_value_of_a_variable() -> None:
    told = crash.bug(failed())
    (path,) = paths.state_dir().glob("crash-*.txt")
    text = path.read_text()
    assert "Traceback" in text and "in inner" in text and f"KeyError: {2 * len(SECRET)}" in text
    assert SECRET not in text and SECRET not in f"{told.message} {told.hint}"


def test_each_of_several_at_once_has_a_file_of_its_own() -> None:
    assert len({crash.bug(failed()).hint for _ in range(3)}) == 3
    assert len(list(paths.state_dir().glob("crash-*.txt"))) == 3


def test_what_is_no_text_is_written_escaped() -> None:
    crash.bug(ValueError("\udcff"))
    (path,) = paths.state_dir().glob("crash-*.txt")
    assert "\\udcff" in path.read_text()


@pytest.mark.parametrize("how", ["file", "open", "link"])
def test_where_it_cannot_be_written_the_bug_is_told_all_the_same(private_home: Path, how: str) -> None:
    state = private_home / ".local/state/xmppctl"
    state.parent.mkdir(parents=True)
    elsewhere = private_home / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if how == "file":
        state.write_text("")
    elif how == "open":
        state.mkdir()
        state.chmod(0o755)
    else:
        state.symlink_to(elsewhere)
    told = crash.bug(failed())
    assert told.code == 70 and "KeyError" in told.message
    assert told.hint is not None and "could not be written" in told.hint
    assert not list(private_home.rglob("crash-*"))
