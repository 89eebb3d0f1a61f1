"""Lines of other programs' logs."""

from __future__ import annotations

from datetime import datetime

import pytest

from xmppctl.stanza.log_lines import numbers, read_line, time_of


@pytest.mark.parametrize(
    ("line", "form", "way", "data"),
    [
        (b"DEBUG    SEND: <presence />", "whole", "out", b"<presence />"),
        (b"DEBUG    SEND (IMMED): <r />", "whole", "out", b"<r />"),
        (b"2026-11-27 19:02:25,572 x DEBUG RECV: <iq />", "whole", "in", b"<iq />"),
        (b"RECV: <stream:stream:features xmlns='x'/>", "whole", "in", b"<stream:features xmlns='x'/>"),
        (
            b'RECV: <stream:stream:stream xmlns="http://etherx.jabber.org/streams" id="1">',
            "whole",
            "in",
            b'<stream:stream xmlns=\'jabber:client\' xmlns:stream="http://etherx.jabber.org/streams" id="1">',
        ),
        (b"Nov 27 19:02:25 c2s56\tdebug\tReceived[c2s]: <iq type='get'>", "tag", "in", b"<iq type='get'/>"),
        (b"Nov 27 19:02:25 c2s56\tdebug\tSending[c2s]: </stream:stream>", "tag", "out", b"</stream:stream>"),
        (
            b'... (tls|<0.6.0>) Received XML on stream = <<"<a b=\\"\\\\\\x{e9}\\303\\251\\n\\"/>">>',
            "piece",
            "in",
            b'<a b="\\\xe9\xc3\xa9\n"/>'.replace(b"\xe9\xc3", b"\xe9\xc3"),
        ),
        (b'(<0.6.0>) Send XML on stream = <<"<r/>"/utf8>>', "piece", "out", b"<r/>"),
        (b"(tcp|<0.6.0>) Send XML on stream = <<60,114,47,62>>", "numbers", "out", b"60,114,47,62>>"),
    ],
)
def test_what_a_line_tells(line: bytes, form: str, way: str, data: bytes) -> None:
    told = read_line(line)
    assert told is not None
    assert (told.form, told.direction, told.data) == (form, way, data)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello <b>world</b>",
        b"see <iq/> for more",
        b"DEBUG RECV: nothing",
        b"Received invalid XML: <",
        b"(tcp|<0.6.0>) Received XML on stream = <<22,3,1,2>>",
        b"xSEND: <a/>",
    ],
)
def test_what_tells_nothing(line: bytes) -> None:
    assert read_line(line) is None


def test_a_session_is_named_where_a_server_logs_pieces() -> None:
    told = read_line(b'[notice] <0.664.0> (tls|<0.664.0>) Send XML on stream = <<"<r/>">>')
    assert told is not None and told.session == b"<0.664.0>"


@pytest.mark.parametrize(
    ("line", "time"),
    [
        (b"2026-11-27 19:02:35.474505+00:00 [notice]", 1795806155.474505),
        (b"2026-11-27T19:02:35.5Z x", 1795806155.5),
        (b"2026-11-27 19:02:25,572 x", datetime(2026, 11, 27, 19, 2, 25, 572000).timestamp()),
        (b"DEBUG x", None),
        (b"9999-99-99 99:99:99 x", None),
        (b"Foo 99 99:99:99 x", None),
    ],
)
def test_times(line: bytes, time: float | None) -> None:
    assert time_of(line) == time


def test_a_time_without_a_year_is_the_last_such() -> None:
    found = time_of(b"Nov 27 19:02:25 x")
    assert found is not None
    assert found <= datetime.now().timestamp()
    assert datetime.fromtimestamp(found).strftime("%b %d %H:%M:%S") == "Nov 27 19:02:25"


def test_numbers_are_bytes() -> None:
    assert numbers(b"60,105,113,\n   47,62>> tail") == b"<iq/>"
