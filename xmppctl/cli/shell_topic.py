"""`xmppctl help shell`: what can be typed at the raw XML shell, by a person or in a script."""

from __future__ import annotations

from typing import Final

from xmppctl.cli.blocks import Block, Heading, Lines, Terms, Text

_SCRIPT: Final = """\
# is the server there, and does it know what it should?
<iq type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>
/expect type:result
<iq type='get' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>
/expect type:result "xpath://info:feature[@var='urn:xmpp:ping']"
/send bob@localhost "checked"
"""


def shell_topic() -> list[Block]:
    """The blocks of the topic."""
    return [
        Text(
            "xmppctl shell opens the account's stream, or goes through its daemon, and sends what you type. A stanza "
            "goes on over as many lines as it needs; the prompt of each names the elements that are open. When it is "
            "well-formed, Enter sends it, as you typed it; only an iq request without an id gets one. Its answer "
            "appears with the time it took, whatever comes in between. What is not well-formed is not sent: the cursor "
            "goes where it is wrong."
        ),
        Heading("Keys"),
        Terms(
            (
                ("Enter", "Sends what is whole, else begins another line."),
                ("Alt-Enter", "Begins another line (with vi's keys: o)."),
                ("Tab", "Completes, or goes to the next gap of a template."),
                (">", "Puts the end tag behind the cursor; Enter goes on between the two."),
                ("</", "Becomes the end tag of what is open, or passes it where it stands."),
                ("Up, Down, Ctrl-R", "Earlier lines, and a search in them."),
                ("Ctrl-X Ctrl-E", "Opens $VISUAL or $EDITOR (with vi's keys: v)."),
                ("Ctrl-C", "Clears the line, or stops what is waited for."),
                ("Ctrl-D", "Leaves, when the line is empty and the server has everything."),
            )
        ),
        Text(
            "--keys vi or emacs chooses the keys; else they are what your ~/.inputrc says. The history is kept, but no "
            "secrets; a line that begins with a space is not. Tab offers what the specifications know and what this "
            "session has seen. It asks the server for the roster, and for what an entity has, only while you complete "
            "an address, a node or a feature, and never keeps you waiting; --no-lookups forbids it."
        ),
        Heading("Commands"),
        Text(
            "A line that begins with / is a command. Every command of xmppctl is one, on the stream that is open: "
            "/roster list, /disco info JID, /pubsub subscribe SERVICE NODE. They run beside what you type: /jobs lists "
            "them, /stop N ends one. A script waits for each that ends by itself, unless a & stands behind it. /help "
            "lists the others, which are the shell's own; among them:"
        ),
        Terms(
            (
                (
                    "/t [NAME [ARG...]]",
                    "Begin with a template; alone it lists them. /t save NAME keeps one of yours.",
                ),
                (
                    "/filter TERM...",
                    "Show only what fits of what comes unasked (xmppctl help filters); off ends it.",
                ),
                ("/quiet /normal /loud", "Show only answers; what comes; everything that crosses the wire."),
                (
                    "/last /edit /resend [N]",
                    "What was typed as [N]: shown again, on the line again, sent again.",
                ),
                ("/reply [ID]", "Begin an answer to what came last, or has this id."),
                ("/explain [N|XML]", "What each part of a stanza means, and where that is specified."),
                (
                    "/record FILE, /save FILE",
                    "Keep the stream for xmppctl replay; keep what you typed as a script.",
                ),
                ("/send-raw TEXT", "Send bytes exactly as they are; --hex takes them as hex digits."),
            )
        ),
        Heading("Scripts"),
        Text(
            "Standard input that is no terminal is a script: the same lines, with # before comments. Each thing is "
            "done when the one before it is: a request has its answer, a command has ended (one that goes on has set "
            "up what it needs). A file is checked whole before anything of it is sent; what a pipe brings is done as "
            "it comes, so that another program can hold a conversation."
        ),
        Lines(_SCRIPT),
        Terms(
            (
                (
                    "/expect [SECONDS] TERM...",
                    "The answer to the last iq, or else the next stanza that came, has to fit: exit 7 if it does not.",
                ),
                (
                    "/wait [SECONDS] TERM...",
                    "Wait until something that fits has come, also between earlier lines: exit 6 if it has not in 30 "
                    "seconds, or those given. Each stanza counts once.",
                ),
            )
        ),
        Text(
            "A stanza that is refused, and whose refusal was not expected, makes the exit code 1, or 10 where others "
            "were not. Anything else that fails ends the script with its own code."
        ),
        Heading("Testing servers"),
        Text(
            "--no-validate sends each line exactly as it is typed, without its end, malformed ones too; those that "
            "begin with / or # stay commands and comments (/send-raw sends them, too). Nobody can count such "
            "stanzas, so there are no acknowledgements (XEP-0198) then, nor after /send-raw."
        ),
        Text(
            "--stop-at connect, tls, features or auth logs in only so far: the stream header, STARTTLS, SASL and "
            "binding are yours to type, and nothing is answered for you. /t stream, /t starttls and /t bind begin "
            "with what is needed; /sasl [MECHANISM] authenticates with the account's password, which then stands "
            "nowhere. When the server agrees to <starttls/>, the handshake is done; /tls does it without asking."
        ),
        Text(
            "--component opens a component's stream (XEP-0114): --jid is its domain, the password its secret, and "
            "each stanza needs a from."
        ),
        Text(
            "A request that comes in is yours to answer (/reply); after 20 seconds it gets the error that it must "
            "have. Through a daemon, that answers at once: say --daemon off."
        ),
        Text(
            "A connection that is lost is made again, and what you were typing stays on the line; what the server may "
            "not have got is told; /connect does not wait for the next attempt. A script ends instead."
        ),
    ]
