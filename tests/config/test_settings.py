"""Precedence, and what is refused: each key in each layer, told by its origin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.config.conftest import SECRET, Home, Planted
from xmppctl.config.keys import KEYS
from xmppctl.config.secrets import NoPassword, Secret
from xmppctl.config.settings import Settings, resolve
from xmppctl.errors import ConfigError, SecretError, UsageError
from xmppctl.stanza.jid import Jid

WORK = '[accounts.work]\njid = "romeo@montague.example"\n'
PIN = ["A" * 43 + "=", "B" * 42 + "A=", "C" * 42 + "A="]

#: key -> what option, variable and file say (text), and what that means in the settings.
LAYERS: Mapping[str, list[tuple[str, Any]]] = {
    "jid": [("o@x", Jid("o", "x")), ("e@x", Jid("e", "x")), ('"f@x"', Jid("f", "x"))],
    "host": [("o.example", "o.example"), ("e.example", "e.example"), ('"f.example"', "f.example")],
    "port": [("1", 1), ("2", 2), ("3", 3)],
    "tls": [("direct", "direct"), ("starttls", "starttls"), ('"direct"', "direct")],
    "ca": [("o.pem", "{cwd}/o.pem"), ("e.pem", "{cwd}/e.pem"), ('"f.pem"', "{config}/f.pem")],
    "pin": [(PIN[0], PIN[0]), (PIN[1], PIN[1]), (f'"{PIN[2]}"', PIN[2])],
    "insecure": [("true", True), ("false", False), ("true", True)],
    "resource": [("o", "o"), ("e", "e"), ('"f"', "f")],
    "plain": [("", None), ("true", True), ("false", False)],
    "persist": [("", None), ("2m", 120.0), ('"1h"', 3600.0)],
}
OPTIONLESS = {"certificate", "key", "password", "keyring"}
SOURCES = {"password_command", "password_file"}


def pems(home: Home) -> None:
    home.file.parent.mkdir(parents=True, exist_ok=True)
    for path in (home.root / "o.pem", home.root / "e.pem", home.file.parent / "f.pem"):
        path.write_text("-----BEGIN CERTIFICATE-----\n")


def test_the_table_has_every_key() -> None:
    assert set(LAYERS) | OPTIONLESS | SOURCES == set(KEYS)


@pytest.mark.parametrize("layers", range(1, 8))
@pytest.mark.parametrize("name", LAYERS)
def test_the_highest_layer_that_says_it_wins(home: Home, name: str, layers: int) -> None:
    """`layers` is a set of bits: 1 the option, 2 the variable, 4 the file."""
    key = KEYS[name]
    pems(home)
    given = LAYERS[name]
    in_file = f"{name} = {given[2][0]}\n" if layers & 4 else ""
    text = "[accounts.work]\n" + in_file + ('jid = "j@x"\n' if name != "jid" or not in_file else "")
    home.write(text)
    options = {"account": "work", **({name: given[0][0]} if layers & 1 and key.option else {})}
    environ = {**home.environ, **({key.variable: given[1][0]} if layers & 2 else {})}
    settings = resolve(options, environ)

    if layers & 1 and key.option:
        layer, origin = 0, f"option {key.option}"
    elif layers & 2:
        layer, origin = 1, f"environment {key.variable}"
    elif layers & 4:
        layer, origin = 2, f"account work ({home.file})"
    else:
        assert settings.origins[name] == "default" and not getattr(settings, name)
        return
    expected = given[layer][1]
    if isinstance(expected, str):
        expected = expected.format(cwd=home.root, config=home.file.parent)
    found = getattr(settings, name)
    assert (str(found) if isinstance(found, Path) else found) == expected
    assert settings.origins[name] == origin


def test_defaults(home: Home) -> None:
    home.write(WORK)
    settings = resolve({}, home.environ)
    assert settings[2:14] == ("work", None, None, None, None, None, False, None, None, False, None, None)
    assert settings.origins["host"] == "default"
    assert set(settings.origins) == set(Settings._fields) - {"origins"}


def test_unknown_options_and_those_not_given_are_nothing(home: Home) -> None:
    home.write(WORK)
    assert resolve({"timeout": "3", "output": "json", "host": None}, home.environ).host is None


# -- which account --


def test_account_of_option_variable_default_and_only(home: Home) -> None:
    two = WORK + '[accounts.home]\njid = "romeo@home.example"\n'
    home.write('default = "home"\n' + two)
    assert resolve({"account": "work"}, home.environ).origins["account"] == "option --account"
    env = {**home.environ, "XMPPCTL_ACCOUNT": "work"}
    assert resolve({}, env).origins["account"] == "environment XMPPCTL_ACCOUNT"
    assert resolve({"account": "home"}, env).account == "home"
    settings = resolve({}, home.environ)
    assert settings.account == "home" and settings.origins["account"] == f"default of {home.file}"
    home.write(WORK)
    settings = resolve({}, home.environ)
    assert settings.account == "work" and settings.origins["account"] == f"the only account of {home.file}"


def test_keys_without_a_shared_option_can_be_given_by_a_command(home: Home) -> None:
    settings = resolve({"jid": "a@b", "plain": "yes", "persist": "1m"}, home.environ)
    assert settings.plain is True and settings.persist == 60
    assert settings.origins["persist"] == "option --persist"
    with pytest.raises(UsageError, match=r"^--persist: "):
        resolve({"jid": "a@b", "persist": "x"}, home.environ)


def test_several_accounts_and_no_default(home: Home) -> None:
    home.write(WORK + '[accounts.home]\njid = "romeo@home.example"\n')
    with pytest.raises(ConfigError, match="which account") as caught:
        resolve({}, home.environ)
    assert "-a NAME" in caught.value.hint


def test_no_account_at_all(home: Home) -> None:
    with pytest.raises(ConfigError, match="no account") as caught:
        resolve({}, home.environ)
    assert "account add" in caught.value.hint and "--jid" in caught.value.hint
    home.sandbox('[accounts.alice]\njid = "alice@localhost"\n')
    with pytest.raises(ConfigError) as caught:
        resolve({}, home.environ)
    assert "-a alice" in caught.value.hint
    assert resolve({"account": "alice"}, home.environ).jid.bare == "alice@localhost"


def test_with_a_jid_no_file_is_needed(home: Home) -> None:
    home.write("this is no TOML")
    settings = resolve({"jid": "romeo@montague.example/balcony"}, home.environ)
    assert str(settings.jid) == "romeo@montague.example" and settings.resource == "balcony"
    assert settings.account is None
    assert resolve({}, {**home.environ, "XMPPCTL_JID": "x@y"}).origins["jid"] == "environment XMPPCTL_JID"


def test_the_default_account_stays_out_of_another_jid(home: Home) -> None:
    home.write('default = "work"\n' + WORK + f'host = "h"\npassword = "{SECRET}"\n')
    settings = resolve({"jid": "mallory@evil.example"}, home.environ, no_input=True)
    assert settings.host is None and settings.account is None
    with pytest.raises(SecretError):
        settings.password.get()


def test_resource_of_a_higher_layer_wins_over_the_account(home: Home) -> None:
    home.write('[accounts.work]\njid = "romeo@montague.example/file"\nresource = "key"\n')
    assert resolve({}, home.environ).resource == "key"
    settings = resolve({"jid": "romeo@montague.example/option", "account": "work"}, home.environ)
    assert settings.resource == "option" and settings.origins["resource"] == "option --jid"
    assert resolve({"jid": "a@b/jid", "resource": "given"}, home.environ).resource == "given"


# -- values --

BAD = {
    "jid": "a@@",
    "host": "h:5222",
    "port": "0",
    "tls": "ssl",
    "ca": "/missing.pem",
    "pin": "abc",
    "insecure": "maybe",
    "resource": "a\x01",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_values_have_the_code_of_their_layer(home: Home, name: str) -> None:
    key = KEYS[name]
    jid = {} if name == "jid" else {"jid": "a@b"}
    with pytest.raises(UsageError, match=f"^{key.option}: ") as usage:
        resolve({**jid, name: BAD[name]}, home.environ)
    assert usage.value.code == 2
    with pytest.raises(ConfigError, match=f"^{key.variable}: ") as config:
        resolve(jid, {**home.environ, key.variable: BAD[name]})
    assert config.value.code == 3


@pytest.mark.parametrize(
    "text", ['pin = "x"', "port = 0", 'tls = "x"', 'persist = "x"', 'host = "a b"', 'resource = ""']
)
def test_bad_values_of_the_file_name_file_and_key(home: Home, text: str) -> None:
    home.write(WORK + text + "\n")
    with pytest.raises(ConfigError) as caught:
        resolve({}, home.environ)
    assert caught.value.message.startswith(f"{home.file}: accounts.work.{text.split()[0]}: ")


def test_a_bad_jid_in_the_file(home: Home) -> None:
    home.write('[accounts.work]\njid = "@@"\n')
    with pytest.raises(ConfigError, match=r"accounts\.work\.jid: not a JID") as caught:
        resolve({}, home.environ)
    assert caught.value.code == 3


def test_a_ca_that_is_no_pem(home: Home) -> None:
    (home.root / "ca.der").write_bytes(b"\x30\x82")
    with pytest.raises(UsageError, match="no PEM certificate"):
        resolve({"jid": "a@b", "ca": "ca.der"}, home.environ)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"jid": "a@localhost"}, True),
        ({"jid": "a@example.org", "host": "127.0.0.1"}, True),
        ({"jid": "a@example.org", "host": "::1"}, True),
        ({"jid": "a@[::1]"}, True),
        ({"jid": "a@example.org", "insecure": "true"}, True),
        ({"jid": "a@example.org"}, False),
        ({"jid": "a@localhost", "host": "192.0.2.1"}, False),
        ({"jid": "a@localhost.example.org"}, False),
    ],
)
def test_no_tls_only_where_nobody_listens(home: Home, options: dict[str, str], allowed: bool) -> None:
    if allowed:
        assert resolve({**options, "tls": "none"}, home.environ).tls == "none"
        return
    with pytest.raises(UsageError, match="--tls: without TLS") as caught:
        resolve({**options, "tls": "none"}, home.environ)
    assert "--insecure" in caught.value.hint
    with pytest.raises(ConfigError, match="XMPPCTL_TLS: without TLS"):
        resolve(options, {**home.environ, "XMPPCTL_TLS": "none"})


# -- client certificates --


def certificate(home: Home, *, key: bool, mode: int = 0o600) -> None:
    text = "-----BEGIN CERTIFICATE-----\n" + ("-----BEGIN EC PRIVATE KEY-----\n" if key else "")
    home.write(text, mode, file=home.file.parent / "me.pem")


def test_a_certificate_needs_no_password(home: Home) -> None:
    certificate(home, key=True)
    home.write(WORK + 'certificate = "me.pem"\n')
    settings = resolve({}, home.environ)
    assert settings.certificate == home.file.parent / "me.pem" and settings.key is None
    assert not settings.password.available


def test_certificate_and_key_must_fit(home: Home) -> None:
    certificate(home, key=False)
    home.write(WORK + 'certificate = "me.pem"\n')
    with pytest.raises(ConfigError, match="no PEM private key"):
        resolve({}, home.environ)
    home.write("-----BEGIN PRIVATE KEY-----\n", file=home.file.parent / "me.key")
    home.write(WORK + 'certificate = "me.pem"\nkey = "me.key"\n')
    assert resolve({}, home.environ).key == home.file.parent / "me.key"
    home.write(WORK + 'key = "me.key"\n')
    with pytest.raises(ConfigError, match="a key without a certificate"):
        resolve({}, home.environ)


def test_a_private_key_that_others_can_read(home: Home) -> None:
    certificate(home, key=True, mode=0o644)
    home.write(WORK + 'certificate = "me.pem"\n')
    with pytest.raises(SecretError, match="0644"):
        resolve({}, home.environ)


def test_an_anonymous_login_needs_no_password(home: Home) -> None:
    settings = resolve({"jid": "anon.example"}, {**home.environ, "XMPPCTL_PASSWORD": SECRET})
    assert not settings.password.available


# -- passwords --


def secret_file(home: Home, name: str, text: str) -> str:
    return str(home.write(text, file=home.root / name))


def password_layers(home: Home) -> list[tuple[str, dict[str, str], dict[str, str], str]]:
    """From the highest: the password, options, variables and lines of the account that give it."""
    return [
        ("option-file", {"password_file": secret_file(home, "of", "option-file")}, {}, ""),
        ("option-command", {"password_command": "echo option-command"}, {}, ""),
        ("env", {}, {"XMPPCTL_PASSWORD": "env"}, ""),
        ("env-file", {}, {"XMPPCTL_PASSWORD_FILE": secret_file(home, "ef", "env-file")}, ""),
        ("env-command", {}, {"XMPPCTL_PASSWORD_COMMAND": "echo env-command"}, ""),
        ("account", {}, {}, 'password = "account"\n'),
    ]


@pytest.mark.parametrize("highest", range(6))
def test_password_precedence(home: Home, highest: int) -> None:
    layers = password_layers(home)[highest:]
    options: dict[str, str] = {}
    variables: dict[str, str] = {}
    lines = ""
    for _, option, variable, line in layers:
        options = options or option  # the two options exclude each other
        variables = {**variable, **variables}
        lines = lines or line
    home.write(WORK + lines)
    settings = resolve(options, {**home.environ, **variables}, no_input=True)
    assert settings.password.get().reveal() == layers[0][0]
    assert settings.origins["password"] == settings.password.origin


@pytest.mark.parametrize(
    ("line", "password"),
    [('password_command = "echo c"', "c"), ('password_file = "secret"', "f"), ('password = "p"', "p")],
)
def test_passwords_of_the_account(home: Home, line: str, password: str) -> None:
    home.write("f\n", file=home.file.parent / "secret")
    home.write(WORK + line + "\n")
    settings = resolve({}, home.environ, no_input=True)
    assert settings.password.get().reveal() == password
    assert settings.origins["password"] == f"account work ({home.file})"


def test_no_child_inherits_the_password(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither from the environment that was looked in, nor from this process's where that is another."""
    monkeypatch.setenv("XMPPCTL_PASSWORD", SECRET)
    environ = {**home.environ, "XMPPCTL_PASSWORD": SECRET}
    settings = resolve({"jid": "a@b.example"}, environ)
    assert settings.password.get().reveal() == SECRET
    assert "XMPPCTL_PASSWORD" not in environ and "XMPPCTL_PASSWORD" not in os.environ


