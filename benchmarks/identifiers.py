"""Cosine, nearest neighbours, SVM and logistic regression over the same embeddings: closed set, open set, number of people.

    python benchmarks/identifiers.py --data DIR [--packs FOLDER] [--rounds 5] [--only lfw att-faces nuaa]

Vectors are FaceNet's, of the largest face that MTCNN finds; they are made once and kept in --packs (``mien embed`` writes
the same files). LFW: people with five pictures or more are learnt, all others are strangers. AT&T: 40 people, ten grey
pictures each, of one sitting mostly. NUAA: eight people before a webcam, about 24 frames each; near frames stay together,
sittings are not divided by name because three people have one only; LFW's people are its strangers. The protocol stands in
training/identifier_report.py and on the page. Writes benchmarks/results/identifiers.json and docs/benchmarks/identifiers.md.
"""

import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mien.core.errors import ImageError
from mien.datasets.packs import Embeddings, read_embeddings, write_embeddings
from mien.evaluation.charts import draw_curves
from mien.evaluation.classification import judge
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import read_image
from mien.training.identifier_data import Reading, Samples, read_samples, with_strangers
from mien.training.identifier_models import KINDS
from mien.training.identifier_protocol import choose_bar, closed_set, compare, curve_over_people
from mien.training.identifier_report import PROTOCOL
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

FALSE_ACCEPTS = 0.01
FOLDERS = {"lfw": Path("lfw") / "images", "att-faces": Path("att-faces"), "nuaa": Path("nuaa") / "ClientRaw"}
ENDINGS = {".jpg", ".png", ".pgm"}


WHY = (
    "Made by `benchmarks/identifiers.py`. Seed 001 put an SVM on FaceNet's vectors, feared that it gets worse with more"
    " people, had no answer for strangers, and planned to try the cosine instead. Here are all of them on the same faces."
)
RULES = (
    f"Protocol. {PROTOCOL} At most {FALSE_ACCEPTS:.0%} of strangers may get a name. In brackets: 95 % intervals (Wilson), which"
    " take faces as independent; faces of one person are not."
)


