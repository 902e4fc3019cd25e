"""A library indexed with a kill -9 in the middle: speed, memory, nothing lost or doubled; then its unknown faces in groups.

    python benchmarks/library.py --data DIR [--home DIR]

Indexes LFW's photographs with `mien index` in processes of their own, kills everything once half is done, goes on, and
samples the workers' memory. Then groups the faces as `mien cluster` does and holds them against LFW's folders, by BCubed.
A shared machine stops and slows such a run: processor time is told beside the clock's. With --home the library is kept there
and a second call only groups. Writes benchmarks/results/library.json and docs/benchmarks/library.md.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from mien.core.library import LibraryFace
from mien.core.people import EmbeddingSpace
from mien.evaluation.clustering import judge_clusters
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.jobs.search import usable
from mien.recognition.clustering import ClusterFaces, ClusterOptions, cluster, near_enough
from mien.recognition.quality import QualityLimits
from mien.store.gallery import open_gallery
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, read_records, table, write_page, write_records

MIN_FACE, WORKERS, SAMPLE_S = 60, 2, 2.0
NEARS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)


def main() -> None:
    parser = arguments(__doc__ or "", "library")
    parser.add_argument("--home", type=Path, help="folder where the library is kept for another call")
    options = parser.parse_args()
    images = data_folder(options, "lfw") / "images"
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        database = home / "mien.db"
        kept = [r for r in read_records(options.results) if r.task == "library index" and database.exists()]
        records = [*(kept or [indexing(images, database)]), grouping(database)]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


# indexing


class Watch(threading.Thread):
    """Samples the memory of a process and its children, MB, with how many files were done."""

    def __init__(self, pid: int, database: Path) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[int, float]] = []
        self._pid, self._database, self.over = pid, database, threading.Event()

    def run(self) -> None:
        while not self.over.wait(SAMPLE_S):
            with suppress(OSError, StopIteration):
                family = [self._pid, *children(self._pid)]
                self.samples.append((done_in(self._database), max(map(resident_mb, family))))


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def done_in(database: Path) -> int:
    if not database.exists():
        return 0
    with open_gallery(database, read_only=True) as gallery:
        return gallery.library.counts().photos


def start(images: Path, database: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mien", "index", str(images), "--database", str(database)]
    return subprocess.Popen([*command, "--workers", str(WORKERS), "--min-face", str(MIN_FACE)], text=True)


def indexing(images: Path, database: Path) -> Record:
    """Index, kill, go on; what was done, how fast, with how much memory."""
    files = sum(1 for _ in images.rglob("*.jpg"))
    began = time.monotonic()
    process = start(images, database)
    while done_in(database) < files // 2 and process.poll() is None:
        time.sleep(SAMPLE_S)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers):  # they end when nobody listens any more
        time.sleep(0.1)
    kept = done_in(database)
    killed, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start(images, database)
    watch = Watch(process.pid, database)
    watch.start()
    process.wait()
    watch.over.set()
    ended, spent = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    with open_gallery(database) as gallery:
        counts = gallery.library.counts()
        contents = {f.sha256 for table in tables(gallery) for f in table.faces}
    again = time.monotonic()
    start(images, database).wait()
    quarter = [mb for done, mb in watch.samples if done > kept + (files - kept) / 4]
    return Record(
        task="library index",
        protocol={"data": "LFW, the folders of the data set", "files": files, "workers": WORKERS, "min_face": MIN_FACE},
        subject={"detector": "mtcnn", "name": "facenet"},
        figures={
            "kept_at_kill": kept,
            "seconds_before_kill": killed - began,
            "seconds_after": ended - killed,
            "files_per_second": (counts.photos - kept) / (ended - killed),
            "processor_ms_per_file": 1000 * processor / max(counts.photos - kept, 1),
            "photos": counts.photos,
            "failed": counts.failed,
            "faces": counts.faces,
            "pictures_with_faces": len(contents),
            "seconds_when_known": time.monotonic() - again,
            "worker_mb_first_quarter": quarter[0] if quarter else None,
            "worker_mb_end": quarter[-1] if quarter else None,
            "worker_mb_most": max(quarter, default=None),
            "database_mb": database.stat().st_size / 2**20,
        },
        machine=this_machine(),
        versions=installed_versions(),
    )


def tables(gallery):
    return [t for space in gallery.library.spaces() for t in gallery.library.faces(space)]


# groups


def grouping(database: Path) -> Record:
    """The face in the middle of each picture belongs to the folder's person; the others are grouped along and not judged."""
    house = House(load_settings(database=str(database)))
    with house:
        space: EmbeddingSpace = house.embedder.space
        calibration = house.catalog.calibration(space.id)
        assert calibration is not None
        pages = list(house.gallery.library.faces(space))
        faces = house.gallery.library.with_paths([f for page in pages for f in page.faces if usable(f)])
        wanted = {f.id for f in faces}
        vectors = np.concatenate([page.vectors[[f.id in wanted for f in page.faces]] for page in pages])
        limits = house.limits
    truth = ["" if not central(f) else Path(os.fsdecode(f.paths[0])).parent.name for f in faces]
    default = near_enough(calibration, len(faces))
    rows = [judged(faces, vectors, truth, limits, near) for near in (default, *NEARS)]
    rows.append(by_hdbscan(vectors, truth))
    return Record(
        task="library groups",
        protocol={
            "data": "LFW, the folders of the data set",
            "faces": len(faces),
            "judged": sum(map(bool, truth)),
            "people": len(set(truth) - {""}),
            "rule": "the face that holds the middle of the picture is the folder's person; BCubed over those",
            "calibration": f"{calibration.data}: the same pictures",
        },
        subject={"detector": "mtcnn", "name": space.name, "space": space.id},
        figures={"default_near": default, "rows": rows},
        machine=this_machine(),
        versions=installed_versions(),
    )


