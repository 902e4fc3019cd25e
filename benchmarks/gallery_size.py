"""Strangers named by galleries of a hundred, a thousand and ten thousand people, and what searches of them miss.

    python benchmarks/gallery_size.py --data DIR [--vectors FILE.npz]

Real people are those of LFW; more of them are made up from their vectors (benchmarks/synthetic.py), fitted to the measured
impostor distribution before any stranger is counted. --vectors keeps LFW's vectors between runs. Writes
benchmarks/results/gallery_size.json and docs/benchmarks/gallery-size.md.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mien.core.people import Calibration, EmbeddingSpace
from mien.core.vectors import CompactVectors, similarities, unit, who_may_matter
from mien.datasets.folders import person_folders
from mien.evaluation.calibration import measure_calibration
from mien.evaluation.charts import draw_curves
from mien.evaluation.pipeline import embed_located, locate_faces
from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.evaluation.verification import impostor_blocks
from mien.media.images import read_image
from mien.recognition.calibration import derive_margin, derive_threshold
from mien.store.indexed import IndexedSearch, build_index
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from pg_gallery import filled_database
from report import arguments, conditions, data_folder, table, write_page, write_records
from synthetic import FAR, fitted_share, reached, unknown_people

SIZES, STRANGERS, PROBES, ROUNDS = (100, 1_000, 10_000), 100, 10_000, 3
QUERIES, TOP = 200, 10
BESIDE = (0.62, 0.7)
"""What the first of three gives, beside the fitted one: tails lighter and heavier than the measured one."""
EDGES = np.linspace(-0.6, 1.0, 33)


def main() -> None:
    parser = arguments(__doc__ or "", "gallery_size")
    parser.set_defaults(page=parser.get_default("page").with_name("gallery-size.md"))
    parser.add_argument("--vectors", type=Path, help="where LFW's vectors are kept between runs")
    options = parser.parse_args()
    house = House(load_settings(embedder="facenet"))
    sample, people = lfw(house, data_folder(options, "lfw") / "images", options.vectors)
    space, today = house.embedder.space, datetime.now(UTC).date().isoformat()
    measured = measure_calibration(sample, people, space=space, data="LFW", date=today)
    share = fitted_share(sample, measured, count=4 * SIZES[-1] // 5)
    shares = sorted({share, *BESIDE})
    made = unknown_people(sample, SIZES[-1], np.random.default_rng(1), share=share)
    figures = {
        "share": share,
        "comparisons": measured.comparisons,
        "far": FAR,
        "real": [measured.similarity_at(far) for far in FAR],
        "made_up": {
            str(s): reached(unknown_people(sample, SIZES[-1], np.random.default_rng(1), share=s)) for s in shares
        },
        "edges": EDGES.tolist(),
        "real_histogram": histogram(sample, people),
        "made_up_histogram": histogram(made, np.arange(len(made))),
        "strangers": [counted(sample, s, measured, size) for s in shares for size in SIZES],
        "recall": {"compact": compact_recall(made), "hnsw": hnsw_recall(made, space)},
    }
    record = Record(
        task="gallery size",
        protocol={
            "data": f"LFW, {len(sample)} pictures of {len(np.unique(people))} people",
            "strangers": STRANGERS,
            "probes": PROBES,
            "rounds": ROUNDS,
            "templates_per_person": 1,
            "queries": QUERIES,
            "top": TOP,
        },
        subject=subject_of(house.detector, house.embedder),
        figures=figures,
        machine=this_machine(),
        versions=installed_versions(("mien", "numpy", "onnxruntime")),
    )
    write_records([record], options.results)
    chart = options.page.with_suffix("") / "impostors.png"
    chart.parent.mkdir(parents=True, exist_ok=True)
    curves = {name: points(figures[key]) for name, key in NAMES.items()}
    draw_curves(curves, chart, labels=("cosine of two strangers", "log10 of the share of comparisons"))
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))


NAMES = {"LFW": "real_histogram", "made up": "made_up_histogram"}


def lfw(house: House, root: Path, kept: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of all pictures with a face, and who each shows."""
    if kept is None or not kept.is_file():
        shown = [(path, who) for who, paths in person_folders(root).photos.items() for path in paths]
        pictures, people = [path for path, _ in shown], np.unique([who for _, who in shown], return_inverse=True)[1]
        located = locate_faces(house.detector, pictures, read=read_image)
        vectors = embed_located(house.embedder, pictures, located, read=read_image)
        if kept is None:
            return vectors[vectors.any(axis=1)], people[vectors.any(axis=1)]
        np.savez(kept, vectors=vectors, people=people)
    stored = np.load(kept)
    found = stored["vectors"].any(axis=1)
    return stored["vectors"][found], stored["people"][found]


