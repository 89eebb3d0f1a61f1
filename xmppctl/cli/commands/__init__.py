"""One module a command; xmppctl.cli.registry names them."""
