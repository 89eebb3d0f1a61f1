"""The shell in a terminal, on real servers: what a person types, what they see, and how the terminal is left."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples import EXAMPLES
from tests.integration.conftest import started
from tests.integration.program import PATIENCE, Cli, Result
from tests.integration.screen import ALT_ENTER, END, ENTER, ESCAPE, TAB, UP, Screen, ctrl, pasted
from tests.servers.base import Server
from tests.servers.ejabberd import Ejabberd
from tests.servers.prosody import Prosody
from tests.servers.proxy import Proxy
from xmppctl.errors import MalformedInput
from xmppctl.stanza.check import split_input
from xmppctl.stanza.rewrite import with_attribute

PING = "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>"
FLOOD = 2000
#: How a terminal is told to empty its screen.
CLEARED = b"\x1b[2J"


class Desk:
    """Accounts alice and bob in a home of their own, and shells of alice's in terminals."""

    def __init__(self, server: Server, home: Path) -> None:
        self.cli = Cli(server, home, "direct")
        self.alice, self.bob = self.cli.jid("alice"), self.cli.jid("bob")
        self.me = f"{self.alice}/desk"
        self._open = ExitStack()
        self._shared: Screen | None = None

    def shell(
        self,
        *words: str,
        account: str = "alice",
        environment: dict[str, str] | None = None,
        columns: int = 120,
        rows: int = 40,
        resource: str = "own",
    ) -> Screen:
        """A shell of its own; a context manager."""
        return Screen(
            self.cli.words(("--resource", resource, "shell", *words), account),
            self.cli.environment | (environment or {}),
            self.cli.home,
            columns=columns,
            rows=rows,
        )

    def shared(self) -> Screen:
        """A shell that goes on from test to test, its screen cleared."""
        if self._shared is None or self._shared.process.poll() is not None:
            self._shared = self._open.enter_context(self.shell(resource="desk"))
            self._shared.wait_for("[1] ")
        shell = self._shared
        shell.type(ctrl("c") if shell.typed else "")
        begin = len(shell.raw)
        shell.type(ctrl("l"))
        # Something that the test before has sent may still come, and then stands above the prompt.
        shell.wait_for(lambda: CLEARED in shell.raw[begin:] and shell.number and not shell.typed)
        return shell

    def bob_sends(self, *stanzas: str) -> None:
        """Bob types these."""
        ran = self.cli.run("shell", "--no-acks", stdin="\n".join(stanzas), account="bob")
        assert ran.code == 0, ran.stderr

    def script(self, text: str, *, as_file: bool) -> Result:
        """Play a script of alice's, from a pipe or a file."""
        if not as_file:
            return self.cli.run("shell", stdin=text)
        path = self.cli.home / "script"
        path.write_text(text)
        with path.open("rb") as file:
            done = subprocess.run(
                self.cli.words(("shell",), "alice"),
                stdin=file,
                capture_output=True,
                timeout=PATIENCE,
                env=self.cli.environment,
            )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def close(self) -> None:
        self._open.close()
        self.cli.close()


