"""What every evaluation leaves behind: ``record.json``, and ``report.md`` with its pictures beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, MissingExtraError
from mien.evaluation.records import Record
from mien.media.images import printable, write_whole

__all__ = [
    "conditions",
    "digest",
    "markdown_table",
    "percent",
    "protocol_words",
    "read_record",
    "require_charts",
    "subject_words",
    "write_record",
    "write_report",
]


def require_charts() -> None:
    """Say at the beginning, not after an hour, that the library which draws is missing.

    Raises:
        MissingExtraError: without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        raise MissingExtraError("charts", "lab") from None
    del mpl


def digest(rows: Iterable[object]) -> str:
    """Sixteen hex digits over the words of ``rows``: two lists with the same ones are the same list."""
    sha = hashlib.sha256()
    for row in rows:
        sha.update(repr(row).encode("utf-8", "surrogatepass") + b"\n")
    return sha.hexdigest()[:16]


def write_record(record: Record, file: Path) -> None:
    """One record as JSON."""
    write_whole(file, (json.dumps(record.to_dict(), indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def read_record(file: Path) -> Record:
    """The record of a file, or of ``record.json`` in a folder.

    Raises:
        InputError: nothing there, no JSON, or no record.
    """
    path = file / "record.json" if file.is_dir() else file
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise InputError(f"{printable(path)} is no record: no JSON ({error})") from error
    if not isinstance(values, dict):
        raise InputError(
            f"{printable(path)}: expected one record, as mien eval writes it, got a {type(values).__name__}"
        )
    return Record.from_dict(values)


def write_report(file: Path, parts: Sequence[str]) -> None:
    """A page of paragraphs."""
    write_whole(file, ("\n\n".join(part.strip() for part in parts if part.strip()) + "\n").encode("utf-8"))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def percent(interval: Sequence[float]) -> str:
    """An interval of shares, e.g. ``0.9831 – 0.9902``."""
    return f"{interval[0]:.4f} – {interval[1]:.4f}"


def protocol_words(record: Record) -> str:
    """The protocol as a list."""
    return "\n".join(f"- {name.replace('_', ' ')}: {_words(value)}" for name, value in record.protocol.items())


def subject_words(record: Record) -> str:
    """What was measured, as a list."""
    return "\n".join(f"- {name.replace('_', ' ')}: {_words(value)}" for name, value in record.subject.items())


def conditions(record: Record) -> str:
    """Where, when and with what it was measured, as a paragraph."""
    machine = record.machine
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return (
        f"Measured on {record.date}: {machine.processor}, {machine.cores} cores, {machine.system}, Python "
        f"{machine.python}; {versions}."
    )


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value)) or "none"
    return f"`{value}`" if isinstance(value, str) and len(value) == 64 else str(value)  # a sha256
