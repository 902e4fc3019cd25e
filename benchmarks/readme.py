"""README's section “How good, how fast”, from the figures that the other scripts have measured.

    python benchmarks/readme.py [--check]

Measures nothing: reads benchmarks/results and writes what lies between the two marks in README.md. With --check it writes
nothing and ends with 1 if README says anything else.
"""

import argparse
import sys
from pathlib import Path

import pipeline
from mien.evaluation.records import Record
from report import ROOT, read_records

BEGIN, END = "<!-- figures: written by benchmarks/readme.py -->", "<!-- end of figures -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    wanted = filled(text, section(ROOT / "benchmarks" / "results"))
    if not options.check:
        readme.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        sys.exit("README.md does not say what benchmarks/results say: python benchmarks/readme.py")


def filled(text: str, figures: str) -> str:
    """``text`` with ``figures`` between the marks."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"README.md lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def section(results: Path) -> str:
    """The table."""
    rows = [
        *photographs(read_records(results / "pipeline.json")),
        finding(read_records(results / "detectors.json")),
        embedding(read_records(results / "embedders.json")),
        verification(read_records(results / "lfw.json")),
        detection(read_records(results / "wider.json")),
    ]
    lines = ["| what | mien | beside others | measured |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def link(name: str) -> str:
    return f"[{name}](docs/benchmarks/{name}.md)"


def photographs(records: list[Record]) -> list[list[str]]:
    """The whole way: who is in a photograph."""
    of = {pipeline.key(r): r for r in records}
    naming = of["naming", ""].figures["contestants"]
    others = [n for n, f in naming.items() if not n.startswith("mien") and "named_right" in f]
    rows = [
        [
            f"the nearest of {of['naming', ''].protocol['people']} people of LFW is right; and is named, 1 stranger in 100 too",
            right(naming["mien"]),
            "; ".join(f"{n} {right(naming[n])}" for n in others),
            link("pipeline"),
        ]
    ]
    names = {"large": "photographs of 12 megapixels", "mixed": "a mixed photo library"}
    for name, words in names.items():
        speeds = of["photographs per second", name]
        ratios = [f"{n} {pipeline.times(speeds, n):.1f}" for n in others if n in speeds.figures["found"]]
        rate, _ = pipeline.pace(speeds, pipeline.OURS)
        rows.append(
            [
                f"{words}, photograph to name",
                f"{rate} a second on {speeds.subject['processes']} cores",
                f"times longer: {'; '.join(ratios)}",
                link("pipeline"),
            ]
        )
    return rows


def right(figures: dict) -> str:
    return f"{figures['nearest_right']:.3f}, {figures['named_right']:.3f}"


def finding(records: list[Record]) -> list[str]:
    """MTCNN alone at 1280 × 720."""
    (r,) = [r for r in records if r.protocol["size"] == [1280, 720] and r.protocol["min_face"] == 20]
    f = r.figures
    times = {n: ms / f["picture_ms"]["mien, fast"] for n, ms in f["picture_ms"].items() if not n.startswith("mien")}
    return [
        "finding faces, 1280 × 720, from 20 pixels",
        f"{f['picture_ms']['mien, fast']:.0f} ms",
        f"times longer: {'; '.join(f'{n} {t:.1f}' for n, t in times.items())}",
        link("detectors"),
    ]


def embedding(records: list[Record]) -> list[str]:
    """FaceNet's and dlib's networks, 32 faces at once."""
    facenet, dlib = (r.figures["per_face_ms"] for r in records)
    ours, theirs = facenet["mien facenet"]["32"], dlib["mien dlib"]["32"]
    torch = min(t["32"] for n, t in facenet.items() if n.startswith("torch"))
    slow = min(t["32"] for n, t in dlib.items() if n.startswith("dlib"))
    return [
        "embedding a face: FaceNet, dlib's network",
        f"{ours:.1f} ms, {theirs:.1f} ms",
        f"times longer: FaceNet in torch {torch / ours:.1f}, in OpenCV {facenet['OpenCV dnn']['32'] / ours:.1f}; dlib-bin {slow / theirs:.0f}",
        link("embedders"),
    ]


def verification(records: list[Record]) -> list[str]:
    """LFW's pairs, from the picture on."""
    words = [f"{r.subject['name']} {r.figures['accuracy']:.4f} ± {r.figures['standard_error']:.4f}" for r in records]
    return ["same person or not (LFW's pairs, picture to decision)", words[0], "; ".join(words[1:]), link("lfw")]


def detection(records: list[Record]) -> list[str]:
    """WIDER FACE, easy / medium / hard."""
    ap = {r.subject["variant"]: " / ".join(f"{v:.3f}" for v in r.figures["ap"].values()) for r in records}
    first, *rest = ap
    return [
        "average precision, WIDER easy / medium / hard",
        f"{first} {ap[first]}",
        "; ".join(f"{name} {ap[name]}" for name in rest if name in {"yunet", "parity", "mtcnn-parity"}),
        link("wider"),
    ]


if __name__ == "__main__":
    main()
