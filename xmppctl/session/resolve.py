"""Where a domain's server listens: SRV records of both kinds, and addresses, each with a deadline.

RFC 6120 section 3.2 (`_xmpp-client`), XEP-0368 (`_xmpps-client`, direct TLS), RFC 2782 (priority, weight, the
target "."). c-ares (pycares) asks for SRV records; addresses come from the system's own resolver, in a thread that
can be given up, since getaddrinfo has no time limit. pycares is imported only when SRV records are needed.
"""

from __future__ import annotations

import random
import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from xmppctl.errors import DnsError

if TYPE_CHECKING:
    from xmppctl.session.deadline import Deadline

Tls = Literal["starttls", "direct", "none"]

DEFAULT_PORT: Final = 5222
DEFAULT_DIRECT_PORT: Final = 5223

#: Seconds for an answer about SRV records; then the domain's own address is tried (RFC 6120 section 3.2.2).
SRV_SECONDS: Final = 5.0
ADDRESS_SECONDS: Final = 10.0
#: More than these are not tried: a zone may name thousands.
MAX_TARGETS: Final = 12
MAX_ADDRESSES: Final = 16

_SERVICES: Final[tuple[tuple[str, Tls], ...]] = (
    ("_xmpps-client._tcp.", "direct"),
    ("_xmpp-client._tcp.", "starttls"),
)
#: c-ares: no data, not found. A domain without SRV records, and nothing else.
_ABSENT: Final = (1, 4)


class Target(NamedTuple):
    """A host and port to try, and how TLS begins there. `source` says where it comes from."""

    host: str
    port: int
    tls: Tls
    source: str


