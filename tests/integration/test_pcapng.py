"""A capture that `replay` has written, as tshark reads it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.examples import EXAMPLES, HEADER
from tests.integration.program import program
from xmppctl.errors import MissingProgram
from xmppctl.output.recorder import Recorder
from xmppctl.sandbox.packages import find_program
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.splitter import Splitter

REQUIRED = os.environ.get("XMPPCTL_REQUIRE_SERVERS") == "1"
SECONDS = 60


@pytest.fixture(scope="module")
def tshark() -> str:
    try:
        return str(find_program("tshark", purpose="this test"))
    except MissingProgram:
        if REQUIRED:
            pytest.fail("tshark is required and not installed", pytrace=False)
        pytest.skip("tshark is not installed: captures were not read with it")


def frames() -> list[Frame]:
    out, come = Splitter("out"), Splitter("in")
    found = out.feed(HEADER, 1700000000.0) + come.feed(HEADER, 1700000000.1)
    for number, stanza in enumerate(EXAMPLES.values()):
        found += come.feed(stanza, 1700000001.0 + number)
    return found + out.feed(
        b"<iq type='get' id='last' to='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>", 1700001000.0
    )


def test_tshark_sees_every_stanza_and_all_bytes(tmp_path: Path, tshark: str) -> None:
    recording, captured = tmp_path / "r", tmp_path / "r.pcapng"
    recorder = Recorder(str(recording))
    for frame in frames():
        recorder.write(frame)
    recorder.close()
    with captured.open("wb") as file:
        subprocess.run(
            [*program(), "replay", str(recording), "--to", "pcapng"], stdout=file, check=True, timeout=SECONDS
        )

    def read(*words: str) -> str:
        words = (tshark, "-r", str(captured), *words)
        return subprocess.run(words, capture_output=True, check=True, text=True, timeout=SECONDS).stdout

    shown = [line for line in read("-Y", "xmpp", "-T", "fields", "-e", "frame.number").splitlines() if line]
    elements = [frame for frame in frames() if frame.names]
    assert len(shown) >= len(elements)
    assert "last" in read("-Y", 'xmpp.id == "last"', "-T", "fields", "-e", "xmpp.id")
    assert read("-Y", "tcp.analysis.flags || tcp.checksum.status == 0", "-o", "tcp.check_checksum:TRUE") == ""
    followed = read("-q", "-z", "follow,tcp,raw,0").splitlines()
    hexadecimal = [
        line for line in followed if line.strip() and not set(line.strip()) - set("0123456789abcdef")
    ]
    came = "".join(line.strip() for line in hexadecimal if line.startswith("\t"))
    assert bytes.fromhex(came) == b"".join(frame.raw for frame in frames() if frame.direction == "in")
