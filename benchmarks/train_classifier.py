"""How good the classifiers are that ``mien train classifier`` makes, over seeds: cats and dogs, me and not me.

    python benchmarks/train_classifier.py --data DIR [--work DIR] [--seeds 0 1 2] [--threads 2] [--sizes 250 500 1000]

Each run is the command that a user types, in a process of its own; its folder is kept in ``--work``, so that an
interrupted benchmark goes on where it stopped and a finished run is not made anew. The epoch is chosen on a fifth of the
training pictures; the test pictures are looked at once, by the exported network.

Cats and dogs: 2,000 training and 400 test pictures, the small network from scratch at 64 pixels. Me and not me: 82 of 120
photographs of one man (LFW's Colin_Powell) and one of each of 133 other people; tested on his other 38 and one each of 500
people who were never seen. Writes benchmarks/results/training.json and docs/benchmarks/training.md.
"""

import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from mien.datasets.folders import find_pictures, natural_order
from mien.evaluation.charts import draw_spread
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.crops import crop_boxes
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

ME, OTHERS, STRANGERS = 82, 133, 500
SCRATCH = ["--epochs", "100", "--patience", "0", "--schedule", "cosine"]


def main() -> None:
    parser = arguments(__doc__ or "", "training")
    parser.add_argument("--work", type=Path, default=Path(".cache") / "train-classifier", help="where runs are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[250, 500, 1000], help="smaller training sets beside all"
    )
    parser.add_argument("--backbones", nargs="+", default=["facenet", "efficientnet-lite0", "none"])
    parser.add_argument("--only", choices=["cats", "me"], nargs="+", default=["cats", "me"])
    options = parser.parse_args()
    options.work = options.work.resolve()
    records = [*(cats(options) if "cats" in options.only else ()), *(me(options) if "me" in options.only else ())]
    write_records(records, options.results)
    drawn = curve(records, options.page.with_suffix("") / "size.png")
    write_page(options.page, *page(records, drawn))
    print(options.page.read_text(encoding="utf-8"))


def cats(options: Namespace) -> list[Record]:
    data = data_folder(options, "cats-dogs")
    records = []
    for size in (2000, *sorted(options.sizes, reverse=True)):
        source = data / "train" if size == 2000 else subset(options.work / f"cats-{size}", data / "train", size)
        runs = [
            run(options, f"cnn-{size}-{seed}", [source, "--test", data / "test", *SCRATCH], seed)
            for seed in options.seeds
        ]
        protocol = {"data": "cats-dogs", "training": size, "test": 400, "seeds": options.seeds, "validation": 0.2}
        records.append(record("cats and dogs", protocol, {"backbone": "none", "size": 64}, runs, options))
        if size == 2000:
            records[-1].figures["images_per_second"] = speed(options, f"cnn-{size}-{options.seeds[0]}", data / "test")
    return records


def me(options: Namespace) -> list[Record]:
    source, test = me_folders(options)
    counts = {"me": ME, "not_me": OTHERS, "test_me": 120 - ME, "test_not_me": STRANGERS}
    protocol = {"data": "me-not-me", **counts, "seeds": options.seeds, "validation": 0.2, "faces": "MTCNN"}
    records = []
    for backbone in options.backbones:
        more = SCRATCH if backbone == "none" else []
        given = [source, "--test", test, "--faces", "--backbone", backbone, *more]
        runs = [run(options, f"me-{backbone}-{seed}", given, seed) for seed in options.seeds]
        records.append(record("me and not me", protocol, {"backbone": backbone}, runs, options))
    return records


def run(options: Namespace, name: str, given: list, seed: int) -> dict:
    """The report of one run; made by the command line unless it is there."""
    out = options.work / name
    if not (out / "report.json").is_file():
        command = [sys.executable, "-m", "mien", "train", "classifier", *map(str, given), "--out", str(out)]
        command += ["--seed", str(seed), "--threads", str(options.threads), "--resume", "--replace"]
        began = time.perf_counter()
        subprocess.run(command, check=True, env=environment(options))
        print(f"{name}: {time.perf_counter() - began:.0f} s in all", file=sys.stderr)
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def environment(options: Namespace) -> dict[str, str]:
    """Models go to the benchmark's own folder."""
    return {**os.environ, "MIEN_DATA_DIR": str(options.work / "data")}


