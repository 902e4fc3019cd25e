"""Does FaceNet tell new people apart better after its last blocks learnt others of their kind, and the old ones no worse?

    python benchmarks/train_embedder.py --data DIR [--work DIR] [--seeds 0 1 2] [--sets orl nuaa] [--losses "triplet, hard" …]
        [--no-lfw]

Two populations, each by itself: 8 people before a webcam (NUAA, live) and 40 in grey studio pictures (ORL). Two folds over the
people of each: what is learnt on one half is judged on the other, so that everybody is judged by a network that never saw them.
Each run is the command that a user types, in a process of its own (--test 0 --validation 0: the other fold is the test, and it
is looked at once); its folder is kept in --work, so that a finished run is not made anew. Before and after see the same faces.
LFW: the official pairs of the folds at hand, with the networks of the first loss, seed and fold.

Writes benchmarks/results/train-embedder.json and docs/benchmarks/train-embedder.md after each loss.
"""

import json
import os
import subprocess
import sys
import time
from argparse import BooleanOptionalAction, Namespace
from pathlib import Path
from statistics import mean

import numpy as np

from mien.core.faces import Faces
from mien.datasets.folders import find_pictures
from mien.datasets.pairs import Pairs, read_lfw_pairs
from mien.evaluation.pipeline import embed_located, locate_faces, verify
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import read_image
from mien.training.embedder_figures import compare
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

SETS = {"nuaa": ("nuaa", "ClientRaw"), "orl": ("att-faces", "")}
TITLES = {"nuaa": "NUAA (webcam, 8 people)", "orl": "ORL (grey, 40 people)"}
FOLDS = 2
PEOPLE = {"nuaa": 4, "orl": 12}
HARD = ["--loss", "triplet", "--selection", "hard", "--margin", 1]
CENTRE_ALONE = "nothing learnt, the centre alone"
LOSSES = {
    "triplet, hard, margin 1, rate 1e-5": [*HARD, "--rate", 1e-5],
    CENTRE_ALONE: [*HARD, "--rate", 1e-9],
    "triplet, hard, margin 1, rate 1e-4": [*HARD, "--rate", 1e-4],
    "triplet, semi-hard, margin 0.2, rate 1e-4": ["--loss", "triplet", "--rate", 1e-4],
    "arcface, rate 1e-5": ["--loss", "arcface", "--rate", 1e-5],
}


def main() -> None:
    parser = arguments(__doc__ or "", "train-embedder")
    parser.add_argument("--work", type=Path, default=Path(".cache") / "train-embedder", help="where runs are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lfw", action=BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.work = options.work.resolve()
    sets = {name: population(options, name) for name in options.sets}
    records = []
    for loss in options.losses:
        records.append(record(options, sets, loss))
        if options.lfw and len(records) == 1:
            records[0].figures["lfw"] = lfw(options, loss)
        write_records(records, options.results)
        write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def population(options: Namespace, name: str) -> dict[str, np.ndarray]:
    """Pictures of one set: files, people by number, the fold of each; and the faces found in them, kept between calls."""
    folder, below = SETS[name]
    root = data_folder(options, folder) / below
    files = [f for f in find_pictures([str(root)]).pictures if f.parent.parent == root]
    labels = np.array([f.parent.name for f in files])
    names, people = np.unique(labels, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    fold_of = np.empty(len(names), np.intp)
    fold_of[order] = np.arange(len(names)) % FOLDS
    faces = located(options, name, files)
    seen = np.array([len(f) > 0 for f in faces])
    return {
        "files": np.array([str(f) for f in files])[seen],
        "labels": np.char.add(f"{name}-", labels[seen]),
        "people": people[seen].astype(np.intp),
        "fold": fold_of[people[seen]],
        "boxes": np.stack([f.boxes[0] for f in faces if len(f)]),
        "missed": np.array(int((~seen).sum())),
    }


def located(options: Namespace, name: str, files: list[Path]) -> list[Faces]:
    """The face nearest to each picture's centre."""
    kept = options.work / f"{name}-boxes.npz"
    if not kept.is_file():
        with House(load_settings(threads=options.threads)) as house:
            faces = locate_faces(house.detector, files, read=read_image)
        boxes = np.array([f.boxes[0] if len(f) else [0, 0, 0, 0] for f in faces], np.float32)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, boxes=boxes)
    boxes = np.load(kept)["boxes"]
    return [Faces(b[None], np.ones(1, np.float32)) if b.any() else Faces.empty() for b in boxes]


def train(options: Namespace, loss: str, which: str, fold: int, seed: int) -> dict:
    """The run that learns the people of a set outside of ``fold``; its report."""
    kind = loss.replace(", ", "-").replace(" ", "")
    name = f"{which}-{kind}-{options.blocks}-{options.epochs}-{fold}-{seed}"
    out = options.work / "runs" / name
    if not (out / "report.json").is_file():
        source = options.work / f"{which}-without-{fold}"
        found = population(options, which)
        for file, label, at in zip(found["files"], found["labels"], found["fold"], strict=True):
            link = source / label / Path(file).name
            if at != fold and not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(file).resolve())
        words = [sys.executable, "-m", "mien", "train", "embedder", source, "--out", out, "--name", name]
        words += ["--test", 0, "--validation", 0, "--blocks", options.blocks, "--epochs", options.epochs]
        words += ["--schedule", "constant", "--people", PEOPLE[which], "--pictures", 4, "--seed", seed]
        words += ["--threads", options.threads, *LOSSES[loss], "--replace", "--quiet"]
        words += ["--resume"] if (out / "run.json").is_file() else []
        env = {**os.environ, "MIEN_DATA_DIR": str(options.work / "data")}
        began = time.perf_counter()
        subprocess.run(list(map(str, words)), check=True, env=env, stdout=subprocess.DEVNULL)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def house_of(options: Namespace, name: str) -> House:
    return House(load_settings(data_dir=options.work / "data", embedder=name, threads=options.threads))


