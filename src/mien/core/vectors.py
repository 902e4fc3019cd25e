"""Exact similarity of unit vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError

__all__ = ["check_unit", "similarities", "unit"]


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows ``(n, d)`` scaled to length one, float32; a row of zeros stays zero."""
    vectors = vectors.astype(np.float32, copy=False)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return scaled


def check_unit(vectors: NDArray[np.float32], dimensions: int) -> None:
    """Refuse vectors that are not ``(n, dimensions)``, finite and of unit length.

    Raises:
        InputError: naming what was found.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimensions:
        raise InputError(f"expected embeddings of shape (n, {dimensions}), got {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise InputError("expected finite embeddings, got NaN or infinity; the picture or the weights are damaged")
    length = np.linalg.norm(vectors, axis=1)
    if len(vectors) and np.abs(length - 1).max() > 1e-3:
        raise InputError(f"expected embeddings of unit length, got length {length[np.abs(length - 1).argmax()]:.4g}")


def similarities(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of every query ``(m, d)`` with every vector ``(n, d)``, both of unit length: ``(m, n)`` float32.

    float32 throughout: a float64 query would make numpy copy the whole matrix (12 times slower at 10⁶ vectors).
    """
    product: NDArray[np.float32] = queries.astype(np.float32, copy=False) @ vectors.T
    return product
