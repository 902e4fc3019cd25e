"""What a covered face costs the detector, the me / not me classifier, and both together.

    python benchmarks/occlusion.py --data DIR [--work DIR] [--seeds 0 1 2] [--strangers 100] [--example FILE.png]

Nikolaev (seed 003) saw that a mask ends the detection, not the recognition, and that his model doubts more when the upper
half is covered. Here four covers are drawn over every test face, placed by the five landmarks that MTCNN finds in the
uncovered photograph. Test pictures: 38 photographs of one man (LFW's Colin_Powell) and one each of people who were never
seen. The classifiers are those of train_classifier.py (made if they are not in ``--work``). Writes
benchmarks/results/occlusion.json and docs/benchmarks/occlusion.md.
"""

from argparse import Namespace
from pathlib import Path
from statistics import mean, stdev

import cv2
import numpy as np

from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.datasets.folders import find_pictures
from mien.detectors.haar import HaarDetector, HaarOptions
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.drawing import contact_sheet
from mien.media.images import read_image, write_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, table, write_page, write_records
from train_classifier import me_folders, run

COVERS = ("nothing", "upper half", "lower half", "mask", "hat")
SMALLEST = 40  # pixels: LFW's pictures are 250 wide, the seed's 100 is for a webcam
OVERLAP = 0.4  # IoU with the box of the uncovered face from which on it is that face


def main() -> None:
    parser = arguments(__doc__ or "", "occlusion")
    parser.add_argument("--work", type=Path, default=Path(".cache") / "train-classifier", help="where runs are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--strangers", type=int, default=100)
    parser.add_argument("--example", type=Path, help="draw the covers over scikit-image's astronaut and end")
    options = parser.parse_args()
    if options.example:
        return example(options.example)
    options.work = options.work.resolve()
    source, test = me_folders(options)
    for seed in options.seeds:
        given = [source, "--test", test, "--faces", "--backbone", "facenet"]
        run(options, f"me-facenet-{seed}", given, seed)
    record = measure(options, test)
    write_records([record], options.results)
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))
    return None


def measure(options: Namespace, test: Path) -> Record:
    mine = list(find_pictures([str(test / "me")]).pictures)
    others = list(find_pictures([str(test / "not_me")]).pictures)[: options.strangers]
    settings = {"threads": options.threads, "min_face": SMALLEST}
    with House(load_settings(**settings)) as house, House(load_settings(**settings, detector="haar")) as second:
        detectors = {
            "haar, seed 003 (1.3)": HaarDetector(HaarOptions(min_face=SMALLEST, factor=1.3)),
            "haar, OpenCV's usual (1.1)": HaarDetector(HaarOptions(min_face=SMALLEST)),
            "haar, refined by MTCNN": second.detector,
            "mtcnn": house.detector,
        }
        files = [options.work / f"me-facenet-{seed}" / f"me-facenet-{seed}.onnx" for seed in options.seeds]
        classifiers = [house.classifier(str(file)) for file in files]
        faces = [(clear(house.detector, path), path in mine) for path in (*mine, *others)]
        seen = [(found, me) for found, me in faces if found is not None]
        figures = {cover: judged(cover, seen, detectors, classifiers) for cover in COVERS}
    protocol = {
        "data": "me-not-me and LFW",
        "me": sum(me for _, me in seen),
        "not_me": sum(not me for _, me in seen),
        "left_out": len(faces) - len(seen),
        "truth": "MTCNN's box in the uncovered photograph",
        "overlap": OVERLAP,
        "smallest_face": SMALLEST,
        "seeds": options.seeds,
    }
    subject = {"classifier": "facenet backbone, mien train classifier", "detectors": list(detectors)}
    return Record("occlusion", protocol, subject, figures, this_machine(), installed_versions())


def clear(detector, path: Path) -> tuple[np.ndarray, Faces] | None:
    """The photograph and its largest face, uncovered; None without one."""
    pixels = read_image(path).pixels
    found = detector.detect(pixels).sorted("size")[:1]
    return (pixels, found) if len(found) else None


def judged(cover: str, seen: list, detectors: dict, classifiers: list) -> dict:
    """Shares of faces that are found, and that are rightly classified, at the true box and at the one found."""
    covered = [(covering(cover, pixels, face), face, me) for (pixels, face), me in seen]
    truth = np.array([me for *_, me in covered])
    boxes = {
        name: [nearest(detector, image, face) for image, face, _ in covered] for name, detector in detectors.items()
    }
    figures: dict = {"found": {}, "found_me": {}, "from_the_picture_on": {}}
    given = [said_me(classifier, [(image, face) for image, face, _ in covered]) for classifier in classifiers]
    figures["recall_me"] = spread([float(s[truth].mean()) for s in given])
    figures["recall_not_me"] = spread([float((~s[~truth]).mean()) for s in given])
    for name, found in boxes.items():
        there = np.array([box is not None for box in found])
        figures["found"][name] = round(float(there.mean()), 4)
        figures["found_me"][name] = round(float(there[truth].mean()), 4)
        if name not in {"haar, refined by MTCNN", "mtcnn"}:
            continue
        shown = [(image, box) for (image, *_), box in zip(covered, found, strict=True) if box is not None]
        right = []
        for classifier in classifiers:
            answers = np.zeros(len(covered), bool)
            answers[there] = said_me(classifier, shown) == truth[there]
            right.append(float((answers[truth].mean() + answers[~truth].mean()) / 2))
        figures["from_the_picture_on"][name] = spread(right)
    print(cover, figures, flush=True)
    return figures


def nearest(detector, image: np.ndarray, face: Faces) -> Faces | None:
    """What a detector finds where the face is."""
    found = detector.detect(image)
    overlaps = iou(found.boxes, face.boxes)[:, 0] if len(found) else np.zeros(0)
    return found[int(overlaps.argmax())] if len(found) and overlaps.max() >= OVERLAP else None


