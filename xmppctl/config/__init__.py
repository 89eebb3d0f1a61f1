"""Accounts, secrets and paths, and where each value came from: option, environment, file."""
