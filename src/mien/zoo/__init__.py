"""Floor 1: weights and runtimes."""
