"""Foreign weights or bare arrays to ONNX, once."""
