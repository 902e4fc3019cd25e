"""How the time grows: with pixels, faces in a picture, people known, and threads.

    python benchmarks/growth.py --data DIR [--rounds 5]

Real photographs resized; faces of LFW on a grey picture that keeps its size; galleries of random vectors in a database;
one thread and one for each core. All points of a curve take turns; medians. Writes benchmarks/results/growth.json,
docs/benchmarks/growth.md and its pictures.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

import detectors
from gallery import parcel_of
from mien.evaluation.charts import draw_curves
from mien.evaluation.pipeline import nearest_centre
from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.media.images import read_image
from mien.recognition.recognizer import Recognizer
from mien.store.gallery import open_gallery
from mien.store.transfer import write_parcel
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from pipeline import spread
from report import arguments, conditions, data_folder, table, write_page, write_records

SIZES = ((640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (4000, 3000))
FACES, TILE, SIDE = (1, 4, 9, 25, 49, 100), 250, 2500
TEMPLATES = (100, 1_000, 10_000, 100_000)
LOOKED_AT, SEARCHED = (1280, 720), 9
"""Where threads are compared: the size of the photographs and the faces of the picture; also the faces asked for."""

Calls = Mapping[float, Callable[[], Any]]
Curves = dict[str, list[tuple[float, float]]]


def main() -> None:
    parser = arguments(__doc__ or "", "growth")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    photos, lfw = data_folder(options, "photos"), data_folder(options, "lfw")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIEN_DATA_DIR"] = folder
        curves = {
            "pixels": by_pixels(photos, Path(folder), options.rounds),
            "faces": by_faces(lfw, options.rounds),
            "gallery": by_gallery(lfw, Path(folder), options.rounds),
            "threads": by_threads(photos, lfw, Path(folder), options.rounds),
        }
    house = House(load_settings())
    record = Record(
        task="growth",
        protocol={
            "sizes": [list(size) for size in SIZES],
            "pictures_of_faces": list(FACES),
            "templates": list(TEMPLATES),
            "faces_asked_for": SEARCHED,
            "rounds": options.rounds,
        },
        subject=subject_of(house.detector, house.embedder),
        figures=curves,
        machine=this_machine(),
        versions=installed_versions(),
    )
    write_records([record], options.results)
    pictures = options.page.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    for name, each in curves.items():
        draw_curves(each, pictures / f"{name}.png", labels=(LABELS[name], "ms"), log=name == "gallery")
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))


LABELS = {
    "pixels": "megapixels",
    "faces": "faces found",
    "gallery": "templates known",
    "threads": "threads",
}


def in_turns(calls: Mapping[str, Calls], rounds: int) -> Curves:
    """Median milliseconds of each call, by curve and place on its x axis; the first round is not counted."""
    spent: dict[tuple[str, float], list[float]] = {(name, x): [] for name, of in calls.items() for x in of}
    for _ in range(rounds + 1):
        for (name, x), times in spent.items():
            began = time.perf_counter()
            calls[name][x]()
            times.append((time.perf_counter() - began) * 1000)
    return {name: [(x, median(spent[name, x][1:])) for x in of] for name, of in calls.items()}


def by_pixels(photos: Path, folder: Path, rounds: int) -> Curves:
    """Detection alone in photographs of growing size."""
    calls: dict[str, dict[float, Callable[[], Any]]] = {}
    for min_face in detectors.MIN_FACES:
        find = House(load_settings(min_face=min_face)).detector.detect
        of = calls.setdefault(f"detection, from {min_face} pixels", {})
        for size in SIZES:
            pictures = [np.load(file) for file in detectors.resized(photos, size, folder)]
            of[size[0] * size[1] / 1e6] = lambda find=find, pictures=pictures: [find(p) for p in pictures]
    return {
        name: [(x, ms / len(detectors.PICTURES)) for x, ms in points]
        for name, points in in_turns(calls, rounds).items()
    }


def crowd(lfw: Path, count: int) -> np.ndarray:
    """``count`` pictures of LFW spread over a grey picture of fixed size."""
    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    across = int(np.ceil(count**0.5))
    step = SIDE // across
    for i, file in enumerate(spread(sorted(lfw.glob("images/*/*.jpg")), count)):
        y, x = (step * each + (step - TILE) // 2 for each in divmod(i, across))
        picture[y : y + TILE, x : x + TILE] = cv2.resize(read_image(file).pixels, (TILE, TILE))
    return picture


def by_faces(lfw: Path, rounds: int) -> Curves:
    """The whole way and its parts in a picture of fixed size with more and more faces."""
    house = House(load_settings())
    calls: dict[str, dict[float, Callable[[], Any]]] = {"whole, nobody known": {}, "detection": {}, "embedding": {}}
    for count in FACES:
        picture = crowd(lfw, count)
        faces = house.detector.detect(picture)
        calls["whole, nobody known"][len(faces)] = lambda p=picture: house.recognizer.identify(p)
        calls["detection"][len(faces)] = lambda p=picture: house.detector.detect(p)
        calls["embedding"][len(faces)] = lambda p=picture, f=faces: house.embedder.embed(p, f)
    return in_turns(calls, rounds)


def by_gallery(lfw: Path, folder: Path, rounds: int) -> Curves:
    """One face in a picture of LFW named among more and more people: the whole way, and the search alone."""
    house = House(load_settings())
    file = min(lfw.glob("images/*/*.jpg"))
    pixels = read_image(file).pixels
    faces = nearest_centre(house.recognizer.find(pixels), pixels.shape[1], pixels.shape[0])
    calls: dict[str, dict[float, Callable[[], Any]]] = {"whole, a picture of 250 × 250": {}, "search alone": {}}
    for count in TEMPLATES:
        gallery = open_gallery(folder / f"{count}.db")
        write_parcel(parcel_of(count, house.embedder.space), folder / "export.npz")
        gallery.import_(folder / "export.npz")
        named = Recognizer(house.detector, house.embedder, house.identifier, gallery)
        calls["whole, a picture of 250 × 250"][count] = lambda named=named: named.identify(pixels)
        calls["search alone"][count] = lambda gallery=gallery: house.identifier.identify(faces, gallery)
    return in_turns(calls, rounds * 3)


def by_threads(photos: Path, lfw: Path, folder: Path, rounds: int) -> Curves:
    """The parts with one thread and with one for each core."""
    picture = np.load(detectors.resized(photos, LOOKED_AT, folder)[-1])
    several = crowd(lfw, SEARCHED)
    names = (f"detection, {LOOKED_AT[0]} × {LOOKED_AT[1]}", f"embedding, {SEARCHED} faces", f"whole, {SEARCHED} faces")
    calls: dict[str, dict[float, Callable[[], Any]]] = {name: {} for name in names}
    for threads in range(1, this_machine().cores + 1):
        house = House(load_settings(threads=threads))
        faces = house.detector.detect(several)
        calls[names[0]][threads] = lambda house=house: house.detector.detect(picture)
        calls[names[1]][threads] = lambda house=house, faces=faces: house.embedder.embed(several, faces)
        calls[names[2]][threads] = lambda house=house: house.recognizer.identify(several)
    return in_turns(calls, rounds)


def page(record: Record) -> list[str]:
    """The page as paragraphs."""
    titles = {
        "pixels": (
            "## Pixels",
            f"Detection in {len(detectors.PICTURES)} real photographs, decoded and resized to each size; time of one.",
        ),
        "faces": (
            "## Faces in a picture",
            f"{FACES[0]} to {FACES[-1]} pictures of LFW on a grey picture of {SIDE} × {SIDE}, which does not grow.",
        ),
        "gallery": (
            "## People known",
            "One picture of LFW; random vectors, ten for each person, in an SQLite database, none changed between calls.",
        ),
        "threads": ("## Threads", "The same work with one thread and with one for each core."),
    }
    parts = []
    for name, (title, said) in titles.items():
        curves = record.figures[name]
        places = [x for x, _ in next(iter(curves.values()))]
        rows = [[short(x), *(short(dict(c)[x]) for c in curves.values())] for x in places]
        parts += [
            title,
            said,
            f"![{title[3:]}](growth/{name}.png)",
            table([LABELS[name], *(f"{c}, ms" for c in curves)], rows),
        ]
    return [
        "# How the time grows",
        f"Medians of {record.protocol['rounds']} rounds (three times as many for people known), all points in turns.",
        *parts,
        conditions(record),
        "Written by `benchmarks/growth.py`; all figures are in `benchmarks/results/growth.json`.",
    ]


def short(number: float) -> str:
    """Three digits, or all before the point."""
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


if __name__ == "__main__":
    main()