@pytest.fixture(scope="module")
def desk(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(server, tmp_path_factory.mktemp("desk"))
    yield made
    made.close()


@pytest.fixture
def shell(desk: Desk) -> Screen:
    return desk.shared()


def answered(shell: Screen) -> bool:
    """Whether an answer stands on the screen, with its time."""
    return bool(re.search(r"answers\s+(?:\[\d+\] )?after\s+[\d.]+ m?s", shell.text))


# -- typing --------------------------------------------------------------------------------------------------


def test_a_stanza_of_several_lines(shell: Screen) -> None:
    shell.type("<iq type='get'>" + ENTER)
    shell.wait_for(" iq> </iq>")
    shell.wait_for(lambda: shell.cursor == (1, shell.text.index("<iq") + 2))  # two spaces in
    shell.type("<ping xmlns='urn:xmpp:ping'/>" + ENTER + "</iq>")
    shell.wait_for("iq>   <ping xmlns='urn:xmpp:ping'/>")
    assert not answered(shell)
    shell.type(ENTER)
    shell.wait_for(lambda: answered(shell))
    assert shell.text.index("</iq>") < shell.text.index("answers")


@pytest.mark.parametrize("closings", [("</body>", "</message>"), ("</", "</"), ("", "")])
def test_end_tags_typed_or_not(desk: Desk, shell: Screen, closings: tuple[str, str]) -> None:
    number = shell.number
    shell.type(f"<message to='{desk.me}' type='chat'><body>so be it")
    for closing in closings:
        shell.type(closing)
    shell.wait_typed(f"<message to='{desk.me}' type='chat'><body>so be it</body></message>")
    shell.type(ENTER)
    shell.wait_for(lambda: shell.number == number + 1 and shell.text.count("so be it") == 2)


def test_what_is_malformed_is_not_sent(shell: Screen) -> None:
    number = shell.number
    wrong = "<message><body>x & y</body></message>"
    shell.type(wrong + ENTER)
    shell.wait_for("not well-formed at '&'")
    shell.wait_for(lambda: re.fullmatch(re.escape(wrong) + "\n[^\n]*&amp;[^\n]*", shell.typed))
    shell.wait_for(lambda: shell.cursor == (0, shell.text.index("&")))
    shell.type("\x1b[3~and" + ENTER)
    shell.wait_for(lambda: shell.number == number + 1 and "not well-formed" not in shell.text)


def test_a_document_is_pasted(desk: Desk, shell: Screen) -> None:
    number = shell.number
    document = f"""# what follows is sent
<iq type='get'>
  <ping xmlns='urn:xmpp:ping'/>
</iq>
<!-- and this -->
<message to='{desk.me}'><body>pasted</body></message>
/jobs
"""
    shell.type(pasted(document))
    shell.wait_for(lambda: "/jobs" in shell.text and shell.number == number)
    shell.type(ENTER)
    shell.wait_for(lambda: answered(shell) and "nothing runs" in shell.text and shell.number == number + 2)
    shell.wait_for(lambda: shell.text.count("pasted") == 2)  # it was sent, and has come back


def test_more_lines_and_earlier_ones(desk: Desk, shell: Screen) -> None:
    shell.type(pasted(PING) + ENTER)
    shell.wait_for(lambda: answered(shell))
    shell.type(f"<message to='{desk.me}'><body>one" + ALT_ENTER + "two" + END + ctrl("e"))
    shell.wait_for("two</body></message>")
    shell.type(ENTER)
    shell.wait_for(lambda: shell.text.count("two") == 2)
    shell.type(UP)
    shell.wait_for(lambda: "two</body></message>" in shell.typed)
    shell.type(ctrl("c"))
    shell.wait_typed("")
    shell.type(ctrl("r"))
    shell.wait_for("I-search")
    shell.type("urn:xmpp:pi" + ENTER)
    shell.wait_typed(PING)


def test_what_comes_stands_above_what_is_typed(desk: Desk, shell: Screen) -> None:
    shell.type("<message to='x'><body>half")
    shell.wait_typed("<message to='x'><body>half</body></message>")
    desk.bob_sends(f"<message to='{desk.me}'><body>what light</body></message>")
    shell.wait_for("what light")
    shell.wait_typed("<message to='x'><body>half</body></message>")
    shell.type(" whole")
    shell.wait_typed("<message to='x'><body>half whole</body></message>")


def test_keys_in_a_flood(desk: Desk) -> None:
    body = "".join(chr(ord("a") + n % 26) for n in range(300))
    flood = "".join(
        f"<message to='{desk.alice}/own' type='headline' id='m{n}'><body>number {n}</body></message>\n"
        for n in range(FLOOD)
    )
    with desk.shell("--format", "line", columns=200) as shell:
        shell.wait_for("[1] ")
        sender = subprocess.Popen(
            desk.cli.words(("shell", "--no-acks"), "bob"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=desk.cli.environment,
        )
        assert sender.stdin is not None
        sender.stdin.write(flood.encode())
        sender.stdin.close()
        shell.type(f"<message to='{desk.alice}/own'><body>")
        for key in body:
            shell.type(key)
            shell.wait_for(lambda key=key: key in shell.typed)
        shell.wait_for(lambda: body in re.sub(r"\s+|\S*> ", "", shell.typed))
        shell.wait_for(f"id=m{FLOOD - 1} ")
        assert sender.wait(PATIENCE) == 0
        shell.type(ENTER)
        shell.wait_for(lambda: shell.number == 2)
        seen = [int(number) for number in re.findall(rb"id=m(\d+)", shell.raw)]
        assert seen == list(range(FLOOD))


def test_wide_characters_in_a_narrow_window(desk: Desk, shell: Screen) -> None:
    text = "日本語のテキスト 👍 ça va"
    shell.resize(40, 30)
    shell.type(f"<message to='{desk.me}'><body>{text}x")
    shell.wait_for("va" + "x</")
    shell.type("\x1b[D\x1b[D" + "é")  # before "ax"
    shell.resize(120, 40)
    changed = text[:-1] + "éax"
    shell.wait_typed(f"<message to='{desk.me}'><body>{changed}</body></message>")
    shell.type(ENTER)
    shell.wait_for(lambda: shell.text.count(changed) == 2)


def test_nothing_hostile_reaches_the_terminal(desk: Desk, shell: Screen) -> None:
    begin = len(shell.raw)
    shell.type("<message><body>")
    evil = "&#x9b;2J&#x9d;0;t&#x9c;&#x202e;live&#x200b;&#xfeff;"
    desk.bob_sends(
        f"<message to='{desk.me}' id='{evil}'><subject>{evil}</subject><body>{evil} here</body></message>"
    )
    shell.wait_for("here")
    shell.type(pasted("\x1b]0;title\x07\u202e\x9b2Jx"))
    shell.wait_for("2Jx")
    written = bytes(shell.raw[begin:])
    for char in "\x9b\x9d\x9c\u202e\u200b\ufeff":
        assert char.encode() not in written
    assert b"\x1b]0;" not in written and b"\x07" not in written
    shell.type(ctrl("c") + "/reply" + ENTER)
    shell.wait_for(lambda: f"to='{desk.bob}/" in shell.typed)
    assert "\u202e".encode() not in shell.raw[begin:]


# -- completion, templates, commands ---------------------------------------------------------------------------


def test_tab_completes(desk: Desk, shell: Screen) -> None:
    contact = "nurse@capulet.invalid"
    assert desk.cli.run("roster", "add", contact).code == 0
    shell.type("<iq type='g")
    shell.wait_for("  get")
    shell.type(TAB + "' to='nur")
    shell.wait_for(f"{contact}  roster")
    shell.type(TAB + "'><pi")
    shell.wait_for("XEP-0199")
    shell.type(TAB + "/>")
    shell.wait_for(
        lambda: (
            shell.typed.replace("\n", "")
            == f"<iq type='get' to='{contact}'><ping xmlns='urn:xmpp:ping'/></iq>"
        )
    )
    shell.type(ctrl("c") + "/ros")
    shell.wait_for("/roster  ")
    shell.type(TAB + " l")
    shell.wait_for("  list")
    shell.type(TAB)
    shell.wait_for(lambda: shell.typed.startswith("/roster list"))


def test_a_template_has_gaps(desk: Desk, shell: Screen) -> None:
    shell.type("/t message" + ENTER)
    shell.wait_for("Tab: next gap")
    shell.type(desk.me)
    shell.wait_for(lambda: f"to='{desk.me}'" in shell.typed)
    shell.type(TAB + "first" + TAB + "second")
    shell.wait_for(lambda: "<subject>first</subject><body>second</body>" in re.sub(r"\n +", "", shell.typed))
    shell.type(ENTER)
    shell.wait_for(lambda: shell.text.count("first") == 2)


def test_edit_and_reply(desk: Desk, shell: Screen) -> None:
    number = shell.number
    shell.type(pasted(PING) + ENTER)
    shell.wait_for(lambda: answered(shell) and shell.number == number + 1)
    shell.type("/edit" + ENTER)
    shell.wait_typed(PING)
    shell.type(ctrl("c"))
    desk.bob_sends(f"<message to='{desk.me}' type='chat'><body>but soft</body></message>")
    shell.wait_for("but soft")
    shell.type("/reply" + ENTER)
    shell.wait_for(lambda: f"to='{desk.bob}/" in shell.typed)
    shell.type("it is the east" + ENTER)
    shell.wait_for(lambda: shell.number == number + 2)


def test_commands_run_beside_what_is_typed(desk: Desk, shell: Screen) -> None:
    shell.type("/watch kind:message" + ENTER)
    shell.wait_for("1 job")
    shell.type("/jobs" + ENTER)
    shell.wait_for(" s  /watch kind:message")
    shell.type("/stop" + ENTER)
    shell.wait_for("/watch kind:message: stopped")
    shell.wait_for(lambda: "1 job" not in shell.text)
    shell.type("/roster list" + ENTER)
    shell.wait_for(
        lambda: re.search(r"JID|empty|nobody|" + desk.bob, shell.text.partition("/roster list")[2])
    )


# -- the keys of the shell, and its ends -----------------------------------------------------------------------


def test_ctrl_c_clears_and_ctrl_d_leaves(desk: Desk) -> None:
    with desk.shell() as shell:
        shell.wait_for("[1] ")
        shell.type("<message>" + END + ctrl("d"))
        shell.wait_typed("<message></message>")
        shell.type(ctrl("c"))
        shell.wait_typed("")
        shell.type(ctrl("c"))
        shell.wait_for("xmppctl: Ctrl-D leaves")
        shell.type(ctrl("d"))
        assert shell.finish() == 0
        assert shell.restored


def test_a_signal_ends_it(desk: Desk) -> None:
    with desk.shell() as shell:
        shell.wait_for("[1] ")
        shell.type("<message>")
        shell.wait_for("</message>")
        shell.process.send_signal(signal.SIGTERM)
        assert shell.finish() == 143
        assert shell.restored


def test_the_window_is_closed(desk: Desk) -> None:
    with desk.shell() as shell:
        shell.wait_for("[1] ")
        shell.type("<message>")
        shell.wait_for("</message>")
        shell.hang_up()
        assert shell.process.wait(PATIENCE) != 0


def test_the_history_has_no_secrets(desk: Desk) -> None:
    with desk.shell() as shell:
        shell.wait_for("[1] ")
        shell.type(
            pasted(
                "<iq type='set' to='nowhere.invalid'><query xmlns='jabber:iq:register'><username>r</username>"
            )
            + pasted("<password>pl4nted</password></query></iq>")
            + ENTER
        )
        shell.wait_for(lambda: shell.number == 2)
        shell.type(pasted("<presence/>") + ENTER)
        shell.wait_for(lambda: shell.number == 3)
        shell.type(ctrl("d"))
        assert shell.finish() == 0
    with desk.shell() as shell:
        shell.wait_for("[1] ")
        shell.type(UP)
        shell.wait_typed("<presence/>")
        shell.type(UP)
        shell.wait_for("jabber:iq:register")
        assert "pl4nted" not in shell.text
    for path in desk.cli.home.rglob("*"):
        assert not path.is_file() or b"pl4nted" not in path.read_bytes(), path


def test_keys_of_vi(desk: Desk) -> None:
    with desk.shell("--keys", "vi", environment={"EDITOR": "ed"}) as shell:
        shell.wait_for("[1] ")
        shell.type("<presents/>")
        shell.wait_typed("<presents/>")
        shell.type(ESCAPE + "0lcwpresence" + ESCAPE)
        shell.wait_typed("<presence/>")
        shell.type(ENTER)
        shell.wait_for(lambda: shell.number == 2)


@pytest.mark.parametrize("keys", ["emacs", "vi"])
def test_an_editor_is_opened(desk: Desk, keys: str) -> None:
    editor = desk.cli.home / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/presents/presence/' \"$1\"\n")
    editor.chmod(0o700)
    with desk.shell("--keys", keys, environment={"EDITOR": str(editor), "VISUAL": ""}) as shell:
        shell.wait_for("[1] ")
        shell.type("<presents/>")
        shell.wait_typed("<presents/>")
        shell.type(ctrl("x") + ctrl("e") if keys == "emacs" else ESCAPE + "v")
        shell.wait_for(lambda: shell.number == 2 and "> <presence/>" in shell.text)  # as in bash it is sent
        shell.type(ctrl("d"))
        assert shell.finish() == 0
        assert shell.restored


def test_without_colours(desk: Desk) -> None:
    with desk.shell(environment={"NO_COLOR": "1"}) as shell:
        shell.wait_for("[1] ")
        shell.type(pasted(PING) + ENTER)
        shell.wait_for(lambda: answered(shell) and shell.number == 2)
        numbers = {each for found in re.findall(rb"\x1b\[([\d;]*)m", shell.raw) for each in found.split(b";")}
        assert numbers <= {b"", b"0", b"1", b"2", b"3", b"4", b"7", b"22", b"24", b"27", b"39", b"49"}
        shell.type(ctrl("d"))
        assert shell.finish() == 0
        assert shell.restored


def test_a_terminal_that_can_do_nothing_plays_lines(desk: Desk) -> None:
    with desk.shell(environment={"TERM": "dumb"}) as shell:
        shell.wait_for("reading from the terminal")
        shell.type(PING + "\n")
        shell.wait_for(lambda: answered(shell))
        shell.type(ctrl("d"))
        assert shell.finish() == 0
        assert b"\x1b" not in shell.raw
        assert shell.restored


# -- the connection --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Prosody, Ejabberd])
def test_the_server_is_killed_while_something_is_typed(
    kind: type[Prosody] | type[Ejabberd], tmp_path: Path
) -> None:
    server = started(kind)
    try:
        with Proxy(server.port_direct) as proxy:
            cli = Cli(server, tmp_path, "direct")
            carol = cli.add_account("carol", port=proxy.port)
            me = f"{carol.jid}/desk"
            words = cli.words(("--resource", "desk", "shell"), "carol")
            with Screen(words, cli.environment, tmp_path, columns=120) as shell:
                shell.wait_for("[1] ")
                line = f"<message to='{me}'><body>half"
                shell.type(line)
                server.kill()
                shell.wait_for("(offline")
                shell.wait_typed(f"{line}</body></message>")
                shell.type(ENTER)
                shell.wait_for("there is no connection")
                server.start()
                server.restore(carol)
                proxy.target = server.port_direct
                shell.wait_for("connected as")
                shell.type(" done" + ENTER)
                shell.wait_for(lambda: shell.number == 2 and shell.text.count("half done") == 2)
    finally:
        server.stop()


def test_malformed_on_purpose(desk: Desk) -> None:
    with desk.shell("--no-validate") as shell:
        shell.wait_for("[1] ")
        shell.wait_for("sent as typed")
        shell.type("<message></mess>" + ENTER)
        shell.wait_for("stream error")
        shell.wait_for("not-well-formed")
        shell.wait_for("connected as")
        shell.type(PING + ENTER)
        shell.wait_for(lambda: answered(shell))


@pytest.mark.parametrize("stage", ["connect", "tls", "features", "auth"])
def test_stopping_on_the_way(desk: Desk, stage: str) -> None:
    with desk.shell("--stop-at", stage) as shell:
        shell.wait_for("(by hand, TLS)>")
        if stage in ("connect", "tls"):
            shell.type(
                pasted(
                    "<stream:stream to='localhost' version='1.0' xmlns='jabber:client'"
                    " xmlns:stream='http://etherx.jabber.org/streams'>"
                )
                + ENTER
            )
            shell.wait_for("features")
        shell.type(ctrl("d"))
        assert shell.finish() == 0
        assert shell.restored


def test_a_component(desk: Desk) -> None:
    server = desk.cli.server
    secret = desk.cli.home / "component.secret"
    secret.write_text(server.component_secret + "\n")
    secret.chmod(0o600)
    desk.cli.configure(
        f"component{server.kind}",
        {
            "jid": server.component,
            "password_file": str(secret),
            "host": server.host,
            "port": server.port_component,
        },
    )
    words = desk.cli.words(("shell", "--component"), f"component{server.kind}")
    with Screen(words, desk.cli.environment, desk.cli.home) as shell:
        shell.wait_for(f"[1] {server.component}>")
        shell.type(
            pasted(f"<iq type='get' id='c1' from='{server.component}' to='{server.domain}'>")
            + pasted("<ping xmlns='urn:xmpp:ping'/></iq>")
            + ENTER
        )
        shell.wait_for(lambda: answered(shell))
        shell.type(ctrl("d"))
        assert shell.finish() == 0


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "pipe"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"# there?\n{PING}\n/expect type:result\n", 0),
        (f"{PING}\n/expect type:error\n", 7),
        ("/wait 0.2 kind:message\n", 6),
        ("<iq type='get' to='no.such.invalid'><ping xmlns='urn:xmpp:ping'/></iq>", 1),
        ("<message>\n</iq>", 8),
    ],
)
def test_scripts(desk: Desk, text: str, code: int, as_file: bool) -> None:
    ran = desk.script(text, as_file=as_file)
    assert ran.code == code, ran.stderr
    assert ("answers" in ran.stdout) == (PING in text or code == 1)


