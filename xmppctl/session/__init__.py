"""The connection manager: opens an account, gives a session."""
