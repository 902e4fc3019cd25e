"""Calls to the service, and what they answer."""

import cv2
import numpy as np

from mien.doors.service.problems import KINDS

HERE = "http://127.0.0.1:8000"


def jpeg(pixels: np.ndarray, quality: int = 95) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[
        1
    ].tobytes()


def code(response) -> str:
    """The code of a problem, whose body is what the standard wants."""
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code == KINDS[body["code"]].status
    assert body["remedy"]
    assert body["detail"]
    return body["code"]
