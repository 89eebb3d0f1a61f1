"""Real servers for the integration tests, each a process of ours on free loopback ports in a temporary directory."""
