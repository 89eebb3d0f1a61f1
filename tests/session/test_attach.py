"""Attaching to a daemon: whom a command trusts, what it says to whom, how it ends. The daemon is a script."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers import local as scripted
from tests.servers.hostile import Gone, Peer, Server
from xmppctl import __version__
from xmppctl.config.secrets import NoPassword
from xmppctl.config.settings import Settings
from xmppctl.errors import (
    AuthError,
    ConnectionLost,
    DaemonError,
    DeadlineExceeded,
    StanzaRefused,
    StreamError,
    XmppctlError,
)
from xmppctl.session import attach, local, unix
from xmppctl.session.base import Session
from xmppctl.session.deadline import Deadline
from xmppctl.session.run import Observer, run_attached
from xmppctl.stanza import build
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid

SETTINGS = Settings(Jid.parse(scripted.JID), NoPassword("test"), account="work")
DIGEST = SETTINGS.digest()
AUTH_FAILURE = local.failure(AuthError("the password is wrong", hint="change it"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket is."""
    return tmp_path / "work.sock"


@pytest.fixture
def daemon(path: Path, serve: Callable[..., Server]) -> Callable[..., Server]:
    """Start a scripted daemon at `path`."""
    return lambda *scripts: serve(*scripts, path=path)


def reach(path: Path, seconds: float = 5.0, **more: Any) -> attach.Local | None:
    return attach.reach(path, SETTINGS, Deadline(seconds), **more)


def refused(path: Path, seconds: float = 5.0) -> DaemonError:
    """The error that looking for the daemon ends with."""
    with pytest.raises(DaemonError) as caught:
        reach(path, seconds)
    assert caught.value.hint
    return caught.value


def attached(path: Path, main: Callable[[Session], Any], **more: Any) -> Any:
    """Run `main` on a session through the daemon."""
    stream = reach(path)
    assert stream is not None
    limit = Deadline(5)
    return run_attached(stream.bind(limit), main, deadline=limit, **more)


# -- whom to trust ------------------------------------------------------------------------------------------------


def test_no_socket_is_no_daemon(path: Path) -> None:
    assert reach(path) is None


def test_a_socket_that_nobody_listens_at_is_no_daemon(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    path.chmod(0o600)
    assert reach(path) is None
    assert path.is_socket(), "removing it is the business of who holds the lock"


def test_nothing_is_said_to_a_socket_behind_a_symbolic_link(
    path: Path, tmp_path: Path, serve: Callable[..., Server]
) -> None:
    server = serve(scripted.serving(settings=DIGEST), path=tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    assert "symbolic link" in refused(path).message
    assert server.connections == 0


def test_a_file_is_no_socket(path: Path) -> None:
    path.write_text("x")
    assert "not a socket" in refused(path).message


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o601, 0o777])
def test_nothing_is_said_to_a_socket_that_others_can_reach(
    path: Path, daemon: Callable[..., Server], mode: int
) -> None:
    server = daemon(scripted.serving(settings=DIGEST))
    path.chmod(mode)
    assert "open to other users" in refused(path).message
    assert server.connections == 0


