"""The command line: the only room that knows click. `main` is the program's entry point."""

from __future__ import annotations


def main() -> None:
    """Run `xmppctl` with the process's own arguments and exit."""
    import sys

    from xmppctl.cli.entry import run

    sys.exit(run(sys.argv[1:]))