def test_a_failing_source_never_falls_through(home: Home) -> None:
    home.write(WORK + 'password = "account"\n')
    for options, variables in (
        ({"password_file": "/missing"}, {}),
        ({"password_command": "false"}, {}),
        ({}, {"XMPPCTL_PASSWORD": ""}),
        ({}, {"XMPPCTL_PASSWORD_FILE": "/missing"}),
        ({}, {"XMPPCTL_PASSWORD_COMMAND": "false"}),
    ):
        with pytest.raises(SecretError):
            resolve(options, {**home.environ, **variables}, no_input=True).password.get()


def test_both_password_options_at_once(home: Home) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        resolve({"jid": "a@b", "password_file": "x", "password_command": "y"}, home.environ)


def test_prompt_where_nothing_is_configured(home: Home) -> None:
    home.write(WORK)
    settings = resolve({}, home.environ, prompt=lambda question, _: Secret(question))
    assert settings.password.get().reveal() == "Password for romeo@montague.example: "
    assert settings.origins["password"] == "prompt"
    with pytest.raises(SecretError, match="--no-input"):
        resolve({}, home.environ, no_input=True).password.get()


def test_an_accounts_password_is_not_sent_in_another_name(home: Home) -> None:
    home.write(WORK + f'password = "{SECRET}"\n')
    options = {"account": "work", "jid": "mallory@evil.example"}
    with pytest.raises(SecretError, match=r"that of the account work is for romeo@montague\.example"):
        resolve(options, home.environ, no_input=True).password.get()
    options["jid"] = "Romeo@Montague.example/elsewhere"
    assert resolve(options, home.environ, no_input=True).password.get().reveal() == SECRET


