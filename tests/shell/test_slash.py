"""The shell's own commands: found or not, checked before they run, and what they do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shell.play import PERSON, SCRIPT, Commands, Stage, answering, perform
from xmppctl.errors import BadFilter, DeadlineExceeded, ExpectationFailed, UsageError
from xmppctl.shell import slash
from xmppctl.shell.core import Manner
from xmppctl.shell.reader import Slash, read
from xmppctl.shell.slash import OWN, Leave

PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
PONG = "<iq type='result' id='p1' from='montague.example'/>"
REFUSED = (
    "<iq type='error' id='p1' from='montague.example'><error type='cancel'>"
    "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
)
MESSAGE = "<message from='juliet@capulet.example/b' id='m1'><body>hi</body></message>"


def command(text: str) -> Slash:
    (item,) = read(text + "\n")
    assert isinstance(item, Slash)
    return item


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("/lats", "no command /lats", "/last"),
        ("/pign", "no command /pign", "/ping"),
        ("/xyzzy", "no command /xyzzy", "/help"),
        ("/", "no command /", "/help"),
        ("/shell", "does not run inside the shell", "xmppctl shell in another terminal"),
        ("/demo", "does not run inside the shell", "xmppctl demo"),
        ("/completion bash", "does not run inside the shell", "xmppctl completion"),
        ("/filter 'open", "no closing quotation", "quote"),
        ("/wait", "a TERM is missing", "kind:message"),
        ("/expect 5", "a TERM is missing", "kind:message"),
        ("/last x", "no number", "[3]"),
        ("/edit 1 2", "no number", "[3]"),
        ("/resend ٣", "no number", "[3]"),
        ("/stop -1", "no number", "/jobs"),
        ("/stop 99999999999", "no number", "/jobs"),
        ("/sasl PLAIN secret", "only the mechanism", "never typed"),
        ("/send-raw", "nothing to send", "/send-raw"),
        ("/send-raw --hex", "nothing to send", "/send-raw"),
        ("/send-raw --hex 3", "no hex", "two digits"),
        ("/send-raw --hex zz", "no hex", "two digits"),
    ],
)
def test_what_is_wrong_is_seen_before_it_runs(text: str, says: str, hint: str) -> None:
    async def main(stage: Stage) -> None:
        for run in (lambda: slash.check(stage.shell, command(text)), None):
            with pytest.raises(UsageError) as caught:
                if run is not None:
                    run()
                else:
                    await stage.shell.do(command(text))
            assert says in caught.value.message and hint in caught.value.hint
        assert list(stage.shell.lines) == [] and stage.typed == []

    perform(main, commands=Commands(ping=lambda rest, opened: 0))


@pytest.mark.parametrize(
    "text",
    ["/t muc-join r@c nick password='pl4nted", "/send-raw --hex pl4nted", '/save "pl4nted'],
)
def test_words_that_cannot_be_read_are_not_quoted(text: str) -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(UsageError) as caught:
            slash.check(stage.shell, command(text))
        assert "pl4nted" not in f"{caught.value.message} {caught.value.hint}"

    perform(main)


def test_a_bad_filter_is_seen_before_it_runs() -> None:
    async def main(stage: Stage) -> None:
        for text in ("/filter nonsense:1", "/wait nonsense:1", "/expect 5 nonsense:1"):
            with pytest.raises(BadFilter):
                slash.check(stage.shell, command(text))
        for text in ("/filter off", "/wait 0.5 kind:iq", "/send-raw <oops 'quote", "/explain it's"):
            slash.check(stage.shell, command(text))

    perform(main)


def test_help_tells_of_every_command() -> None:
    asked: list[str] = []

    def helped(rest: str, opened: Any) -> int:
        asked.append(rest)
        return 0

    async def main(stage: Stage) -> None:
        await stage.type("/help")
        (told,) = stage.house.said
        for name in [*OWN, "ping"]:
            assert f"\n  /{name}" in told
        assert "what ping does" in told
        for text in ("/help wait", "/help /wait"):
            await stage.type(text)
            assert stage.house.said.pop().startswith("/wait [SECONDS] TERM...")
        await stage.type("/help filters")
        assert asked == ["filters"]

    perform(main, manner=SCRIPT, commands=Commands(ping=helped, help=helped))


def test_levels_and_filter() -> None:
    async def main(stage: Stage) -> None:
        changes: list[str] = []
        stage.shell.changed = lambda: changes.append(stage.shell.display.level)
        for level in ("quiet", "loud", "normal"):
            await stage.type(f"/{level}")
        assert changes == ["quiet", "loud", "normal"]
        await stage.type("/filter from:juliet@* kind:message")
        assert stage.shell.display.wanted is not None
        stage.session.deliver(MESSAGE, "<presence id='p'/>")
        await stage.settled()
        assert stage.house.ids == ["m1"]
        for text in ("/filter off", "/filter"):
            await stage.type(f"/filter kind:iq\n{text}")
            assert stage.shell.display.wanted is None

    perform(main)


def test_waited_for() -> None:
    async def main(stage: Stage) -> None:
        stage.session.deliver(MESSAGE, MESSAGE.replace("m1", "m2"), "<presence id='p'/>")
        await stage.settled()
        await stage.type("/wait 5 kind:message\n/wait kind:presence\n/wait 0.1 id:m2")
        with pytest.raises(DeadlineExceeded):
            await stage.type("/wait 0 kind:message")

    perform(main)


@pytest.mark.parametrize(
    ("answer", "text", "told"),
    [
        (PONG, "/expect type:result", None),
        (PONG, "/expect type:error", "result"),
        (REFUSED, "/expect type:error", None),
        (REFUSED, "/expect 5 type:result", "forbidden"),
    ],
)
def test_expected_of_a_request(answer: str, text: str, told: str | None) -> None:
    async def main(stage: Stage) -> None:
        stage.session.deliver(MESSAGE)
        await stage.type(PING)
        if told is None:
            await stage.type(text)
            assert not stage.shell.traffic.refused
        else:
            with pytest.raises(ExpectationFailed) as caught:
                await stage.type(text)
            assert told in caught.value.message
            assert bool(stage.shell.traffic.refused) is (answer is REFUSED)

    perform(main, answering(p1=answer), manner=SCRIPT)


@pytest.mark.parametrize("manner", [PERSON, SCRIPT])
def test_a_person_is_told_that_it_was_as_expected(manner: Manner) -> None:
    async def main(stage: Stage) -> None:
        await stage.type(f"{PING}\n/expect type:result")
        told = [note for note in stage.house.notes if note.startswith("as expected: iq result")]
        assert len(told) == (manner is PERSON)

    perform(main, answering(p1=PONG), manner=manner)


def test_expected_of_what_comes_next() -> None:
    async def main(stage: Stage) -> None:
        stage.session.deliver("<presence id='before'/>")
        await stage.settled()
        await stage.type("<presence/>")
        stage.session.deliver(MESSAGE, "<presence id='after'/>")
        await stage.type("/expect kind:message from:juliet@*\n/expect kind:presence id:after")
        with pytest.raises(DeadlineExceeded):
            await stage.type("/expect 0 kind:presence")

    perform(main, manner=SCRIPT)


def test_what_came_is_told_without_its_secrets_or_tricks() -> None:
    """The message of an error is made safe where it is shown; here it only has to be short."""

    async def main(stage: Stage) -> None:
        await stage.type("<presence/>")
        stage.session.deliver(f"<message from='juliet@capulet.example'><body>{'x' * 5000}</body></message>")
        with pytest.raises(ExpectationFailed) as caught:
            await stage.type("/expect kind:iq")
        assert "juliet@capulet.example" in caught.value.message and len(caught.value.message) < 200

    perform(main, manner=SCRIPT)


def test_the_end_of_the_stream_can_be_expected() -> None:
    gone = "<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"

    async def main(stage: Stage) -> None:
        await stage.type("<presence/>")
        stage.session.deliver(gone)
        await stage.until(lambda: stage.wire.session is None)
        await stage.type("/expect xpath://stream:error")
        assert stage.shell.end_expected

    perform(main, manner=SCRIPT)


@pytest.mark.parametrize(("text", "data"), [("<oops a='", "<oops a='"), ("--hex 3c 61 2F3e", "<a/>")])
def test_raw(text: str, data: str) -> None:
    async def main(stage: Stage) -> None:
        written: list[bytes] = []
        stage.session._write = written.append  # type: ignore[method-assign]
        await stage.type(f"/send-raw {text}")
        assert written == [data.encode()] and stage.shell.sent == 1

    perform(main)


def test_the_answer_to_a_raw_stanza_is_paired() -> None:
    async def main(stage: Stage) -> None:
        await stage.type(f"/send-raw {PING}")
        await stage.settled()
        assert [note and note.record["answers"] for _, note in stage.house.shown] == [1]

    perform(main, answering(p1=PONG))


def test_left() -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(Leave):
            await stage.type("/quit")
        await stage.type("/jobs")
        assert stage.house.notes == ["nothing runs"]

    perform(main, manner=PERSON)


def test_what_is_kept_of_what_was_typed() -> None:
    """What only shows something, or depends on what was, is no part of a script."""

    async def main(stage: Stage) -> None:
        await stage.type(f"{PING}\n/loud\n/last\n/explain\n/jobs\n/help\n/ping  a b\n/wait 0.1 kind:iq")
        assert list(stage.shell.lines) == [PING, "/loud", "/ping a b", "/wait 0.1 kind:iq"]

    perform(main, answering(p1=PONG), commands=Commands(ping=lambda rest, opened: 0), manner=SCRIPT)
