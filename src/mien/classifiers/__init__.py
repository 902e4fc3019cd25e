"""FLOOR 2: image and faces in, probabilities out."""