def test_the_password_leaves_the_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMPPCTL_PASSWORD", SECRET)
    monkeypatch.setenv("XMPPCTL_JID", "a@b")
    settings = resolve({})
    assert "XMPPCTL_PASSWORD" not in os.environ
    child = subprocess.run(["/usr/bin/env"], capture_output=True, text=True, check=True)
    assert SECRET not in child.stdout
    assert settings.password.get().reveal() == SECRET


def test_no_settings_and_no_error_show_a_password(home: Home, shows_no_secret: Planted) -> None:
    home.write(WORK + f'password = "{SECRET}"\n')
    assert SECRET not in repr(resolve({}, home.environ))
    environ = {**home.environ, "XMPPCTL_PASSWORD": SECRET}
    assert SECRET not in repr(resolve({}, environ))
    for options in ({"port": "0"}, {"account": "missing"}, {"tls": "none"}):
        with pytest.raises((UsageError, ConfigError)) as caught:
            resolve(options, {**home.environ, "XMPPCTL_PASSWORD": SECRET})
        shows_no_secret(caught.value)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_gives_its_first_line_and_no_more(home: Home, name: str) -> None:
    code = (
        "import sys\nfrom xmppctl.config.settings import resolve\n"
        f"settings = resolve({{'jid': 'a@b', 'password_file': {name!r}}})\n"
        "print(settings.password.get().reveal(), settings.origins['password'], sys.stdin.read(), sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="secret\nbody\n",
        capture_output=True,
        text=True,
        env=home.environ,
        check=True,
    )
    assert done.stdout == "secret|option --password-file|body\n\n"


