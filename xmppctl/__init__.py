"""xmppctl: a command-line toolkit for XMPP inspection and scripting."""

__version__ = "0.1.0"