def histogram(vectors: np.ndarray, people: np.ndarray) -> list[float]:
    """The share of comparisons between different people in each bin of ``EDGES``."""
    counts = sum(np.histogram(block, EDGES)[0] for block in impostor_blocks(vectors, people))
    return (counts / counts.sum()).tolist()


def points(shares: list[float]) -> list[tuple[float, float]]:
    """Middle of a bin and the logarithm of its share; empty bins are left out."""
    middles = (EDGES[1:] + EDGES[:-1]) / 2
    return [(float(x), float(np.log10(y))) for x, y in zip(middles, shares, strict=True) if y > 0]


def counted(sample: np.ndarray, share: float, measured: Calibration, size: int) -> dict[str, float]:
    """Strangers who reach the threshold of this size, who also lead by the margin, and who would reach that of the smallest."""
    threshold = derive_threshold(measured, strangers=STRANGERS, templates=size)
    fixed = derive_threshold(measured, strangers=STRANGERS, templates=SIZES[0]).similarity
    best = []
    for seed in range(ROUNDS):
        random = np.random.default_rng((size, seed))
        gallery = unknown_people(sample, size, random, share=share)
        probes = unknown_people(sample, PROBES, random, share=share)
        for start in range(0, PROBES, 1_000):
            cosines = similarities(probes[start : start + 1_000], gallery)
            best.append(np.sort(np.partition(cosines, -2, axis=1)[:, -2:], axis=1))
    second, first = np.concatenate(best).T
    reach, lead = first >= threshold.similarity, first - second >= derive_margin(measured, threshold.similarity)
    return {
        "share": share,
        "size": size,
        "threshold": threshold.similarity,
        "supported": threshold.supported,
        "reaching": float(reach.mean()),
        "named": float((reach & lead).mean()),
        "reaching_fixed": float((first >= fixed).mean()),
        "known_missed": threshold.genuine_lost or 0.0,
    }


def searches(vectors: np.ndarray) -> np.ndarray:
    """Other pictures of people of the gallery: vectors whose cosine with the first is about 0.7."""
    random = np.random.default_rng(9)
    chosen = vectors[random.choice(len(vectors), QUERIES, replace=False)]
    return unit(chosen + random.normal(0, 1 / np.sqrt(chosen.shape[1]), chosen.shape))


def compact_recall(vectors: np.ndarray) -> float:
    """The share of the most alike that the compact form proposes."""
    compact = CompactVectors.empty(*vectors.shape)
    compact.put(np.arange(len(vectors)), vectors)
    found = 0
    for query in searches(vectors):
        exact = np.argsort(-(vectors @ query))[:TOP]
        matter = who_may_matter(compact, np.arange(len(vectors)), query[None], people=TOP, floor=1.0)
        found += int(matter[exact].sum())
    return found / (TOP * QUERIES)


def hnsw_recall(vectors: np.ndarray, space: EmbeddingSpace) -> float:
    """The share of the most alike that pgvector's index finds, in a database for this run."""
    with filled_database(vectors, space) as database:
        build_index(database, space)
        search = IndexedSearch(database)
        if not search.ready(space):
            raise SystemExit("the index was not made")
        return search.measure(space, searches=QUERIES).recall


