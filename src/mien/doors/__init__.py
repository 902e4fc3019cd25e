"""Floor 6: where people come in."""