def embedded(options: Namespace, name: str, found: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Embeddings of some of a set's pictures."""
    with house_of(options, name) as house:
        paths = [Path(f) for f in found["files"][rows]]
        faces = [Faces(b[None], np.ones(1, np.float32)) for b in found["boxes"][rows]]
        return embed_located(house.embedder, paths, faces, read=read_image)


def record(options: Namespace, sets: dict[str, dict[str, np.ndarray]], loss: str) -> Record:
    """One loss over folds and seeds."""
    figures: dict = {"sets": {}}
    reports = []
    for which, found in sets.items():
        runs = {s: [train(options, loss, which, fold, s) for fold in range(FOLDS)] for s in options.seeds}
        reports += [report for both in runs.values() for report in both]
        everybody = np.arange(len(found["people"]))
        before = kept(options, f"{which}-facenet", lambda f=found, e=everybody: embedded(options, "facenet", f, e))
        rows = []
        for seed in options.seeds:
            after = np.empty_like(before)
            for fold in range(FOLDS):
                at = np.flatnonzero(found["fold"] == fold)
                name = runs[seed][fold]["name"]
                after[at] = kept(options, f"{which}-{name}", lambda n=name, f=found, a=at: embedded(options, n, f, a))
            rows.append([r.to_dict() for r in compare(before, after, found["people"], within=found["fold"])])
        figures["sets"][which] = rows
    settings = reports[0]["settings"]
    histories = [report["history"] for report in reports]
    figures |= {
        "active_first": [h[0]["active"] for h in histories],
        "active_last": [h[-1]["active"] for h in histories],
        "best_epoch": [report["best_epoch"] for report in reports],
        "seconds_of_epochs": [round(sum(e["seconds"] for e in h), 1) for h in histories],
        "export_difference": max(report["settings"]["export_difference"] for report in reports),
        "threads": options.threads,
    }
    missed = {which: int(found["missed"]) for which, found in sets.items()}
    return Record(
        task="embedder training",
        protocol={
            "data": ", ".join(TITLES[which] for which in sets),
            "pictures": {which: len(found["people"]) for which, found in sets.items()},
            "missed": missed,
            "folds": f"{FOLDS} over people, each judged by the network that learnt the other",
            "pairs": "all within a fold; one threshold per set, at the FAR of those very pairs",
            "interval": "bootstrap over people, 500 draws, 95 %",
            "seeds": options.seeds,
        },
        subject={"base": "facenet", "how": loss, **{k: settings[k] for k in KEYS}},
        figures=figures,
        versions=installed_versions(("mien", "numpy", "keras", "torch", "onnx", "onnxruntime")),
        machine=this_machine(),
    )


KEYS = (
    "blocks",
    "loss",
    "selection",
    "margin",
    "pictures",
    "epochs",
    "optimizer",
    "rate",
    "schedule",
    "validation",
    "augment",
)


def kept(options: Namespace, name: str, make) -> np.ndarray:
    """An array that is computed once."""
    file = options.work / "vectors" / f"{name}.npy"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, make())
    return np.load(file)


def lfw(options: Namespace, loss: str) -> list[dict]:
    """LFW's official pairs before and after, for each fold's network of the first seed."""
    root = data_folder(options, "lfw")
    pairs = read_lfw_pairs(root / "pairs.txt", pictures=root / "images")
    faces = located(options, "lfw", list(pairs.pictures))
    names = ["facenet", *(train(options, loss, which, 0, options.seeds[0])["name"] for which in options.sets)]
    found = {name: kept(options, f"lfw-{name}", lambda n=name: lfw_vectors(options, n, pairs, faces)) for name in names}
    judged = {name: verify(vectors, pairs) for name, vectors in found.items()}
    before = judged["facenet"].folds
    rows = []
    for name in names:
        folds = judged[name].folds
        gain = folds.correct.astype(int) - before.correct.astype(int)
        draws = np.random.default_rng(0).integers(0, len(gain), (2000, len(gain)))
        low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
        rows.append(
            {
                "name": name,
                "accuracy": round(folds.mean, 5),
                "standard_error": round(folds.standard_error, 5),
                "gain": round(float(gain.mean()), 5),
                "gain_interval": [round(float(low), 5), round(float(high), 5)],
                "pairs": len(pairs),
            }
        )
    return rows