def main() -> None:
    parser = arguments(__doc__ or "", "identifiers")
    parser.add_argument("--packs", type=Path, default=Path(".cache") / "identifiers", help="where vectors are kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=list(FOLDERS), nargs="+", default=list(FOLDERS))
    options = parser.parse_args()
    records = [measured(options, name) for name in options.only]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def measured(options: Namespace, name: str) -> Record:
    samples = samples_of(options, name)
    started = time.perf_counter()
    compared = finish(name, compare(samples, FALSE_ACCEPTS, rounds=options.rounds))
    parameters = {c.kind: c.parameters for c in compared}
    curve = finish(name, curve_over_people(samples, parameters))
    bars = {kind: asdict(choose_bar(kind, samples, parameters[kind], FALSE_ACCEPTS)) for kind in KINDS}
    seconds = time.perf_counter() - started
    judged = {
        kind: judge(closed_set(kind, samples, parameters[kind]), samples.targets, samples.classes) for kind in KINDS
    }
    if name == "lfw":
        pictures = options.page.parent / "identifiers"
        pictures.mkdir(exist_ok=True)
        draw_curves(curve, pictures / "people.png", labels=("number of people", "closed-set accuracy"), log=True)
    mistakes = [
        [samples.classes[i], samples.classes[j], int(judged["svm"].confusion[i, j])]
        for i, j in zip(*np.nonzero(judged["svm"].confusion), strict=True)
        if i != j
    ]
    return Record(
        task="identification",
        protocol={
            "data": name,
            "people": len(samples.classes),
            "faces": len(samples),
            "groups": len(np.unique(samples.groups)),
            "strangers": len(samples.strangers),
            "false_accepts": FALSE_ACCEPTS,
            "rounds": options.rounds,
            "rules": PROTOCOL,
        },
        subject={"space": samples.space.id if samples.space else None, "embedder": "facenet", "detector": "mtcnn"},
        figures={
            "kinds": [c.to_dict() for c in compared],
            "over_people": {kind: [list(point) for point in points] for kind, points in curve.items()},
            "thresholds": bars,
            "confused_by_svm": mistakes,
            "seconds": round(seconds, 1),
        },
        machine=this_machine(),
        versions={**installed_versions(), **installed_versions(("scikit-learn",))},
    )


def samples_of(options: Namespace, name: str) -> Samples:
    """One data set, with its strangers."""
    if name == "lfw":
        return read_samples(pack_of(options, "lfw"), Reading(at_least=5))
    samples = read_samples(pack_of(options, name))
    return with_strangers(samples, pack_of(options, "lfw")) if name == "nuaa" else samples


def pack_of(options: Namespace, name: str) -> Embeddings:
    """The vectors of one data set, made if they are not there."""
    file = options.packs / f"{name}.npz"
    if not file.is_file():
        data_folder(options, name)
        options.packs.mkdir(parents=True, exist_ok=True)
        write_embeddings(file, embedded(Path(options.data) / FOLDERS[name]))
    return read_embeddings(file)


def embedded(root: Path) -> Embeddings:
    """The largest face of every picture below ``root/Person/``; pictures without one are left out."""
    house = House(load_settings())
    vectors, labels, files = [], [], []
    for path in sorted(p for p in root.glob("*/*") if p.suffix in ENDINGS):
        try:
            picture = read_image(path)
        except ImageError as error:
            print(error)
            continue
        face = house.detector.detect(picture.pixels).sorted("size")[:1]
        if len(face):
            vectors.append(house.embedder.embed(picture.pixels, face)[0])
            labels.append(path.parent.name)
            files.append(path.relative_to(root).as_posix())
    empty = np.full(len(files), "", "<U1")
    return Embeddings(np.stack(vectors), np.array(labels), np.array(files), empty, house.embedder.space)


def finish(name, work):
    """What a generator returns, with a line per step."""
    while True:
        try:
            print(name, *next(work), flush=True)
        except StopIteration as end:
            return end.value


def sizes(p) -> str:
    return (
        f"{p['people']} people, {p['faces']} faces in {p['groups']} groups, {p['strangers']} further faces of strangers;"
        f" {p['rounds']} rounds."
    )


def share(value, interval) -> str:
    return "not measured" if value is None else f"{value:.4f} ({interval[0]:.3f} to {interval[1]:.3f})"


def page(records: list[Record]) -> list[str]:
    parts = [
        "# Identifiers: cosine, neighbours, SVM, logistic regression",
        WHY,
        RULES,
    ]
    for record in records:
        p, f = record.protocol, record.figures
        parts += [
            f"## {p['data']}",
            sizes(p),
            table(
                [
                    "kind",
                    "closed set",
                    "open set: right name",
                    "wrong name",
                    "strangers named",
                    "of faces",
                    "of strangers",
                ],
                [
                    [
                        k["kind"],
                        share(k["closed"], k["closed_95"]),
                        share(k["named"], k["named_95"]),
                        f"{k['misnamed']:.4f}",
                        share(k["accepted"], k["accepted_95"]),
                        str(k["faces"]),
                        str(k["strangers"]),
                    ]
                    for k in f["kinds"]
                ],
            ),
            "Closed-set accuracy over the number of people, mean of three random draws of so many:",
            table(
                ["people", *f["over_people"]],
                [
                    [str(size), *(f"{points[i][1]:.4f}" for points in f["over_people"].values())]
                    for i, (size, _) in enumerate(f["over_people"]["svm"])
                ],
            ),
        ]
        if p["data"] == "lfw":
            parts += ["![over people](identifiers/people.png)"]
        if f["confused_by_svm"]:
            parts += [
                "Whom the SVM takes for whom, all people, every face by a model without its fold:",
                table(["is", "taken for", "faces"], [[a, b, str(n)] for a, b, n in f["confused_by_svm"]]),
            ]
    return [*parts, conditions(records[-1])]


if __name__ == "__main__":
    main()
