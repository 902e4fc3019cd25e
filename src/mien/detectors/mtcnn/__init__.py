"""MTCNN: pyramid, cascade, and why a face was let go."""

from mien.detectors.mtcnn.detector import MtcnnDetector, open_mtcnn
from mien.detectors.mtcnn.options import MtcnnOptions

__all__ = ["MtcnnDetector", "MtcnnOptions", "open_mtcnn"]
