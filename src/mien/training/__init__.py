"""Recipes that train networks: each reads top to bottom and ends in ONNX and a record in the models folder."""
