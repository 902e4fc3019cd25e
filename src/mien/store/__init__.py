"""Floor 3: what is remembered."""