def said_me(classifier, shown: list) -> np.ndarray:
    """``(n,)`` bool: which are said to be ``me``."""
    chips = [classifier.crop(image, face) for image, face in shown]
    if not chips:
        return np.zeros(0, bool)
    return classifier.classify_chips(np.concatenate(chips)).argmax(axis=1) == classifier.classes.index("me")


def spread(values: list[float]) -> dict[str, float]:
    return {"mean": round(mean(values), 4), "sd": round(stdev(values), 4) if len(values) > 1 else 0.0}


# covers


def covering(cover: str, pixels: np.ndarray, face: Faces) -> np.ndarray:
    """The picture with a cover over its face; coordinates below are in a frame of the face's own.

    Its origin lies between the eyes, x runs along them and y towards the mouth; the unit is the distance from the eyes
    to the mouth, about a third of a face's height.
    """
    if cover == "nothing":
        return pixels
    points = face.landmarks[0].astype(np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    unit = np.linalg.norm(mouth - eyes)
    down = (mouth - eyes) / unit
    across = np.array([-down[1], down[0]])  # either way: the covers are symmetric

    def at(*shape):
        return np.round([eyes + unit * (x * across + y * down) for x, y in shape]).astype(np.int32)

    nose = float((points[2] - eyes) @ down / unit)
    image = pixels.copy()
    for colour, shape in SHAPES[cover](nose):
        cv2.fillPoly(image, [at(*shape)], colour, cv2.LINE_AA)
    return image


def upper(nose: float) -> list:
    return [((128, 128, 128), ((-1.4, -1.6), (1.4, -1.6), (1.4, nose), (-1.4, nose)))]


def lower(nose: float) -> list:
    return [((128, 128, 128), ((-1.4, nose), (1.4, nose), (1.4, 2.1), (-1.4, 2.1)))]


def mask(nose: float) -> list:
    top = 0.55 * nose
    outline = ((-1.2, 0.35), (-0.45, top), (0.0, top - 0.12), (0.45, top), (1.2, 0.35), (0.95, 1.4), (0.4, 1.85))
    outline += ((-0.4, 1.85), (-0.95, 1.4))
    folds = [((150, 190, 215), ((-0.95, y), (0.95, y), (0.95, y + 0.04), (-0.95, y + 0.04))) for y in (0.75, 1.0, 1.25)]
    return [((175, 212, 232), outline), *folds]


def hat(nose: float) -> list:  # noqa: ARG001 - as the others
    crown = ((-1.2, -0.6), (-1.15, -1.5), (-0.7, -2.0), (0.7, -2.0), (1.15, -1.5), (1.2, -0.6))
    brim = ((-1.6, -0.75), (1.6, -0.75), (1.5, -0.42), (-1.5, -0.42))
    return [((40, 42, 60), crown), ((28, 30, 45), brim)]


SHAPES = {"upper half": upper, "lower half": lower, "mask": mask, "hat": hat}


def example(file: Path) -> None:
    """The covers over a face that may be shown."""
    from skimage import data

    pixels = data.astronaut()
    with House(load_settings()) as house:
        face = house.detector.detect(pixels).sorted("size")[:1]
    tiles = [covering(cover, pixels, face)[:256, 96:352] for cover in COVERS]
    write_image(file, contact_sheet(tiles, list(COVERS), columns=5))


# page


def page(record: Record) -> list[str]:
    rules, figures = record.protocol, record.figures
    names = record.subject["detectors"]
    return [
        "# Covered faces: detector and classifier apart",
        (
            f"{rules['me']} photographs of one man and one each of {rules['not_me']} people never seen, none of them learnt "
            f"from; four covers drawn over each face, placed by the landmarks of the uncovered photograph (`--example "
            "FILE.png` shows them on scikit-image's astronaut): the half above or below the nose in grey, a surgical mask "
            "with folds, a dark hat to just above the brows. Made by `benchmarks/occlusion.py`."
        ),
        "## The detector: share of faces still found",
        table(["cover", *names], ([c, *(percent(figures[c]["found"][n]) for n in names)] for c in COVERS)),
        (
            f"Found: a box that overlaps the uncovered face's (MTCNN's) by {rules['overlap']} or more; smallest face "
            f"{rules['smallest_face']} px, 5 neighbours. LFW's faces were collected with a Haar cascade, so that it finds nearly "
            "all of them uncovered; that is no merit of its own. The third is what `--detector haar` is in `mien`: its boxes go "
            "through MTCNN's last two networks."
        ),
        "## The classifier alone: rightly classified at the true box",
        table(
            ["cover", "me", "not me"],
            ([c, with_sd(figures[c]["recall_me"]), with_sd(figures[c]["recall_not_me"])] for c in COVERS),
        ),
        (
            f"FaceNet backbone, trained on 82 + 133 uncovered photographs as in [training](../how-to/train-classifier.md); mean "
            f"and standard deviation over {len(rules['seeds'])} seeds. The detector is out of play: the crop is that of the "
            "uncovered face."
        ),
        "## Both: from the picture on",
        table(
            ["cover", "haar, refined by MTCNN", "mtcnn"],
            ([c, *(with_sd(v) for v in figures[c]["from_the_picture_on"].values())] for c in COVERS),
        ),
        "Balanced: the mean of both classes' shares of faces that are found and rightly classified; not found is wrong.",
        conditions(record),
    ]


def percent(value: float) -> str:
    return f"{value:.1%}"


def with_sd(value: dict) -> str:
    return f"{value['mean']:.1%} ± {value['sd']:.1%}"


if __name__ == "__main__":
    main()
