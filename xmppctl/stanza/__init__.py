"""Everything that can be thought about without a connection. Sans-IO; only the standard library and lxml."""
