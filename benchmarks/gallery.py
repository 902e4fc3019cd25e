"""What a gallery costs: vectors into memory, a search that finds nothing changed, an enrolment, a removal.

    python benchmarks/gallery.py [--templates 10000 100000]

Random unit vectors of 512 numbers, ten per person, in a folder for this run. The driver reading and joining the same
bytes takes turns with ``vectors()``. Writes benchmarks/results/gallery.json and docs/benchmarks/gallery.md.
"""

import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mien.core.people import EmbeddingSpace, Person, Template
from mien.core.vectors import unit
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.store.gallery import SqlGallery, open_gallery
from mien.store.identities import new_id
from mien.store.transfer import Parcel, write_parcel
from report import arguments, conditions, table, write_page, write_records

SPACE = EmbeddingSpace("random", 512, "none", "none", "none")
PER_PERSON, TURNS, ENROLMENTS, CALLS = 10, 5, 30, 300
QUALITY = {"size": 120.0, "sharpness": 80.0, "brightness": 0.5, "contrast": 0.2, "yaw": 4.0, "roll": -2.0}


def main() -> None:
    parser = arguments(__doc__ or "", "gallery")
    parser.add_argument("--templates", type=int, nargs="+", default=[10_000, 100_000])
    options = parser.parse_args()
    records = [measured(count) for count in options.templates]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def measured(count: int) -> Record:
    """One gallery of ``count`` templates, from the import to the removal of one of its people."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, open_gallery(Path(folder) / "gallery.db") as gallery:
        write_parcel(parcel_of(count), Path(folder) / "export.npz")
        figures["import_ms"], _ = timed(lambda: gallery.import_(Path(folder) / "export.npz"))
        gallery.compact()
        figures["bytes_per_template"] = gallery.info().bytes / count
        figures |= reading(gallery, Path(folder) / "gallery.db")
        figures["enroll_ms"] = median(
            timed(lambda: gallery.add("Person 1", [template(1)]))[0] for _ in range(ENROLMENTS)
        )
        figures["remove_ms"], receipt = timed(lambda: gallery.remove("Person 2"))
        if not receipt.verified:
            raise SystemExit(f"the removal left traces: {receipt.to_dict()}")
    return Record(
        task="gallery",
        protocol={
            "templates": count,
            "dimensions": SPACE.dimensions,
            "per_person": PER_PERSON,
            "turns": TURNS,
            "statistic": "median; import and removal once; the first reading of all vectors in processor time",
        },
        subject={"gallery": "SqlGallery", "sqlite": sqlite3.sqlite_version},
        figures=figures,
        machine=this_machine(),
        versions=installed_versions(("mien", "numpy", "sqlalchemy")),
    )


def reading(gallery: SqlGallery, path: Path) -> dict[str, float]:
    """The driver alone and a gallery that has nothing in memory, in turns; then calls that find nothing changed."""
    driver, loading = [], []
    for _ in range(TURNS):
        driver.append(timed(lambda: read_by_driver(path), time.process_time)[0])
        with open_gallery(path) as fresh:
            loading.append(timed(lambda gallery=fresh: gallery.vectors(SPACE), time.process_time)[0])
    gallery.vectors(SPACE)
    unchanged = [timed(lambda: gallery.vectors(SPACE))[0] for _ in range(CALLS)]
    return {"driver_ms": median(driver), "vectors_ms": median(loading), "unchanged_ms": median(unchanged)}


def read_by_driver(path: Path) -> np.ndarray:
    """All vectors by the standard library's SQLite module, ``(n, 512)``."""
    connection = sqlite3.connect(path)
    try:
        stored = b"".join(row[0] for row in connection.execute("SELECT vector FROM templates ORDER BY seq"))
    finally:
        connection.close()
    return np.frombuffer(stored, "<f4").reshape(-1, SPACE.dimensions)


def parcel_of(count: int, space: EmbeddingSpace = SPACE) -> Parcel:
    """An export of ``count`` templates of 512 numbers, ten per person."""
    now = datetime.now(UTC)
    people = tuple(Person(new_id(), f"Person {i}", now) for i in range(count // PER_PERSON))
    vectors = unit(np.random.default_rng(0).normal(size=(count, SPACE.dimensions)).astype(np.float32))
    templates = tuple(
        template(i, vector, space, id=new_id(), person_id=people[i // PER_PERSON].id, created=now)
        for i, vector in enumerate(vectors)
    )
    return Parcel(people, {}, templates, (), space.id)


def template(seed: int, vector: np.ndarray | None = None, space: EmbeddingSpace = SPACE, **given: object) -> Template:
    """A template as enrolment makes it; without a digest where ``vector`` is not given, so that it may be repeated."""
    digest = "" if vector is None else hashlib.sha256(str(seed).encode()).hexdigest()
    if vector is None:
        vector = unit(np.random.default_rng(seed).normal(size=(1, SPACE.dimensions)))[0]
    return Template(vector, space, f"photo-{seed}.jpg", digest, (10.0, 20.0, 130.0, 160.0), QUALITY, "mtcnn", **given)


def timed(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> tuple[float, Any]:
    """Milliseconds and the result."""
    start = clock()
    result = work()
    return 1000 * (clock() - start), result


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    words = {
        "bytes_per_template": "bytes per template, vector included",
        "driver_ms": "the driver alone reads all vectors, processor ms",
        "vectors_ms": "`vectors()` with nothing in memory, processor ms",
        "unchanged_ms": "`vectors()` when nothing has changed, ms",
        "enroll_ms": "enrol one face, ms",
        "import_ms": "import of everything, every value checked, ms",
        "remove_ms": "remove a person, rebuild the file and search its bytes, ms",
    }
    head = ["", *(f"{r.protocol['templates']:,} templates" for r in records)]
    rows = [[said, *(spoken(r.figures[name]) for r in records)] for name, said in words.items()]
    ratio = [
        "`vectors()` against the driver",
        *(f"{r.figures['vectors_ms'] / r.figures['driver_ms']:.2f}×" for r in records),
    ]
    return [
        "# Gallery",
        (
            "Random unit vectors of 512 numbers (2,048 bytes), ten per person, in one SQLite file. Medians; import and "
            "removal once. Reading everything is given in processor time, because other work would drown the ratio."
        ),
        table(head, [*rows, ratio]),
        conditions(records[0]),
        "Written by `benchmarks/gallery.py`.",
    ]


def spoken(figure: float) -> str:
    """Three digits, or all before the point."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


if __name__ == "__main__":
    main()
