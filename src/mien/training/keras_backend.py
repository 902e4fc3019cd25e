"""Keras, imported once with a backend that was chosen before; every recipe gets it from here."""

from __future__ import annotations

import os
from typing import Any

from mien.core.errors import MissingExtraError

__all__ = ["BACKEND", "load_keras", "package_versions"]

BACKEND = "torch"
"""The backend where ``KERAS_BACKEND`` names none: the only one of Keras's whose CPU build is small and exports to ONNX."""


def load_keras(*, threads: int = 0) -> Any:
    """The module ``keras``; imported at the first call, with the backend of ``KERAS_BACKEND`` or torch.

    Args:
        threads: computing threads; 0 leaves it to the backend. Other backends than torch take it from their own settings.

    Raises:
        MissingExtraError: without Keras or its backend.
    """
    os.environ.setdefault("KERAS_BACKEND", BACKEND)
    try:
        import keras

        if threads and keras.backend.backend() == "torch":
            import torch

            torch.set_num_threads(threads)
    except ImportError as error:
        raise MissingExtraError("recipes that train networks", "train") from error
    return keras


def package_versions() -> dict[str, str]:
    """Versions of Keras and its backend, for a record of a run."""
    from importlib.metadata import version

    keras = load_keras()
    backend = keras.backend.backend()
    return {"keras": keras.__version__, "backend": f"{backend} {version(backend)}"}
