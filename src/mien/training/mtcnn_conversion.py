"""A trained network as ONNX: built, held against the one that was trained, and how far it went from where it began."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.protocols import Network
from mien.training.exporting import check_equal
from mien.training.mtcnn_networks import as_published
from mien.zoo.convert.mtcnn import build_onet, build_pnet, build_rnet

__all__ = ["CHECKED", "as_sure_as_before", "checked", "converted", "moved_by"]

CHECKED = 64
"""Samples on which a converted network is held against the trained one."""
_BUILDERS = {"pnet": build_pnet, "rnet": build_rnet, "onet": build_onet}


def converted(stage: str, arrays: Sequence[NDArray[np.float32]]) -> bytes:
    """The ONNX form of a network's arrays in the order of the published files."""
    return _BUILDERS[stage](arrays)


def checked(stage: str, network: Network, chips: NDArray[np.uint8], ours: NDArray[np.float32]) -> float:
    """How far the converted network lies from the trained one, probabilities and shares.

    Raises:
        TrainingError: more than 1e-4.
    """
    pixels = np.ascontiguousarray(chips.transpose(0, 3, 1, 2), np.float32)
    (outputs,) = network.run(pixels)
    outputs = outputs.reshape(len(chips), -1)
    odds = 1 / (1 + np.exp(-outputs[:, :1].astype(np.float64)))
    return check_equal(as_published(stage, ours), np.concatenate([odds.astype(np.float32), outputs[:, 1:]], axis=1))


def as_sure_as_before(
    arrays: Sequence[NDArray[np.float32]], before: NDArray[np.float32], after: NDArray[np.float32], threshold: float
) -> list[NDArray[np.float32]]:
    """The arrays with the class's bias moved so that as many faces pass the cascade's threshold as did in the beginning.

    Three negatives to a positive, the hardest at that, teach a network that was balanced otherwise to be less sure of every
    window; the thresholds, which nobody trains, would then cut faces that it still tells from the rest.

    Args:
        arrays: in the order of the published files; the last is the bias of the class.
        before, after: ``(n,)`` lead of "face" over "no face" for the same faces, before training and after it.
        threshold: the network's in the cascade.
    """
    cut = float((before <= np.log(threshold / (1 - threshold))).mean())
    shift = float(np.quantile(before, cut)) - float(np.quantile(after, cut))
    *others, bias = arrays
    return [*others, bias + np.array([0, shift], np.float32)]


def moved_by(before: Sequence[NDArray[np.float32]], after: Sequence[NDArray[np.float32]]) -> float:
    """How far the weights went from where they began, as a share of their length."""
    first = np.concatenate([a.ravel() for a in before]).astype(np.float64)
    last = np.concatenate([a.ravel() for a in after]).astype(np.float64)
    return float(np.linalg.norm(last - first) / np.linalg.norm(first))