def test_nothing_is_said_to_another_users_socket(
    path: Path, daemon: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = daemon(scripted.serving(settings=DIGEST))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "belongs to another user" in refused(path).message
    assert server.connections == 0


def test_nothing_is_said_to_another_users_process(
    path: Path, daemon: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = daemon(lambda peer: peer.until_end())
    monkeypatch.setattr(unix, "peer", lambda _: unix.Peer(os.geteuid() + 1, 1))
    assert "another user" in refused(path).message
    assert server.text == ""


def test_a_kernel_that_does_not_tell_who_listens_is_no_reason_to_trust(
    path: Path, daemon: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = daemon(lambda peer: peer.until_end())

    def fail(_: socket.socket) -> unix.Peer:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(unix, "peer", fail)
    assert "does not tell" in refused(path).message
    assert server.text == ""


# -- the hello ----------------------------------------------------------------------------------------------------


def test_the_hello_is_read_before_anything_but_a_header_is_said(
    path: Path, daemon: Callable[..., Server]
) -> None:
    server = daemon(
        lambda peer: (scripted.greet(peer, settings="5f3a9c01", state="waiting"), peer.until_end())
    )
    stream = reach(path)
    assert stream is not None
    assert stream.hello == attach.Hello("1", __version__, "work", scripted.JID, "5f3a9c01", "waiting")
    assert stream.pid == os.getpid()
    stream.close()
    assert f"to='{scripted.DOMAIN}'" in server.text
    assert "<iq" not in server.text


def test_a_daemon_that_says_nothing_is_not_waited_for_for_ever(
    path: Path, daemon: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon(lambda peer: peer.until_end())
    monkeypatch.setattr(attach, "HELLO_SECONDS", 0.1)
    assert "does not answer" in refused(path).message


def test_a_daemon_that_lets_nobody_in_is_not_waited_for_for_ever(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(0)
        waiting = []
        try:
            with pytest.raises(BlockingIOError):
                while True:
                    waiting.append(socket.socket(socket.AF_UNIX))
                    waiting[-1].setblocking(False)
                    waiting[-1].connect(str(path))
            assert "does not answer" in refused(path, 0.1).message
        finally:
            for each in waiting:
                each.close()


@pytest.mark.parametrize(
    "script",
    [
        lambda _: None,
        lambda peer: peer.expect("<stream:stream[^>]*>"),
        lambda peer: peer.send(scripted.HEADER),
        lambda peer: peer.send(scripted.HEADER, scripted.SHUTDOWN),
    ],
    ids=["at once", "after the header", "after its header", "it says so"],
)
def test_a_daemon_that_ends_at_this_moment_is_none(
    path: Path, daemon: Callable[..., Server], script: Callable[[Peer], Any]
) -> None:
    daemon(script)
    assert reach(path) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak XMPP"),
        (scripted.HEADER + "<stream:features/>", "says no hello"),
        (scripted.HEADER + "<hello xmlns='urn:xmppctl:daemon:1'/>", "where its stream features must be"),
        (scripted.HEADER + "<!DOCTYPE x>", "no XMPP stream may hold"),
        (
            scripted.HEADER
            + "<stream:error><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            "</stream:error></stream:stream>",
            "resource-constraint",
        ),
    ],
    ids=["another program", "no hello", "no features", "forbidden", "full"],
)
def test_what_is_no_daemon_that_can_be_used_is_told(
    path: Path, daemon: Callable[..., Server], said: str, told: str
) -> None:
    daemon(lambda peer: (peer.send(said), peer.until_end()))
    assert told in refused(path).message


def hello(**attributes: str) -> attach.Hello:
    told = dict(
        zip(attach.Hello._fields, ("1", __version__, "work", scripted.JID, DIGEST, "online"), strict=True)
    )
    return attach.Hello(**{**told, **attributes})


def test_a_daemon_with_the_same_settings_fits() -> None:
    for state in ("starting", "connecting", "online", "waiting", "failed"):
        assert attach.misfit(hello(state=state), SETTINGS) is None
    assert attach.misfit(hello(), SETTINGS._replace(resource="x", persist=1.0)) is None


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"version": "2"}, ("protocol 2", "daemon stop -a work", "daemon start -a work")),
        ({"program": "9.9"}, ("xmppctl 9.9", __version__, "daemon stop -a work")),
        ({"version": "", "program": ""}, ("another release", "daemon stop -a work")),
        ({"jid": "juliet@capulet.example"}, ("juliet@capulet.example", scripted.JID)),
        ({"settings": "ffffffff"}, ("other settings", "--host")),
    ],
)
def test_a_daemon_that_does_not_fit_is_told_why_and_what_to_type(
    attributes: dict[str, str], words: tuple[str, ...]
) -> None:
    error = attach.misfit(hello(**attributes), SETTINGS)
    assert isinstance(error, DaemonError)
    for word in words:
        assert word in error.message + error.hint


def test_the_way_to_end_the_daemon_of_a_jid_without_an_account_is_told() -> None:
    error = attach.misfit(hello(version="2"), SETTINGS._replace(account=None))
    assert error is not None
    assert f"daemon stop --jid {scripted.JID}" in error.hint


