"""The table of keys: what the contract promises of every key, option and variable."""

from __future__ import annotations

import pytest

from xmppctl.config.keys import KEYS, PASSWORD_KEYS


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_options_and_variables_are_named_after_the_key(key) -> None:
    assert key.option in ("", "--" + key.name.replace("_", "-"))
    assert key.variable in ("", "XMPPCTL_" + key.name.upper())
    assert key.help


def test_no_option_takes_a_password() -> None:
    assert not KEYS["password"].option


def test_options_of_the_contract() -> None:
    assert {key.option for key in KEYS.values() if key.option} == {
        "--jid", "--password-file", "--password-command", "--host", "--port", "--tls", "--ca", "--pin",
        "--insecure", "--resource",
    }  # fmt: skip
    assert all(key.variable for key in KEYS.values() if key.option)


def test_password_keys_are_keys() -> None:
    assert set(PASSWORD_KEYS) <= set(KEYS)