def test_tls_begun_by_hand_without_asking(desk: Desk) -> None:
    """What a server's port for direct TLS is tested with."""
    server = desk.cli.server
    way = ("--tls", "starttls", "--host", server.host, "--port", str(server.port_direct))
    script = "/tls\n/t stream\n/wait 10 ns:urn:ietf:params:xml:ns:xmpp-sasl\n/sasl\n/wait 10 xpath://sasl:success\n"
    ran = desk.cli.run(*way, "shell", "--stop-at", "connect", stdin=script)
    assert ran.code == 0, ran.stderr
    assert "TLS protects the stream" in ran.stderr


def xep_examples(domain: str) -> list[str]:
    """What the examples of the RFCs and XEPs have a client send, from nobody and to names of this server."""
    stanzas = []
    for raw in EXAMPLES.values():
        try:
            frames = split_input(raw)
        except MalformedInput:  # a stream's own parts
            continue
        for frame in frames:
            if frame.kind in ("message", "presence", "iq") and frame.type not in ("result", "error"):
                text = with_attribute(frame.raw, "from", None).decode()
                stanzas.append(re.sub(r"\b(capulet|shakespeare|montague)\.\w+", domain, text))
    return stanzas


def test_the_examples_of_the_specifications_are_typed_and_answered(desk: Desk) -> None:
    """Refused, mostly; but each request has its own answer under it, and nothing is lost or waited for in vain."""
    desk.cli.add_account("carol")
    stanzas = xep_examples(desk.cli.jid("carol").partition("@")[2])
    asked = [number for number, text in enumerate(stanzas, 1) if text.startswith("<iq")]
    assert len(stanzas) > 50 and len(asked) > 15
    ran = desk.cli.run("shell", "-o", "jsonl", stdin="\n".join(stanzas), account="carol", timeout=60)
    assert ran.code in (0, 1, 10), ran.stderr
    answered = {record["answers"] for record in ran.records if "answers" in record}
    assert answered >= set(asked)
