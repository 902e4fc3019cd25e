"""Where MTCNN loses faces, and whether poor landmarks have to do with it: seed 000's suspicion, tested on WIDER FACE.

    python benchmarks/misses.py --data DIR

Writes benchmarks/results/misses.json and docs/benchmarks/misses.md. Every marked face of the hard list is followed through the
cascade by its Explainer. Landmarks are compared with those of YuNet and SCRFD where the two agree: WIDER has none.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.core.reasons import Trace
from mien.datasets.annotations import MarkedPicture, read_wider
from mien.detectors.mtcnn import MtcnnOptions, open_mtcnn
from mien.detectors.mtcnn.detector import MtcnnDetector
from mien.detectors.single_shot import SingleShotOptions
from mien.evaluation.misses import lost_at
from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records
from wider import brought

STAGES = ("pyramid", "pnet", "rnet", "onet", "nms", "box")
SIZES = ((10, 20), (20, 40), (40, 80), (80, 10_000))
FOUND, NEAR = 0.5, 0.3
AGREE = 0.08
"""YuNet and SCRFD agree when their points lie no further apart than this share of the face, on average."""
DRAWS = 2000


@dataclass
class Face:
    """One marked face: what became of it, and how good O-Net's points on it are."""

    picture: int
    size: float
    blurred: bool
    occluded: bool
    stage: str
    score: float = np.nan
    error: float = np.nan
    box_overlap: float = np.nan


@dataclass
class Detectors:
    """What looks at each picture."""

    usual: MtcnnDetector
    all_of_onet: MtcnnDetector
    references: list = field(default_factory=list)


def main() -> None:
    options = arguments(__doc__ or "", "misses").parse_args()
    wider, models = data_folder(options, "wider"), data_folder(options, "models")
    split = wider / "wider_face_split"
    pictures = wider / "WIDER_val" / "images"
    marked, _ = read_wider(split / "wider_face_val.mat", pictures=pictures, lists=split / "ground_truth")
    detectors = open_detectors(models)
    faces = [face for i, mark in enumerate(marked) for face in followed(i, mark, detectors)]
    record = measured(faces, marked, detectors)
    write_records([record], options.results)
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))


def open_detectors(models: Path) -> Detectors:
    """MTCNN as shipped; the same with every window that O-Net sees; YuNet and SCRFD for landmarks."""
    house = House(load_settings(threads=1))
    files = house.weights("mtcnn")
    usual = open_mtcnn(files, runtime=house.runtime)
    everything = open_mtcnn(files, options=MtcnnOptions(thresholds=(0.6, 0.7, 0.001)), runtime=house.runtime)
    loose = SingleShotOptions(min_face=10, threshold=0.1)
    return Detectors(usual, everything, [brought(name, models, loose) for name in ("yunet", "scrfd")])


def followed(number: int, mark: MarkedPicture, detectors: Detectors) -> list[Face]:
    """The faces of the hard list in one picture."""
    pixels = read_image(mark.path).pixels
    chosen = np.flatnonzero(mark.counted["hard"] & mark.usable)
    boxes = mark.boxes[chosen]
    trace = detectors.usual.explain(pixels)
    judged = detectors.all_of_onet.detect(pixels)
    reference = agreed(boxes, [d.detect(pixels) for d in detectors.references])
    faces = []
    for row, box, points in zip(chosen, boxes, reference, strict=True):
        size = float(np.sqrt(np.prod(box[2:] - box[:2])))
        blur, hidden = (int(mark.attributes[name][row]) for name in ("blur", "occlusion"))
        face = Face(number, size, blur > 0, hidden > 0, stage_of(trace, box))
        look_at_onet(face, box, points, judged)
        faces.append(face)
    return faces


def stage_of(trace: Trace, box: np.ndarray) -> str:
    """The stage that lost the face; "face" if it was found."""
    found = np.array([c.box for c in trace.candidates if c.stage == "face"], np.float32).reshape(-1, 4)
    if len(found) and iou(found, box[None]).max() >= FOUND:
        return "face"
    return lost_at(trace, box[None])[0]


def agreed(boxes: np.ndarray, tables: list[Faces]) -> np.ndarray:
    """Landmarks of each marked face ``(n, 5, 2)``: the mean of the references where all agree, else NaN."""
    points = np.full((len(tables), len(boxes), 5, 2), np.nan)
    for k, faces in enumerate(tables):
        if len(faces) and len(boxes):
            overlap = iou(boxes, faces.boxes)
            best = overlap.argmax(axis=1)
            there = overlap.max(axis=1) >= FOUND
            points[k, there] = faces.landmarks[best[there]]
    side = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    apart = np.linalg.norm(points[0] - points[1], axis=2).mean(axis=1) / side
    mean = points.mean(axis=0)
    mean[~(apart <= AGREE)] = np.nan
    return mean


def look_at_onet(face: Face, box: np.ndarray, points: np.ndarray, judged: Faces) -> None:
    """Score, landmarks and box that O-Net gives the window nearest the face, if one came that far."""
    if not len(judged):
        return
    overlap = iou(box[None], judged.boxes)[0]
    best = int(overlap.argmax())
    if overlap[best] < NEAR:
        return
    face.score, face.box_overlap = float(judged.scores[best]), float(overlap[best])
    face.error = float(np.linalg.norm(judged.landmarks[best] - points, axis=1).mean() / face.size)


def interval(faces: list[Face], figure) -> list[float]:
    """Figure and its 95 % bootstrap interval over pictures."""
    by_picture: dict[int, list[Face]] = {}
    for face in faces:
        by_picture.setdefault(face.picture, []).append(face)
    groups, random = list(by_picture.values()), np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        some = [f for g in random.integers(0, len(groups), len(groups)) for f in groups[g]]
        drawn.append(figure(some))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return [float(figure(faces)), float(low), float(high)]


