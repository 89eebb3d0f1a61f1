"""What a command does, without click, on a session: one module per protocol, named by function."""
