"""MTCNN: pyramid, cascade, and why a face was let go."""
