"""What a long evaluation has done so far: a line of JSON per picture, so that a run that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TextIO

from mien.core.errors import InputError

__all__ = ["Journal"]


class Journal:
    """Rows by name, kept in a file as they come in. Belongs to one thread.

    A journal of another key (other weights, options, rules) is begun anew. A last line that a crash cut short is left out.

    Args:
        file: where; its folder is there.
        key: what the rows depend on; plain values.

    Raises:
        InputError: the file cannot be read or written.
    """

    def __init__(self, file: Path, key: Mapping[str, Any]) -> None:
        self.file = file
        self.rows: dict[str, dict[str, Any]] = {}
        head = json.dumps({"key": dict(key)}, sort_keys=True)
        try:
            kept = self._read(head)
            self._stream: TextIO = file.open("w", encoding="utf-8")
            self._stream.writelines(f"{line}\n" for line in (head, *kept))
            self._stream.flush()
        except OSError as error:
            raise InputError(f"cannot write {file.name}: {(error.strerror or str(error)).lower()}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def put(self, name: str, row: Mapping[str, Any]) -> None:
        """Keep one row."""
        self.rows[name] = dict(row)
        self._stream.write(json.dumps({"name": name, **row}) + "\n")
        self._stream.flush()

    def finish(self) -> None:
        """Close and remove the file: all is in the record now."""
        self._stream.close()
        self.file.unlink(missing_ok=True)

    def _read(self, head: str) -> list[str]:
        """The whole lines of a journal of the same key."""
        if not self.file.is_file():
            return []
        lines = self.file.read_text(encoding="utf-8").splitlines()
        if not lines or lines[0] != head:
            return []
        kept = []
        for line in lines[1:]:
            try:
                row = json.loads(line)
            except ValueError:  # cut short by a crash
                break
            self.rows[row.pop("name")] = row
            kept.append(line)
        return kept
