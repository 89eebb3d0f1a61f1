"""Everything that can be thought about without a connection. Sans-IO; imports only the standard library and lxml."""
