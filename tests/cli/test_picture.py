"""The README's picture can be made anew, from a real watch."""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET

import pytest

from xmppctl.cli import picture

REQUIRED = os.environ.get("XMPPCTL_REQUIRE_SERVERS") == "1"


@pytest.mark.integration
def test_it_shows_a_message_an_explained_error_and_a_presence() -> None:
    if shutil.which("prosody") is None and not REQUIRED:
        pytest.skip("prosody is not installed: the picture was not made")
    svg = ET.fromstring(picture.draw())
    text = " ".join("".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text"))
    text = text.replace("\xa0", " ")
    assert picture.COMMAND in text
    assert "Art thou not Romeo, and a Montague?" in text
    assert "not-allowed (cancel)" in text
    assert "leaning on my hand" in text
