"""The sandbox: one rootless local Prosody with the accounts alice and bob, in a directory of its own.

`lifecycle` starts, finds, uses and stops it; `run` runs a program on it; `server` brings Prosody up; `prosody` writes
its configuration and accounts, `certificates` its throw-away CA; `process` knows whether a server lives and ends it;
`packages` knows how a missing program is installed.
"""
