"""What is typed goes out, its answer is waited for where it must be, and a script is judged by what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shell.play import PERSON, SCRIPT, SM, Commands, Stage, acknowledging, answering, perform, stanza
from xmppctl.errors import (
    ConnectionLost,
    DeadlineExceeded,
    PartialFailure,
    StanzaRefused,
    TlsError,
    UsageError,
)
from xmppctl.shell import core
from xmppctl.shell.reader import Raw

PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
PONG = "<iq type='result' id='p1' from='montague.example'/>"
REFUSED = "<iq type='error' id='p1' from='montague.example'><error type='cancel'/></iq>"


def bouncing(frame: Any) -> list[str]:
    """Refuses messages to nobody, and requests."""
    if frame.kind == "message" and (frame.to or "").startswith("nobody"):
        return [f"<message type='error' id='{frame.id}' from='{frame.to}'><error type='cancel'/></message>"]
    if frame.kind == "iq":
        return [REFUSED.replace("p1", frame.id or "")]
    return []


def test_what_is_typed_goes_out_byte_for_byte() -> None:
    text = "<message  to='a@b' ><body>a &amp;\t b</body></message >"

    async def main(stage: Stage) -> None:
        await stage.type(text)
        assert stage.typed == [text]
        assert (stage.shell.sent, list(stage.shell.lines)) == (1, [text])
        assert stage.shell.last is not None and stage.shell.last.text == text
        assert stage.house.shown == []

    perform(main)


def test_a_request_without_an_id_gets_one_and_is_kept_without() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("<iq type='get'/>")
        (frame,) = stage.session.sent
        assert frame.id
        assert list(stage.shell.lines) == ["<iq type='get'/>"]

    perform(main, lambda _: [])


def test_in_order_a_request_has_its_answer_before_the_next_is_sent() -> None:
    order: list[Any] = []

    def respond(frame: Any) -> list[str]:
        order.append(len(order_shown()))
        return [PONG.replace("p1", frame.id)] if frame.kind == "iq" else []

    shown: list[Any] = []

    def order_shown() -> list[Any]:
        return shown

    async def main(stage: Stage) -> None:
        stage.house.shown = shown
        await stage.type(f"{PING}{PING.replace('p1', 'p2')}<presence/>")

    perform(main, respond, manner=SCRIPT)
    assert order == [0, 1, 2]
    del order[:], shown[:]
    perform(main, respond, manner=PERSON)
    assert order == [0, 0, 0]


def test_a_request_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "PATIENCE", 0.02)

    async def main(stage: Stage) -> None:
        with pytest.raises(DeadlineExceeded, match="no reply to the iq p1"):
            await stage.type(PING)

    perform(main, lambda _: [], manner=SCRIPT)


def test_a_person_is_told_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "PATIENCE", 0.0)
    monkeypatch.setattr(core, "_TICK_SECONDS", 0.001)

    async def main(stage: Stage) -> None:
        import asyncio

        ticks: list[None] = []
        stage.shell.changed = lambda: ticks.append(None)
        ticking = asyncio.ensure_future(stage.shell.tick())
        await stage.type(f"{PING}<message to='a@b'/>")
        await stage.until(lambda: len(ticks) > 5)
        assert stage.house.notes == ["no answer to [1] in 0 s"]
        ticking.cancel()

    perform(main, lambda _: [])


def test_the_loss_ends_a_wait_for_an_answer() -> None:
    async def main(stage: Stage) -> None:
        import asyncio

        typing = asyncio.ensure_future(stage.type(PING))
        await stage.until(lambda: stage.session.sent)
        stage.session.hang_up()
        with pytest.raises(ConnectionLost):
            await typing

    perform(main, lambda _: [], manner=SCRIPT)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<message to='a@b'/>", None),
        ("", None),
        (PING, StanzaRefused),
        (PING + PING.replace("p1", "p2"), StanzaRefused),
        (f"<message to='a@b'/>{PING}", PartialFailure),
        ("<message id='1' to='nobody@b'/>", StanzaRefused),
        ("<message id='1' to='nobody@b'/><message id='2' to='a@b'/>", PartialFailure),
        (f"{PING}\n/expect type:error", None),
        (f"{PING}{PING.replace('p1', 'p2')}\n/expect type:error", PartialFailure),
        ("<message id='1' to='nobody@b'/>\n/wait type:error", None),
    ],
)
def test_judged(text: str, error: type[Exception] | None) -> None:
    async def main(stage: Stage) -> None:
        await stage.type(text)
        await stage.settled()
        if error is None:
            stage.shell.judge()
        else:
            with pytest.raises(error):
                stage.shell.judge()

    perform(main, bouncing, manner=SCRIPT)


def test_raw_text_goes_as_it_is() -> None:
    async def main(stage: Stage) -> None:
        written: list[bytes] = []
        stage.session._write = written.append  # type: ignore[method-assign]
        await stage.shell.do(Raw("<oops \udcff é", 1))
        assert written == [b"<oops \xff \xc3\xa9"]
        assert stage.shell.sent == 1 and stage.house.notes == []

    perform(main)


def test_after_raw_bytes_nobody_asks_for_acknowledgements() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("<message to='a@b'/>")
        await stage.shell.do(Raw("<message to='a@b'/>", 1))
        await stage.shell.do(Raw("<message to='a@b'/>", 1))
        await stage.type("<message to='a@b'/>")
        assert [frame.name for frame in stage.session.sent].count("r") == 1
        assert [note for note in stage.house.notes if "stream management is off" in note] == stage.house.notes
        assert len(stage.house.notes) == 1

    perform(main, acknowledging(), acks=True, features=[SM])


def test_nothing_is_kept_of_what_could_not_be_sent() -> None:
    async def main(stage: Stage) -> None:
        stage.session.hang_up()
        await stage.until(lambda: stage.wire.session is None)
        for item in (stanza(PING), Raw("<x/>", 1)):
            with pytest.raises(ConnectionLost):
                await stage.shell.do(item)
        assert (stage.shell.sent, list(stage.shell.lines), stage.shell.last) == (0, [], None)

    perform(main)


def test_a_prompt_hears_of_what_changes() -> None:
    async def main(stage: Stage) -> None:
        changes: list[str] = []
        stage.shell.changed = lambda: changes.append(stage.wire.state)
        await stage.type("<presence/>")
        assert changes == [""]
        stage.session.hang_up()
        await stage.until(lambda: "offline" in changes)

    perform(main)


def test_a_command_that_runs_does_not_hold_up_the_end() -> None:
    async def main(stage: Stage) -> None:
        await stage.type("/ends")
        await stage.shell.end()
        await stage.shell.end()
        assert stage.shell.jobs.running == {}

    perform(main, answering(), commands=Commands(ends=lambda rest, opened: 0))


@pytest.mark.parametrize("text", ["<presence/>", "/send-raw <oops"])
def test_what_could_not_be_sent_has_no_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def refuse(_: object) -> None:
        raise TlsError("everybody could read this")

    async def main(stage: Stage) -> None:
        monkeypatch.setattr(stage.wire, "write", refuse)
        monkeypatch.setattr(stage.wire, "write_raw", refuse)
        with pytest.raises(TlsError):
            await stage.type(text)
        assert (stage.shell.sent, stage.shell.last) == (0, None)

    perform(main)


def test_what_fails_in_the_background_of_a_script_is_told() -> None:
    def fail(_: str, __: Any) -> int:
        raise UsageError("no")

    async def main(stage: Stage) -> None:
        await stage.type("/fail &")
        await stage.until(lambda: stage.house.told)
        with pytest.raises(UsageError, match="no"):
            await stage.type("/fail")
        assert len(stage.house.told) == 1

    perform(main, manner=SCRIPT, commands=Commands(fail=fail))
