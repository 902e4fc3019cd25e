"""WIDER FACE: average precision easy, medium and hard of each detector and setting, and its time against MTCNN's default.

    python benchmarks/wider.py --data DIR [--only mtcnn-fast …]

Writes benchmarks/results/wider.json and docs/benchmarks/wider.md. The detectors take turns on each picture, one thread each;
YuNet and SCRFD come from the folder ``models`` of the data.
"""

import hashlib
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from mien.core.faces import Faces
from mien.core.protocols import Detector
from mien.datasets.annotations import WIDER_LEVELS, MarkedPicture, read_wider
from mien.detectors.mtcnn import MtcnnOptions, open_mtcnn
from mien.detectors.scrfd import SCRFD
from mien.detectors.single_shot import SingleShotDetector, SingleShotOptions
from mien.detectors.yunet import YUNET
from mien.evaluation.detection import DetectionCurve
from mien.evaluation.pipeline import detection_curves
from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from mien.zoo.convert.single_shot import free_size
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
from report import arguments, conditions, data_folder, read_records, table, write_page, write_records

USUAL = {"min_face": 20.0, "thresholds": (0.6, 0.7, 0.7)}
LOW = {"min_face": 20.0, "thresholds": (0.5, 0.5, 0.3)}
SMALL = {"min_face": 10.0, "thresholds": (0.6, 0.7, 0.7)}
SMALL_LOW = {"min_face": 10.0, "thresholds": (0.5, 0.5, 0.3)}
VARIANTS = {
    "mtcnn-fast": {"mode": "fast", **USUAL},
    "mtcnn-fast, fine pyramid": {"mode": "fast", "factor": 0.84, **USUAL},
    "mtcnn-fast, low thresholds": {"mode": "fast", **LOW},
    "mtcnn-fast, min face 10": {"mode": "fast", **SMALL},
    "mtcnn-fast, min face 10, low thresholds": {"mode": "fast", **SMALL_LOW},
    "mtcnn-fast, min face 10, low thresholds, fine pyramid": {"mode": "fast", "factor": 0.84, **SMALL_LOW},
    "mtcnn-fast, min face 40": {"mode": "fast", "min_face": 40.0, "thresholds": (0.6, 0.7, 0.7)},
    "mtcnn-parity": {"mode": "parity", **USUAL},
    "mtcnn-parity, min face 10, low thresholds": {"mode": "parity", **SMALL_LOW},
    "haar": None,
    "yunet": {"min_face": 20.0},
    "yunet, min face 10": {"min_face": 10.0},
    "yunet, min face 40": {"min_face": 40.0},
    "scrfd": {"min_face": 20.0},
    "scrfd, min face 10": {"min_face": 10.0},
    "scrfd, min face 40": {"min_face": 40.0},
}
BROUGHT = {"yunet": ("yunet/yunet_n_dynamic.onnx", YUNET), "scrfd": ("scrfd/scrfd_500m_kps.onnx", SCRFD)}
FLOOR = 0.02
"""Score from which YuNet's and SCRFD's faces count for their curves; the point at their own threshold stands beside."""


def main() -> None:
    parser = arguments(__doc__ or "", "wider")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--pictures", type=int, help="only every n-th picture, for a quick look")
    parser.add_argument("--add", action="store_true", help="keep the other rows of the results, measured the same way")
    options = parser.parse_args()
    wider = data_folder(options, "wider")
    split = wider / "wider_face_split"
    pictures = wider / "WIDER_val" / "images"
    marked, absent = read_wider(split / "wider_face_val.mat", pictures=pictures, lists=split / "ground_truth")
    marked = marked[:: options.pictures or 1]
    models = data_folder(options, "models")
    detectors = {name: detector_of(name, models) for name in options.only}
    found, times = run(detectors, marked)
    records = [record(name, detectors[name], found[name], marked, absent, times, models) for name in detectors]
    records = with_others(records, read_records(options.results)) if options.add else records
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def with_others(records: list[Record], before: list[Record]) -> list[Record]:
    """What was measured now and, of what was measured before, the other rows: same protocol, machine and base of times."""
    now = {record.subject["variant"] for record in records}
    first = records[0]
    kept = [r for r in before if r.subject["variant"] not in now]
    alike = [r for r in kept if (r.protocol, r.machine) == (first.protocol, first.machine) and "time_base" in r.figures]
    alike = [r for r in alike if r.figures["time_base"] == first.figures["time_base"]]
    return sorted([*records, *alike], key=lambda r: list(VARIANTS).index(r.subject["variant"]))


def detector_of(name: str, models: Path) -> Detector:
    """MTCNN, the Haar cascade, or a network of the folder ``models``."""
    options = VARIANTS[name]
    family = name.partition(",")[0]
    if family in BROUGHT:
        return brought(family, models, SingleShotOptions(threshold=FLOOR, **options))
    house = House(load_settings(detector="haar" if family == "haar" else "mtcnn", threads=1))
    if family == "haar":
        return house.detector
    return open_mtcnn(house.weights("mtcnn"), options=MtcnnOptions(**options), runtime=house.runtime)


def brought(family: str, models: Path, options: SingleShotOptions) -> Detector:
    """YuNet or SCRFD of the folder ``models``."""
    where, head = BROUGHT[family]
    file = models / where
    folder = Path(tempfile.mkdtemp(prefix="mien-"))
    (folder / file.name).write_bytes(free_size(file.read_bytes(), head.name, file.name))
    return SingleShotDetector(family, OnnxNetwork(folder / file.name, RuntimeOptions(threads=1)), head, options)