@pytest.mark.parametrize(
    ("resource", "origin", "fits"),
    [
        (None, "default", True),
        ("orchard", "option --resource", True),
        ("other", "option --resource", False),
        ("other", "environment XMPPCTL_RESOURCE", False),
        ("other", "account work (/config.toml)", True),
    ],
)
def test_a_command_that_wants_a_resource_of_its_own_gets_no_other(
    resource: str | None, origin: str, fits: bool
) -> None:
    settings = SETTINGS._replace(resource=resource, origins={"resource": origin})
    error = attach.other_resource(settings, Jid.parse(scripted.FULL_JID))
    assert (error is None) == fits
    if error is not None:
        assert "orchard" in error.message and "other" in error.message and "--resource" in error.hint


# -- binding ------------------------------------------------------------------------------------------------------


def test_a_session_has_the_daemons_jid(path: Path, daemon: Callable[..., Server]) -> None:
    daemon(scripted.serving(settings=DIGEST))

    async def main(session: Session) -> tuple[str, bool]:
        return str(session.jid), session.attached

    assert attached(path, main) == (scripted.FULL_JID, True)


def test_the_error_that_keeps_a_daemon_offline_is_the_commands(
    path: Path, daemon: Callable[..., Server]
) -> None:
    daemon(lambda peer: (scripted.greet(peer), scripted.answer_bind(peer, AUTH_FAILURE), peer.until_end()))
    stream = reach(path)
    assert stream is not None
    with pytest.raises(AuthError, match="the password is wrong") as caught:
        stream.bind(Deadline(5))
    assert caught.value.hint == "change it"
    stream.close()


def test_a_daemon_that_is_not_online_in_time_is_told(path: Path, daemon: Callable[..., Server]) -> None:
    daemon(lambda peer: (scripted.greet(peer), peer.until_end()))
    stream = reach(path)
    assert stream is not None
    with pytest.raises(DeadlineExceeded, match=r"the daemon of work did not come online in 0\.1 s") as caught:
        stream.bind(Deadline(0.1))
    assert caught.value.hint.endswith("xmppctl daemon status -a work")
    stream.close()


def test_what_keeps_a_daemon_offline_is_told(path: Path, daemon: Callable[..., Server]) -> None:
    def script(peer: Peer) -> None:
        scripted.greet(peer, state="waiting")
        peer.expect("<bind.*</iq>")
        id_ = peer.expect("<iq[^>]* id='([^']*)'[^>]*><info").group(1)
        told = '{"connection": {"failure": "connection refused"}}'
        peer.send(
            f"<iq type='result' id='{id_}'><info xmlns='{local.NS_DAEMON}'>{build.escape(told)}</info></iq>"
        )
        peer.until_end()

    daemon(script)
    stream = reach(path)
    assert stream is not None
    with pytest.raises(DeadlineExceeded, match=r"did not come online in 0\.1 s: connection refused"):
        stream.bind(Deadline(0.1))
    stream.close()


def test_a_daemon_that_ends_while_it_is_waited_for_is_told(path: Path, daemon: Callable[..., Server]) -> None:
    daemon(lambda peer: (scripted.greet(peer), peer.expect("</iq>")))
    stream = reach(path)
    assert stream is not None
    with pytest.raises(ConnectionLost, match="the daemon of work") as caught:
        stream.bind(Deadline(5))
    assert "xmppctl daemon logs -a work" in caught.value.hint
    stream.close()


def test_a_daemon_that_binds_nonsense_is_told(path: Path, daemon: Callable[..., Server]) -> None:
    def script(peer: Peer) -> None:
        scripted.greet(peer)
        id_ = peer.expect(" id='([^']*)'").group(1)
        peer.send(f"<iq type='result' id='{id_}'><bind xmlns='{scripted.NS_BIND}'><jid>@@</jid></bind></iq>")
        peer.until_end()

    daemon(script)
    stream = reach(path)
    assert stream is not None
    with pytest.raises(DaemonError, match="bound no address"):
        stream.bind(Deadline(5))
    stream.close()


