"""A script from a file or a pipe: in order, with its mistakes named by their place, and its end told by its code."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shell.play import PATIENCE, SCRIPT, Stage, stage
from xmppctl.cli.stdin import decode
from xmppctl.errors import (
    ConnectionLost,
    DeadlineExceeded,
    ExpectationFailed,
    IncompleteInput,
    MalformedInput,
    PartialFailure,
    StanzaRefused,
    UsageError,
    XmppctlError,
)
from xmppctl.session.deadline import Deadline
from xmppctl.shell import reader, script
from xmppctl.shell.core import Manner
from xmppctl.shell.run import live
from xmppctl.shell.script import Script, check_all, whole

PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
GONE = "<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
RAW = Manner(in_order=True, echo=True, checks=False)
#: What is taken for the end of patience with a silent server.
SHORT = 0.05


def respond(frame: Any) -> list[str] | None:
    """Answers p1, refuses p2, bounces messages to nobody, greets presence, and ends the stream for /gone."""
    if frame.id == "p1":
        return ["<iq type='result' id='p1' from='montague.example'/>"]
    if frame.id == "p2":
        return ["<iq type='error' id='p2' from='montague.example'><error type='cancel'/></iq>"]
    if frame.kind == "presence":
        return ["<message from='juliet@capulet.example/b' id='m'/>"]
    if frame.name == "message" and (frame.to or "").startswith("nobody"):
        return [f"<message type='error' id='{frame.id}' from='{frame.to}'><error type='cancel'/></message>"]
    if frame.to == "gone":
        return [GONE]
    return None


class Source:
    """Where a script comes from: all of it in a file, or in a pipe, in pieces."""

    def __init__(self, tmp_path: Path, kind: str) -> None:
        self.kind = kind
        self._path = tmp_path / "script"

    def open(self, *pieces: bytes) -> int:
        if self.kind == "file":
            self._path.write_bytes(b"".join(pieces))
            return os.open(self._path, os.O_RDONLY)
        reading, writing = os.pipe()

        def feed() -> None:
            with os.fdopen(writing, "wb", buffering=0) as pipe:
                for piece in pieces:
                    try:
                        pipe.write(piece)
                    except BrokenPipeError:
                        return

        threading.Thread(target=feed, daemon=True).start()
        return reading

    def play(
        self,
        *pieces: bytes,
        manner: Manner = SCRIPT,
        seconds: float | None = None,
        begin: Callable[[Stage], None] = lambda _: None,
        **how: Any,
    ) -> tuple[Stage, XmppctlError | None]:
        """Play it; how it ended."""
        descriptor = self.open(*pieces)

        async def main() -> tuple[Stage, XmppctlError | None]:
            async with stage(respond, manner=manner, **how) as made, asyncio.timeout(PATIENCE):
                made.keeping.cancel()
                made.wire._deadline = made.session.deadline = Deadline(seconds)
                begin(made)
                try:
                    text = None
                    if whole(descriptor):
                        text = decode(os.read(descriptor, 1 << 24)).removeprefix("\ufeff")
                        if manner.checks:
                            check_all(text, by_hand=manner.by_hand)
                    await live(made.shell, Script(made.shell, descriptor, text).run())
                except XmppctlError as error:
                    return made, error
                return made, None

        try:
            return asyncio.run(main())
        finally:
            os.close(descriptor)


@pytest.fixture(params=["file", "pipe"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return Source(tmp_path, request.param)


@pytest.fixture
def pipe(tmp_path: Path) -> Source:
    return Source(tmp_path, "pipe")


def names(stage: Stage) -> list[str]:
    """What was sent, but for the ping at the end."""
    return [frame.name for frame in stage.session.sent if not (frame.kind == "iq" and frame.to)]


@pytest.mark.parametrize(
    "text",
    [
        f"<presence/>{PING}<message/>",
        f"# a comment\r\n<presence/>\r\n{PING}\r\n\r\n<message/>\r\n",
        f"\ufeff<presence/>\n{PING}\n<message/>",
        f"<?xml version='1.0'?>\n<!-- x -->\n<presence/>\n{PING}<!-- y --><message/>\n# the end",
        f"<presence/>\r\n/wait 5 kind:message\r\n{PING}\n/expect type:result\r\n<message/>\n/quit\n<presence/>",
    ],
    ids=["no line break", "CRLF", "byte order mark", "declaration and comments", "commands"],
)
def test_everything_is_done_in_order(source: Source, text: str) -> None:
    played, error = source.play(text.encode())
    assert error is None
    assert names(played) == ["presence", "iq", "message"]


def test_in_pieces_of_any_size(pipe: Source) -> None:
    text = f"\ufeff<presence/>\n{PING}\n<message to='a@b'><body>é\r\n😀</body></message>\n/wait kind:message".encode()
    played, error = pipe.play(*[text[at : at + 1] for at in range(len(text))])
    assert error is None
    assert names(played) == ["presence", "iq", "message"]
    assert played.session.sent[2].body == "é\n😀"


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        (b"<presence/>\nhello\n", MalformedInput, "line 2, column 1"),
        (b"<presence/>\n<message>\n\n</iq>", MalformedInput, "line 4, column 1"),
        (b"<presence/>\r\n<message>\r\n</iq>", MalformedInput, "line 3, column 1"),
        (b"<presence/>\n<message>", IncompleteInput, "line 2"),
        (b"<presence/>\n<!-- ", IncompleteInput, "line 2"),
        (b"<presence/>\n<message>\x00</message>", MalformedInput, "line 2, column 10"),
        (b"<presence/>\n\x00", MalformedInput, "line 2"),
        ("<presence/>\n<message>é".encode() + b"\xff</message>", MalformedInput, "line 2, column 11"),
        (b"<presence/>\n\xc3", MalformedInput, "line 2, column 1"),
        (b"\xef\xbb\xbf<presence/>\n \xc3\x28", MalformedInput, "line 2, column 2"),
        (b"<presence/>\n/no-such\n<message/>", UsageError, "line 2"),
        (b"<presence/>\n\n/wait nonsense:x\n", UsageError, "line 3"),
    ],
)
def test_mistakes_are_named_by_their_place(
    source: Source, text: bytes, kind: type[XmppctlError], place: str
) -> None:
    """A file is looked at before anything of it is sent; of a pipe, what comes before the mistake is done."""
    played, error = source.play(text)
    assert isinstance(error, kind)
    assert f"standard input, {place}" in error.message
    assert names(played) == (["presence"] if source.kind == "pipe" else [])


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("<presence/>\n/wait 0 kind:iq\n<message/>", DeadlineExceeded, "line 2"),
        (f"{PING}\n\n/expect type:error\n<message/>", ExpectationFailed, "line 3"),
        ("<presence/>\n/last 9\n<message/>", UsageError, "line 2"),
        ("<presence/>\n/t chat\n<message/>", UsageError, "line 2"),
        (PING.replace("p1", "p2"), StanzaRefused, ""),
        (PING.replace("p1", "p2") + "<presence/>", PartialFailure, "1 of 2"),
        ("<message id='b' to='nobody@x'/><presence/>", PartialFailure, "1 of 2"),
        ("<message to='gone'/>\n/wait 5 kind:iq", ConnectionLost, ""),
    ],
)
def test_what_fails_ends_it(source: Source, text: str, kind: type[XmppctlError], says: str) -> None:
    played, error = source.play(text.encode())
    if kind is ConnectionLost:
        assert error is not None and int(error.code) == int(ConnectionLost("").code)
    else:
        assert type(error) is kind and error is not None
    assert error is not None and says in error.message
    assert "message" not in names(played) or "to=" in text


def test_a_stream_that_is_lost_is_told(source: Source) -> None:
    def begin(stage: Stage) -> None:
        stage.session._responder = lambda frame: stage.session.hang_up()  # type: ignore[assignment]

    for text in (PING, "<presence/>\n<message/>", "<presence/>"):
        played, error = source.play(text.encode(), begin=begin)
        assert isinstance(error, ConnectionLost)
        assert len(played.session.sent) == 1


def test_an_end_that_was_expected_is_none(source: Source) -> None:
    for word in ("/wait 5", "/expect 5"):
        played, error = source.play(f"<message to='gone'/>\n{word} xpath://stream:error\n".encode())
        assert error is None
        assert names(played) == ["message"]


def test_after_an_expected_end_nothing_can_be_sent(source: Source) -> None:
    _, error = source.play(b"<message to='gone'/>\n/wait 5 xpath://stream:error\n<presence/>")
    assert error is not None and int(error.code) == int(ConnectionLost("").code)


def test_each_stanza_is_waited_for_once(source: Source) -> None:
    _, error = source.play(b"<presence/><presence/>\n/wait id:m\n/wait id:m\n/wait 0 id:m")
    assert isinstance(error, DeadlineExceeded) and "line 4" in error.message


def test_a_pipe_may_wait_for_answers(pipe: Source) -> None:
    """As a program does that reads what comes before it writes more."""
    reading, writing = os.pipe()

    async def main() -> None:
        async with stage(respond, manner=SCRIPT) as made, asyncio.timeout(PATIENCE):
            playing = asyncio.ensure_future(Script(made.shell, reading, None).run())
            for shown, text in enumerate((PING, "<presence/>"), 1):
                os.write(writing, text.encode())
                await made.until(lambda shown=shown: len(made.house.shown) == shown)
            os.write(writing, b"\n/wait kind:message\n<message")
            await made.until(lambda: len(made.shell.lines) == 3)
            os.write(writing, b"/>")
            await made.until(lambda: names(made) == ["iq", "presence", "message"])
            assert not playing.done()
            os.close(writing)
            await playing

    asyncio.run(main())
    os.close(reading)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("begun", [b"", b"<message><body>", b"# a comm"])
def test_a_stalled_pipe_has_its_time(begun: bytes, lost: bool) -> None:
    """Also where the stream is lost meanwhile."""
    reading, writing = os.pipe()
    os.write(writing, b"<presence/>" + begun)

    async def main() -> None:
        async with stage(respond, manner=SCRIPT) as made, asyncio.timeout(PATIENCE):
            made.keeping.cancel()
            playing = asyncio.ensure_future(live(made.shell, Script(made.shell, reading, None).run()))
            await made.until(lambda: names(made) == ["presence"])
            if lost:
                made.session.hang_up()
            made.wire._deadline = made.session.deadline = Deadline(SHORT)
            with pytest.raises(DeadlineExceeded):
                await playing
            assert names(made) == ["presence"]

    asyncio.run(main())
    os.close(writing)
    os.close(reading)


@pytest.mark.parametrize("text", [b"<message>", b"# ", b"/wait ", b"x", b"<!--", b"\n  "])
@pytest.mark.parametrize("manner", [SCRIPT, RAW], ids=["checked", "raw"])
def test_an_endless_line_is_refused(
    pipe: Source, text: bytes, manner: Manner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_STANZA_BYTES", 300_000)
    monkeypatch.setattr(script, "MAX_STANZA_BYTES", 300_000)
    fill = b" " if text == b"\n  " else b"x"
    _, error = pipe.play(b"<presence/>\n" + text, *[fill * 65536] * 100, manner=manner)
    if fill == b" " and manner is SCRIPT:
        assert error is None, "white space is nothing"
    else:
        assert type(error) is MalformedInput and "larger than 300000 bytes" in error.message


def test_many_lines_of_one_stanza(pipe: Source) -> None:
    """Which takes as long as their bytes do, however many they are."""
    text = b"<message to='a@b'><body>" + b"a line of text\n" * 40_000 + b"</body></message>"
    played, error = pipe.play(text)
    assert error is None and len(played.session.sent[0].raw) == len(text)


def test_nothing_is_left_behind_where_it_ends_early(
    pipe: Source, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads is in the middle of handing something over."""
    failures: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    before = set(threading.enumerate())
    _, error = pipe.play(b"/wait 0.05 kind:iq\n", *[b"<presence/>\n" * 20_000] * 10)
    assert isinstance(error, DeadlineExceeded)
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert failures == [] and not recwarn.list


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        directory = os.open(tmp_path, os.O_RDONLY)
        async with stage(manner=SCRIPT) as made, asyncio.timeout(PATIENCE):
            with pytest.raises(UsageError, match="cannot read standard input"):
                await Script(made.shell, directory, None).run()
        os.close(directory)

    asyncio.run(main())