def run(
    detectors: dict[str, Detector], marked: list[MarkedPicture]
) -> tuple[dict[str, list[Faces]], dict[str, list[float]]]:
    """Faces and milliseconds of processor time of each detector on each picture; the order turns from picture to picture."""
    found: dict[str, list[Faces]] = {name: [] for name in detectors}
    times: dict[str, list[float]] = {name: [] for name in detectors}
    warm = read_image(marked[0].path).pixels
    for detector in detectors.values():
        detector.detect(warm)
    names = list(detectors)
    for i, mark in enumerate(marked):
        pixels = read_image(mark.path).pixels
        for name in names[i % len(names) :] + names[: i % len(names)]:
            started = time.process_time()
            faces = detectors[name].detect(pixels)
            times[name].append((time.process_time() - started) * 1000)
            found[name].append(faces)
    return found, times


def record(
    name: str,
    detector: Detector,
    found: list[Faces],
    marked: list[MarkedPicture],
    absent: int,
    times: dict[str, list[float]],
    models: Path,
) -> Record:
    """The figures of one detector with everything they depend on."""
    curves = detection_curves(found, marked)
    base = times[next(iter(times))]
    return Record(
        task="detection",
        protocol={
            "data": "WIDER FACE validation, official lists",
            "pictures": len(marked),
            "absent_pictures": absent,
            "events": sorted({m.event for m in marked}),
            "faces": {level: curves[level].faces for level in WIDER_LEVELS},
            "iou": 0.5,
            "resolution": "original, one scale",
            "rules": "eval_tools: ignored faces, 1,000 levels of the stretched score",
        },
        subject={"variant": name} | subject_of(detector) | weights_of(name, models),
        figures={
            "ap": {level: curves[level].average_precision for level in WIDER_LEVELS},
            "recall": {level: curves[level].final_recall for level in WIDER_LEVELS},
            "found": sum(map(len, found)),
            "at_own_threshold": at_threshold(curves["medium"], own_threshold(name)),
            "picture_ms": median(times[name]),
            "time_base": next(iter(times)),
            "time_ratio": median(a / b for a, b in zip(times[name], base, strict=True)),
        },
        machine=this_machine(),
        versions=installed_versions(),
    )


def weights_of(name: str, models: Path) -> dict[str, str]:
    """Digest of the file, of those that no package brings."""
    family = name.partition(",")[0]
    if family not in BROUGHT:
        return {}
    return {"weights": hashlib.sha256((models / BROUGHT[family][0]).read_bytes()).hexdigest()}


def own_threshold(name: str) -> float:
    """Score from which a face is one for users: everything that MTCNN and Haar give."""
    family = name.partition(",")[0]
    return BROUGHT[family][1].threshold if family in BROUGHT else 0.0


def at_threshold(curve: DetectionCurve, threshold: float) -> dict[str, float]:
    """Precision and recall of the faces that score so much."""
    last = max(0, int(np.searchsorted(-curve.levels, -threshold, side="right")) - 1)
    return {"precision": float(curve.precision[last]), "recall": float(curve.recall[last])}


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    first = records[0]
    rules = first.protocol
    faces = " / ".join(f"{rules['faces'][level]:,}" for level in WIDER_LEVELS)
    base = first.subject["variant"]
    return [
        "# WIDER FACE",
        (
            f"{rules['pictures']} pictures of the validation set ({', '.join(rules['events'])}; {faces} faces easy / medium / "
            f"hard), the official lists and rules (IoU 0.5), {rules['resolution']}; not the whole validation set, so not to be "
            "set beside published figures."
        ),
        table(
            ["detector", "AP easy", "medium", "hard", "recall easy", "medium", "hard", "as shipped", f"time ÷ {base}"],
            (row(r) for r in records),
        ),
        (
            f"Time is processor time with one thread: the median over the pictures of the ratio to {base} "
            f"({first.figures['picture_ms']:.0f} ms a picture in the median); the detectors of a run, this one always among them, took turns on each picture. Unless "
            "a row says otherwise: min face 20 px, MTCNN's thresholds .6 / .7 / .7 and pyramid factor .709. Low thresholds: "
            ".5 / .5 / .3; fine pyramid: factor .84. YuNet's and SCRFD's curves begin at a score of "
            f"{FLOOR}; 'as shipped' is precision / recall on the medium list with the threshold that users get (YuNet "
            f"{YUNET.threshold}, SCRFD {SCRFD.threshold}). Faces smaller than the min face are found by nobody, and the hard list "
            "has many."
        ),
        conditions(first),
        "Written by `benchmarks/wider.py`; all figures and options are in `benchmarks/results/wider.json`.",
    ]


def row(record: Record) -> list[str]:
    f = record.figures
    numbers = [f["ap"][level] for level in WIDER_LEVELS] + [f["recall"][level] for level in WIDER_LEVELS]
    shipped = " / ".join(f"{f['at_own_threshold'][name]:.3f}" for name in ("precision", "recall"))
    return [record.subject["variant"], *(f"{value:.3f}" for value in numbers), shipped, f"{f['time_ratio']:.2f}"]


if __name__ == "__main__":
    main()
