"""Software versions: what is read from answers."""

from __future__ import annotations

import asyncio

import pytest

from xmppctl.protocols.version import version
from xmppctl.session.memory import MemorySession


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<name>N</name><version>1</version><os>O</os>", {"name": "N", "version": "1", "os": "O"}),
        ("<name>N</name><os/>", {"name": "N"}),
        ("<name xmlns='urn:other'>N</name>", {}),
        ("", {}),
    ],
)
def test_what_is_told(inside, expected):
    def respond(frame):
        query = f"<query xmlns='jabber:iq:version'>{inside}</query>"
        return [f"<iq type='result' id='{frame.id}' from='{frame.to}'>{query}</iq>"]

    async def main():
        session = MemorySession(respond)
        try:
            return await version(session, "capulet.example")
        finally:
            await session.close()

    assert asyncio.run(main()) == expected
