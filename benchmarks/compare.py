"""Backbones compared on me and not me, with and without augmentation, and on smaller sets, over seeds.

    python benchmarks/compare.py --data DIR [--work DIR] [--seeds 3] [--threads 1] [--only backbones sizes]

Nikolaev's data as near as ours come: 82 photographs of one man (LFW's Colin_Powell) and one of each of 133 other people,
faces cut by MTCNN; tested on his other 38 and one of each of 100 people who were never seen. It is `mien train compare` as
a user types it, in ``--work``; an interrupted benchmark goes on where it stopped. Writes benchmarks/results/compare.json
and docs/benchmarks/compare.md; what was not asked for with ``--only`` is kept from the results before.
"""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np

from mien.datasets.folders import find_pictures
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.evaluation.spread import Spread
from report import arguments, conditions, data_folder, read_records, table, write_page, write_records
from train_classifier import environment, link

ME, OTHERS, STRANGERS = 82, 133, 100
GRIDS = {
    "backbones": ["--backbones", "facenet,efficientnet-lite0,none", "--augment", "0,5"],
    "sizes": ["--backbones", "facenet,efficientnet-lite0", "--augment", "0", "--sizes", "20,40,80"],
}


def main() -> None:
    parser = arguments(__doc__ or "", "compare")
    parser.add_argument("--work", type=Path, default=Path(".cache") / "compare", help="where runs are kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=list(GRIDS), nargs="+", default=list(GRIDS))
    options = parser.parse_args()
    options.work = options.work.resolve()
    records = {record.subject["grid"]: record for record in read_records(options.results)}
    train, test = folders(options)
    for name in options.only:
        records[name] = measure(options, name, (train, test))
        write_records(records.values(), options.results)
    write_page(options.page, *page([records[name] for name in GRIDS if name in records]))
    print(options.page.read_text(encoding="utf-8"))


def folders(options: Namespace) -> tuple[Path, Path]:
    """Training and test folders of links; drawn as benchmarks/train_classifier.py draws, with fewer strangers."""
    draw = np.random.default_rng(0)
    mine = list(find_pictures([str(data_folder(options, "me-not-me") / "me")]).pictures)
    people = sorted(p for p in (data_folder(options, "lfw") / "images").iterdir() if p.name != "Colin_Powell")
    mine = [mine[i] for i in draw.permutation(len(mine))]
    others = [min(people[i].iterdir()) for i in draw.permutation(len(people))[: OTHERS + STRANGERS]]
    train, test = options.work / "train", options.work / "test"
    for folder, part in (
        (train / "me", mine[:ME]),
        (train / "not_me", others[:OTHERS]),
        (test / "me", mine[ME:]),
        (test / "not_me", others[OTHERS:]),
    ):
        link(folder, part)
    return train, test


def measure(options: Namespace, name: str, places: tuple[Path, Path]) -> Record:
    train, test = places
    out = options.work / name
    command = [sys.executable, "-m", "mien", "train", "compare", str(train), "--test", str(test), "--faces"]
    command += [*GRIDS[name], "--seeds", str(options.seeds), "--threads", str(options.threads)]
    subprocess.run([*command, "--out", str(out), "--resume"], check=True, env=environment(options))
    told = json.loads((out / "report.json").read_text(encoding="utf-8"))
    counts = {"me": ME, "not_me": OTHERS, "test_me": 120 - ME, "test_not_me": STRANGERS}
    return Record(
        task="compare",
        protocol={"data": "me-not-me", **counts, "seeds": options.seeds, **told["settings"]},
        subject={"grid": name, "options": GRIDS[name], "threads": options.threads},
        figures={key: told[key] for key in ("kinds", "verdicts", "failures", "runs")},
        versions=installed_versions(("mien", "numpy", "keras", "torch", "onnx", "onnxruntime")),
        machine=this_machine(),
    )


def page(records: list[Record]) -> list[str]:
    protocol = records[0].protocol
    parts = [
        "# Backbones compared",
        (
            f"{protocol['me']} photographs of one man and {protocol['not_me']} of others, faces cut by MTCNN; each of"
            f" {protocol['seeds']} seeds takes a fifth to validate with, the same for all backbones. Tested once on"
            f" {protocol['test_me']} others of his and {protocol['test_not_me']} people who were never seen (balanced"
            " accuracy); test pictures chose nothing. Mean ± standard deviation over the seeds (least–greatest). One computing"
            " thread. Script: `benchmarks/compare.py`."
        ),
    ]
    for record in records:
        title = "Augmentation" if record.subject["grid"] == "backbones" else "Fewer training pictures"
        parts += [
            f"## {title}",
            quality(record),
            "Validation loss, first minus second, 95 % interval:",
            differences(record),
        ]
        if record.subject["grid"] == "backbones":
            parts += ["## Size and time", sizes(record)]
    return [*parts, conditions(records[0])]


def quality(record: Record) -> str:
    head = (
        "backbone",
        "augment",
        "pictures",
        "validation loss",
        "validation accuracy",
        "test",
        "best loss below worst",
    )
    rows = []
    for kind in record.figures["kinds"]:
        loss, accuracy = Spread(tuple(kind["val_loss"]["each"])), Spread(tuple(kind["val_accuracy"]["each"]))
        test = Spread(tuple(kind["test_balanced_accuracy"]))
        row = (
            kind["backbone"],
            str(kind["augment"]),
            str(kind["pictures"]),
            loss.words(),
            accuracy.words(),
            test.words(),
        )
        rows.append((*row, f"{loss.best_below_worst:.0%}"))
    return table(head, rows)


def differences(record: Record) -> str:
    rows = [
        (v["first"], v["second"], f"{v['mean']:+.4f} ± {v['half'] or 0:.4f}", v["verdict"])
        for v in record.figures["verdicts"]
    ]
    return table(("first", "second", "difference", "verdict"), rows)


def sizes(record: Record) -> str:
    """One row per backbone and augmentation."""
    runs = {(run["cell"]["backbone"], run["cell"]["augment"]): run for run in record.figures["runs"]}
    rows = []
    for kind in record.figures["kinds"]:
        run = runs[kind["backbone"], kind["augment"]]
        seconds = Spread(tuple(kind["training_seconds"]["each"])).words(1)
        counted = (f"{run['parameters']:,}", f"{run['trainable']:,}", str(run["depth"]), f"{run['bytes'] / 1e6:.1f}")
        rows.append((kind["backbone"], str(kind["augment"]), *counted, seconds, f"{kind['milliseconds']:.1f}"))
    head = ("backbone", "augment", "parameters", "learnt", "depth", "MB", "training, s", "ms per picture")
    return table(head, rows)


if __name__ == "__main__":
    main()
