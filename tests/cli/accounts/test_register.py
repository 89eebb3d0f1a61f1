"""`account register` on a scripted server: what is asked, what is kept, and what a refusal leaves behind."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.cli.accounts.conftest import SECRET, Accounts
from xmppctl.config import accounts

Start = Callable[[Callable[[str], str | None]], int]
NS = "jabber:iq:register"
FORM = f"<query xmlns='{NS}'><instructions>Choose.</instructions><username/><password/>{{}}</query>"


class Registrar:
    """Answers as a server does; keeps what was submitted. `end` says how: taken, conflict or silence (hangs up)."""

    def __init__(self, fields: str = "", end: str = "taken", form: str = FORM) -> None:
        self.form = form.format(fields)
        self.end = end
        self.submitted = ""

    def __call__(self, iq: str) -> str | None:
        found = re.search(r" id='([^']*)'", iq)
        assert found is not None
        id_ = found.group(1)
        if "type='get'" in iq:
            return f"<iq type='result' id='{id_}' from='localhost'>{self.form}</iq>"
        self.submitted = iq
        if self.end == "silence":
            return None
        if self.end == "conflict":
            return (
                f"<iq type='error' id='{id_}' from='localhost'>"
                f"<query xmlns='{NS}'><password>{SECRET}</password></query>"
                "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )
        return f"<iq type='result' id='{id_}' from='localhost'/>"


def register(account: Accounts, port: int, *more: str, stdin: bytes = b"") -> tuple[int, str, str]:
    ran = account(
        "register", "carol", "--jid", "carol@localhost", "--host", "127.0.0.1", "--port", str(port), "--tls", "none",
        *more, stdin=stdin, runner=False,
    )  # fmt: skip
    return ran.code, ran.stdout, ran.stderr


def test_a_made_up_password_is_sent_and_kept(account: Accounts, stream_server: Start) -> None:
    registrar = Registrar()
    code, out, err = register(account, stream_server(registrar), "--generate")
    assert (code, out) == (0, "registered carol@localhost as carol\n"), err
    password = account.kept("carol").strip()
    assert len(password) == 24
    assert f"<username>carol</username><password>{password}</password>" in registrar.submitted
    content = accounts.load(account.file)
    assert content.default == "carol"
    assert content.accounts["carol"].values["tls"] == "none"
    assert password not in out + err


def test_a_password_of_standard_input_is_kept(account: Accounts, stream_server: Start) -> None:
    registrar = Registrar()
    code, _, err = register(
        account, stream_server(registrar), "--password-file", "-", stdin=SECRET.encode() + b"\n"
    )
    assert code == 0, err
    assert account.kept("carol").strip() == SECRET and SECRET in registrar.submitted


def test_a_password_command_stays_where_it_is(account: Accounts, stream_server: Start) -> None:
    (account.home / "pw").write_text(SECRET)
    registrar = Registrar()
    code, _, err = register(account, stream_server(registrar), "--password-command", f"cat {account.home}/pw")
    assert code == 0, err
    assert SECRET in registrar.submitted
    assert "password_command" in account.file.read_text() and not (account.file.parent / "passwords").exists()


def test_the_person_at_the_terminal_is_asked_twice(account: Accounts, stream_server: Start) -> None:
    account.answers = [SECRET, SECRET]
    registrar = Registrar()
    assert register(account, stream_server(registrar))[0] == 0
    assert account.asked == ["New password for carol@localhost: ", "The same again: "]
    assert account.kept("carol").strip() == SECRET
    account.answers = [SECRET, "else"]
    account("remove", "carol")
    code, _, err = register(account, stream_server(Registrar()))
    assert code == 3 and "not the same" in err and not accounts.load(account.file).accounts


def test_a_refusal_leaves_nothing_behind(account: Accounts, stream_server: Start) -> None:
    account.write('# mine\n[accounts.work]\njid = "a@b"\n')
    code, _, err = register(account, stream_server(Registrar(end="conflict")), "--generate", "-o", "jsonl")
    assert code == 1 and "conflict" in err and SECRET not in err
    assert account.file.read_text() == '# mine\n[accounts.work]\njid = "a@b"\n'
    assert not (account.file.parent / "passwords/carol").exists()


def test_an_end_without_an_answer_keeps_the_password(account: Accounts, stream_server: Start) -> None:
    registrar = Registrar(end="silence")
    code, _, err = register(account, stream_server(registrar), "--generate")
    assert code == 4 and "not known whether carol@localhost is registered" in err
    assert account.kept("carol").strip() in registrar.submitted
    assert "carol" in accounts.load(account.file).accounts


def test_fields_that_the_server_asks_for(account: Accounts, stream_server: Start) -> None:
    registrar = Registrar("<email/>")
    code, _, err = register(account, stream_server(registrar), "--generate", "--field", "email=c@x")
    assert code == 0 and "<email>c@x</email>" in registrar.submitted, err


def test_a_missing_field_is_asked_for_or_named(account: Accounts, stream_server: Start) -> None:
    code, _, err = register(account, stream_server(Registrar("<email/>")), "--generate")
    assert code == 2 and "--field email=... is missing" in err and "the server says: Choose." in err
    assert not account.file.exists()
    account.answers = ["c@x"]
    registrar = Registrar("<email/>")
    assert register(account, stream_server(registrar), "--generate")[0] == 0
    assert account.asked == ["email: "] and "<email>c@x</email>" in registrar.submitted


def test_hostile_text_of_the_form_is_shown_safely(account: Accounts, stream_server: Start) -> None:
    form = FORM.replace("Choose.", "evil\u202etxt").replace("{}", "<email/>")
    _, _, err = register(account, stream_server(Registrar(form=form)), "--generate")
    assert "\u202e" not in err and "evil" in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--field", "nick=x"), "does not ask for 'nick'"),
        (("--field", "nick"), "is not NAME=VALUE"),
        (("--password-command", "true"), "exclude each other"),
    ],
)
def test_usage(account: Accounts, stream_server: Start, words: tuple[str, ...], why: str) -> None:
    registrar = Registrar()
    code, _, err = register(account, stream_server(registrar), "--generate", *words)
    assert code == 2 and why in err and not registrar.submitted and not account.file.exists()


def test_only_on_the_web(account: Accounts, stream_server: Start) -> None:
    form = f"<query xmlns='{NS}'><x xmlns='jabber:x:oob'><url>https://m.example/join</url></x></query>"
    code, _, err = register(account, stream_server(Registrar(form=form)), "--generate")
    assert code == 2 and "https://m.example/join" in err


def test_a_name_that_is_taken_here_is_refused_before_the_server_hears_of_it(account: Accounts) -> None:
    account.write('[accounts.carol]\njid = "a@b"\n')
    code, _, err = register(account, 1, "--generate")
    assert code == 3 and "already" in err
    ran = account("register", "new", "--jid", "anonymous.example", "--generate")
    assert ran.code == 2 and "no name before an @" in ran.stderr
