"""A sliding-window detector of one's own: how good before and after hard negatives, what conversion costs and brings.

    python benchmarks/region.py --data DIR [--work DIR] [--threads 2] [--epochs 15] [--seed 0]

The run is the command that a user types, in a process of its own: ``mien train region DATA/wider``. Its folder is kept in
``--work``, so that an interrupted benchmark goes on where it stopped and a finished run is not made anew (remove the folder
to time it again: only a run that was never interrupted is timed whole). Then the converted form and the same classifier window
by window search the same pictures in turn, in one process, by the same ONNX Runtime, stride 4, 64 windows a run; the ratio
is taken pair by pair. Writes benchmarks/results/region.json and docs/benchmarks/region.md.
"""

import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from statistics import median

import numpy as np

from mien.detectors.sliding_window import SlidingWindowDetector, SlidingWindowOptions
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import read_image
from mien.training.region_evaluation import CUT, WindowByWindow
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
from report import arguments, conditions, data_folder, table, write_page, write_records

NAME = "wider-faces"
TIMED = (CUT, 352)
"""Sides of the squares that are searched against the clock, pixels."""
ROUNDS = 7


def main() -> None:
    parser = arguments(__doc__ or "", "region")
    parser.add_argument("--work", type=Path, default=Path(".cache") / "train-region", help="where the run is kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work = options.work.resolve()
    wider = data_folder(options, "wider")
    report, minutes = trained(options, wider)
    record = Record(
        task="region detector",
        protocol={
            "data": "wider",
            "photographs": report["facts"]["photographs"],
            "cuts": report["cuts"],
            "whole": report["whole"],
            "iou": 0.5,
        },
        subject={
            key: report["facts"][key]
            for key in ("parameters", "epochs", "batch", "rate", "versions", "negatives", "hard", "seed")
        },
        figures={
            "windows": report["windows"],
            "rounds": report["rounds"],
            "cuts_ap_window_by_window": report["cuts_ap_window_by_window"],
            "threshold": report["threshold"],
            "threshold_at_recall_0.85": report["threshold_at_recall_0.85"],
            "head_difference": report["facts"]["head_difference"],
            "minutes": minutes,
            "speed": speed(options, wider),
            "threads": options.threads,
        },
        versions=installed_versions(("mien", "numpy", "keras", "torch", "onnx", "onnxruntime")),
        machine=this_machine(),
    )
    write_records([record], options.results)
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))


def trained(options: Namespace, wider: Path) -> tuple[dict, float | None]:
    """The report of the run, made by the command line unless it is there, and the minutes of the whole command."""
    out = options.work / NAME
    clock = options.work / "minutes.json"
    if not (out / "report.json").is_file():
        whole = not out.exists()
        command = [
            sys.executable,
            "-m",
            "mien",
            "train",
            "region",
            str(wider),
            "--out",
            str(out),
            "--resume",
            "--replace",
        ]
        command += ["--epochs", str(options.epochs), "--seed", str(options.seed), "--threads", str(options.threads)]
        began = time.perf_counter()
        done = subprocess.run(command, check=False, env={**os.environ, "MIEN_DATA_DIR": str(options.work / "data")})
        if done.returncode not in {0, 3}:  # 3: some boxes were left out and named
            raise SystemExit(done.returncode)
        clock.write_text(json.dumps(round((time.perf_counter() - began) / 60, 1) if whole else None), encoding="utf-8")
    minutes = json.loads(clock.read_text(encoding="utf-8")) if clock.is_file() else None
    return json.loads((out / "report.json").read_text(encoding="utf-8")), minutes


def speed(options: Namespace, wider: Path) -> list[dict]:
    """Milliseconds of one search by either way, taking turns, and the median of their ratios."""
    run = options.work / NAME
    runtime = RuntimeOptions(threads=options.threads)
    whole = OnnxNetwork(run / f"{NAME}.onnx", runtime)
    apart = WindowByWindow(OnnxNetwork(run / "classifier.onnx", runtime))
    search = {
        name: SlidingWindowDetector(name, network, SlidingWindowOptions(min_face=32, max_face=32))
        for name, network in (("converted", whole), ("apart", apart))
    }
    picture = read_image(next(iter(sorted((wider / "WIDER_val" / "images").rglob("*.jpg"))))).pixels
    return [timed(search, np.ascontiguousarray(picture[:side, :side])) for side in TIMED]