# -- unchecked --


def test_unchecked_lines_go_as_they_are(source: Source) -> None:
    written: list[bytes] = []

    def begin(stage: Stage) -> None:
        stage.session._write = written.append  # type: ignore[method-assign]

    text = "<oops\n\n# a comment\n  </a> \n/send-raw --hex 3c3e\n</stream:stream>é".encode()
    _, error = source.play(text, manner=RAW, begin=begin)
    assert error is None
    assert written == [b"<oops", b"  </a> ", b"<>", "</stream:stream>é".encode()]


def test_of_unchecked_lines_commands_are_checked_all_the_same(source: Source) -> None:
    _, error = source.play(b"<oops\n\n/no-such\n", manner=RAW)
    assert type(error) is UsageError and "line 3" in error.message


def test_what_follows_the_end_is_left_to_others() -> None:
    """A reader that goes on reading would take what the next program in the pipeline waits for."""
    reading, writing = os.pipe()
    os.write(writing, b"/quit\n")

    async def main() -> None:
        async with stage(respond, manner=SCRIPT) as made, asyncio.timeout(PATIENCE):
            made.keeping.cancel()
            await live(made.shell, Script(made.shell, reading, None).run())
        os.write(writing, b"<presence/>")
        await asyncio.sleep(0.3)  # longer than any of its looks

    try:
        asyncio.run(main())
        os.set_blocking(reading, False)
        assert os.read(reading, 100) == b"<presence/>"
    finally:
        os.close(reading)
        os.close(writing)
