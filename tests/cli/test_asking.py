"""Questions at the terminal, and that nobody is asked where nobody is."""

from __future__ import annotations

import io

import pytest

from xmppctl.cli import asking
from xmppctl.cli.app import App
from xmppctl.config import prompt
from xmppctl.config.secrets import Secret
from xmppctl.errors import SecretError, UsageError


def app(**options: bool) -> App:
    made = App(stdout=io.StringIO(), stderr=io.StringIO(), environ={})
    made.options.update(options)
    return made


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed next; the questions replace it."""
    lines: list[str] = []
    monkeypatch.setattr(prompt, "possible", lambda: True)
    monkeypatch.setattr(prompt, "ask", lambda question, *_, **__: Secret(lines.pop(0)))
    return lines


def test_an_answer_without_its_ends(typed: list[str]) -> None:
    typed += ["  x y \n"]
    assert asking.ask(app(), "Which?", "--jid") == "x y"


def test_questions_with_network_text_are_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(prompt, "possible", lambda: True)
    monkeypatch.setattr(prompt, "ask", lambda question, *_, **__: asked.append(question) or Secret("x\n"))
    asking.ask(app(), "\x1b[2Jevil\n", "--field x")
    assert asked[0].isprintable()


def test_nobody_to_ask(monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> None:
    with pytest.raises(UsageError, match="--jid is missing"):
        asking.ask(app(no_input=True), "Which?", "--jid")
    with pytest.raises(UsageError, match="no new password"):
        asking.new_password(app(no_input=True), "a@b")
    monkeypatch.setattr(prompt, "possible", lambda: False)
    assert not asking.possible(app())
    with pytest.raises(UsageError, match="--jid is missing"):
        asking.ask(app(), "Which?", "--jid")


def test_new_passwords_are_typed_twice(typed: list[str]) -> None:
    typed += ["one\n", "one\n"]
    assert asking.new_password(app(), "a@b").reveal() == "one"
    typed += ["one\n", "two\n"]
    with pytest.raises(SecretError, match="not the same"):
        asking.new_password(app(), "a@b")
    typed += ["\n"]
    with pytest.raises(SecretError, match="is empty"):
        asking.new_password(app(), "a@b")


def test_made_up_passwords() -> None:
    made = {asking.generated().reveal() for _ in range(50)}
    assert len(made) == 50 and all(len(text) == 24 and text.isalnum() for text in made)
