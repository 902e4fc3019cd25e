"""Resident memory over the same photographs, ten rounds of finding and embedding every face.

    python benchmarks/memory.py --data DIR

After the first round it must stay within 5 %. Writes benchmarks/results/memory.json and docs/benchmarks/memory.md.
"""

import gc
from itertools import cycle, islice
from pathlib import Path

from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

PHOTOGRAPHS, ROUNDS, ALLOWED = 100, 10, 0.05
MIN_FACE = 40


def main() -> None:
    options = arguments(__doc__ or "", "memory").parse_args()
    folder = data_folder(options, "photos")
    paths = photographs(folder)
    house = House(load_settings(min_face=MIN_FACE))
    detector, embedder = house.detector, house.embedder
    resident, faces = [], 0
    for number in range(1, ROUNDS + 1):
        faces = sum(faces_of(house, path) for path in paths)
        gc.collect()
        resident.append(resident_megabytes())
        print(f"round {number}: {faces} faces, {resident[-1]:.0f} MB")
    drift = max(abs(mb / resident[0] - 1) for mb in resident[1:])
    record = Record(
        task="memory",
        protocol={
            "photographs": len(paths),
            "rounds": ROUNDS,
            "work": "read, find and embed every face",
            "faces": faces,
        },
        subject=subject_of(detector, embedder),
        figures={"resident_mb": resident, "drift": drift, "allowed": ALLOWED},
        machine=this_machine(),
        versions=installed_versions(),
    )
    write_records([record], options.results)
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))
    raise SystemExit(0 if drift <= ALLOWED else 1)


def photographs(folder: Path) -> list[Path]:
    """A hundred photographs of all folders, mixed; from the start again if there are fewer."""
    folders = [
        sorted(f for f in group.rglob("*") if f.suffix.lower() in {".jpg", ".jpeg", ".png"})
        for group in sorted(folder.iterdir())
    ]
    mixed = [
        f for row in zip(*(islice(cycle(group), PHOTOGRAPHS) for group in folders if group), strict=True) for f in row
    ]
    return list(dict.fromkeys(mixed))[:PHOTOGRAPHS]


def faces_of(house: House, path: Path) -> int:
    """Read, find, embed; how many faces."""
    picture = house.read(path)
    faces = house.detector.detect(picture.pixels)
    return len(house.embedder.embed(picture.pixels, faces))


def resident_megabytes() -> float:
    """What this process has in memory now (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def page(record: Record) -> list[str]:
    """The page as paragraphs."""
    resident, rules = record.figures["resident_mb"], record.protocol
    rows = ((str(i), f"{mb:.0f}", f"{mb / resident[0] - 1:+.1%}") for i, mb in enumerate(resident, start=1))
    return [
        "# Memory",
        (
            f"The same {rules['photographs']} photographs (of many sizes, {rules['faces']} faces) {rules['rounds']} times in "
            f"one process: {rules['work']}, with `{record.subject['detector']}` and `{record.subject['name']}`. Allowed: "
            f"± {record.figures['allowed']:.0%} after the first round; measured: {record.figures['drift']:.1%}."
        ),
        table(["round", "resident MB", "against the first"], rows),
        conditions(record),
        "Written by `benchmarks/memory.py`.",
    ]


if __name__ == "__main__":
    main()
