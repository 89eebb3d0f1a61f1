"""Where files are, and that what is private is private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from xmppctl.config import paths
from xmppctl.errors import ConfigError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_defaults_are_those_of_the_xdg_specification(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert paths.config_file(environ) == tmp_path / ".config/xmppctl/config.toml"
    assert paths.state_dir(environ) == tmp_path / ".local/state/xmppctl"
    assert paths.runtime_dir(environ) == tmp_path / ".local/state/xmppctl/run"
    assert paths.sandbox_accounts_file(environ) == tmp_path / ".local/state/xmppctl/sandbox/accounts.toml"


def test_xdg_variables_are_followed(tmp_path: Path) -> None:
    environ = {
        "HOME": "/nowhere",
        "XDG_CONFIG_HOME": str(tmp_path / "c"),
        "XDG_STATE_HOME": str(tmp_path / "s"),
        "XDG_RUNTIME_DIR": str(tmp_path / "r"),
    }
    assert paths.config_file(environ) == tmp_path / "c/xmppctl/config.toml"
    assert not (tmp_path / "c").exists()
    assert paths.state_dir(environ) == tmp_path / "s/xmppctl"
    assert paths.runtime_dir(environ) == tmp_path / "r/xmppctl"
    assert mode(tmp_path / "s/xmppctl") == mode(tmp_path / "r/xmppctl") == 0o700


def test_xmppctl_config_names_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": "/home/me", "XDG_CONFIG_HOME": "/elsewhere"}
    assert paths.config_file({**environ, "XMPPCTL_CONFIG": "/etc/x.toml"}) == Path("/etc/x.toml")
    assert paths.config_file({**environ, "XMPPCTL_CONFIG": "~/x.toml"}) == Path("/home/me/x.toml")
    assert paths.config_file({**environ, "XMPPCTL_CONFIG": "x.toml"}) == tmp_path / "x.toml"
    assert paths.config_file({**environ, "XMPPCTL_CONFIG": ""}) == Path("/elsewhere/xmppctl/config.toml")


@pytest.mark.parametrize("value", ["relative/dir", "", "."])
def test_relative_xdg_values_are_ignored(tmp_path: Path, value: str) -> None:
    environ = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": value,
        "XDG_STATE_HOME": value,
        "XDG_RUNTIME_DIR": value,
    }
    assert paths.config_file(environ) == tmp_path / ".config/xmppctl/config.toml"
    assert paths.runtime_dir(environ) == tmp_path / ".local/state/xmppctl/run"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
def test_a_runtime_directory_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(theirs)}
    assert paths.runtime_dir(environ) == tmp_path / ".local/state/xmppctl/run"


def test_a_runtime_directory_that_everybody_can_write_to_is_not_used(tmp_path: Path) -> None:
    """As where root has XDG_RUNTIME_DIR=/tmp: anybody could have taken the name there before."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "xmppctl").symlink_to("/etc")
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(shared)}
    expected = tmp_path / ".local/state/xmppctl/run"
    assert paths.find_runtime_dir(environ) is None
    assert paths.runtime_dir(environ) == expected == paths.find_runtime_dir(environ)


def test_new_directories_are_0700_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = paths.private_directory(tmp_path / "a/b")
    finally:
        os.umask(before)
    assert mode(made) == 0o700


def test_a_planted_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="symbolic link") as caught:
        paths.private_directory(tmp_path / "state")
    assert caught.value.code == 3


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(ConfigError, match="not a directory"):
        paths.private_directory(tmp_path / "state")


def test_an_open_directory_is_refused_with_the_chmod_to_type(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    with pytest.raises(ConfigError, match="0755") as caught:
        paths.private_directory(tmp_path / "state")
    assert caught.value.hint == f"chmod 700 {tmp_path / 'state'}"


def test_a_directory_where_everybody_can_replace_ours_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="written by everybody"):
        paths.private_directory(shared / "mine")
    shared.chmod(0o1777)
    assert paths.private_directory(shared / "mine").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 12345, 12345)
    with pytest.raises(ConfigError, match="uid 12345"):
        paths.private_directory(tmp_path / "state")