def test_the_daemon_itself_can_be_asked_without_binding(path: Path, daemon: Callable[..., Server]) -> None:
    def script(peer: Peer) -> None:
        scripted.greet(peer)
        for reply in ("type='result'>{}</iq>", "type='error'>" + local.failure(DaemonError("no")) + "</iq>"):
            id_ = peer.expect(rf"<iq[^>]* id='([^']*)' to='{local.DAEMON}'><info[^>]*></info></iq>").group(1)
            peer.send(f"<iq from='{local.DAEMON}' id='{id_}' ", reply.format("<info xmlns='x'>yes</info>"))
        peer.until_end()

    daemon(script)
    stream = reach(path)
    assert stream is not None
    assert "yes" in stream.ask("get", local.payload("info"), Deadline(5)).text
    with pytest.raises(DaemonError, match="no"):
        stream.ask("get", local.payload("info"), Deadline(5))
    stream.close()


# -- the session --------------------------------------------------------------------------------------------------


def test_stanzas_go_both_ways_and_are_acknowledged(path: Path, daemon: Callable[..., Server]) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<enable xmlns='urn:xmpp:sm:3'/>")
        peer.send("<enabled xmlns='urn:xmpp:sm:3'/>")
        peer.expect("<message to='juliet@capulet.example'/>")
        peer.expect("<r xmlns='urn:xmpp:sm:3'/>")
        id_ = peer.expect(f"<iq[^>]* id='([^']*)'[^>]* to='{scripted.DOMAIN}'").group(1)
        peer.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
        peer.send(f"<iq type='result' id='{id_}' from='{scripted.DOMAIN}' to='{scripted.FULL_JID}'/>")
        peer.send("<message from='juliet@capulet.example'><body>hi</body></message>")
        peer.until_end()

    daemon(scripted.serving(script, settings=DIGEST))

    async def main(session: Session) -> str | None:
        incoming = session.stanzas(lambda frame: frame.kind == "message")
        session.enable_acks()
        await session.send("<message to='juliet@capulet.example'/>")
        await session.barrier(5)
        return (await incoming.next(5)).body

    assert attached(path, main) == "hi"


def test_requests_that_come_in_are_seen_and_left_to_the_daemon_to_answer(
    path: Path, daemon: Callable[..., Server]
) -> None:
    push = "<iq type='set' id='p'><query xmlns='jabber:iq:roster'/></iq>"

    def script(peer: Peer) -> None:
        peer.send("<iq type='get' id='q' from='a@b/c'><ping xmlns='urn:xmpp:ping'/></iq>", push)
        peer.until_end()

    server = daemon(scripted.serving(script, settings=DIGEST))

    async def main(session: Session) -> list[str | None]:
        requests = session.stanzas(lambda frame: frame.kind == "iq")
        return [(await requests.next(5)).id, (await requests.next(5)).id]

    assert attached(path, main) == ["q", "p"]
    assert "id='q'" not in server.text and "id='p'" not in server.text


@pytest.mark.parametrize("plugins", [False, True])
@pytest.mark.parametrize(
    ("last", "told"),
    [
        (scripted.SHUTDOWN, f"the daemon of {scripted.JID} has ended"),
        ("</stream:stream>", f"the daemon of {scripted.JID} closed the stream"),
        ("", f"the daemon of {scripted.JID} "),
    ],
    ids=["it says so", "footer", "killed"],
)
def test_a_daemon_that_dies_ends_the_command_with_a_word_of_who_it_was(
    path: Path, daemon: Callable[..., Server], last: str, told: str, plugins: bool
) -> None:
    def script(peer: Peer) -> None:
        scripted.greet(peer)
        scripted.answer_bind(peer)
        peer.expect("<message/>")
        peer.send(last)
        raise Gone

    daemon(script)

    async def main(session: Session) -> None:
        await session.send("<message/>")
        await session.wait(lambda: False, 5)

    with pytest.raises(ConnectionLost) as caught:
        attached(path, main, plugins=plugins)
    assert told in caught.value.message
    assert "xmppctl daemon logs -a work" in caught.value.hint


