"""Floor 4: how good is it."""
