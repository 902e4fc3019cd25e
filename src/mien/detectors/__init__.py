"""Floor 2: image to Faces."""
