"""What was typed, again: shown, changed, sent, answered, saved; its secrets stay where they were typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.shell.play import PERSON, SCRIPT, Stage, answering, perform
from xmppctl.errors import MalformedInput, OutputFailed, UsageError
from xmppctl.shell import slash
from xmppctl.shell.core import Manner
from xmppctl.shell.keeping import answer_to
from xmppctl.shell.reader import Slash, read
from xmppctl.shell.templates import Templates
from xmppctl.stanza.check import split_input
from xmppctl.stanza.event import Event

PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
PONG = "<iq type='result' id='p1' from='montague.example'/>"
MESSAGE = "<message from='juliet@capulet.example/b' type='chat' id='m1'><body>hi</body></message>"
SECRETS = [
    "<iq type='set' id='s'><query xmlns='jabber:iq:register'><password>hunter2</password></query></iq>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>hunter2</auth>",
    "<presence to='room@muc.example/me'><x xmlns='http://jabber.org/protocol/muc'><password>hunter2</password></x></presence>",
]


def prefill(stage: Stage) -> str:
    """What would stand on the line."""
    assert stage.shell.prefill is not None
    return stage.shell.prefill.text


# -- again --


def test_shown_again_with_its_answer() -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(UsageError, match="nothing was sent yet"):
            await stage.type("/last")
        await stage.type(f"{PING}<presence/>")
        del stage.house.shown[:]
        await stage.type("/last 1")
        frame, note = stage.house.shown[0]
        assert (frame.direction, note and note.record) == ("out", {"typed": 1})
        assert [frame.type for frame, _ in stage.house.shown] == ["get", "result"]
        await stage.type("/last")
        assert stage.house.shown[-1][0].name == "presence"
        with pytest.raises(UsageError, match=r"sent as \[9\]"):
            await stage.type("/last 9")

    perform(main, answering(p1=PONG), manner=SCRIPT)


def test_that_there_is_no_answer_is_told() -> None:
    async def main(stage: Stage) -> None:
        await stage.type(f"{PING}\n/last")
        assert stage.house.notes == ["there is no answer to it yet"]

    perform(main, lambda _: [])


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_not_shown_again(secret: str) -> None:
    async def main(stage: Stage) -> None:
        await stage.type(f"{secret}\n/last\n/explain 1\n/explain {secret}")
        shown = "".join(frame.text for frame, _ in stage.house.shown) + "".join(stage.house.said)
        assert "redacted" in shown and "hunter2" not in shown
        assert "hunter2" not in "".join(stage.house.notes)
        await stage.type("/edit")
        assert prefill(stage) == secret

    perform(main, lambda _: [])


def test_sent_again_with_an_id_of_its_own() -> None:
    async def main(stage: Stage) -> None:
        await stage.type(f"{PING}\n<message id='m' to='a@b'/>\n/resend 1\n/resend 2")
        first, _, again, message = stage.typed
        assert message == "<message id='m' to='a@b'/>"
        (frame,) = split_input(again)
        assert frame.id not in (None, "p1") and again.replace(frame.id or "", "p1") == first
        assert stage.shell.traffic.ledger.count == 4

    perform(main, lambda _: [])


def test_raw_bytes_are_sent_again_as_they_are() -> None:
    async def main(stage: Stage) -> None:
        written: list[bytes] = []
        stage.session._write = written.append  # type: ignore[method-assign]
        await stage.type("/send-raw <oops\n/resend")
        assert written == [b"<oops", b"<oops"]

    perform(main)


def test_in_a_script_what_would_stand_on_the_line_is_done() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("<message to='a@b'/>\n/edit")
        assert stage.typed == ["<message to='a@b'/>"] * 2

    perform(main, manner=SCRIPT)


# -- answers --


@pytest.mark.parametrize(
    ("came", "text", "before"),
    [
        (
            "<iq type='get' id='&lt;&apos;' from='a@b/c'/>",
            None,
            None,
        ),
        ("<iq type='get' id='1' from='a@b/c'/>", "<iq type='result' id='1' to='a@b/c'></iq>", "</iq>"),
        ("<presence type='subscribe' from='a@b'/>", "<presence type='subscribed' to='a@b'/>", ""),
        (
            "<message type='groupchat' from='room@b/nick'/>",
            "<message type='groupchat' to='room@b'><body></body></message>",
            "</body></message>",
        ),
        ("<message from='a@b/c'/>", "<message to='a@b/c'><body></body></message>", "</body></message>"),
        (
            MESSAGE,
            "<message type='chat' to='juliet@capulet.example/b'><body></body></message>",
            "</body></message>",
        ),
    ],
)
def test_the_beginning_of_an_answer(came: str, text: str | None, before: str | None) -> None:
    (frame,) = split_input(came)
    made = answer_to(frame)
    if text is not None:
        assert made.text == text and made.text[made.cursor :] == before
    (answer,) = split_input(made.text)
    assert answer.to == (frame.sender if frame.type != "groupchat" else "room@b")
    if frame.kind == "iq":
        assert answer.id == frame.id


def test_answered_by_id_or_the_newest() -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(UsageError, match="nothing that can be answered has come"):
            await stage.type("/reply")
        stage.session.deliver(MESSAGE, MESSAGE.replace("juliet", "nurse").replace("m1", "m2"))
        await stage.settled()
        await stage.type("/reply")
        assert "nurse@" in prefill(stage)
        await stage.type("/reply m1")
        assert "juliet@" in prefill(stage)
        with pytest.raises(UsageError, match="m3"):
            await stage.type("/reply m3")

    perform(main)


def test_explained() -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(UsageError, match="nothing has come"):
            await stage.type("/explain")
        with pytest.raises(MalformedInput):
            await stage.type("/explain <presence")
        await stage.type(f"/explain <presence/>\n{PING}")
        await stage.settled()
        await stage.type("/explain 1\n/explain")
        alone, both, newest = stage.house.said
        assert "available" in alone
        assert "request" in both and "answer" in both and "ping" in both
        assert "answer" in newest and "ping" not in newest

    perform(main, answering(p1=PONG))


# -- templates --


def test_templates(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        await stage.type("/t")
        assert "chat" in stage.house.said[0]
        await stage.type("/t chat juliet@capulet.example")
        assert "to='juliet@capulet.example'" in prefill(stage)
        await stage.type("<message to='a@b' id='x'><body>$5</body></message>\n/t save mine\n/t mine")
        assert prefill(stage) == "<message to='a@b' id='x'><body>$5</body></message>"
        await stage.type("/t")
        assert "mine" in stage.house.said[-1]
        for text in ("/t save", "/t save mine x", "/t save other 9", "/t no-such-template"):
            with pytest.raises(UsageError):
                await stage.type(text)
        await stage.type(SECRETS[0])
        with pytest.raises(UsageError) as caught:
            await stage.type("/t save secret")
        assert "hunter2" not in caught.value.message + caught.value.hint
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and "hunter2" in file.read_text()]

    perform(main, lambda _: [], templates=Templates(tmp_path / "templates"))


def test_a_script_says_all_of_a_template() -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(UsageError, match="body"):
            await stage.type("/t chat juliet@capulet.example")
        await stage.type("/t chat juliet@capulet.example body=a<b")
        (frame,) = split_input(stage.typed[0])
        assert (frame.to, frame.body) == ("juliet@capulet.example", "a<b")

    perform(main, manner=SCRIPT)


# -- files --


@pytest.mark.parametrize("expects", [False, True])
def test_saved(tmp_path: Path, expects: bool) -> None:
    file = tmp_path / "saved.xml"
    typed = [PING, "<message to='a@b'>\n<body>x</body></message>", "/wait 0.1 kind:iq", *SECRETS]

    async def main(stage: Stage) -> None:
        await stage.type("\n".join(typed))
        await stage.type(f"/save {'--expect ' * expects}{file}")
        text = file.read_text()
        assert "hunter2" not in text and text.startswith("# ")
        assert file.stat().st_mode & 0o777 == 0o600
        saved = [item.text for item in read(text)]
        assert saved[: 1 + expects] == [PING, "/expect kind:iq type:result"][: 1 + expects]
        assert saved[1 + expects : 3 + expects] == typed[1:3]
        with pytest.raises(UsageError, match="already"):
            await stage.type(f"/save {file}")
        for words in ("", "a b", "--expect"):
            with pytest.raises(UsageError, match="one file"):
                await stage.type(f"/save {words}")
        with pytest.raises(OutputFailed):
            await stage.type(f"/save {tmp_path}/no/such/directory")
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UsageError):
            await stage.type(f"/save {tmp_path}/link")
        assert not (tmp_path / "elsewhere").exists()

    perform(main, answering(p1=PONG, s="<iq type='result' id='s'/>"), manner=SCRIPT)


def test_each_of_two_like_lines_is_saved_with_its_own_answer(tmp_path: Path) -> None:
    file = tmp_path / "saved.xml"
    refused = (
        "<iq type='error' id='p1' from='montague.example'><error type='wait'>"
        "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    answers = iter([PONG, refused])

    async def main(stage: Stage) -> None:
        await stage.type(f"{PING}\n{PING}\n/save --expect {file}")
        expected = [item.text for item in read(file.read_text()) if isinstance(item, Slash)]
        assert ["type:result" in expected[0], "resource-constraint" in expected[1]] == [True, True]

    perform(main, lambda frame: [next(answers)] if frame.id == "p1" else [], manner=SCRIPT)


def test_recorded(tmp_path: Path) -> None:
    file = tmp_path / "rec"

    async def main(stage: Stage) -> None:
        with pytest.raises(UsageError, match="a file is missing"):
            await stage.type("/record")
        await stage.type(
            f"/record {file} kind:message\n<message id='1' to='a@b'/>\n<presence id='2'/>\n{SECRETS[0]}"
        )
        await stage.settled()
        await stage.type("/record\n<message id='3' to='a@b'/>")
        kept = file.read_bytes()
        assert b"id='1'" in kept
        assert not [part for part in (b"id='2'", b"id='3'", b"hunter2") if part in kept]
        assert stage.house.notes[-1] == "the recording has ended"
        other = tmp_path / "other"
        await stage.type(f"/record {other}\n{SECRETS[0]}")
        await stage.shell.end()
        assert b"jabber:iq:register" in other.read_bytes() and b"hunter2" not in other.read_bytes()

    perform(main, answering(s="<iq type='result' id='s'/>"))


@pytest.mark.parametrize("command", ["record", "save"])
@pytest.mark.parametrize("path", ["~no-such-user/x", '"a\0b"', '""', "\ud800"])
def test_what_can_be_no_file(command: str, path: str) -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(UsageError, match="is no file"):
            await slash.run(stage.shell, Slash(command, path, 1))

    perform(main)


@pytest.mark.parametrize("manner", [PERSON, SCRIPT])
def test_a_recording_that_nobody_reads_holds_nothing_up(tmp_path: Path, manner: Manner) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    large = f"<message to='a@b'><body>{'x' * 200_000}</body></message>"

    async def main(stage: Stage) -> None:
        await stage.type(f"/record {pipe}\n{large}{PING}")
        await stage.until(lambda: stage.shell.traffic.newest)
        assert ["nobody reads it" in note for note in stage.house.notes if "ended" in note] == [True]
        with pytest.raises(OutputFailed, match="nobody reads it"):
            stage.shell.judge()

    perform(main, answering(p1=PONG), manner=manner)


def test_an_event_that_cannot_be_recorded_ends_the_recording_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def main(stage: Stage) -> None:
        await stage.type(f"/record {pipe}")
        stage.shell.event(Event("offline", 0.0, "x" * 200_000))
        assert ["nobody reads it" in note for note in stage.house.notes if "ended" in note] == [True]

    perform(main)


def test_what_a_template_is_given_by_name_is_not_taken_from_the_rest() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("/t message body=hark to=juliet@capulet.example news")
        assert "to='juliet@capulet.example'><subject>news</subject><body>hark</body>" in prefill(stage)
        with pytest.raises(UsageError, match="to is given twice"):
            await stage.type("/t message to=a@b to=c@d")

    perform(main)


def test_a_script_by_hand_begins_its_stream_with_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        sent: list[bytes] = []
        monkeypatch.setattr(stage.shell, "send_raw", sent.append)
        await stage.type("/t stream")
        (header,) = sent
        assert header.startswith(b"<?xml version='1.0'?><stream:stream to='montague.example'")

    perform(main, manner=SCRIPT._replace(by_hand=True))
