"""Floor 1: pixels in, pixels out."""
