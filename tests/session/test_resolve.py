"""SRV records of both kinds, addresses and their failures, against a DNS server of our own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest
from dnslib import AAAA, QTYPE, RCODE, RR, SRV, A, DNSRecord

from tests.servers.hostile import (
    DOMAIN,
    FULL_JID,
    STARTTLS,
    Peer,
    Server,
    blackhole,
    free_port,
    greet,
    to_session,
)
from tests.servers.identities import Authority, Identity
from tests.session.conftest import SHORT, Client
from xmppctl.errors import CertificateError, DeadlineExceeded, DnsError, TcpError, XmppctlError
from xmppctl.session import resolve
from xmppctl.session.deadline import Deadline
from xmppctl.session.resolve import Address, Target

Serve = Callable[..., Server]

DIRECT = f"_xmpps-client._tcp.{DOMAIN}"
STARTED = f"_xmpp-client._tcp.{DOMAIN}"


class Zone:
    """A DNS server on loopback. Names in `silent` get no answer, those in `failing` SERVFAIL."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.nameserver = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.records: dict[tuple[str, str], list[RR]] = {}
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def srv(self, name: str, target: str, port: int, priority: int = 10, weight: int = 0) -> None:
        """Add an SRV record."""
        data = SRV(priority, weight, port, target)
        self.records.setdefault((name, "SRV"), []).append(RR(name, QTYPE.SRV, rdata=data, ttl=60))

    def address(self, name: str, address: str) -> None:
        """Add an A or AAAA record."""
        kind, data = ("AAAA", AAAA(address)) if ":" in address else ("A", A(address))
        self.records.setdefault((name, kind), []).append(RR(name, getattr(QTYPE, kind), rdata=data, ttl=60))

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            reply = self._answer(DNSRecord.parse(data))
            if reply is not None:
                self._socket.sendto(reply.pack(), sender)

    def _answer(self, request: DNSRecord) -> DNSRecord | None:
        name, kind = str(request.q.qname).rstrip("."), QTYPE[request.q.qtype]
        self.asked.append(f"{name} {kind}")
        if name in self.silent:
            return None
        reply = request.reply()
        if name in self.failing:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        for record in self.records.get((name, kind), []):
            reply.add_answer(record)
        if not reply.rr and not any(known == name for known, _ in self.records):
            reply.header.rcode = RCODE.NXDOMAIN
        return reply

    def stop(self) -> None:
        """End it."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def zone() -> Iterator[Zone]:
    """A DNS server that knows nothing yet."""
    made = Zone()
    yield made
    made.stop()


@pytest.fixture
def roaming(client: Client) -> Client:
    """A client that knows nothing but its JID."""
    client.change(host=None, port=None, tls=None)
    return client


def targets(zone: Zone, seconds: float = 5, **given: object) -> list[Target]:
    """Look up the targets."""
    values = {"host": None, "port": None, "tls": None, **given}
    return resolve.targets(DOMAIN, deadline=Deadline(seconds), nameserver=zone.nameserver, **values)  # type: ignore[arg-type]


# -- SRV --


def test_both_kinds_are_asked_for_and_mixed_by_priority(zone: Zone) -> None:
    zone.srv(STARTED, "b.example", 5222, priority=1)
    zone.srv(DIRECT, "a.example", 443, priority=2)
    zone.srv(STARTED, "c.example", 5222, priority=3)
    assert targets(zone) == [
        Target("b.example", 5222, "starttls", "SRV"),
        Target("a.example", 443, "direct", "SRV"),
        Target("c.example", 5222, "starttls", "SRV"),
    ]


def test_one_kind_of_tls_asks_for_one_kind_of_record(zone: Zone) -> None:
    zone.srv(STARTED, "b.example", 5222)
    zone.srv(DIRECT, "a.example", 443)
    assert [target.host for target in targets(zone, tls="direct")] == ["a.example"]
    assert zone.asked == [f"{DIRECT} SRV"]


def test_without_records_the_domain_itself_is_tried(zone: Zone) -> None:
    zone.address(DOMAIN, "127.0.0.1")
    assert targets(zone) == [Target(DOMAIN, 5222, "starttls", "domain")]
    assert targets(zone, tls="direct") == [Target(DOMAIN, 5223, "direct", "domain")]


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"host": "h.example"}, Target("h.example", 5222, "starttls", "configured")),
        ({"host": "h.example", "tls": "direct"}, Target("h.example", 5223, "direct", "configured")),
        ({"port": 5223}, Target(DOMAIN, 5223, "direct", "configured")),
        ({"port": 5223, "tls": "starttls"}, Target(DOMAIN, 5223, "starttls", "configured")),
        ({"tls": "none"}, Target(DOMAIN, 5222, "none", "domain")),
    ],
)
def test_what_the_user_says_wins_over_dns(zone: Zone, given: dict[str, object], target: Target) -> None:
    zone.srv(STARTED, "b.example", 5222)
    assert targets(zone, **given) == [target]
    assert zone.asked == []


def test_a_service_that_says_it_is_none(zone: Zone, roaming: Client) -> None:
    zone.srv(STARTED, ".", 0)
    zone.srv(DIRECT, ".", 0)
    roaming.attempt(nameserver=zone.nameserver).failed(DnsError, 4, DOMAIN, "no such service")


def test_the_other_kind_may_still_be_there(zone: Zone) -> None:
    zone.srv(DIRECT, ".", 0)
    zone.srv(STARTED, "b.example", 5222)
    assert [target.host for target in targets(zone)] == ["b.example"]


def test_targets_that_are_no_host_names_are_left_out(zone: Zone) -> None:
    zone.srv(STARTED, "evil host\x1b[2J.example", 5222)
    zone.srv(STARTED, "b.example", 5222)
    assert [target.host for target in targets(zone)] == ["b.example"]


def test_no_more_than_a_dozen_are_tried(zone: Zone) -> None:
    for number in range(14):
        zone.srv(STARTED, f"h{number}.x", 5222, priority=number)
    assert [target.host for target in targets(zone)] == [
        f"h{number}.x" for number in range(resolve.MAX_TARGETS)
    ]


def test_a_failing_server_is_noted_and_the_domain_tried(zone: Zone) -> None:
    zone.failing = {DIRECT, STARTED}
    notes: list[str] = []
    found = resolve.targets(
        DOMAIN,
        host=None,
        port=None,
        tls=None,
        deadline=Deadline(5),
        nameserver=zone.nameserver,
        note=notes.append,
    )
    assert [target.source for target in found] == ["domain"]
    assert notes and all(DOMAIN in note for note in notes)


def test_a_domain_that_is_not_ascii_is_asked_for_by_its_a_label(zone: Zone) -> None:
    zone.srv("_xmpp-client._tcp.xn--bcher-kva.example", "b.example", 5222)
    found = resolve.targets(
        "bücher.example", host=None, port=None, tls=None, deadline=Deadline(5), nameserver=zone.nameserver
    )
    assert [target.host for target in found] == ["b.example"]


@pytest.mark.parametrize("domain", ["localhost", "a.localhost", "127.0.0.1", "[::1]"])
def test_this_machine_and_addresses_have_no_records(zone: Zone, domain: str) -> None:
    found = resolve.targets(
        domain, host=None, port=None, tls=None, deadline=Deadline(5), nameserver=zone.nameserver
    )
    assert found == [Target(domain, 5222, "starttls", "domain")]
    assert zone.asked == []


def test_weights_are_drawn_by_lot() -> None:
    def srv(name: str, weight: int) -> resolve._Srv:
        return resolve._Srv(1, weight, 5222, name, "starttls")

    records = [srv("heavy", 60), srv("light", 20), srv("none", 0)]
    assert [r.target for r in resolve.in_order(records, lambda n: n)] == ["heavy", "light", "none"]
    assert [r.target for r in resolve.in_order(records, lambda n: 0)] == ["none", "light", "heavy"]
    assert [r.target for r in resolve.in_order(records, lambda n: min(n, 1))] == ["light", "heavy", "none"]


# -- addresses --


def test_families_take_turns(zone: Zone) -> None:
    for address in ("10.0.0.1", "10.0.0.2", "2001:db8::1"):
        zone.address("h.example", address)
    found = resolve.addresses(Target("h.example", 5222, "starttls", "SRV"), Deadline(5), zone.nameserver)
    families = [address.family for address in found]
    assert sorted(families) == sorted([socket.AF_INET, socket.AF_INET, socket.AF_INET6])
    assert families[0] != families[1]


def test_no_more_than_a_few_addresses_are_tried(zone: Zone) -> None:
    for number in range(25):
        zone.address("h.example", f"10.0.0.{number}")
    found = resolve.addresses(Target("h.example", 1, "starttls", "SRV"), Deadline(5), zone.nameserver)
    assert len(found) == resolve.MAX_ADDRESSES


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1:5222"), ("::1", "[::1]:5222"), ("[::1]", "[::1]:5222")]
)
def test_addresses_are_taken_as_they_are(zone: Zone, host: str, shown: str) -> None:
    found = resolve.addresses(Target(host, 5222, "starttls", "configured"), Deadline(5), zone.nameserver)
    assert [str(address) for address in found] == [shown]
    assert zone.asked == []


def test_the_systems_resolver_knows_this_machine() -> None:
    found = resolve.addresses(Target("localhost", 5222, "starttls", "domain"), Deadline(5))
    assert Address(socket.AF_INET, ("127.0.0.1", 5222)) in found


def test_a_resolver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from time import sleep

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: sleep(SHORT * 10) or [])
    began = monotonic()
    with pytest.raises(DnsError, match="did not answer in time"):
        resolve.addresses(Target("h.example", 1, "starttls", "SRV"), Deadline(SHORT))
    assert monotonic() - began < SHORT * 8


def test_the_systems_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(DnsError, match=r"h\.example: Name or service not known"):
        resolve.addresses(Target("h.example", 1, "starttls", "SRV"), Deadline(5))


# -- whole logins --


def test_a_domain_that_does_not_exist(zone: Zone, roaming: Client) -> None:
    began = monotonic()
    roaming.attempt(seconds=5, nameserver=zone.nameserver).failed(DnsError, 4, f"cannot resolve {DOMAIN}")
    assert monotonic() - began < 4


def test_a_name_server_that_is_silent(zone: Zone, roaming: Client) -> None:
    zone.silent = {DIRECT, STARTED, DOMAIN}
    outcome = roaming.attempt(seconds=SHORT, nameserver=zone.nameserver)
    outcome.failed(DnsError, 4, "did not answer in time")
    assert any("no answer in time" in note for note in outcome.notes)


def test_silence_about_srv_leaves_time_for_the_address(
    zone: Zone, roaming: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.silent = {DIRECT, STARTED}
    monkeypatch.setattr(resolve, "SRV_SECONDS", SHORT)
    outcome = roaming.attempt(seconds=5, nameserver=zone.nameserver)
    outcome.failed(DnsError, 4, f"cannot resolve {DOMAIN}")
    assert isinstance(outcome.error, DnsError) and "in time" not in outcome.error.message
    assert any("no answer in time" in note for note in outcome.notes)


def test_a_name_server_that_is_no_address(roaming: Client) -> None:
    roaming.attempt(nameserver="not an address").failed(DnsError, 4, "resolver")


def test_a_login_through_srv_checks_the_name_of_the_domain(
    zone: Zone, roaming: Client, serve: Serve, identity: Identity, authority: Authority
) -> None:
    zone.address("h.example", "127.0.0.1")
    wrong = serve(lambda peer: to_session(peer, authority.issue("h.example")))
    right = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    zone.srv(STARTED, "h.example", wrong.port, priority=1)
    outcome = roaming.attempt(nameserver=zone.nameserver)
    outcome.failed(CertificateError, 4, "another name")
    zone.srv(STARTED, "h.example", right.port, priority=2)
    outcome = roaming.attempt(nameserver=zone.nameserver)
    assert outcome.established is not None, outcome.error
    assert str(outcome.established.jid) == FULL_JID
    assert right.names == [DOMAIN]
    assert any("another name" in note for note in outcome.notes)
    assert not wrong.knows_password()


@pytest.fixture
def good(zone: Zone, serve: Serve, identity: Identity) -> Server:
    """A faultless server behind the last SRV record."""
    zone.address("h.example", "127.0.0.1")
    server = serve(lambda peer: (to_session(peer, identity), peer.until_end()))
    zone.srv(STARTED, "h.example", server.port, priority=90)
    return server


def test_a_silent_first_server_does_not_eat_the_deadline(
    zone: Zone, roaming: Client, good: Server, serve: Serve
) -> None:
    silent = serve(lambda peer: peer.until_end())
    zone.srv(STARTED, "h.example", silent.port, priority=1)
    outcome = roaming.attempt(seconds=3, nameserver=zone.nameserver)
    assert outcome.established is not None, outcome.error
    assert (silent.connections, good.connections) == (1, 1)


def test_a_dead_first_server_does_not_eat_the_deadline(zone: Zone, roaming: Client, good: Server) -> None:
    with blackhole() as dead:
        zone.srv(STARTED, "h.example", dead, priority=1)
        assert roaming.attempt(seconds=3, nameserver=zone.nameserver).code == 0


def test_a_refusing_and_a_broken_server_are_passed_over(
    zone: Zone, roaming: Client, good: Server, serve: Serve
) -> None:
    def broken(peer: Peer) -> None:
        greet(peer, STARTTLS)
        peer.expect("<starttls [^>]*/>")
        peer.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")

    zone.srv(STARTED, "h.example", free_port(), priority=1)
    zone.srv(DIRECT, "h.example", serve(lambda peer: peer.listen(0.05)).port, priority=2)
    zone.srv(STARTED, "h.example", serve(broken).port, priority=3)
    zone.srv(STARTED, "gone.example", 5222, priority=4)
    outcome = roaming.attempt(nameserver=zone.nameserver)
    assert outcome.code == 0, outcome.error
    assert len([note for note in outcome.notes if "trying the next server" in note]) == 4


def test_a_wrong_password_is_not_tried_on_the_next_server(
    zone: Zone, roaming: Client, good: Server, serve: Serve, identity: Identity
) -> None:
    from tests.servers.hostile import to_authenticated

    strict = serve(lambda peer: to_authenticated(peer, identity, password="another"))
    zone.srv(STARTED, "h.example", strict.port, priority=1)
    assert roaming.attempt(nameserver=zone.nameserver).code == 5
    assert good.connections == 0


def test_of_several_failures_the_one_that_got_furthest_is_told_and_the_others_with_it(
    zone: Zone, roaming: Client, serve: Serve
) -> None:
    zone.address("h.example", "127.0.0.1")
    refused = free_port()
    zone.srv(STARTED, "h.example", refused, priority=1)
    zone.srv(STARTED, "h.example", serve(lambda peer: greet(peer)).port, priority=2)
    zone.srv(STARTED, "gone.example", 5222, priority=3)
    error = roaming.attempt(nameserver=zone.nameserver).error
    assert isinstance(error, XmppctlError)
    assert (error.name, int(error.code)) == ("tls", 4)
    assert "STARTTLS" in error.message and f":{refused}: Connection refused" in error.message
    assert "gone.example" in error.message


def test_when_all_are_refused_each_is_told(zone: Zone, roaming: Client) -> None:
    zone.address("h.example", "127.0.0.1")
    ports = [free_port(), free_port()]
    for port in ports:
        zone.srv(STARTED, "h.example", port)
    outcome = roaming.attempt(nameserver=zone.nameserver)
    outcome.failed(TcpError, 4, *(f":{port}: Connection refused" for port in ports))


def test_when_all_are_silent_time_runs_out(zone: Zone, roaming: Client, serve: Serve) -> None:
    zone.address("h.example", "127.0.0.1")
    for _ in range(3):
        zone.srv(STARTED, "h.example", serve(lambda peer: peer.listen(8)).port)
    began = monotonic()
    roaming.attempt(seconds=SHORT * 2, nameserver=zone.nameserver).failed(DeadlineExceeded, 6)
    assert monotonic() - began < 6
