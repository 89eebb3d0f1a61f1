"""`python -m xmppctl`."""

from xmppctl.cli import main

if __name__ == "__main__":
    main()
