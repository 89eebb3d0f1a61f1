"""Service discovery: what is read from answers, odd ones included."""

from __future__ import annotations

import asyncio

from xmppctl.protocols import disco
from xmppctl.protocols.disco import Form, Identity, Info, Item
from xmppctl.session.memory import MemorySession


def ask(question, inside: str | None, namespace: str):
    def respond(frame):
        query = "" if inside is None else f"<query xmlns='{namespace}'>{inside}</query>"
        return [f"<iq type='result' id='{frame.id}' from='{frame.to}'>{query}</iq>"]

    async def main():
        session = MemorySession(respond)
        try:
            return await question(session, "capulet.example", "n")
        finally:
            await session.close()

    return asyncio.run(main())


def test_info():
    inside = (
        "<feature var='b'/><feature var='a'/><feature var='b'/><feature/>"
        "<identity category='c' type='t' xml:lang='de' name='N'/><identity/>"
        "<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>F</value></field>"
        "<field var='v'><value>1</value><value/></field><field var='w'/></x><x xmlns='jabber:x:data'/>"
    )
    assert ask(disco.info, inside, disco.NS_INFO) == Info(
        [Identity("c", "t", "N", "de"), Identity("", "")],
        ["a", "b"],
        [Form("F", {"v": ["1", ""], "w": []}), Form(None, {})],
    )


def test_items():
    inside = "<item jid='a@b' node='x' name='N'/><item jid='c'/><other jid='d'/>"
    assert ask(disco.items, inside, disco.NS_ITEMS) == [Item("a@b", "x", "N"), Item("c")]


def test_answers_that_say_nothing():
    assert ask(disco.info, None, "") == Info([], [], [])
    assert ask(disco.items, None, "") == []
