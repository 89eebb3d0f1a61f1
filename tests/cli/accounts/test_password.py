"""`account password`: on the server first, then here, and no interruption loses both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.accounts.conftest import SECRET, Accounts
from xmppctl.config import accounts, keep
from xmppctl.config.secrets import Secret
from xmppctl.stanza.frame import Frame

JID = "romeo@montague.example"
NEW = SECRET + "-new"


@pytest.fixture
def work(account: Accounts) -> Accounts:
    """An account whose password is in a file; the server knows it and takes new ones."""
    account.write(f'[accounts.work]\njid = "{JID}"\npassword_file = "secret"\n')
    account.write(f"{SECRET}\nsecond line\n", "secret")
    account.server.passwords = {JID: SECRET}
    account.server.responder = taking(account)
    return account


def taking(account: Accounts) -> Callable[[Frame], list[str] | None]:
    def answer(frame: Frame) -> list[str] | None:
        if frame.kind != "iq" or "jabber:iq:register query" not in frame.payloads:
            return None
        password = frame.element().findtext("{jabber:iq:register}query/{jabber:iq:register}password")
        assert password and account.server.passwords is not None
        account.server.passwords[JID] = password
        return [f"<iq type='result' id='{frame.id}' from='montague.example'/>"]

    return answer


def pending(account: Accounts) -> Path:
    return account.home / ".local/state/xmppctl/pending-passwords" / JID


def secret(account: Accounts) -> str:
    return account.file.with_name("secret").read_text()


def test_the_new_password_of_standard_input(work: Accounts) -> None:
    ran = work("password", "work", "--new-password-file", "-", "-o", "jsonl", stdin=NEW.encode() + b"\n")
    assert ran.code == 0, ran.stderr
    assert work.server.passwords == {JID: NEW}
    assert secret(work) == f"{NEW}\nsecond line\n"
    assert not pending(work).exists()
    assert ran.records[0]["changed"] is True and ran.records[0]["kept"] is True


def test_a_made_up_one(work: Accounts) -> None:
    assert work("password", "--generate").code == 0
    assert work.server.passwords == {JID: secret(work).splitlines()[0]}
    assert work("test").code == 0


def test_of_a_file_and_of_a_command(work: Accounts) -> None:
    new = work.write(NEW, "new")
    assert work("password", "--new-password-file", str(new)).code == 0
    assert work.server.passwords == {JID: NEW}
    again = work.write(NEW + "2", "new")
    assert work("password", "--new-password-command", f"cat {again}").code == 0
    assert work.server.passwords == {JID: NEW + "2"} and secret(work).startswith(NEW + "2\n")


def test_typed_twice(work: Accounts) -> None:
    work.answers = [NEW, NEW]
    assert work("password").code == 0
    assert work.server.passwords == {JID: NEW}
    work.answers = [NEW, "x"]
    assert work("password").code == 3
    assert work.server.passwords == {JID: NEW}


def test_nobody_to_ask(work: Accounts) -> None:
    ran = work("password")
    assert ran.code == 2 and "--generate" in ran.stderr
    assert work.server.tried == []


def test_a_refusal_changes_nothing_here(work: Accounts) -> None:
    work.server.responder = lambda frame: [
        f"<iq type='error' id='{frame.id}' from='montague.example'><query xmlns='jabber:iq:register'>"
        f"<password>{NEW}</password></query><error type='modify'>"
        "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    ]
    ran = work("password", "--generate", "-o", "jsonl")
    assert ran.code == 1 and "not-acceptable" in ran.stderr
    assert secret(work).startswith(SECRET + "\n") and not pending(work).exists()


def test_no_answer_keeps_both_and_says_where(work: Accounts) -> None:
    work.server.responder = lambda _: []
    ran = work("password", "--new-password-file", "-", stdin=NEW.encode())
    assert ran.code == 6 and str(pending(work)) in ran.stderr
    assert secret(work).startswith(SECRET + "\n") and pending(work).read_text() == NEW + "\n"


def test_after_an_interruption_the_new_one_is_found_to_hold(work: Accounts) -> None:
    keep.Pending(JID, {"HOME": str(work.home)}).keep(Secret(NEW))
    work.server.passwords = {JID: NEW}
    ran = work("password", "--generate")
    assert ran.code == 0 and "complete now" in ran.stdout
    assert work.server.passwords == {JID: NEW} and secret(work).startswith(NEW + "\n")
    assert not pending(work).exists()


def test_after_an_interruption_the_old_one_is_found_to_hold(work: Accounts) -> None:
    keep.Pending(JID, {"HOME": str(work.home)}).keep(Secret("never arrived"))
    assert work("password", "--new-password-file", "-", stdin=NEW.encode()).code == 0
    assert work.server.passwords == {JID: NEW} and secret(work).startswith(NEW + "\n")
    assert work.server.tried == ["never arrived", SECRET] and not pending(work).exists()


def test_if_neither_holds_both_stay(work: Accounts) -> None:
    keep.Pending(JID, {"HOME": str(work.home)}).keep(Secret("perhaps"))
    work.server.passwords = {JID: "something else"}
    assert work("password", "--generate").code == 5
    assert pending(work).read_text() == "perhaps\n" and secret(work).startswith(SECRET + "\n")


def test_if_it_cannot_be_kept_it_stays_pending(work: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    from xmppctl.errors import ConfigError

    def full(*_: object) -> None:
        raise ConfigError("cannot write: No space left on device")

    monkeypatch.setattr(keep, "replace", full)
    ran = work("password", "--new-password-file", "-", stdin=NEW.encode())
    assert ran.code == 3 and str(pending(work)) in ran.stderr
    assert pending(work).read_text() == NEW + "\n" and work.server.passwords == {JID: NEW}


def test_a_password_command_is_the_users_to_change(work: Accounts) -> None:
    work.write(f'[accounts.work]\njid = "{JID}"\npassword_command = "cat {work.file.with_name("secret")}"\n')
    ran = work("password", "--generate")
    assert ran.code == 3 and "comes from a command" in ran.stderr and work.server.tried == []
    ran = work("password", "--new-password-file", "-", stdin=NEW.encode())
    assert ran.code == 0 and work.server.passwords == {JID: NEW}
    assert "see that the password command" in ran.stderr and secret(work).startswith(SECRET)


def test_store_moves_the_password_into_a_file_of_its_own(work: Accounts) -> None:
    work.write(f'[accounts.work]\njid = "{JID}"\npassword_command = "cat {work.file.with_name("secret")}"\n')
    assert work("password", "--generate", "--store", "file").code == 0
    assert work.server.passwords == {JID: work.kept("work").strip()}
    values = accounts.load(work.file).accounts["work"].values
    assert values == {"jid": JID, "password_file": "passwords/work"}
    assert work("test").code == 0


def test_an_account_that_keeps_none(work: Accounts) -> None:
    work.write(f'[accounts.work]\njid = "{JID}"\n')
    assert work("password", "--generate").code == 2
    work.answers = [NEW, NEW, SECRET]
    work.environ["XMPPCTL_PASSWORD"] = SECRET
    ran = work("password")
    assert ran.code == 0 and "not kept here" in ran.stderr and work.server.passwords == {JID: NEW}


def test_without_an_account(work: Accounts) -> None:
    old = work.file.with_name("secret")
    words = ("password", "--jid", JID, "--password-file", str(old))
    assert work(*words, "--generate").code == 2
    assert work(*words, "--new-password-file", "-", stdin=NEW.encode()).code == 0
    assert work.server.passwords == {JID: NEW} and secret(work).startswith(SECRET + "\n")


def test_usage(work: Accounts) -> None:
    assert work("password", "--generate", "--new-password-file", "-").code == 2
    assert work("password", "--jid", "anonymous.example", "--generate").code == 2
    assert work.server.tried == []


def test_old_and_new_from_standard_input(work: Accounts) -> None:
    ran = work(
        "password", "--password-file", "-", "--new-password-file", "-", stdin=f"{SECRET}\n{NEW}\n".encode()
    )
    assert ran.code == 0, ran.stderr
    assert work.server.tried == [SECRET] and work.server.passwords == {JID: NEW}