def test_another_stream_error_of_the_daemon_is_told_as_its_own(
    path: Path, daemon: Callable[..., Server]
) -> None:
    error = (
        "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    )
    daemon(scripted.serving(lambda peer: peer.send(error), settings=DIGEST))

    async def main(session: Session) -> None:
        await session.wait(lambda: False, 5)

    with pytest.raises(StreamError, match=f"the daemon of {scripted.JID} ended the stream: reset"):
        attached(path, main)


def test_an_error_of_another_entity_is_no_error_of_the_daemons(
    path: Path, daemon: Callable[..., Server]
) -> None:
    def script(peer: Peer) -> None:
        id_ = peer.expect("<iq[^>]* id='([^']*)'").group(1)
        peer.send(
            f"<iq type='error' id='{id_}' from='x@y'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        peer.until_end()

    daemon(scripted.serving(script, settings=DIGEST))

    async def main(session: Session) -> None:
        await session.request(build.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to="x@y"), 5)

    with pytest.raises(StanzaRefused, match="x@y refused"):
        attached(path, main)


def test_the_trace_shows_the_local_stream(path: Path, daemon: Callable[..., Server]) -> None:
    daemon(scripted.serving(settings=DIGEST))
    frames: list[Frame] = []
    stream = reach(path, on_frame=frames.append)
    assert stream is not None
    stream.bind(Deadline(5))
    stream.close()
    shown = [(frame.direction, frame.name) for frame in frames if frame.names]
    assert shown[:5] == [
        ("out", "stream"),
        ("in", "stream"),
        ("in", "features"),
        ("out", "iq"),
        ("in", "iq"),
    ]


# -- lost and observed --------------------------------------------------------------------------------------------


def test_what_was_dropped_is_told(path: Path, daemon: Callable[..., Server]) -> None:
    dropped = f"<dropped xmlns='{local.NS_DAEMON}' count='7'/>"
    daemon(scripted.serving(lambda peer: peer.send(dropped, "<message/>"), settings=DIGEST))
    notes: list[str] = []

    async def main(session: Session) -> None:
        await session.stanzas().next(5)

    attached(path, main, note=notes.append)
    assert len(notes) == 1 and "dropped 7 stanzas" in notes[0]


def watching(peer: Peer) -> None:
    id_ = peer.expect(
        rf"<iq[^>]* id='([^']*)'[^>]*><watch xmlns='{local.NS_DAEMON}'><term>kind:message</term>"
        r"<term>body:~a&amp;b</term></watch></iq>"
    ).group(1)
    peer.send(f"<iq type='result' from='{local.DAEMON}' id='{id_}'/>")
    peer.send(f"<frame xmlns='{local.NS_DAEMON}' dir='in' time='12.5'>&lt;message id='m'/&gt;</frame>")
    peer.send(f"<dropped xmlns='{local.NS_DAEMON}' count='3'/>")
    peer.until_end()


def test_what_is_observed_comes_from_the_daemon(path: Path, daemon: Callable[..., Server]) -> None:
    daemon(scripted.serving(watching, settings=DIGEST))
    seen: list[Any] = []
    observer = Observer(("kind:message", "body:~a&b"), seen.append, seen.append)

    async def main(session: Session) -> None:
        await session.wait(lambda: len(seen) == 2, 5)

    attached(path, main, observe=observer)
    frame, dropped = seen
    assert (frame.id, frame.direction, frame.time, dropped) == ("m", "in", 12.5, 3)


def test_what_cannot_be_shown_ends_the_command(path: Path, daemon: Callable[..., Server]) -> None:
    daemon(scripted.serving(watching, settings=DIGEST))

    def fail(_: Any) -> None:
        raise XmppctlError("full")

    async def main(session: Session) -> None:
        await session.wait(lambda: False, 5)

    with pytest.raises(XmppctlError, match="full"):
        attached(path, main, observe=Observer(("kind:message", "body:~a&b"), fail, fail))


def test_looking_in_vain_leaves_nothing_open(path: Path, daemon: Callable[..., Server]) -> None:
    daemon(lambda peer: (peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"), peer.until_end()))
    refused(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        refused(path)
    # The script's own end of a connection is closed when the test is over.
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 20


def test_a_command_that_fails_closes_its_stream_all_the_same(
    path: Path, daemon: Callable[..., Server]
) -> None:
    said: list[str] = []
    daemon(scripted.serving(lambda peer: said.append(peer.until_end())))

    async def main(session: Session) -> None:
        await session.send("<message id='a'/>")
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        attached(path, main)
    assert said == ["<message id='a'/></stream:stream>"]
