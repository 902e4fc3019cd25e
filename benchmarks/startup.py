"""How long a new process takes, and how large an installation is.

    python benchmarks/startup.py [--size]

Whole processes, medians. ``--size`` installs the package without extras into a fresh environment and weighs it.
Writes benchmarks/results/startup.json and docs/benchmarks/startup.md.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import write_image
from report import ROOT, arguments, conditions, read_records, table, write_page, write_records

RUNS = 9
LIMITS = {"help_ms": 500, "first_detection_ms": 1500, "installed_mb": 700}
WORDS = {
    "help_ms": "`mien --help`, ms",
    "first_detection_ms": "`mien detect PHOTO` in a new process, ms",
    "interpreter_ms": "for comparison: Python itself (`python -c pass`), ms",
    "installed_mb": "installed without extras, MB",
}


def main() -> None:
    parser = arguments(__doc__ or "", "startup")
    parser.add_argument("--size", action="store_true", help="install into a fresh environment and weigh it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = times(Path(folder)) | {"load": os.getloadavg()[0]}
        old = next(iter(read_records(options.results)), None)
        if options.size:
            figures["installed_mb"] = installed_megabytes(Path(folder))
        elif old and "installed_mb" in old.figures:
            figures["installed_mb"] = old.figures["installed_mb"]
    record = Record(
        task="startup",
        protocol={
            "runs": RUNS,
            "statistic": "median of whole processes, in turns",
            "photograph": "astronaut, 512 × 512",
        },
        subject={"installed": "without extras"},
        figures=figures,
        machine=this_machine(),
        versions=installed_versions(),
    )
    write_records([record], options.results)
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))


def times(folder: Path) -> dict[str, float]:
    """Median milliseconds of whole processes; the commands take turns, the first round is not counted."""
    from skimage import data

    photo = folder / "astronaut.png"
    write_image(photo, data.astronaut())
    mien = [sys.executable, "-m", "mien"]
    commands = {
        "interpreter_ms": [sys.executable, "-c", "pass"],
        "help_ms": [*mien, "--help"],
        "first_detection_ms": [*mien, "detect", str(photo)],
    }
    wall: dict[str, list[float]] = {name: [] for name in commands}
    busy: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS + 1):
        for name, command in commands.items():
            started, used = time.perf_counter(), processor_seconds()
            subprocess.run(command, check=True, capture_output=True)
            wall[name].append((time.perf_counter() - started) * 1000)
            busy[name].append((processor_seconds() - used) * 1000)
    medians = {name: median(values[1:]) for name, values in wall.items()}
    fastest = {name.replace("_ms", "_fastest_ms"): min(values) for name, values in wall.items()}
    return medians | fastest | {name.replace("_ms", "_cpu_ms"): median(values[1:]) for name, values in busy.items()}


def processor_seconds() -> float:
    """Processor time of all finished child processes, which other work on the machine hardly changes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def installed_megabytes(folder: Path) -> float:
    """Size on disk of what installing mien adds to an empty environment (as pip leaves it, compiled files included)."""
    home, source = folder / "venv", folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    venv.create(home, with_pip=True)
    before = disk_megabytes(home)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--only-binary=:all:", str(source)], check=True)
    return disk_megabytes(home) - before


def disk_megabytes(folder: Path) -> float:
    """Blocks on disk, MB."""
    return sum(f.lstat().st_blocks * 512 for f in folder.rglob("*")) / 1e6


def page(record: Record) -> list[str]:
    """The page as paragraphs."""
    figures = record.figures
    shown = [name for name in WORDS if name in figures]
    limit = {name: f"{LIMITS[name]:,}" if name in LIMITS else "–" for name in shown}

    def also(name: str, kind: str) -> str:
        return f"{figures[name.replace('_ms', kind)]:,.0f}" if name.endswith("_ms") else "–"

    rows = (
        [WORDS[name], f"{figures[name]:,.0f}", also(name, "_fastest_ms"), also(name, "_cpu_ms"), limit[name]]
        for name in shown
    )
    return [
        "# Starting and installing",
        table(["what", "median", "fastest run", "processor time", "at most"], rows),
        (
            f"{record.protocol['runs']} runs, {record.protocol['statistic']}; weights already converted. While they ran "
            f"{figures['load']:.1f} processes waited for {record.machine.cores} cores (load average): with more processes than "
            "cores the median is longer than on an idle machine, the fastest run and the processor time less so."
        ),
        conditions(record),
        "Written by `benchmarks/startup.py`.",
    ]


if __name__ == "__main__":
    main()