def test_an_account_cannot_use_standard_input(home: Home) -> None:
    home.write(WORK + 'password_file = "-"\n')
    with pytest.raises(ConfigError, match="standard input"):
        resolve({}, home.environ)


def test_importing_is_cheap() -> None:
    code = "import sys, xmppctl.config.settings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "tomlkit",
        "tomllib",
        "keyring",
        "getpass",
        "subprocess",
        "difflib",
        "ssl",
        "asyncio",
        "click",
        "threading",
    }
    assert not heavy & set(done.stdout.split())


def test_a_pin_that_nothing_can_be_compared_with_is_refused(home: Home) -> None:
    options = {"jid": "a@localhost", "tls": "none", "pin": PIN[0]}
    with pytest.raises(UsageError, match="--pin: without TLS"):
        resolve(options, home.environ)
    home.write(WORK + f'host = "127.0.0.1"\npin = "{PIN[0]}"\n')
    with pytest.raises(ConfigError, match=r"accounts\.work\.pin: without TLS"):
        resolve({"tls": "none"}, home.environ)
    assert resolve({"tls": "direct"}, home.environ).pin == PIN[0]


def test_a_daemon_is_named_after_the_account_or_the_jid() -> None:
    made = Settings(Jid.parse("romeo@montague.example"), NoPassword("none"))
    assert made.name == "romeo@montague.example"
    assert made._replace(account="work").name == "work"


def test_the_digest_changes_with_what_decides_the_server_and_its_safety_and_with_nothing_else() -> None:
    made = Settings(Jid.parse("romeo@montague.example"), NoPassword("none"))
    others: dict[str, Any] = {
        "jid": Jid.parse("juliet@montague.example"),
        "host": "h",
        "port": 5223,
        "tls": "direct",
        "ca": Path("/ca"),
        "pin": PIN[0],
        "insecure": True,
        "certificate": Path("/c"),
        "key": Path("/k"),
        "plain": True,
    }
    digests = [made.digest(), *(made._replace(**{name: value}).digest() for name, value in others.items())]
    assert len(set(digests)) == len(others) + 1
    assert all(len(digest) == 8 and int(digest, 16) >= 0 for digest in digests)
    same = made._replace(
        account="work", resource="x", persist=60.0, password=NoPassword("other"), origins={"host": "option"}
    )
    assert same.digest() == made.digest()