def timed(search: dict[str, SlidingWindowDetector], picture: np.ndarray) -> dict:
    times: dict[str, list[float]] = {name: [] for name in search}
    heats = {name: detector.heat(picture) for name, detector in search.items()}  # warm
    for turn in range(ROUNDS):
        for name in sorted(search, reverse=bool(turn % 2)):
            began = time.perf_counter()
            search[name].heat(picture)
            times[name].append(1000 * (time.perf_counter() - began))
    ratios = [a / c for a, c in zip(times["apart"], times["converted"], strict=True)]
    return {
        "side": picture.shape[0],
        "windows": int(heats["converted"].size),
        "converted_ms": round(median(times["converted"]), 1),
        "apart_ms": round(median(times["apart"]), 1),
        "ratio": round(median(ratios), 1),
        "ratios": [round(min(ratios), 1), round(max(ratios), 1)],
    }


def page(record: Record) -> list[str]:
    figures, protocol = record.figures, record.protocol
    rounds = [
        (
            f"{each['round']}, {'with' if each['round'] == 2 else 'without'} hard negatives",
            f"{each['samples']:,}",
            f"{each['best_epoch']} of {each['epochs']}",
            f"{each['val_accuracy']:.3f}",
            f"{each['cuts_ap']:.3f}",
            f"{each['whole_ap']:.3f}",
        )
        for each in figures["rounds"]
    ]
    last = figures["rounds"][-1]
    reached = figures["threshold_at_recall_0.85"]
    quality = (
        f"Learnt from {protocol['photographs']} photographs of WIDER FACE, a fifth of them held out to choose the epoch:"
        f" validation accuracy is over windows of those. Cuts: {protocol['cuts']['pictures']} validation pictures of WIDER with"
        f" one or two faces, all of 60 px or more, scaled so that the mean face is 32 px, cut to 176 × 176 at a seeded random"
        f" offset that holds a face, one scale, at most five finds; {protocol['cuts']['faces']} faces, area under precision"
        f" over recall at IoU 0.5. Whole: {protocol['whole']['pictures']} validation pictures as they are, a pyramid,"
        f" {protocol['whole']['faces']} faces from 60 px (root of the area)."
    )
    border = (
        f"Recall 0.85 on the cuts is {'not reached' if reached is None else f'reached at a score of {reached}'}. The classifier"
        f" asked window by window about the same cuts: {figures['cuts_ap_window_by_window']:.3f}. The difference to"
        f' {last["cuts_ap"]:.3f} is what "same" padding costs: a window inside a picture sees its neighbours where a cut-out'
        f" sees zeros. Given the same features, both heads agree within {figures['head_difference']:.0e}, on cut-outs both"
        f" forms within {max(each['export_difference'] for each in figures['rounds']):.0e}."
    )
    minutes = figures["minutes"]
    took = "" if minutes is None else f" The whole command took {minutes:g} minutes on {figures['threads']} threads."
    times = [
        (
            f"{each['side']} × {each['side']}",
            f"{each['windows']:,}",
            f"{each['converted_ms']:.1f}",
            f"{each['apart_ms']:.1f}",
            f"{each['ratio']:.1f}",
            f"{each['ratios'][0]:.1f} – {each['ratios'][1]:.1f}",
        )
        for each in figures["speed"]
    ]
    told = (
        f"Milliseconds of one search at one scale, stride 4; window by window in runs of 64; medians of {ROUNDS} turns, both"
        " ways taking turns."
    )
    return [
        "# A region detector of one's own",
        quality,
        table(("round", "windows", "best epoch", "validation accuracy", "cuts", "whole"), rounds),
        border,
        "## Converted and window by window",
        told + took,
        table(("picture", "windows", "converted", "window by window", "× as fast", "spread"), times),
        conditions(record),
    ]


if __name__ == "__main__":
    main()
