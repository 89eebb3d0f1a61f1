"""The raw XML shell."""