def subset(folder: Path, source: Path, size: int) -> Path:
    """``size`` of the training pictures, as many of each class, by links; the smaller sets lie within the larger."""
    for kind in sorted(source.iterdir()):
        files = sorted(kind.iterdir(), key=lambda p: natural_order(p.name))
        order = np.random.default_rng(0).permutation(len(files))
        link(folder / kind.name, [files[i] for i in order[: size // 2]])
    return folder


def me_folders(options: Namespace) -> tuple[Path, Path]:
    """Training and test folders of links, divided by one fixed seed."""
    draw = np.random.default_rng(0)
    mine = list(find_pictures([str(data_folder(options, "me-not-me") / "me")]).pictures)
    people = sorted(p for p in (data_folder(options, "lfw") / "images").iterdir() if p.name != "Colin_Powell")
    mine = [mine[i] for i in draw.permutation(len(mine))]
    others = [min(people[i].iterdir()) for i in draw.permutation(len(people))[: OTHERS + STRANGERS]]
    train, test = options.work / "me-train", options.work / "me-test"
    link(train / "me", mine[:ME])
    link(train / "not_me", others[:OTHERS])
    link(test / "me", mine[ME:])
    link(test / "not_me", others[OTHERS:])
    return train, test


def link(folder: Path, files: list[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        target = folder / file.name
        if not target.is_symlink():
            target.symlink_to(file.resolve())


def speed(options: Namespace, name: str, pictures: Path) -> float:
    """Pictures per second of the exported network in batches of 32, chips cut beforehand; the best of five passes."""
    with House(load_settings(data_dir=options.work / "data", threads=options.threads)) as house:
        classifier = house.classifier(name)
        files = find_pictures([str(pictures)]).pictures
        images = [read_image(file).pixels for file in files]
        size = classifier.options.preprocessing.size
        whole = [np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32) for image in images]
        chips = np.concatenate([crop_boxes(image, box, size=size) for image, box in zip(images, whole, strict=True)])
        classifier.classify_chips(chips)
        times = []
        for _ in range(5):
            began = time.perf_counter()
            classifier.classify_chips(chips)
            times.append(time.perf_counter() - began)
    return round(len(chips) / min(times), 0)


def record(task: str, protocol: dict, subject: dict, runs: list[dict], options: Namespace) -> Record:
    """The runs of all seeds as one record."""
    spread = lambda name: [round(r[name], 4) for r in runs]  # noqa: E731
    settings = runs[0]["settings"]
    keys = ("epochs", "batch", "optimizer", "rate", "schedule", "patience", "augment", "size", "faces")
    return Record(
        task=task,
        protocol=protocol,
        subject={**subject, **{key: settings[key] for key in keys}, "parameters": settings["parameters"]},
        figures={
            "accuracy": spread("accuracy"),
            "balanced_accuracy": spread("balanced_accuracy"),
            "mean_accuracy": round(mean(spread("accuracy")), 4),
            "mean_balanced_accuracy": round(mean(spread("balanced_accuracy")), 4),
            "spread": round(stdev(spread("balanced_accuracy")), 4) if len(runs) > 1 else None,
            "recall": [{c["class"]: c["recall"] for c in r["classes"]} for r in runs],
            "best_epoch": [r["best_epoch"] for r in runs],
            "seconds_of_epochs": [r["seconds"] for r in runs],
            "export_difference": max(r["settings"]["export_difference"] for r in runs),
            "threads": options.threads,
        },
        versions=installed_versions(("mien", "numpy", "keras", "torch", "onnx", "onnxruntime")),
        machine=this_machine(),
    )


def curve(records: list[Record], file: Path) -> bool:
    """Accuracy over the number of training pictures, every seed a dot; whether there was anything to draw."""
    points = [(r.protocol["training"], r.figures["accuracy"]) for r in reversed(records) if r.task == "cats and dogs"]
    if len(points) > 1:
        file.parent.mkdir(parents=True, exist_ok=True)
        draw_spread({"from scratch": points}, file, x="training pictures", y="accuracy on 400 test pictures")
    return len(points) > 1


def page(records: list[Record], drawn: bool) -> list[str]:
    first = records[0]
    meaning = (
        "Each row is the mean over the seeds, with their standard deviation and each seed's figure. The epoch is chosen on a"
        " fifth of the training pictures; the test pictures are looked at once, by the exported network. Seconds are those of"
        " all epochs of each run, beside whatever else the machine did."
    )
    parts = ["# Classifiers that were trained", meaning]
    shown = [r for r in records if r.task == "cats and dogs"]
    if shown:
        rate = next((r.figures["images_per_second"] for r in shown if "images_per_second" in r.figures), None)
        parts += [
            "## Cats and dogs, from scratch",
            f"{first.subject['parameters']:,} parameters, pictures of 64 × 64, 400 test pictures (one is 0.0025)."
            + (f" The exported network answers {rate:,.0f} pictures a second in batches of 32." if rate else ""),
            rows(shown, "training pictures", lambda r: f"{r.protocol['training']:,}", "accuracy"),
            *(["![accuracy over training pictures](training/size.png)"] if drawn else []),
        ]
    shown = [r for r in records if r.task == "me and not me"]
    if shown:
        protocol = shown[0].protocol
        told = (
            f"{protocol['me']} photographs of one man and {protocol['not_me']} of others, the face cut by MTCNN; tested on"
            f" {protocol['test_me']} others of his and {protocol['test_not_me']} people who were never seen. A head on a"
            " frozen backbone, its features computed once and not counted in the seconds."
        )
        by = rows(shown, "backbone", lambda r: r.subject["backbone"], "balanced_accuracy")
        parts += ["## Me and not me", told, by]
    return [*parts, conditions(first)]


def rows(records: list[Record], what: str, name, figure: str) -> str:
    head = (what, f"{figure.replace('_', ' ')}, mean", "spread", "each seed", "best epoch", "seconds")
    lines = []
    for r in records:
        each = r.figures[figure]
        spread = stdev(each) if len(each) > 1 else 0.0
        cells = (name(r), f"{mean(each):.4f}", f"{spread:.4f}", ", ".join(f"{v:.4f}" for v in each))
        epochs = ", ".join(str(e) for e in r.figures["best_epoch"])
        lines.append((*cells, epochs, ", ".join(f"{s:.0f}" for s in r.figures["seconds_of_epochs"])))
    return table(head, lines)


if __name__ == "__main__":
    main()