class Address(NamedTuple):
    """A numeric address with its family, as `socket.socket` and `connect` want them."""

    family: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        host, port = self.sockaddr[0], self.sockaddr[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Srv(NamedTuple):
    priority: int
    weight: int
    port: int
    target: str
    tls: Tls


def targets(
    domain: str,
    *,
    host: str | None,
    port: int | None,
    tls: Tls | None,
    deadline: Deadline,
    nameserver: str | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> list[Target]:
    """What to try for `domain`, in order. `host`, `port` and `tls` are the user's own words and win over DNS.

    `nameserver` ("127.0.0.1:5353") replaces the system's. Raises DnsError where DNS says there is no such service.
    """
    if host is not None or port is not None or tls == "none" or not _has_dns(domain):
        chosen: Tls = tls or ("direct" if port == DEFAULT_DIRECT_PORT else "starttls")
        default = DEFAULT_DIRECT_PORT if chosen == "direct" else DEFAULT_PORT
        return [Target(host or domain, port or default, chosen, "configured" if host or port else "domain")]
    records, refused = _lookup(domain, tls, deadline, nameserver, note)
    if records:
        return [Target(srv.target, srv.port, srv.tls, "SRV") for srv in in_order(records)[:MAX_TARGETS]]
    if refused:
        raise DnsError(
            f'{domain} has SRV records that say it offers no such service (target ".")',
            hint="check the domain of the JID, or name the server with --host and --port",
        )
    if tls == "direct":
        return [Target(domain, DEFAULT_DIRECT_PORT, "direct", "domain")]
    return [Target(domain, DEFAULT_PORT, "starttls", "domain")]


def _has_dns(domain: str) -> bool:
    """Whether asking for SRV records makes sense: not for addresses and not for this machine."""
    name = domain.strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return False
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, name)
            return False
    return True


def _lookup(
    domain: str,
    tls: Tls | None,
    deadline: Deadline,
    nameserver: str | None,
    note: Callable[[str], None],
) -> tuple[list[_Srv], bool]:
    import pycares

    wanted = [(prefix, kind) for prefix, kind in _SERVICES if tls in (None, kind)]
    collector = _Collector(len(wanted))
    channel = _channel(nameserver)
    name = _ascii(domain)
    for prefix, kind in wanted:
        channel.query(prefix + name, pycares.QUERY_TYPE_SRV, callback=collector.taker(kind))
    answers = collector.wait(deadline.within(SRV_SECONDS))
    channel.close()
    records: list[_Srv] = []
    refused = False
    for _, kind in wanted:
        result, error = answers.get(kind, (None, _ABSENT[0]))
        if error is not None:
            if error not in _ABSENT:
                note(f"the SRV look-up for {domain} failed: {_reason(error)}")
            continue
        found, none_offered = _records(result, kind)
        records += found
        refused = refused or none_offered
    if len(answers) < len(wanted):
        note(f"the SRV look-up for {domain} had no answer in time")
    return records, refused


class _Collector:
    """Waits for some answers of c-ares in Python, where a signal can end the wait."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._answers: dict[str, tuple[Any, int | None]] = {}
        self._complete = threading.Event()

    def taker(self, key: str) -> Callable[[Any, int | None], None]:
        """A callback that files its answer under `key`."""

        def take(result: Any, error: int | None) -> None:
            self._answers[key] = (result, error)
            if len(self._answers) >= self._wanted:
                self._complete.set()

        return take

    def wait(self, deadline: Deadline) -> dict[str, tuple[Any, int | None]]:
        """What has come when all have or time is up: result and error code of each."""
        self._complete.wait(deadline.left())
        return dict(self._answers)


def _channel(nameserver: str | None) -> Any:
    import pycares

    try:
        channel = pycares.Channel(timeout=2.0, tries=2)
        if nameserver is not None:
            channel.servers = [nameserver]
    except (pycares.AresError, ValueError) as error:
        raise DnsError(f"the resolver cannot be started: {error}", hint="look at /etc/resolv.conf") from None
    return channel


def _records(result: Any, tls: Tls) -> tuple[list[_Srv], bool]:
    records = []
    refused = False
    for answer in result.answer:
        data = answer.data
        if not hasattr(data, "weight"):  # a CNAME on the way
            continue
        if data.target in ("", "."):
            refused = True
            continue
        target = data.target.rstrip(".")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", target):
            continue
        records.append(_Srv(data.priority, data.weight, data.port, target, tls))
    return records, refused


def in_order(records: Sequence[_Srv], choose: Callable[[int], int] | None = None) -> list[_Srv]:
    """Sort SRV records: by priority, within it by weighted lot (RFC 2782). `choose(n)` draws from 0 to n."""
    draw = choose or (lambda n: random.randint(0, n))  # noqa: S311 (load sharing, not a secret)
    ordered: list[_Srv] = []
    for priority in sorted({record.priority for record in records}):
        group = sorted((r for r in records if r.priority == priority), key=lambda r: r.weight)
        while group:
            lot = draw(sum(record.weight for record in group))
            running = 0
            for index, record in enumerate(group):
                running += record.weight
                if running >= lot:
                    ordered.append(group.pop(index))
                    break
    return ordered


def addresses(target: Target, deadline: Deadline, nameserver: str | None = None) -> list[Address]:
    """The numeric addresses of a target, IPv6 and IPv4 in turn (RFC 8305 section 4). Raises DnsError."""
    host = _ascii(target.host.strip("[]"))
    flags = 0
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            flags = socket.AI_NUMERICHOST
    limit = deadline.within(ADDRESS_SECONDS)
    if flags or nameserver is None:
        found = _system_addresses(host, target.port, flags, limit)
    else:
        found = _dns_addresses(host, target.port, limit, nameserver)
    by_family: dict[int, list[Address]] = {}
    for address in dict.fromkeys(found):
        by_family.setdefault(address.family, []).append(address)
    queues = list(by_family.values())
    in_turn = [
        queue[i] for i in range(max(map(len, queues), default=0)) for queue in queues if i < len(queue)
    ]
    return in_turn[:MAX_ADDRESSES]


def _system_addresses(host: str, port: int, flags: int, limit: Deadline) -> list[Address]:
    outcome: list[list[Address] | OSError | UnicodeError] = []

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
            outcome.append([Address(info[0], info[4]) for info in infos])
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    if flags:
        ask()
    else:
        asking = threading.Thread(target=ask, daemon=True, name="getaddrinfo")
        asking.start()
        asking.join(limit.left())
    if not outcome:
        raise _unresolved(host, "the resolver did not answer in time")
    answer = outcome[0]
    if isinstance(answer, Exception):
        raise _unresolved(host, getattr(answer, "strerror", None) or str(answer))
    return answer


def _dns_addresses(host: str, port: int, limit: Deadline, nameserver: str) -> list[Address]:
    collector = _Collector(1)
    channel = _channel(nameserver)
    channel.getaddrinfo(
        host,
        port,
        family=socket.AF_UNSPEC,
        type=socket.SOCK_STREAM,
        callback=collector.taker(host),
    )
    answers = collector.wait(limit)
    channel.close()
    if not answers:
        raise _unresolved(host, "the name server did not answer in time")
    result, error = answers[host]
    if error is not None:
        raise _unresolved(host, _reason(error))
    return [
        Address(
            node.family,
            tuple(part.decode() if isinstance(part, bytes) else part for part in node.addr),
        )
        for node in result.nodes
    ]


def _ascii(name: str) -> str:
    """A domain name as DNS knows it (RFC 5890). Raises DnsError."""
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError as error:
        raise _unresolved(name, str(error)) from None


def _reason(error: int) -> str:
    import pycares

    text: str | bytes = pycares.errno.strerror(error)
    return text.decode() if isinstance(text, bytes) else text


def _unresolved(host: str, why: str) -> DnsError:
    return DnsError(
        f"cannot resolve {host}: {why}",
        hint="check the spelling and the network, or name the server with --host",
    )
