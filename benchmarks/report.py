"""What the benchmark scripts share: arguments, records to JSON, tables to Markdown."""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mien.evaluation.records import Record

ROOT = Path(__file__).resolve().parents[1]


def arguments(description: str, name: str) -> argparse.ArgumentParser:
    """The options every script has; ``name`` is that of its results and its page."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_SHARED_DATA"), help="folder of the data sets")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / f"{name}.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks" / f"{name}.md")
    return parser


def data_folder(options: argparse.Namespace, needed: str) -> Path:
    """The folder ``needed`` within the data; stops with a line that says how to name it."""
    if options.data is None or not (Path(options.data) / needed).is_dir():
        raise SystemExit(f"{needed} is not in {options.data}: give --data DIR or set MIEN_SHARED_DATA")
    return Path(options.data) / needed


def write_records(records: Iterable[Record], file: Path) -> None:
    """The records as one JSON list."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [record.to_dict() for record in records]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_records(file: Path) -> list[Record]:
    """The records of a JSON list, none if there is no file."""
    if not file.is_file():
        return []
    return [Record.from_dict(row) for row in json.loads(file.read_text(encoding="utf-8"))]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def conditions(record: Record) -> str:
    """Where, when and with what a record was measured, as a paragraph."""
    machine = record.machine
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return (
        f"Measured on {record.date}: {machine.processor}, {machine.cores} cores, {machine.system}, "
        f"Python {machine.python}; {versions}. Shared machine: trust ratios before milliseconds."
    )


def write_page(file: Path, *parts: str) -> None:
    """A page of paragraphs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