def central(face: LibraryFace) -> bool:
    """Whether the face holds the middle of an LFW picture (250 × 250)."""
    x1, y1, x2, y2 = face.box
    return x1 <= 125 <= x2 and y1 <= 125 <= y2


def judged(faces, vectors, truth, limits: QualityLimits, near: float) -> dict[str, object]:
    given = ClusterFaces(
        vectors,
        np.array([usable(f, limits) for f in faces]),
        np.array([f.content for f in faces]),
        np.full(len(faces), -1),
    )
    began = time.monotonic()
    labels = cluster(given, ClusterOptions(near))
    return figures(f"near {near:.3f}", labels, truth, time.monotonic() - began)


def by_hdbscan(vectors, truth) -> dict[str, object]:
    from sklearn.cluster import HDBSCAN

    began = time.monotonic()
    labels = HDBSCAN(min_cluster_size=2, copy=True).fit(vectors.astype(np.float64)).labels_
    return figures("HDBSCAN, for comparison", labels, truth, time.monotonic() - began)


def figures(name: str, labels, truth, seconds: float) -> dict[str, object]:
    chosen = [i for i, person in enumerate(truth) if person]
    found = judge_clusters([truth[i] for i in chosen], [str(labels[i]) for i in chosen])
    return {"name": name, "seconds": seconds, **found.to_dict()}


# the page


def page(records: list[Record]) -> list[str]:
    index, groups = records
    f, p = index.figures, index.protocol
    rows = [
        (
            str(r["name"]),
            *(f"{r['bcubed'][k]:.4f}" for k in ("precision", "recall", "f1")),
            f"{r['pure']:.4f}",
            str(r["groups"]),
            f"{r['seconds']:.1f}",
        )
        for r in groups.figures["rows"]
    ]
    return [
        "# A photo library",
        "## Indexing",
        (
            f"`mien index --workers {p['workers']} --min-face {p['min_face']}` over {p['files']:,} photographs (LFW, 250 × 250). "
            f"Everything was killed (`kill -9`) when half was done: {f['kept_at_kill']:,} were kept, the second run did the rest "
            f"and ended with {f['photos']:,} photographs and {f['failed']} unreadable ones, no picture twice "
            f"({f['pictures_with_faces']:,} pictures with {f['faces']:,} faces)."
        ),
        table(
            ["", "measured"],
            [
                ("processor time per photograph, ms", f"{f['processor_ms_per_file']:.0f}"),
                ("photographs per second, by the clock of a shared machine", f"{f['files_per_second']:.1f}"),
                ("a run over a library that is known, s", f"{f['seconds_when_known']:.1f}"),
                ("memory of the largest process after a quarter, MB", f"{f['worker_mb_first_quarter']:.0f}"),
                ("at the end", f"{f['worker_mb_end']:.0f}"),
                ("at most", f"{f['worker_mb_most']:.0f}"),
                ("database, MB", f"{f['database_mb']:.1f}"),
            ],
        ),
        "## Groups of unknown faces",
        (
            f"{groups.protocol['faces']:,} faces, {groups.protocol['judged']:,} of them of {groups.protocol['people']:,} people by "
            "their folder, most of whom have one picture; "
            f"{groups.protocol['rule']}. The first row is what `mien cluster` does by itself. The calibration is of the same "
            "pictures, so that the first row is better placed than on others."
        ),
        table(["", "BCubed precision", "recall", "F1", "faces in pure groups", "groups", "s"], rows),
        conditions(index),
        "Written by `benchmarks/library.py`.",
    ]


if __name__ == "__main__":
    main()
