"""The process that holds one account's connection for many commands."""
