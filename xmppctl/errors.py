"""Every error xmppctl can end with, each class with its exit code.

Nothing else in the project decides an exit code. `name` is what `-o json` prints as `error`; a message says
what went wrong and why, a hint what to try. Messages may hold text from the network as it came: the one place
that prints them (`xmppctl.cli.report`) passes them through the sanitiser. Sans-IO.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class ExitCode(IntEnum):
    """What a script sees. The second value is the text of `xmppctl help exit-codes` and of the man page."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "done; a reader that closed the pipe is also 0, quietly"
    REFUSED = 1, "the other side said no: an error stanza, a bounce; its condition, type and text are shown"
    USAGE = 2, "usage: bad option, bad JID, bad filter; nothing was sent"
    CONFIG = 3, "configuration, account or secret missing, unreadable or unsafe"
    CONNECT = 4, "cannot connect: DNS, TCP, TLS, each told apart, with what to try; or the connection broke"
    AUTH = 5, "authentication refused"
    TIMEOUT = 6, "time ran out: no reply, not acknowledged, expected stanza did not come"
    EXPECTATION = 7, "an expectation was not met"
    MALFORMED = 8, "malformed input (XML, JSON, TOML, Atom); line and column; nothing was sent"
    DAEMON = 9, "the daemon is needed and not there, or speaks another version"
    PARTIAL = 10, "part of a batch failed; each failure was reported"
    BUG = 70, "a bug in xmppctl: one line and where the traceback was written"
    OUTPUT = 74, "output could not be written (a full disk, a file that cannot be opened)"
    INTERRUPTED = 130, "interrupted (Ctrl-C); the stream was closed properly first"
    TERMINATED = 143, "terminated (SIGTERM); the stream was closed properly first"


class XmppctlError(Exception):
    """Base of all expected failures.

    `message` says what and why in one sentence; `hint` what to try, or nothing; `stanza` is the XML that says
    it, where the other side sent one.
    """

    code: ExitCode = ExitCode.BUG
    name: str = "error"

    def __init__(self, message: str, *, hint: str = "", stanza: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.stanza = stanza


class UsageError(XmppctlError):
    """The words on the command line are wrong. Nothing was sent."""

    code = ExitCode.USAGE
    name = "usage"


class BadJid(UsageError):
    """A JID that RFC 7622 does not allow."""

    name = "bad-jid"


class BadFilter(UsageError):
    """A filter term that does not compile."""

    name = "bad-filter"


class ConfigError(XmppctlError):
    """The configuration or an account is missing, unreadable or unsafe."""

    code = ExitCode.CONFIG
    name = "config"


class SecretError(ConfigError):
    """A password is missing or could not be read. Never holds the secret."""

    name = "secret"


class SpoolDamaged(ConfigError):
    """The spool's file is not what it was when it was written, or never was a spool. Nothing in it was changed."""

    name = "spool-damaged"


class MissingProgram(ConfigError):
    """A program that the command needs is not installed."""

    name = "missing-program"


class SandboxError(ConfigError):
    """The sandbox's server could not be set up, did not come up or did not end. `log` is the end of its log."""

    name = "sandbox"

    def __init__(self, message: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log = log


class ConnectError(XmppctlError):
    """No connection could be made."""

    code = ExitCode.CONNECT
    name = "connect"


class DnsError(ConnectError):
    """A name did not resolve, or its SRV records say that there is no such service."""

    name = "dns"


class TcpError(ConnectError):
    """No address accepted a TCP connection."""

    name = "tcp"


class TlsError(ConnectError):
    """TLS was not offered, failed, or the certificate was not acceptable."""

    name = "tls"


class CertificateError(TlsError):
    """The server's certificate was not acceptable: chain, name, validity or pin."""

    name = "certificate"


class StreamError(ConnectError):
    """A stream error (RFC 6120 section 4.9), the server's or ours. `condition` is its defined condition."""

    name = "stream-error"

    def __init__(self, message: str, *, condition: str = "", hint: str = "", stanza: str = "") -> None:
        super().__init__(message, hint=hint, stanza=stanza)
        self.condition = condition


class ConnectionLost(ConnectError):
    """The connection ended before the command was done."""

    name = "connection-lost"


class AuthError(XmppctlError):
    """SASL failed (RFC 6120 section 6), either side refusing the other. `condition` as in section 6.5."""

    code = ExitCode.AUTH
    name = "auth"

    def __init__(self, message: str, *, condition: str = "", hint: str = "", stanza: str = "") -> None:
        super().__init__(message, hint=hint, stanza=stanza)
        self.condition = condition


class DeadlineExceeded(XmppctlError):
    """Time ran out: no reply, not acknowledged, or what was expected did not come."""

    code = ExitCode.TIMEOUT
    name = "timeout"


class ExpectationFailed(XmppctlError):
    """The opposite of what was expected was seen."""

    code = ExitCode.EXPECTATION
    name = "expectation"


class MalformedInput(XmppctlError):
    """Input that is not well-formed. `line` and `column` count from 1. Nothing was sent."""

    code = ExitCode.MALFORMED
    name = "malformed"

    def __init__(self, message: str, *, line: int = 0, column: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column


class IncompleteInput(MalformedInput):
    """Input that only ends too early: more of it could make it right, so a shell asks for the next line."""


class DaemonError(XmppctlError):
    """The daemon is needed and not there, or speaks another version."""

    code = ExitCode.DAEMON
    name = "daemon"


class PartialFailure(XmppctlError):
    """Part of a batch failed. Each failure was reported before."""

    code = ExitCode.PARTIAL
    name = "partial"


class Interrupted(XmppctlError):
    """SIGINT. Raised out of whatever wait is under way; the stream is closed on the way out."""

    code = ExitCode.INTERRUPTED
    name = "interrupted"


class Terminated(XmppctlError):
    """SIGTERM, as `Interrupted`."""

    code = ExitCode.TERMINATED
    name = "terminated"


class Bug(XmppctlError):
    """Something that cannot be has happened: a mistake of ours."""

    name = "bug"


class OutputClosed(XmppctlError):
    """Whoever read our standard output closed it: a quiet success."""

    code = ExitCode.OK
    name = "output-closed"


class OutputFailed(XmppctlError):
    """Standard output, a trace or another file could not be written (a full disk)."""

    code = ExitCode.OUTPUT
    name = "output"


class StanzaCondition(NamedTuple):
    """What an error stanza says (RFC 6120 section 8.3).

    `type` is auth, cancel, continue, modify or wait; `condition` the defined condition; `text` the human text
    in the stanza, `application` the application-specific condition as `{namespace}name`, `by` the JID of whoever
    found the error, where there are any.
    """

    condition: str
    type: str = ""
    text: str = ""
    application: str = ""
    by: str = ""


class StanzaRefused(XmppctlError):
    """The other side answered with an error stanza."""

    code = ExitCode.REFUSED
    name = "stanza-error"

    def __init__(self, message: str, *, reason: StanzaCondition, hint: str = "", stanza: str = "") -> None:
        super().__init__(message, hint=hint, stanza=stanza)
        self.reason = reason


def by_name(name: str) -> type[XmppctlError] | None:
    """The error class with this `name` that can be made of a message and a hint alone; None where there is none."""
    found: list[type[XmppctlError]] = [XmppctlError]
    for kind in found:
        if kind.name == name and kind is not StanzaRefused and kind is not XmppctlError:
            return kind
        found += kind.__subclasses__()
    return None
