"""MTCNN as a ``Detector``, ``Refiner`` and ``Explainer``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.faces import Faces, check_image
from mien.core.protocols import Network
from mien.core.reasons import Reason, Trace
from mien.detectors.mtcnn.boxes import square
from mien.detectors.mtcnn.cascade import Cascade, Windows
from mien.detectors.mtcnn.explain import explain, explain_region
from mien.detectors.mtcnn.options import SMALLEST_FACE, MtcnnOptions
from mien.detectors.mtcnn.pyramid import ExactSource, FastSource, Source
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions, Workers

__all__ = ["MtcnnDetector", "open_mtcnn"]


class MtcnnDetector:
    """Faces with five landmarks, from any size upwards.

    Args:
        pnet, rnet, onet: as ``zoo.convert.mtcnn`` builds them; give each run one thread, as ``open_mtcnn`` does.
        options: settings.
        workers: threads over which one image is spread; None = all cores.
    """

    name = "mtcnn"

    def __init__(
        self,
        pnet: Network,
        rnet: Network,
        onet: Network,
        options: MtcnnOptions | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.options = options or MtcnnOptions()
        self._parts = (pnet, rnet, onet, workers or Workers())
        self._cascade = Cascade(pnet, rnet, onet, self.options, self._parts[-1])

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB, surest first, with landmarks.

        Boxes and landmarks are the numbers other MTCNNs give; they may leave the image by a few pixels.

        Raises:
            ImageError: if ``image`` is no such array.
        """
        return _faces(self._cascade.search(self._source(image)))

    def at_scale(self, scale: float) -> MtcnnDetector:
        """The same for images with ``scale`` pixels per pixel of the original; shares the networks."""
        if scale == 1:
            return self
        o, (pnet, rnet, onet, workers) = self.options, self._parts
        largest = None if o.max_face is None else o.max_face * scale
        options = replace(o, min_face=max(SMALLEST_FACE, o.min_face * scale), max_face=largest)
        return MtcnnDetector(pnet, rnet, onet, options, workers)

    def detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """One table per image, equal to ``detect`` on each; each image uses all workers."""
        return [self.detect(image) for image in images]

    def refine(self, image: NDArray[np.uint8], faces: Faces) -> Faces:
        """R-Net and O-Net from the given boxes on: new boxes, scores and landmarks of those that are faces.

        Rows stay in the given order; ``track_ids`` stay, columns measured on the former boxes go.

        Raises:
            ImageError: if ``image`` is no image.
        """
        source = self._source(image)
        start = Windows(square(faces.boxes), faces.scores, np.zeros((len(faces), 4), np.float32), np.arange(len(faces)))
        windows = self._cascade.settle(source, start)
        windows = windows[np.argsort(windows.ids)]
        refined = _faces(windows)
        return refined if faces.track_ids is None else refined.with_columns(track_ids=faces.track_ids[windows.ids])

    def explain(self, image: NDArray[np.uint8]) -> Trace:
        """Faces and rejected windows, how far each came and why no further; ends with the faces of ``detect``.

        Of the windows that P-Net rejects or a better one absorbs, the surest of each level are shown.

        Raises:
            ImageError: if ``image`` is no image.
        """
        return explain(self._cascade, self._source(image))

    def explain_region(self, image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> Reason:
        """Why no face was found at ``box`` (x1, y1, x2, y2 pixels), or that one was; ``words()`` says it in a sentence.

        Raises:
            ImageError: if ``image`` is no image.
            InputError: if ``box`` has no area inside the image.
        """
        height, width = check_image(image).shape[:2]
        if not (min(box[2], width) > max(box[0], 0) and min(box[3], height) > max(box[1], 0)):
            raise InputError(f"expected a region x1 y1 x2 y2 inside the image of {width} × {height} pixels, got {box}")
        return explain_region(self._cascade, image, box, self._source)

    def _source(self, image: NDArray[np.uint8]) -> Source:
        image = np.ascontiguousarray(check_image(image))
        fast = self.options.mode == "fast" and max(image.shape) <= FastSource.LONGEST
        return FastSource(image) if fast else ExactSource(image)


def open_mtcnn(
    files: Mapping[str, Path], *, options: MtcnnOptions | None = None, runtime: RuntimeOptions | None = None
) -> MtcnnDetector:
    """MTCNN from the ONNX files ``{"pnet": …, "rnet": …, "onet": …}``; nothing is read before the first image.

    On the CPU each network run takes one thread, and strips and crops of an image are spread over ``runtime.threads``:
    networks this small gain more from that than from threads within a run.
    """
    runtime = runtime or RuntimeOptions()
    single = RuntimeOptions(runtime.provider, 1, runtime.gpu_memory_fraction)
    pnet, rnet, onet = (OnnxNetwork(files[name], single) for name in ("pnet", "rnet", "onet"))
    return MtcnnDetector(pnet, rnet, onet, options, Workers(runtime.threads))


def _faces(windows: Windows) -> Faces:
    landmarks = windows.outputs.reshape(-1, 2, 5).transpose(0, 2, 1)
    return Faces(boxes=windows.boxes, scores=windows.scores, landmarks=landmarks)
