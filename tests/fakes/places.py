"""A place outside that is a file of rows, which others may change too, and that fails on demand."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from mien.attendance.reconcile import Item, about, reconcile, settled, tried
from mien.attendance.tables import BY_HAND, MARKS
from mien.core.attendance import Delivered, Entry, Finding, Register


class FilePlace:
    """Implements ``core.protocols.Channel``: a row ``[key, text]`` per entry, three to a request.

    Args:
        path: the file; each request replaces it whole, as a server carries out all of a request or nothing.
        before: called before each request is carried out.
        after: called when it was, before the answer comes.
        size: rows to a request.
    """

    def __init__(
        self,
        path: Path,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
        size: int = 3,
    ) -> None:
        self.path = path
        self.before = before
        self.after = after
        self.size = size

    @property
    def name(self) -> str:
        return self.path.name

    def rows(self) -> list[list[str]]:
        return json.loads(self.path.read_text()) if self.path.exists() else []

    def texts(self) -> dict[str, str]:
        """Text by person and meeting; fails if a row is there twice."""
        rows = self.rows()
        assert len({key for key, _ in rows}) == len(rows), "a row stands there twice"
        return dict(rows)

    def type_over(self, key: str, text: str) -> None:
        """What a teacher does."""
        self._save([[k, text if k == key else t] for k, t in self.rows()])

    def deliver(
        self, register: Register, put: Mapping[str, str], withdrawn: Collection[str] = ()
    ) -> Iterator[Delivered]:
        self.before()
        found = dict(self.rows())
        items = [
            Item.of(put, key_of(entry), text_of(entry), found.get(key_of(entry), ""), key_of(entry), entry.id)
            for entry in register.entries
        ]
        outcome = reconcile(items)
        yield Delivered(outcome.confirmed, outcome.edits)
        gone = dict.fromkeys((key for key in about(put, withdrawn) if not key.startswith("~")), "")
        writes = list({**outcome.writes, **gone}.items())
        for start in range(0, len(writes), self.size):
            some = dict(writes[start : start + self.size])
            yield Delivered(tried(some))
            self._request(some)
            yield Delivered(settled(some))

    def check(self) -> list[Finding]:
        return [Finding("file", self.path.parent.is_dir(), str(self.path))]

    def _request(self, writes: Mapping[str, str]) -> None:
        self.before()
        rows = [[key, writes.get(key, text)] for key, text in self.rows()]
        there = {key for key, _ in rows}
        rows += [[key, text] for key, text in writes.items() if key not in there]
        self._save([[key, text] for key, text in rows if text])
        self.after()

    def _save(self, rows: list[list[str]]) -> None:
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(rows, ensure_ascii=False))
        part.replace(self.path)


def key_of(entry: Entry) -> str:
    return f"marks/{entry.id}"


def text_of(entry: Entry) -> str:
    return MARKS[entry.status] + (BY_HAND if entry.correction else "")
