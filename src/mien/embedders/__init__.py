"""Floor 2: image and Faces to unit vectors."""
