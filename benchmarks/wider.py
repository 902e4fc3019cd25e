"""WIDER FACE: average precision easy, medium and hard of each detector, and its time against MTCNN in parity mode.

    python benchmarks/wider.py --data DIR [--only mtcnn-fast …]

Writes benchmarks/results/wider.json and docs/benchmarks/wider.md. The detectors take turns on each picture.
"""

import time
from statistics import median

from mien.core.faces import Faces
from mien.core.protocols import Detector
from mien.datasets.annotations import WIDER_LEVELS, MarkedPicture, read_wider
from mien.detectors.mtcnn import MtcnnOptions, open_mtcnn
from mien.evaluation.pipeline import detection_curves
from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

USUAL = {"min_face": 20.0, "thresholds": (0.6, 0.7, 0.7)}
SMALL = {"min_face": 10.0, "thresholds": (0.5, 0.5, 0.3)}
VARIANTS = {
    "mtcnn-parity": {"mode": "parity", **USUAL},
    "mtcnn-fast": {"mode": "fast", **USUAL},
    "mtcnn-parity, small faces": {"mode": "parity", **SMALL},
    "mtcnn-fast, small faces": {"mode": "fast", **SMALL},
    "haar": None,
}


def main() -> None:
    parser = arguments(__doc__ or "", "wider")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--pictures", type=int, help="only every n-th picture, for a quick look")
    options = parser.parse_args()
    wider = data_folder(options, "wider")
    split = wider / "wider_face_split"
    pictures = wider / "WIDER_val" / "images"
    marked, absent = read_wider(split / "wider_face_val.mat", pictures=pictures, lists=split / "ground_truth")
    marked = marked[:: options.pictures or 1]
    detectors = {name: detector_of(VARIANTS[name]) for name in options.only}
    found, times = run(detectors, marked)
    records = [record(name, detectors[name], found[name], marked, absent, times) for name in detectors]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def detector_of(options: dict | None) -> Detector:
    """MTCNN with these options, or the Haar cascade."""
    if options is None:
        return House(load_settings(detector="haar")).detector
    house = House(load_settings())
    return open_mtcnn(house.weights("mtcnn"), options=MtcnnOptions(**options), runtime=house.runtime)


def run(
    detectors: dict[str, Detector], marked: list[MarkedPicture]
) -> tuple[dict[str, list[Faces]], dict[str, list[float]]]:
    """Faces and milliseconds of each detector on each picture; the order turns from picture to picture."""
    found: dict[str, list[Faces]] = {name: [] for name in detectors}
    times: dict[str, list[float]] = {name: [] for name in detectors}
    warm = read_image(marked[0].path).pixels
    for detector in detectors.values():
        detector.detect(warm)
    names = list(detectors)
    for i, mark in enumerate(marked):
        pixels = read_image(mark.path).pixels
        for name in names[i % len(names) :] + names[: i % len(names)]:
            started = time.perf_counter()
            faces = detectors[name].detect(pixels)
            times[name].append((time.perf_counter() - started) * 1000)
            found[name].append(faces)
    return found, times


def record(
    name: str,
    detector: Detector,
    found: list[Faces],
    marked: list[MarkedPicture],
    absent: int,
    times: dict[str, list[float]],
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
        subject={"variant": name} | subject_of(detector),
        figures={
            "ap": {level: curves[level].average_precision for level in WIDER_LEVELS},
            "recall": {level: curves[level].final_recall for level in WIDER_LEVELS},
            "found": sum(map(len, found)),
            "picture_ms": median(times[name]),
            "time_ratio": median(a / b for a, b in zip(times[name], base, strict=True)),
        },
        machine=this_machine(),
        versions=installed_versions(),
    )


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
            ["detector", "AP easy", "medium", "hard", "recall easy", "medium", "hard", f"time ÷ {base}"],
            (row(r) for r in records),
        ),
        (
            f"Time is the median over the pictures of the ratio to {base} ({first.figures['picture_ms']:.0f} ms a picture in "
            "the median); the detectors took turns on each picture. Small faces: min face 10 px, thresholds .5 / .5 / .3; "
            "the others: min face 20 px, .6 / .7 / .7."
        ),
        conditions(first),
        "Written by `benchmarks/wider.py`; all figures and options are in `benchmarks/results/wider.json`.",
    ]


def row(record: Record) -> list[str]:
    f = record.figures
    numbers = [f["ap"][level] for level in WIDER_LEVELS] + [f["recall"][level] for level in WIDER_LEVELS]
    return [record.subject["variant"], *(f"{value:.3f}" for value in numbers), f"{f['time_ratio']:.2f}"]


if __name__ == "__main__":
    main()
