"""The table of everything an account can say: its key in the file, its option, its environment variable.

One row a key; the file's checker, the precedence and the documents read it. Sans-IO.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

#: text, path and secret are strings in the file; integer, flag (a boolean) and duration ("10m", or seconds) are not.
Kind = Literal["text", "path", "integer", "flag", "duration", "secret"]


class Key(NamedTuple):
    """`option` is the long option and `variable` the environment variable that give it too; empty for none."""

    name: str
    kind: Kind
    help: str
    option: str = ""
    variable: str = ""


KEYS: Final = {
    key.name: key
    for key in (
        Key("jid", "text", "the address to log in as; without a localpart: SASL ANONYMOUS", "--jid", "XMPPCTL_JID"),
        Key("password_command", "text", "a program whose first line of output is the password",
            "--password-command", "XMPPCTL_PASSWORD_COMMAND"),
        Key("password_file", "path", "a file whose first line is the password",
            "--password-file", "XMPPCTL_PASSWORD_FILE"),
        Key("keyring", "flag", "the password is in the desktop's keyring"),
        Key("password", "secret", "the password itself; the file must be readable by nobody else", "",
            "XMPPCTL_PASSWORD"),
        Key("host", "text", "connect here instead of where DNS says", "--host", "XMPPCTL_HOST"),
        Key("port", "integer", "connect to this port", "--port", "XMPPCTL_PORT"),
        Key("tls", "text", "starttls, direct or none", "--tls", "XMPPCTL_TLS"),
        Key("ca", "path", "trust only the certificate authorities in this PEM file", "--ca", "XMPPCTL_CA"),
        Key("pin", "text", "SHA-256 of the server certificate's public key", "--pin", "XMPPCTL_PIN"),
        Key("insecure", "flag", "do not check the server's certificate", "--insecure", "XMPPCTL_INSECURE"),
        Key("certificate", "path", "client certificate (PEM) for SASL EXTERNAL", "", "XMPPCTL_CERTIFICATE"),
        Key("key", "path", "its private key, where it is not in the same file", "", "XMPPCTL_KEY"),
        Key("plain", "flag", "the server may be sent the password itself (SASL PLAIN), inside TLS", "",
            "XMPPCTL_PLAIN"),
        Key("resource", "text", "the resource to ask for", "--resource", "XMPPCTL_RESOURCE"),
        Key("persist", "duration", "start a daemon when it is first needed; it ends after idling so long", "",
            "XMPPCTL_PERSIST"),
    )
}  # fmt: skip

#: Where an account says its password comes from: one of these at most.
PASSWORD_KEYS: Final = ("password_command", "password_file", "keyring", "password")
