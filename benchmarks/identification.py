"""One face among many people of LFW: rank 1, DIR at FPIR and cost by size of the gallery.

    python benchmarks/identification.py --data DIR [--embedders dlib facenet …]

People with two pictures or more are divided by a seed: half of them stay out, as strangers, beside everybody with one
picture; one picture of each of the others is enrolled. Writes benchmarks/results/identification.json and
docs/benchmarks/identification.md.
"""

import time

import numpy as np

from mien.datasets.folders import person_folders
from mien.evaluation.identification import IdentificationRules, judge_identification
from mien.evaluation.identification_report import identification_record
from mien.evaluation.pipeline import embed_located, locate_faces
from mien.evaluation.records import Record, subject_of
from mien.media.images import read_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

EMBEDDERS = ("facenet", "dlib", "facenet+dlib")
RULES = IdentificationRules(templates=1, left_out=0.5, sizes=(25, 50, 100, 200, 0), fpir=(0.1, 0.03, 0.01))


def main() -> None:
    parser = arguments(__doc__ or "", "identification")
    parser.add_argument("--embedders", nargs="+", default=EMBEDDERS)
    options = parser.parse_args()
    root = data_folder(options, "lfw") / "images"
    shown = [(path, person) for person, paths in person_folders(root).photos.items() for path in paths]
    pictures = [path for path, _ in shown]
    people = np.unique([person for _, person in shown], return_inverse=True)[1].astype(np.intp)
    detector = House(load_settings()).detector
    started = time.perf_counter()
    located = locate_faces(detector, pictures, read=read_image)
    print(f"{len(pictures)} pictures searched in {time.perf_counter() - started:.0f} s", flush=True)
    names = [path.relative_to(root).as_posix() for path in pictures]
    records = []
    for name in options.embedders:
        embedder = House(load_settings(embedder=name)).embedder
        vectors = embed_located(embedder, pictures, located, read=read_image)
        found = judge_identification(vectors, people, RULES)
        missed = int((~vectors.any(axis=1)).sum())
        told = ({"data": "LFW, the pictures at hand", "people": int(people.max()) + 1}, subject_of(detector, embedder))
        records.append(identification_record(found, names, RULES, missed=missed, told=told))
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", flush=True)
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def page(records: list[Record]) -> list[str]:
    """The page as paragraphs."""
    rules = records[0].protocol
    strangers = next(iter(records[0].figures["by_size"].values()))["stranger_probes"]
    head = [
        "embedder",
        "people",
        "probes",
        "rank 1",
        "95 %",
        *(f"DIR at FPIR {f}" for f in rules["fpir"]),
        "search, ms",
    ]
    return [
        "# Who is it, among many: LFW",
        (
            f"{rules['pictures']:,} pictures of {rules['people']:,} people of LFW (those that its first four folds name), MTCNN as "
            f"shipped, the face nearest the centre. Of the people with two pictures or more half, drawn by seed {rules['seed']}, are "
            "in the gallery with one picture each, and asked about with all others; everybody else is a stranger: "
            f"{strangers:,} faces, the same at every size. Rank 1: the most alike template is the right person's. DIR at FPIR: that, "
            "and above the cosine which so many of the strangers reach with anybody in the gallery. A probe without a face counts as "
            "not found. Intervals: 95 %, bootstrap over people, never narrower than Wilson's."
        ),
        table(head, [row(r, size) for r in records for size in r.figures["by_size"].values()]),
        (
            "One template a person, no attempt to choose a good one; several help most where DIR is low. The strangers set the "
            "cosine of FPIR on the data it is told of, as is usual for this figure: a threshold in use comes from elsewhere (`mien "
            "calibrate`). Galleries of this size cost next to nothing to search: what it costs at 10,000 and more is in "
            "[gallery](gallery.md)."
        ),
        conditions(records[0]),
        (
            "Written by `benchmarks/identification.py`; CMC, intervals, cosines, weights and options are in "
            "`benchmarks/results/identification.json`. The same on your people: `mien eval identification`."
        ),
    ]


def row(record: Record, size: dict) -> list[str]:
    low, high = size["rank1_95"]
    rates = [size["dir"].get(f) for f in record.protocol["fpir"]]
    return [
        record.subject["name"],
        f"{size['people']:,}",
        f"{size['mated_probes']:,}",
        f"{size['rank1']:.3f}",
        f"{low:.3f} – {high:.3f}",
        *("refused" if r is None else f"{r['rate']:.3f} ({r['low']:.3f} – {r['high']:.3f})" for r in rates),
        f"{size['search_ms']:.3f}",
    ]


if __name__ == "__main__":
    main()