def share(stage: str):
    """Share of lost faces that a stage lost."""

    def figure(faces: list[Face]) -> float:
        lost = [f for f in faces if f.stage != "face"]
        return float(np.mean([f.stage == stage for f in lost])) if lost else np.nan

    return figure


def measured(faces: list[Face], marked: list[MarkedPicture], detectors: Detectors) -> Record:
    """All figures with everything they depend on."""
    compared = [f for f in faces if np.isfinite(f.error)]
    return Record(
        task="misses",
        protocol={
            "data": "WIDER FACE validation, hard list",
            "pictures": len(marked),
            "faces": len(faces),
            "found": f"overlap {FOUND}; windows near a lost face: {NEAR}",
            "landmarks": f"mean of YuNet and SCRFD where they agree within {AGREE} of the face's side",
            "rejected": "O-Net's score at or below its threshold, 0.7",
            "interval": f"bootstrap over pictures, {DRAWS} draws, 95 %",
        },
        subject=subject_of(detectors.usual),
        figures={
            "stages": {stage: interval(faces, share(stage)) for stage in STAGES},
            "by_size": {f"{a}-{b}": of_size(faces, a, b) for a, b in SIZES},
            "compared": len(compared),
            "error": {name: errors(compared, test) for name, test in GROUPS.items()},
            "auc": {name: interval(some, auc(key)) for name, some, key in questions(compared)},
        },
        machine=this_machine(),
        versions=installed_versions(),
    )


GROUPS = {
    "accepted": lambda f: f.score > 0.7,
    "rejected": lambda f: f.score <= 0.7,
}


def of_size(faces: list[Face], low: int, high: int) -> dict:
    """What became of the faces of some sizes."""
    some = [f for f in faces if low <= f.size < high]
    return {"faces": len(some)} | {s: sum(f.stage == s for f in some) for s in ("face", *STAGES)}


def errors(compared: list[Face], test) -> dict:
    """Median landmark error of a group, as a share of the face's side, with its interval."""

    def figure(faces: list[Face]) -> float:
        values = [f.error for f in faces if test(f)]
        return float(np.median(values)) if values else np.nan

    return {"faces": sum(map(test, compared)), "median": interval(compared, figure)}


def questions(compared: list[Face]):
    """What might tell rejected faces from accepted ones: (name, faces, key), larger key = more likely rejected."""
    sharp = [f for f in compared if not f.blurred and not f.occluded]
    large = [f for f in compared if f.size >= 40]
    return [
        ("landmark error", compared, lambda f: f.error),
        ("landmark error, faces neither blurred nor covered", sharp, lambda f: f.error),
        ("landmark error, faces of 40 px and more", large, lambda f: f.error),
        ("box: 1 - overlap", compared, lambda f: 1 - f.box_overlap),
        ("size, small", compared, lambda f: -f.size),
        ("blurred", compared, lambda f: f.blurred),
        ("covered", compared, lambda f: f.occluded),
    ]


def auc(key):
    """How often a rejected face has a larger key than an accepted one; ties count half."""

    def figure(faces: list[Face]) -> float:
        bad = np.array([float(key(f)) for f in faces if f.score <= 0.7])
        good = np.array([float(key(f)) for f in faces if f.score > 0.7])
        if not len(bad) or not len(good):
            return np.nan
        return float(((bad[:, None] > good).mean() + (bad[:, None] >= good).mean()) / 2)

    return figure


def page(record: Record) -> list[str]:
    """The page as paragraphs."""
    f, rules = record.figures, record.protocol
    rows = list(f["by_size"].values())
    many, lost = (sum(sum(row[s] for s in stages) for row in rows) for stages in (("face", *STAGES), STAGES))
    return [
        "# Where MTCNN loses faces",
        (
            f"{rules['faces']:,} marked faces of WIDER's hard list in {rules['pictures']} validation pictures, MTCNN as shipped "
            f"(min face 20, thresholds .6 / .7 / .7). Of the {many:,} of {SIZES[0][0]} px and more {lost} are not found (overlap {FOUND}); "
            "smaller ones are not searched for. The stage that lost a face is that of "
            f"the window near it (overlap {NEAR}) that came furthest, as `mien eval detection` tells it; 'nms': given up for a better "
            "window; 'box': a face was reported there, but not with half the overlap."
        ),
        table(
            ["size, px", "faces", "found", *STAGES],
            (
                [size.replace("-10000", " and more"), *(str(row[k]) for k in ("faces", "face", *STAGES))]
                for size, row in f["by_size"].items()
            ),
        ),
        "Share of all lost faces, those below 10 px among them, with the 95 % interval over pictures:",
        table(["stage", "share", "95 %"], ([name, *shown(value)] for name, value in f["stages"].items())),
        "## Landmarks",
        (
            f"{f['compared']} faces came as far as O-Net and have landmarks that YuNet and SCRFD agree on (within {AGREE} of the "
            "face's side). O-Net's landmark error is the mean distance to those, as a share of the face's side:"
        ),
        table(
            ["O-Net", "faces", "median error", "95 %"],
            ([name, str(row["faces"]), *shown(row["median"])] for name, row in f["error"].items()),
        ),
        "How well something tells rejected faces from accepted ones (area under the curve; 0.5 is chance):",
        table(["by", "AUC", "95 %"], ([name, *shown(value)] for name, value in f["auc"].items())),
        conditions(record),
        "Written by `benchmarks/misses.py`; what follows from it: [decision 116](../decisions/116-where-faces-are-lost.md).",
    ]


def shown(value: list[float]) -> list[str]:
    return [f"{value[0]:.3f}", f"{value[1]:.3f} – {value[2]:.3f}"]


if __name__ == "__main__":
    main()