def lfw_vectors(options: Namespace, name: str, pairs: Pairs, faces: list[Faces]) -> np.ndarray:
    with house_of(options, name) as house:
        return embed_located(house.embedder, pairs.pictures, faces, read=read_image)


def page(records: list[Record]) -> list[str]:
    first = records[0]
    parts = [
        "# An embedder that learnt new people",
        (
            "Written by `benchmarks/train_embedder.py`. FaceNet's dense layer and last block learnt half of the people of one"
            " population and are judged on the other half, which they never saw, and the other way round. The share of pairs of one person accepted (TAR) where the"
            " given share of pairs of different people is (FAR), over all pairs within a fold, one threshold per set. In brackets:"
            " 95 %, people drawn. The gain is the mean over the seeds"
            f" ({', '.join(map(str, first.protocol['seeds']))}), with each seed's interval: one that holds 0 is no gain. How the"
            " centre of the new space is taken, the rate and the number of epochs were decided on these very pictures"
            " ([126](../decisions/126-an-embedder-learns-on-in-its-last-blocks.md)), so the gains flatter."
        ),
    ]
    for which in first.figures["sets"]:
        parts += [f"## {TITLES[which]}", rates(records, which), *told_apart(records, which)]
    parts += ["## Runs", runs_table(records)]
    if "lfw" in first.figures:
        parts += ["## LFW, the population FaceNet was made for", *lfw_part(first)]
    lacking = [TITLES[which] for which in TITLES if which not in first.figures["sets"]]
    lacking += [] if "lfw" in first.figures else ["LFW, the population FaceNet was made for"]
    lacking += [loss for loss in LOSSES if loss not in {record.subject["how"] for record in records}]
    if lacking:
        parts += ["## Not measured yet", "\n".join(f"- {each}" for each in lacking)]
    return [*parts, conditions(first)]


def rates(records: list[Record], which: str) -> str:
    lines = []
    for record in records:
        seeds = record.figures["sets"][which]
        for i, one in enumerate(seeds[0]):
            after = [seed[i]["after"] for seed in seeds]
            ends = "; ".join("{:+.4f} … {:+.4f}".format(*seed[i]["gain_interval"]) for seed in seeds)
            gain = mean(after) - one["before"]
            before = "{:.4f} ({:.4f} … {:.4f})".format(one["before"], *one["before_interval"])
            lines.append([record.subject["how"], one["what"], before, f"{mean(after):.4f}", f"{gain:+.4f}", ends])
    return table(["how", "rate", "before", "after", "gain", "intervals of the gain"], lines)


def told_apart(records: list[Record], which: str) -> list[str]:
    """What learning brings beyond the new centre, in a sentence; nothing where the centre alone was not measured."""
    gains = {record.subject["how"]: gain_at_rarest(record, which) for record in records}
    alone = gains.pop(CENTRE_ALONE, None)
    if alone is None or not gains:
        return []
    best = max(gains, key=lambda how: gains[how])
    what = records[0].figures["sets"][which][0][-1]["what"]
    return [
        f"{what}: the new centre alone gives {alone:+.4f}, the best that learnt ({best}) {gains[best]:+.4f}: "
        + (
            "what is gained comes from the centre, and learning adds nothing that these pictures could show."
            if gains[best] <= alone
            else f"learning adds {gains[best] - alone:+.4f}."
        )
    ]


def gain_at_rarest(record: Record, which: str) -> float:
    """The mean gain over the seeds where strangers are rarest."""
    rows = [seed[-1] for seed in record.figures["sets"][which]]
    return mean(row["after"] - row["before"] for row in rows)


def runs_table(records: list[Record]) -> str:
    lines = []
    for record in records:
        f = record.figures
        known = [a for a in f["active_first"] if a is not None]
        active = f"{mean(known):.1%} → {mean(f['active_last']):.1%}" if known else ""
        kept_epochs = ", ".join(map(str, f["best_epoch"]))
        lines.append([record.subject["how"], active, kept_epochs, f"{max(f['seconds_of_epochs']):.0f}"])
    return table(
        ["loss", "active triplets, first → last epoch", "epochs kept", "seconds of all epochs, slowest"], lines
    )


def lfw_part(record: Record) -> list[str]:
    rows = record.figures["lfw"]
    learnt = list(record.figures["sets"])
    lines = [
        [
            "before" if row["name"] == "facenet" else f"learnt {learnt[i - 1].upper()}",
            f"{row['accuracy']:.4f} ± {row['standard_error']:.4f}",
            f"{row['gain']:+.4f}" if i else "",
            "{:+.4f} … {:+.4f}".format(*row["gain_interval"]) if i else "",
        ]
        for i, row in enumerate(rows)
    ]
    told = (
        f"{rows[0]['pairs']:,} official pairs of the folds at hand, threshold from the other folds; {record.subject['how']}, first"
        " seed. The gain counts pairs decided rightly, with 95 % over pairs drawn."
    )
    return [told, table(["network", "accuracy", "gain", "interval"], lines)]


if __name__ == "__main__":
    main()
