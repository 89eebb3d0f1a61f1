"""What slixmpp does wrong and our engine does right, one hostile server for both.

Each case runs on our engine, where it must pass, and on stock slixmpp 1.17, where it must fail: `xfail(strict=True)`
fails the run if it does not, so that no mend outlives its reason. The numbers are those of the list of mends that
the engine's design is held against; 12 is also what all of test_login*.py is about.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.parsers import expat

import pytest
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from tests.servers import hostile
from tests.servers.hostile import (
    DOMAIN,
    FULL_JID,
    JID,
    NS_SASL,
    NS_TLS,
    Peer,
    ScramServer,
    Server,
    bind,
    features,
    greet,
    header,
    mechanisms,
    to_authenticated,
    to_sasl,
    to_session,
    to_tls,
)
from tests.servers.identities import Authority, Identity
from tests.session.conftest import Client
from tests.session.engines import Engine, Ours, Stock

Serve = Callable[..., Server]

#: What a stock client gets to hang in.
HANG = 0.35

MALLORY = "mallory@evil.example"


def on_both(stock_fails: bool = True, reason: str = "") -> pytest.MarkDecorator:
    """Run on both engines; stock must fail where `stock_fails`."""
    reason = reason or "stock slixmpp does it"
    # Anything but a failed assertion would mean that the case itself does not work on stock slixmpp.
    mark = [pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)] if stock_fails else []
    return pytest.mark.parametrize(
        "engine", [pytest.param(Ours(), id="ours"), pytest.param(Stock(), id="stock", marks=mark)]
    )


@on_both(stock_fails=False)
def test_both_log_in_to_a_faultless_server(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_session(peer, identity)
        peer.expect("ready")
        peer.send(f"<message from='{MALLORY}'><body>hello</body></message>")
        peer.until_end()

    async def main(xmpp: Any) -> str:
        xmpp.send_raw("<message to='x@y'><body>ready</body></message>")
        return str((await xmpp.wait_until("message", 1))["body"])

    report = engine.run(client.settings, serve(script), main)
    assert (report.online, report.value) == (True, "hello")


# -- 1 --


def expat_defers() -> bool:
    """Whether expat holds back what is split over two reads: 2.6 does, and older ones that distributions mended."""
    parser, began = expat.ParserCreate(), list[str]()
    parser.StartElementHandler = lambda name, _: began.append(name)
    parser.Parse("<a>", False)
    parser.Parse("<message id='a-long-tag-in-two-parts", False)
    parser.Parse("'/>", False)
    return began == ["a"]


@on_both(expat_defers(), "this expat holds back what is split over two reads")
def test_a_stanza_split_over_two_reads_is_delivered_at_once(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_session(peer, identity)
        peer.expect("<message")
        peer.send(f"<message from='{MALLORY}' to='{FULL_JID}' type='headline' id='a-long-tag-in-two-parts")
        peer.listen(0.05)
        peer.send("'/>")
        peer.until_end()

    async def main(xmpp: Any) -> str:
        arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        handler = Callback("any", MatchXPath("{jabber:client}message"), lambda m: arrived.set_result(m["id"]))
        xmpp.register_handler(handler)
        xmpp.send_raw("<message to='x@y'/>")
        try:
            return await asyncio.wait_for(arrived, 10)
        except TimeoutError:
            return "nothing came"

    assert engine.run(client.settings, serve(script), main).session().value == "a-long-tag-in-two-parts"


# -- 2 --


@on_both()
def test_a_redirect_in_clear_text_changes_neither_server_nor_name(
    engine: Engine, serve: Serve, client: Client, authority: Authority
) -> None:
    def redirect(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(
            header(),
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>"
            "evil.example</see-other-host></stream:error></stream:stream>",
        )
        peer.until_end(HANG)

    def trap(peer: Peer) -> None:
        to_sasl(peer, authority.issue("evil.example"), "PLAIN")
        peer.until_end(HANG)

    client.change(plain=True)
    server = serve(redirect, trap)
    engine.run(client.settings, server, seconds=1.0, patient=True)
    assert not server.knows_password()
    assert server.connections == 1


# -- 3 --


@on_both()
def test_stripped_starttls_does_not_get_the_password(engine: Engine, serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        greet(peer, mechanisms("LOGIN"))
        peer.expect("<auth")
        peer.expect("</auth>|/>")
        for question in ("Username:", "Password:"):
            peer.send(f"<challenge xmlns='{NS_SASL}'>{b64encode(question.encode()).decode()}</challenge>")
            peer.expect("</response>")

    server = serve(script)
    report = engine.run(client.settings, server, seconds=HANG)
    assert not report.online
    assert "<auth" not in server.text
    assert not server.knows_password()


@on_both()
def test_stripped_starttls_gets_no_anonymous_login(engine: Engine, serve: Serve, client: Client) -> None:
    def script(peer: Peer) -> None:
        greet(peer, mechanisms("ANONYMOUS"))
        peer.until_end(HANG)

    client.change(jid=DOMAIN)
    server = serve(script)
    engine.run(client.settings, server, seconds=HANG)
    assert "<auth" not in server.text


# -- 4 --


def roster_push(contact: str, sender: str = "") -> str:
    """A roster push."""
    return (
        f"<iq type='set' id='push1'{sender}><query xmlns='jabber:iq:roster'>"
        f"<item jid='{contact}' subscription='both'/></query></iq>"
    )


@on_both()
def test_stanzas_from_before_tls_are_nobodys(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        peer.expect("<stream:stream[^>]*>")
        peer.send(header(), roster_push(MALLORY), f"<message from='{JID}'><body>forged</body></message>")
        peer.send(features(hostile.STARTTLS))
        peer.expect("<starttls [^>]*/>")
        peer.send(f"<proceed xmlns='{NS_TLS}'/>")
        peer.start_tls(identity)
        greet(peer, mechanisms("SCRAM-SHA-256"))
        hostile.scram(peer)
        bind(peer)
        peer.until_end()

    async def main(xmpp: Any) -> list[str]:
        return list(xmpp.client_roster)

    report = engine.run(client.settings, serve(script), main).session()
    assert MALLORY not in report.value


# -- 5 --


@on_both()
def test_success_without_the_servers_proof_is_no_login(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        server = ScramServer(peer)
        server.succeed(b64encode(server.first.encode()).decode())
        bind(peer)
        peer.until_end()

    assert not engine.run(client.settings, serve(script), seconds=1.5).online


# -- 6, 7: nothing is said that nobody asked for --


def unasked(
    engine: Engine, serve: Serve, client: Client, identity: Identity, stanza: str, **more: Any
) -> str:
    """What a client says when `stanza` comes in, and nothing else happens."""
    said = ""

    def script(peer: Peer) -> None:
        nonlocal said
        to_session(peer, identity)
        peer.expect("ready")
        peer.send(stanza)
        said = peer.until_end()

    async def main(xmpp: Any) -> None:
        def fail(_: object) -> None:
            raise ValueError("the insides of the program")

        if more.get("failing"):
            xmpp.add_event_handler("message", fail)
        xmpp.send_raw("<message to='x@y'><body>ready</body></message>")
        await linger_a_little()

    server = serve(script)
    report = engine.run(client.settings, server, main, plugins=more.get("plugins", ())).session()
    server.finish()
    if more.get("failing") and isinstance(engine, Ours):
        assert isinstance(report.error, ValueError)
    return said.partition("</message>")[2]


async def linger_a_little() -> None:
    """Time for an automatic reply."""
    await asyncio.sleep(0.4)


@on_both()
def test_a_stranger_gets_no_subscription(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    said = unasked(
        engine, serve, client, identity, f"<presence type='subscribe' from='{MALLORY}' to='{JID}'/>"
    )
    assert "<presence" not in said


@on_both()
def test_a_failing_handler_is_not_told_to_the_sender(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    message = f"<message from='{MALLORY}/x' id='m1' type='chat'><body>hello</body></message>"
    assert "error" not in unasked(engine, serve, client, identity, message, failing=True)


@on_both()
def test_receipts_are_not_sent_unasked(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    message = (
        f"<message from='{MALLORY}/x' id='m1' type='chat'><body>hello</body>"
        "<request xmlns='urn:xmpp:receipts'/></message>"
    )
    assert "received" not in unasked(engine, serve, client, identity, message, plugins=("xep_0184",))


@on_both()
def test_what_plugins_could_answer_is_refused_like_everything_else(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    request = f"<iq type='get' id='v1' from='{MALLORY}/x'><query xmlns='jabber:iq:version'/></iq>"
    said = unasked(engine, serve, client, identity, request, plugins=("xep_0092",))
    assert said.count("id='v1'") + said.count('id="v1"') == 1
    assert "service-unavailable" in said


@on_both()
def test_an_unknown_request_is_refused_as_the_rfc_says(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    said = unasked(
        engine, serve, client, identity, f"<iq type='get' id='u1' from='{MALLORY}'><what xmlns='x:y'/></iq>"
    )
    assert "service-unavailable" in said and "feature-not-implemented" not in said


# -- 8 --


def archived(sender: str, queryid: str, body: str) -> str:
    """A message of an archive."""
    return (
        f"<message from='{sender}' to='{FULL_JID}'><result xmlns='urn:xmpp:mam:2' queryid='{queryid}' id='{body}'>"
        "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/>"
        f"<message xmlns='jabber:client' from='romeo@montague.example'><body>{body}</body></message>"
        "</forwarded></result></message>"
    )


@on_both()
def test_archived_messages_come_from_the_archive_that_was_asked(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_session(peer, identity)
        asked = peer.expect(r"<iq .*?</iq>").group()
        queryid = hostile.re.search("queryid=['\"]([^'\"]+)", asked).group(1)
        id_ = hostile.re.search(" id=['\"]([^'\"]+)", asked).group(1)
        peer.send(archived(MALLORY, queryid, "forged"), archived(JID, queryid, "real"))
        peer.send(f"<iq type='result' id='{id_}'><fin xmlns='urn:xmpp:mam:2' complete='true'/></iq>")
        peer.until_end()

    async def main(xmpp: Any) -> list[str]:
        answer = await xmpp.plugin["xep_0313"].retrieve()
        return [each["mam_result"]["forwarded"]["stanza"]["body"] for each in answer["mam"]["results"]]

    report = engine.run(client.settings, serve(script), main, plugins=("xep_0313",)).session()
    assert report.value == ["real"]


# -- 9 --


@on_both()
def test_only_an_iq_answers_an_iq(engine: Engine, serve: Serve, client: Client, identity: Identity) -> None:
    def script(peer: Peer) -> None:
        to_session(peer, identity)
        id_ = hostile.re.search(" id=['\"]([^'\"]+)", peer.expect(r"<iq .*?</iq>").group()).group(1)
        peer.send(
            f"<message type='error' id='{id_}' from='{DOMAIN}'><error type='cancel'>"
            f"<gone xmlns='{hostile.NS_STANZAS}'/></error></message>"
        )
        peer.send(
            f"<iq type='result' id='{id_}' from='{DOMAIN}'>"
            "<query xmlns='jabber:iq:version'><name>real</name></query></iq>"
        )
        peer.until_end()

    async def main(xmpp: Any) -> str:
        answer = await xmpp.plugin["xep_0092"].get_version(DOMAIN)
        return str(answer["software_version"]["name"])

    report = engine.run(client.settings, serve(script), main, plugins=("xep_0092",)).session()
    assert (report.value, report.error) == ("real", None)


# -- 10 --


@on_both()
def test_plain_does_not_follow_on_a_failed_scram(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity, "SCRAM-SHA-256", "PLAIN")
        ScramServer(peer).challenge()
        peer.expect("</response>")
        hostile.fail(peer, "not-authorized")
        peer.until_end(HANG)

    client.change(plain=True)
    server = serve(script)
    engine.run(client.settings, server, seconds=HANG)
    assert server.text.count("<auth") == 1
    assert not server.knows_password()


# -- 11 --


@on_both()
def test_a_document_type_with_entities_is_refused(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_authenticated(peer, identity)
        peer.expect("<stream:stream[^>]*>")
        text = header()
        peer.send(
            text.replace("?>", "?><!DOCTYPE s [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;'>]>", 1),
            features(hostile.BIND),
        )
        id_ = peer.expect(r"<iq [^>]*id=['\"]([^'\"]+)['\"].*?</iq>", HANG).group(1)
        peer.send(
            f"<iq type='result' id='{id_}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{FULL_JID}</jid>"
            "</bind></iq>"
        )
        peer.until_end()

    server = Server(script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "_failures", Ignored())
        with server:
            report = engine.run(client.settings, server, seconds=1.5)
    assert not report.online
    assert "<restricted-xml" in server.text


class Ignored(list[BaseException]):
    """Failures of a script that do not matter."""

    def append(self, _: BaseException) -> None:
        """Forget it."""


@on_both()
@pytest.mark.parametrize(
    ("bomb", "condition"),
    [
        pytest.param(f"<message>{'<a>' * 2000}{'</a>' * 2000}</message>", "policy-violation", id="depth"),
        pytest.param("<message><!-- x --></message>", "restricted-xml", id="comment"),
        pytest.param("<message><?php x ?></message>", "restricted-xml", id="instruction"),
        pytest.param(
            "<message " + " ".join(f"a{i}='1'" for i in range(5000)) + "/>",
            "policy-violation",
            id="attributes",
        ),
        pytest.param(
            "<message><body>" + "x" * 17 * 1024 * 1024 + "</body></message>", "policy-violation", id="size"
        ),
    ],
)
def test_what_no_stream_may_hold_ends_it_with_a_stream_error(
    engine: Engine, serve: Serve, client: Client, identity: Identity, bomb: str, condition: str
) -> None:
    def script(peer: Peer) -> None:
        to_session(peer, identity)
        peer.send(bomb)
        peer.until_end()

    async def main(xmpp: Any) -> None:
        # Ours ends as soon as the stream does, however long the bytes take to come.
        await asyncio.sleep(10 if isinstance(engine, Ours) else 0.2)

    server = serve(script)
    engine.run(client.settings, server, main).session()
    assert f"<stream:error><{condition} " in server.text


# -- 12 --


def refusing_tls(peer: Peer) -> None:
    """Refuse STARTTLS."""
    greet(peer, hostile.STARTTLS)
    peer.expect("<starttls [^>]*/>")
    peer.send(f"<failure xmlns='{NS_TLS}'/>")
    peer.until_end(HANG + 0.2)


def silent(peer: Peer) -> None:
    """Say nothing."""
    peer.until_end(HANG + 0.2)


@on_both()
def test_a_refusal_of_tls_ends_the_login(engine: Engine, serve: Serve, client: Client) -> None:
    assert engine.run(client.settings, serve(refusing_tls), seconds=HANG).ended


@on_both(stock_fails=False)
def test_a_forged_signature_ends_the_login(
    engine: Engine, serve: Serve, client: Client, identity: Identity
) -> None:
    def script(peer: Peer) -> None:
        to_sasl(peer, identity)
        server = ScramServer(peer)
        server.challenge()
        server.verify()
        server.succeed(b64encode(b"v=" + b64encode(bytes(32))).decode())
        peer.until_end(HANG + 0.2)

    assert engine.run(client.settings, serve(script), seconds=HANG).ended


@on_both()
def test_a_refused_connection_ends_the_login(engine: Engine, client: Client) -> None:
    gone = Server(silent)
    gone._listener.close()
    assert engine.run(client.settings, gone, seconds=HANG).ended


@on_both()
def test_a_ca_file_that_is_not_there_ends_the_login(
    engine: Engine, serve: Serve, client: Client, identity: Identity, tmp_path: Path
) -> None:
    def script(peer: Peer) -> None:
        to_tls(peer, identity)
        peer.until_end(HANG)

    client.change(ca=tmp_path / "missing.pem")
    assert engine.run(client.settings, serve(script), seconds=HANG).ended
