"""One embedding network of another package, run by that package's own Python; benchmarks/embedders.py starts it.

    PEER_PYTHON benchmarks/embedder_server.py torch|dlib THREADS

Reads one JSON request per line, {"chips": "x.npy", "count": n}, chips (m, size, size, 3) uint8 RGB, and runs the first n
as one batch; answers one line, {"ms", "vectors" (n, d)}. torch is facenet-pytorch's Inception-ResNet-v1 in eager mode,
with random weights: only its time counts.
"""

import contextlib
import json
import os
import sys
import time

KIND, THREADS = sys.argv[1], sys.argv[2]
os.environ |= {"OMP_NUM_THREADS": THREADS, "CUDA_VISIBLE_DEVICES": ""}

import numpy as np  # noqa: E402 - the number of threads must be set before


def eager():
    import torch
    from facenet_pytorch import InceptionResnetV1

    torch.set_num_threads(int(THREADS))
    network = InceptionResnetV1(pretrained=None).eval()

    def run(chips):
        pixels = ((chips.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            return network(torch.from_numpy(np.ascontiguousarray(pixels))).numpy()

    return run


def dlib_bin():
    import dlib
    import face_recognition_models

    network = dlib.face_recognition_model_v1(face_recognition_models.face_recognition_model_location())
    return lambda chips: np.array(network.compute_face_descriptor(list(chips)))


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the package prints goes to stderr
    with contextlib.redirect_stdout(sys.stderr):
        run = {"torch": eager, "dlib": dlib_bin}[KIND]()
        for line in sys.stdin:
            request = json.loads(line)
            chips = np.load(request["chips"])[: request["count"]]
            started = time.perf_counter()
            vectors = run(chips)
            ms = (time.perf_counter() - started) * 1000
            print(json.dumps({"ms": ms, "vectors": vectors.tolist()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
