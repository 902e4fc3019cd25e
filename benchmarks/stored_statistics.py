"""Measures what weights need beside their numbers: FaceNet's centre, spreads for the fusion, ranges for 8 bits.

    python benchmarks/stored_statistics.py --data DIR

Writes facenet-centre.json, facenet+dlib.json and facenet-int8.json into src/mien/zoo. The faces come from WIDER FACE's training
pictures and NUAA's live ones, never from LFW, which judges the outcome. No picture is stored.
"""

import argparse
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from mien.core.errors import ImageError
from mien.core.faces import Faces
from mien.core.vectors import unit
from mien.embedders.network import EmbedderOptions, NetworkEmbedder
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from mien.zoo.convert.quantize import measurable

ZOO = Path(__file__).resolve().parents[1] / "src" / "mien" / "zoo"
MIN_SIZE, MIN_SCORE = 40, 0.95
SETS = ("wider/WIDER_train/**/*.jpg", "nuaa/ClientRaw/**/*.jpg")
PER_FOLDER = 6  # NUAA's frames are in sequence: a few of each subject say as much as all
BATCH = 8
TAIL = 1e-5  # share of a value's numbers that may lie beyond its range, at each end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_SHARED_DATA"))
    parser.add_argument("--only-vectors", action="store_true", help="leave the ranges for 8 bits as they are")
    options = parser.parse_args()
    faces = find_faces(Path(options.data))
    print(f"{sum(len(f) for _, f in faces)} faces in {len(faces)} pictures")
    provenance = {
        "data": "WIDER FACE, training pictures, and NUAA, live pictures; faces of MTCNN "
        f"(score {MIN_SCORE} or more, {MIN_SIZE} pixels or more)",
        "faces": sum(len(f) for _, f in faces),
        "script": "benchmarks/stored_statistics.py",
        "date": datetime.now(UTC).date().isoformat(),
    }
    centred = vectors("facenet", faces)
    middle = centred.mean(axis=0)
    write("facenet-centre.json", provenance | {"centre": [round(float(v), 6) for v in middle]})
    spreads = {"facenet": spread(unit(centred - middle)), "dlib": spread(vectors("dlib", faces))}
    write("facenet+dlib.json", provenance | spreads)
    if not options.only_vectors:
        write("facenet-int8.json", provenance | int8_ranges(faces))


def find_faces(data: Path) -> list[tuple[Path, Faces]]:
    """Good faces of every picture that has any."""
    detector = House(load_settings()).detector
    found = []
    for path in pictures(data):
        try:
            faces = detector.detect(read_image(path).pixels)
        except ImageError as error:
            print(error)
            continue
        good = faces[(faces.scores >= MIN_SCORE) & (faces.sizes >= MIN_SIZE)]
        if len(good):
            found.append((path, good))
    return found


def pictures(data: Path) -> list[Path]:
    wider, nuaa = (sorted(data.glob(pattern)) for pattern in SETS)
    by_folder: dict[Path, list[Path]] = {}
    for path in nuaa:
        by_folder.setdefault(path.parent, []).append(path)
    few = [p for paths in by_folder.values() for p in paths[:: max(1, len(paths) // PER_FOLDER)][:PER_FOLDER]]
    return [*wider, *few]


def vectors(name: str, faces: list[tuple[Path, Faces]]) -> np.ndarray:
    """Unit vectors of all faces, not centred."""
    house = House(load_settings())
    record = house.catalog.get(name)
    (file,) = house.weights(name).values()
    embedder = NetworkEmbedder(house.network(file), replace(EmbedderOptions.from_record(record), centre=()))
    return np.concatenate([embedder.embed(read_image(path).pixels, found) for path, found in faces])


def spread(placed: np.ndarray) -> dict:
    """Mean of ``1 - cosine`` between strangers: of one picture always, of two nearly always."""
    cosines = (placed @ placed.T)[np.triu_indices(len(placed), 1)]
    return {"centre": [], "spread": round(float(1 - cosines.mean()), 5)}


def int8_ranges(faces: list[tuple[Path, Faces]]) -> dict:
    """Lowest and highest number of every value inside the network, but for ``TAIL`` at each end."""
    house = House(load_settings(embedder="facenet"))
    embedder, record = house.embedder, house.catalog.get("facenet")
    chips = np.concatenate([embedder.crop(read_image(path).pixels, found) for path, found in faces])
    (file,) = house.weights(record.name).values()
    return {"source": record.digest, "ranges": measure(file.read_bytes(), prepared(chips, record.preprocessing))}


def prepared(chips: np.ndarray, how) -> np.ndarray:
    return ((chips.astype(np.float32) - np.float32(how.mean[0])) / np.float32(how.scale)).transpose(0, 3, 1, 2)


def measure(model: bytes, batch: np.ndarray) -> dict[str, list[float]]:
    """Ranges by value name; the quantile over all faces' numbers from each batch's own, averaged."""
    loaded = onnx.load_from_string(model)
    names = [name for name in measurable(model) if name != loaded.graph.input[0].name]
    inside = {info.name for info in loaded.graph.output}
    loaded.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in inside)
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(loaded.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    ends: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for start in range(0, len(batch), BATCH):
        values = session.run(names, {session.get_inputs()[0].name: batch[start : start + BATCH]})
        for name, value in zip(names, values, strict=True):
            ends[name].append(tail(value))
    ranges = {name: np.array(pairs).mean(axis=0) for name, pairs in ends.items()}
    ranges[session.get_inputs()[0].name] = np.array([-1.0, 1.0])
    return {name: [float(f"{low:.5g}"), float(f"{high:.5g}")] for name, (low, high) in ranges.items()}


def tail(value: np.ndarray) -> tuple[float, float]:
    """The value's range without the outermost ``TAIL`` at each end."""
    flat = value.reshape(-1)
    out = int(TAIL * flat.size)
    cut = np.partition(flat, (out, flat.size - 1 - out))
    return float(cut[out]), float(cut[flat.size - 1 - out])


def write(name: str, content: dict) -> None:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    (ZOO / name).write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