def test_a_directory_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"File exists: '.*/file'") as caught:
        paths.private_directory(tmp_path / "file/state")
    assert "XDG_STATE_HOME" in caught.value.hint


def test_write_private_makes_0600_and_replaces_whole(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(0o644)
    before = os.umask(0)
    try:
        paths.write_private(target, b"new")
    finally:
        os.umask(before)
    assert target.read_bytes() == b"new"
    assert mode(target) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_write_private_does_not_follow_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "file").symlink_to(victim)
    paths.write_private(tmp_path / "file", b"new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_failed_write_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        paths.write_private(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_write_private_into_nowhere_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        paths.write_private(tmp_path / "missing/file", b"")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("~", "{home}"), ("~/x", "{home}/x"), ("x/y", "/base/x/y"), ("/x", "/x"), ("~root/x", "/root/x")],
)
def test_expand(tmp_path: Path, text: str, expected: str) -> None:
    assert str(paths.expand(text, Path("/base"), {"HOME": str(tmp_path)})) == expected.format(home=tmp_path)


def test_expand_of_an_unknown_user() -> None:
    with pytest.raises(ConfigError, match="no such user"):
        paths.expand("~no-such-user-here/x", Path("/base"), {})


def test_a_relative_path_of_an_option_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.expand("ca.pem", Path(), {}) == tmp_path / "ca.pem"


def test_names_of_accounts_become_names_of_files_that_are_harmless_and_differ() -> None:
    names = [
        "work",
        "Work",
        "romeo@montague.example",
        "a/b",
        "a%2Fb",
        ".",
        "..",
        ".sock",
        "ü",
        "~",
        "a b",
        "\n",
        "-",
    ]
    names += ["x" * 64, "x" * 65, "x" * 66, "/" * 40, "/" * 41]
    slugs = [paths.slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    for slug in slugs:
        assert "/" not in slug and not slug.startswith(".") and slug.isascii() and slug.isprintable()
        assert 0 < len(slug) <= 64
    assert paths.slug("romeo@montague.example") == "romeo@montague.example"


def test_a_daemons_files_are_in_private_directories(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_RUNTIME_DIR": str(tmp_path / "r")}
    run, state = tmp_path / "r/xmppctl", tmp_path / "s/xmppctl"
    assert paths.daemon_socket("a/b", environ) == run / "a%2Fb.sock"
    assert paths.daemon_lock("work", environ) == run / "work.lock"
    assert paths.daemon_start_lock("work", environ) == run / "work.start"
    assert paths.daemon_log("work", environ) == state / "daemon/work.log"
    assert paths.spool_file("work", environ) == state / "spool/work.db"
    for directory in (run, state / "daemon", state / "spool"):
        assert mode(directory) == 0o700
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_looking_for_a_daemon_makes_nothing(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_RUNTIME_DIR": str(tmp_path / "r")}
    assert paths.find_daemon_socket("work", environ) is None
    (tmp_path / "r").mkdir()
    assert paths.find_daemon_socket("work", environ) is None
    assert [path.name for path in tmp_path.rglob("*")] == ["r"]
    for given in (environ, {"XDG_STATE_HOME": str(tmp_path / "s")}):
        made = paths.daemon_socket("work", given)
        assert paths.find_daemon_socket("work", given) == made


def test_a_runtime_directory_that_others_can_enter_is_refused_by_who_only_looks_too(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    (tmp_path / "xmppctl").mkdir(mode=0o755)
    with pytest.raises(ConfigError, match="open to other users"):
        paths.find_daemon_socket("work", environ)
    (tmp_path / "xmppctl").rmdir()
    (tmp_path / "xmppctl").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="symbolic link"):
        paths.find_daemon_socket("work", environ)
