"""Single values: what each takes, and that what it refuses is refused with a reason."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from xmppctl.config import values
from xmppctl.config.values import BadValue

DIGEST = bytes(range(200, 232))
BASE64 = b64encode(DIGEST).decode()
SLASHED = b64encode(b"\xff" * 32).decode()  # begins with a slash


@pytest.mark.parametrize(("value", "port"), [("1", 1), ("5222", 5222), ("65535", 65535), (5223, 5223)])
def test_port(value: int | str, port: int) -> None:
    assert values.port(value) == port


@pytest.mark.parametrize("value", ["0", "65536", "-1", "", "x", "5222.0", "5_222", "٥٢٢٢", " 5222", 0, 70000])
def test_bad_port(value: int | str) -> None:
    with pytest.raises(BadValue, match="1 to 65535"):
        values.port(value)


def test_tls_words() -> None:
    assert [values.tls(word) for word in ("starttls", "direct", "none")] == ["starttls", "direct", "none"]
    for word in ("", "ssl", "Direct", "auto"):
        with pytest.raises(BadValue, match="starttls, direct or none"):
            values.tls(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("YES", True),
        ("1", True),
        ("on", True),
        ("0", False),
        ("no", False),
        ("False", False),
        ("off", False),
    ],
)
def test_flag(text: str, expected: bool) -> None:
    assert values.flag(text) is expected


@pytest.mark.parametrize("text", ["", "maybe", "2", "truee"])
def test_bad_flag(text: str) -> None:
    with pytest.raises(BadValue, match="true or false"):
        values.flag(text)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5m", 90),
        ("2d", 172800),
        ("30", 30),
        (30, 30),
        (0.5, 0.5),
    ],
)
def test_duration(value: float | str, seconds: float) -> None:
    assert values.duration(value) == seconds


@pytest.mark.parametrize(
    "value", ["", "m", "10x", "-5s", "10 m", "1e9", "m10", "10mm", -1, float("inf"), float("nan")]
)
def test_bad_duration(value: float | str) -> None:
    with pytest.raises(BadValue, match="such as 90s"):
        values.duration(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("xmpp.example", "xmpp.example"),
        ("XMPP.Example.", "xmpp.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("localhost", "localhost"),
    ],
)
def test_host(text: str, expected: str) -> None:
    assert values.host(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "host:5222",
        "xmpp://host",
        "user@host",
        "host/res",
        "[::1",
        "[::1]:5222",
        "-",
        "a..b",
        "x\n",
    ],
)
def test_bad_host(text: str) -> None:
    with pytest.raises(BadValue, match="host name or an address"):
        values.host(text)


def test_host_with_port_hints_at_the_option() -> None:
    with pytest.raises(BadValue) as caught:
        values.host("localhost:5222")
    assert "--port" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        BASE64,
        BASE64.rstrip("="),
        DIGEST.hex(),
        DIGEST.hex().upper(),
        DIGEST.hex(":"),
        f"sha256/{BASE64}",
        f"sha256//{BASE64}",
        f"SHA256:{DIGEST.hex()}",
        f"sha256:{BASE64}",
        f" {BASE64}\n",
    ],
)
def test_pin_comes_out_as_base64(text: str) -> None:
    assert values.pin(text) == BASE64


@pytest.mark.parametrize("prefix", ["", "sha256/", "sha256//", "sha256:"])
def test_pin_that_begins_with_a_slash(prefix: str) -> None:
    assert values.pin(prefix + SLASHED) == SLASHED


@pytest.mark.parametrize(
    "text", ["", "sha256/", "abc", DIGEST.hex()[:-1], DIGEST.hex() + "00", BASE64 + "A", "sha1/" + BASE64]
)
def test_bad_pin(text: str) -> None:
    with pytest.raises(BadValue, match="64 hexadecimal digits or 44 of base64"):
        values.pin(text)


def test_jid_and_resource() -> None:
    assert str(values.jid("Romeo@Montague.example/Balcony")) == "romeo@montague.example/Balcony"
    assert values.resource("balcony ☃") == "balcony ☃"
    with pytest.raises(BadValue, match="not a JID"):
        values.jid("@")
    for bad in ("", "a\x00b", "x" * 1024):
        with pytest.raises(BadValue):
            values.resource(bad)


def test_pem(tmp_path: Path) -> None:
    good = tmp_path / "ca.pem"
    good.write_text("comment\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert values.pem(good, "CERTIFICATE") == good
    with pytest.raises(BadValue, match="no PEM private key"):
        values.pem(good, "PRIVATE KEY")
    with pytest.raises(BadValue, match="No such file"):
        values.pem(tmp_path / "missing", "CERTIFICATE")
    with pytest.raises(BadValue, match="Is a directory"):
        values.pem(tmp_path, "CERTIFICATE")
    der = tmp_path / "ca.der"
    der.write_bytes(b"\x30\x82\x00\xff")
    with pytest.raises(BadValue, match="no PEM certificate"):
        values.pem(der, "CERTIFICATE")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_loopback(name: str) -> None:
    assert values.is_loopback(name)


@pytest.mark.parametrize(
    "name", ["localhost.example", "128.0.0.1", "127.0.0.1.example", "::2", "0.0.0.0", "", "10.0.0.1"]
)
def test_not_loopback(name: str) -> None:
    assert not values.is_loopback(name)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("500K", 512_000), ("64M", 64 << 20), ("1g", 1 << 30), ("2KiB", 2048), ("3MB", 3 << 20)],
)
def test_size(text: str, size: int) -> None:
    assert values.size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1.5M", "1T", "1 M", "much", "1" * 20])
def test_bad_size(text: str) -> None:
    with pytest.raises(values.BadValue, match="500K"):
        values.size(text)