def page(record: Record) -> list[str]:
    """The page as paragraphs."""
    f, p = record.figures, record.protocol
    shares = list(f["made_up"])
    alike = [
        [f"{far:g}", f"{real:.3f}", *(f"{f['made_up'][s][i]:.3f} ({f['made_up'][s][i] - real:+.3f})" for s in shares)]
        for i, (far, real) in enumerate(zip(f["far"], f["real"], strict=True))
    ]
    sizes = [
        [
            f"{row['share']:g}{' (fitted)' if row['share'] == f['share'] else ''}",
            f"{row['size']:,}",
            f"{row['threshold']:.3f}{'' if row['supported'] else ' (extended)'}",
            f"{row['named']:.2%}",
            f"{row['reaching']:.2%}",
            f"{row['reaching_fixed']:.2%}",
            f"{row['known_missed']:.0%}",
        ]
        for row in f["strangers"]
    ]
    return [
        "# Strangers and the size of the gallery",
        (
            f"`--strangers {p['strangers']}` promises that at most {1 / p['strangers']:.0%} of strangers is named, whatever the "
            "gallery's size. LFW has too few people to try ten thousand, so more are made up: each is the mean and the "
            "differences of three faces of LFW from it, which keeps mean and covariance; how much the first gives "
            f"({f['share']:g}) is the one, of values in steps of a hundredth, that comes nearest to the measured tail (shares of 1e-4 "
            "and rarer, which the thresholds rest on). Others stand beside it, because a promise about one comparison in a million hangs on a "
            "tail that nobody can fit exactly."
        ),
        "## As alike as real strangers",
        (
            f"The cosine that a share of comparisons of different people reaches: {p['data']} "
            f"({f['comparisons']:,} comparisons), and {max(row['size'] for row in f['strangers']):,} made up."
        ),
        table(["share of comparisons", "LFW", *(f"made up, {s}" for s in shares)], alike),
        "![impostor distributions](gallery-size/impostors.png)",
        "## Strangers who are named",
        (
            f"{p['rounds']} galleries of each size, one template a person, {p['probes']:,} strangers each. The threshold follows "
            "the size; who reaches it is named if nobody else is nearly as alike (the margin). Beside it what the threshold of the smallest gallery would do, and how many comparisons with "
            "somebody known are lost below the threshold, as measured on LFW."
        ),
        table(
            [
                "first gives",
                "people",
                "threshold",
                "strangers named",
                "reach the threshold",
                f"reach that of {SIZES[0]}",
                "known missed",
            ],
            sizes,
        ),
        verdict(record),
        "## What a search misses",
        (
            f"{p['queries']} searches of the largest gallery, recall of the {p['top']} most alike: compact form "
            f"{f['recall']['compact']:.4f}, pgvector's index {f['recall']['hnsw']:.4f}."
        ),
        "People made up from LFW say nothing about a population that LFW does not show; calibrate on your own (`mien calibrate`).",
        conditions(record),
        "Written by `benchmarks/gallery_size.py`; both histograms are in `benchmarks/results/gallery_size.json`.",
    ]


def verdict(record: Record) -> str:
    """Whether the promise was kept at every size, in a sentence."""
    target = 1 / record.protocol["strangers"]
    fitted = [row for row in record.figures["strangers"] if row["share"] == record.figures["share"]]
    broken = [row for row in fitted if row["named"] > target]
    if not broken:
        worst = max(row["reaching"] for row in fitted)
        return (
            f"With the fitted one the promise of {target:.0%} is kept at every size: by threshold and margin together. The threshold "
            f"alone is reached by up to {worst:.2%} of strangers; a tail that is reproduced leaves it nothing to spare."
        )
    told = ", ".join(f"{row['named']:.2%} at {row['size']:,}" for row in broken)
    return (
        f"**With the fitted one the promise of {target:.0%} is not kept to the letter:** {told}. A tail that is reproduced leaves "
        "nothing to spare, and a cosine of a few thousandths decides. What the derived threshold does is to keep the rate nearly "
        "level while the gallery grows a hundredfold; who needs a figure that is never exceeded asks for rarer strangers, or "
        "calibrates on their own people."
    )


if __name__ == "__main__":
    main()
