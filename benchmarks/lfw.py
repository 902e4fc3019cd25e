"""LFW from the picture on: every embedder behind the same detector, official pairs, threshold from the other folds.

    python benchmarks/lfw.py --data DIR [--embedders facenet dlib …]

Writes benchmarks/results/lfw.json and docs/benchmarks/lfw.md. With --calibrations FILE the impostor scores that
thresholds are derived from are written too.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from mien.core.faces import Faces
from mien.core.protocols import Detector, Embedder
from mien.datasets.pairs import Pairs, read_lfw_pairs
from mien.evaluation.calibration import measure_calibration
from mien.evaluation.pipeline import VerificationOptions, embed_located, locate_faces, verify
from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

EMBEDDERS = ("facenet", "dlib", "facenet+dlib", "facenet-int8")
TARGETS = {"facenet": 0.986, "dlib": 0.990, "facenet+dlib": 0.992}
TIMED_PICTURES, TIMED_ROUNDS, BATCH = 32, 9, 32
FAR = (1e-2, 1e-3, 1e-4, 1e-5)


def main() -> None:
    parser = arguments(__doc__ or "", "lfw")
    parser.add_argument("--embedders", nargs="+", default=EMBEDDERS)
    parser.add_argument("--calibrations", type=Path, help="JSON file for the impostor scores")
    options = parser.parse_args()
    lfw = data_folder(options, "lfw")
    pairs = read_lfw_pairs(lfw / "pairs.txt", pictures=lfw / "images")
    detector = House(load_settings()).detector
    embedders = {name: House(load_settings(embedder=name)).embedder for name in options.embedders}

    started = time.perf_counter()
    located = locate_faces(detector, pairs.pictures, read=read_image)
    print(f"{len(located)} pictures searched in {time.perf_counter() - started:.0f} s")
    vectors = {}
    for name, embedder in embedders.items():
        started = time.perf_counter()
        vectors[name] = embed_located(embedder, pairs.pictures, located, read=read_image)
        print(f"{name}: embedded in {time.perf_counter() - started:.0f} s")
    times = time_embedders(embedders, pairs, located)
    records = [record(detector, embedders[name], pairs, vectors[name], times[name]) for name in embedders]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    if options.calibrations:
        rows = [calibration(embedders[name], pairs, vectors[name]) for name in embedders]
        options.calibrations.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(options.page.read_text(encoding="utf-8"))


def time_embedders(embedders: dict[str, Embedder], pairs: Pairs, located: list[Faces]) -> dict[str, dict[str, float]]:
    """Median ms per face, crop included, one by one and in a batch; embedders take turns so that load hits all alike."""
    some = [(read_image(path).pixels, f) for path, f in zip(pairs.pictures, located, strict=True) if len(f)]
    some = some[:: len(some) // TIMED_PICTURES][:TIMED_PICTURES]
    single: dict[str, list[float]] = {name: [] for name in embedders}
    batch: dict[str, list[float]] = {name: [] for name in embedders}
    for k in range(TIMED_ROUNDS):
        for name, embedder in embedders.items():
            image, faces = some[k % len(some)]
            single[name].append(timed(lambda e=embedder, i=image, f=faces: e.embed(i, f)))
            many = Faces.concat([faces] * BATCH)
            batch[name].append(timed(lambda e=embedder, i=image, f=many: e.embed(i, f)) / BATCH)
    return {name: {"embed_ms": median(single[name]), "embed_batch32_ms": median(batch[name])} for name in embedders}


def timed(call) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def record(
    detector: Detector, embedder: Embedder, pairs: Pairs, vectors: np.ndarray, times: dict[str, float]
) -> Record:
    """The figures of one embedder with everything they depend on."""
    rules = VerificationOptions(far=FAR)
    result = verify(vectors, pairs, options=rules)
    return Record(
        task="verification",
        protocol={
            "data": "LFW, official pairs",
            "pictures": len(pairs.pictures),
            "pairs": len(pairs),
            "dropped_pairs": pairs.dropped,
            "folds": pairs.folds,
            "threshold": "most pairs right on the other folds",
            "face": "nearest the picture's centre",
            "failed_detection": rules.failed,
            "impostors": "all pictures of different people",
            "interval": f"bootstrap over people, {rules.draws} draws, 95 %",
        },
        subject=subject_of(detector, embedder),
        figures=result.figures() | times,
        machine=this_machine(),
        versions=installed_versions(),
    )


def calibration(embedder: Embedder, pairs: Pairs, vectors: np.ndarray) -> dict:
    """The impostor scores of one embedder."""
    return measure_calibration(
        vectors,
        pairs.people,
        space=embedder.space,
        data=f"LFW, {len(pairs.pictures):,} pictures of {len(pairs.names):,} people ({pairs.folds} of 10 folds)",
        date=datetime.now(UTC).date().isoformat(),
    ).to_dict()


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    first = records[0]
    rules, detector = first.protocol, first.subject
    head = ["embedder", "accuracy", "95 %", "target", "AUC", *(f"TAR at FAR {far:g}" for far in FAR)]
    head += ["missed", "ms per face", "in batches of 32"]
    return [
        "# LFW, from the picture on",
        (
            f"{rules['pairs']:,} official pairs of {rules['pictures']:,} pictures in {rules['folds']} folds; detector "
            f"`{detector['detector']}` {options_words(detector['detector_options'])}; the face "
            f"{rules['face']}; the threshold of a fold is the one that decides most pairs rightly on the other folds; "
            f"a picture without a face makes all its pairs {rules['failed_detection']}. TAR is over the list's pairs of one "
            f"person, FAR over all {first.figures['impostor_comparisons']:,} pairs of pictures of different people. "
            "Intervals: bootstrap over people, 95 %."
        ),
        table(head, (row(r) for r in records)),
        (
            "Milliseconds per face count the crop and the network, one face at a time and 32 at a time, embedders in turns, "
            f"median of {TIMED_ROUNDS}."
        ),
        "The same as a share of `" + records[0].subject["name"] + "`'s time: " + ratios(records) + ".",
        conditions(first),
        (
            "Written by `benchmarks/lfw.py`; all figures with weights, spaces and options are in "
            "`benchmarks/results/lfw.json`."
        ),
    ]


def options_words(options: dict) -> str:
    return f"({', '.join(f'{name} {value}' for name, value in options.items())})" if options else ""


def row(record: Record) -> list[str]:
    f, name = record.figures, record.subject["name"]
    return [
        name,
        f"{f['accuracy']:.4f} ± {f['standard_error']:.4f}",
        f"{f['accuracy_95'][0]:.4f} – {f['accuracy_95'][1]:.4f}",
        f"{TARGETS[name]:.3f}" if name in TARGETS else "–",
        f"{f['auc']:.4f}",
        *(f"{f['tar'][f'{far:g}']:.3f}" if f"{far:g}" in f["tar"] else "–" for far in FAR),
        str(f["missed_pictures"]),
        f"{f['embed_ms']:.1f}",
        f"{f['embed_batch32_ms']:.1f}",
    ]


def ratios(records: list[Record]) -> str:
    base = records[0].figures
    return ", ".join(
        f"{r.subject['name']} {r.figures['embed_ms'] / base['embed_ms']:.2f} (in batches "
        f"{r.figures['embed_batch32_ms'] / base['embed_batch32_ms']:.2f})"
        for r in records[1:]
    )


if __name__ == "__main__":
    main()
