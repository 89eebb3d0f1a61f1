"""Renderers and terminal-safe text. Never imports a session."""
