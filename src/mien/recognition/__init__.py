"""Floor 3: who is it."""
