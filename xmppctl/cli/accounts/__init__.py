"""What `xmppctl account` does, beyond reading its command line: the subcommands that talk to a server."""
