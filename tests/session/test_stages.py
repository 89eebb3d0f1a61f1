"""How far a login goes for a person to go on by hand, and what it has said until then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.servers.hostile import (
    BIND,
    DOMAIN,
    PASSWORD,
    STARTTLS,
    Peer,
    Server,
    free_port,
    greet,
    mechanisms,
    to_authenticated,
    to_sasl,
    to_tls,
)
from tests.servers.identities import Authority, Identity
from tests.session.conftest import PATIENCE, SHORT, Client
from xmppctl.config.secrets import Secret
from xmppctl.errors import (
    AuthError,
    CertificateError,
    DeadlineExceeded,
    TcpError,
    TlsError,
    UsageError,
    XmppctlError,
)
from xmppctl.session.deadline import Deadline
from xmppctl.session.stages import Opened, Stage, open_until
from xmppctl.stanza.frame import Frame

Serve = Callable[..., Server]


def reach(
    client: Client, server: Server | int, stage: Stage, *, password: str = PASSWORD, seconds: float = PATIENCE
) -> tuple[Opened, list[Frame]]:
    """Go as far as the stage; what the tap saw."""
    frames: list[Frame] = []
    port = server if isinstance(server, int) else server.port
    settings = client.settings._replace(port=port)
    opened = open_until(settings, Secret(password), Deadline(seconds), stage, on_frame=frames.append)
    opened.connection.close()
    return opened, frames


def playing(identity: Identity, tls: str) -> Callable[[Peer], None]:
    """A server that takes an account as far as it wants to go."""

    def script(peer: Peer) -> None:
        if tls == "none":
            greet(peer, mechanisms("SCRAM-SHA-256"))
        else:
            to_authenticated(peer, identity, direct=tls == "direct")
            greet(peer, BIND)
        peer.until_end()

    return script


LOGIN = ("auth", "challenge", "response", "success", "stream", "stream", "features")
STARTED = ("stream", "stream", "features", "starttls", "proceed")
GREETED = ("stream", "stream", "features")


@pytest.mark.parametrize(
    ("tls", "stage", "names", "secure", "features"),
    [
        ("starttls", "connect", (), False, None),
        ("direct", "connect", (), True, None),
        ("none", "connect", (), False, None),
        ("starttls", "tls", STARTED, True, None),
        ("direct", "tls", (), True, None),
        ("starttls", "features", STARTED + GREETED, True, "mechanisms"),
        ("direct", "features", GREETED, True, "mechanisms"),
        ("none", "features", GREETED, False, "mechanisms"),
        ("starttls", "auth", STARTED + GREETED + LOGIN, True, "bind"),
        ("direct", "auth", GREETED + LOGIN, True, "bind"),
    ],
)
def test_a_stage_is_where_it_ends(
    serve: Serve,
    client: Client,
    identity: Identity,
    tls: str,
    stage: Stage,
    names: tuple[str, ...],
    secure: bool,
    features: str | None,
) -> None:
    client.change(tls=tls)
    opened, frames = reach(client, serve(playing(identity, tls)), stage)
    assert tuple(frame.name for frame in frames) == names
    assert (opened.secure, opened.loopback, opened.stage) == (secure, True, stage)
    assert [frame.name for frame in opened.frames] == (["features"] if features else [])
    assert all(features in frame.text for frame in opened.frames if features)


def test_what_comes_right_behind_the_features_is_not_lost(
    serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_tls(peer, identity, direct=True)
        asked = peer.expect("<stream:stream[^>]*>")
        assert asked
        peer.send(
            f"<stream:stream from='{DOMAIN}' id='s' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'><stream:features/><iq type='set' id='x'/>"
        )
        peer.until_end()

    client.change(tls="direct")
    opened, _ = reach(client, serve(script), "features")
    assert [frame.name for frame in opened.frames] == ["features", "iq"]


def test_without_tls_there_is_no_such_stage(serve: Serve, client: Client) -> None:
    client.change(tls="none")
    server = serve(lambda peer: peer.until_end())
    with pytest.raises(UsageError, match="never comes"):
        reach(client, server, "tls")
    assert server.connections == 0


def test_what_is_not_open_raises_as_a_login_does(
    serve: Serve, client: Client, identity: Identity, authority: Authority
) -> None:
    wrong = authority.issue("montague.example")

    def failing(
        server: Server | int, stage: Stage, kind: type[XmppctlError], seconds: float = PATIENCE
    ) -> None:
        with pytest.raises(kind) as caught:
            reach(client, server, stage, password="wrong", seconds=seconds)
        assert type(caught.value) is kind

    failing(free_port(), "connect", TcpError)
    failing(serve(lambda peer: (greet(peer), peer.until_end())), "tls", TlsError)
    failing(serve(lambda peer: to_tls(peer, wrong)), "tls", CertificateError)
    failing(serve(lambda peer: (greet(peer, STARTTLS), peer.until_end())), "tls", DeadlineExceeded, SHORT)
    failing(serve(lambda peer: (to_sasl(peer, identity, "X-OLD"), peer.until_end())), "auth", AuthError)
    failing(serve(playing(identity, "starttls")), "auth", AuthError)
