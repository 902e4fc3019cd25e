"""Look for byte strings in files: run as a script of its own, standard library only.

It runs in a process of its own because opening and closing a database file in this one would drop the locks that SQLite
holds here (sqlite.org/howtocorrupt.html, 2.2).

Input on stdin: JSON ``{"files": [path, …], "needles": [hex, …]}``. Output: JSON list of ``[path, bytes, [index of each
needle found, …]]``; a file that is not there is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["search"]

Found = tuple[str, int, list[int]]

_CHUNK = 32 * 2**20


def search(files: Sequence[Path], needles: Sequence[bytes]) -> list[Found]:
    """Path, size in bytes and the needles found (their indices), for each file that exists; in a process of its own.

    Raises:
        OSError: that process cannot be started.
        subprocess.CalledProcessError: a file cannot be read.
    """
    question = json.dumps({"files": [str(f) for f in files], "needles": [n.hex() for n in needles]})
    command = [sys.executable, "-I", "-S", __file__]
    # S603: the command is this file, run by this Python
    answer = subprocess.run(command, input=question, capture_output=True, text=True, check=True)  # noqa: S603
    return [(path, size, found) for path, size, found in json.loads(answer.stdout)]


def _search_file(path: str, needles: list[bytes]) -> Found | None:
    overlap = max(map(len, needles), default=1) - 1
    found: set[int] = set()
    size = 0
    try:
        for part, length in _parts(path, overlap):
            size += length
            found |= {i for i, needle in enumerate(needles) if i not in found and needle in part}
    except FileNotFoundError:
        return None
    return path, size, sorted(found)


def _parts(path: str, overlap: int) -> Iterator[tuple[bytes, int]]:
    """Chunks that begin with the end of the one before, and how many bytes of each are new."""
    tail = b""
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            part = tail + chunk
            yield part, len(chunk)
            tail = part[len(part) - overlap :]


def _main() -> None:
    question = json.load(sys.stdin)
    needles = [bytes.fromhex(needle) for needle in question["needles"]]
    answers = (_search_file(path, needles) for path in question["files"])
    json.dump([answer for answer in answers if answer is not None], sys.stdout)


if __name__ == "__main__":
    _main()
