"""The library: which files there are, what they hold, whose faces; shared by any number of indexers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from mien.core.library import Claim, Content, FileState, FileStatus, RunCounts, Seen, SeenCounts
from mien.core.protocols import Clock
from mien.store import library_rows as rows
from mien.store.database import Database, resilient
from mien.store.library_groups import SqlGroups
from mien.store.library_reading import LibraryReading
from mien.store.library_schema import library_contents, library_files

__all__ = ["SqlLibrary"]

_CRASHES = 3
"""So many workers may end over a file before it is left alone."""
_KNOWN = "its bytes were searched before"
_FREE = {"holder": "", "held_until": None}


@resilient
class SqlLibrary(LibraryReading):
    """Implements ``core.protocols.Library``; may be shared by threads, and its database by processes and machines.

    The gallery gives it and closes it. Every method may raise ``StoreError``; those that change something
    ``StoreBusyError`` and ``StoreReadOnlyError`` too.
    """

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        super().__init__(database)
        self._actor = actor
        self._clock = clock

    @property
    def groups(self) -> SqlGroups:
        """Groups of unknown faces, and corrections."""
        return SqlGroups(self._database, actor=self._actor, clock=self._clock)

    # what is on the disk

    def note(self, seen: Sequence[Seen], *, root: bytes, stamp: str) -> SeenCounts:
        """Compare files found on the disk with what is known, and have those wait that need work.

        Args:
            seen: some hundred at a time.
            root: the folder that is indexed; its workers take the files.
            stamp: the settings faces are found with; files done with others wait again.
        """
        found = {rows.key_of(file.path): file for file in seen}
        counts = SeenCounts()
        with self._database.writing() as connection:
            f = library_files.c
            known = {
                row.path_key: row for row in connection.execute(select(library_files).where(f.path_key.in_(found)))
            }
            goal = {"root_key": rows.key_of(root), "stamp": stamp}
            fresh = [self._fresh(key, file, goal) for key, file in found.items() if key not in known]
            if fresh:
                connection.execute(insert(library_files), fresh)
            for key, row in known.items():
                counts += self._note_known(connection, found[key], row, goal)
        return counts + SeenCounts(new=len(fresh))

    def _fresh(self, key: str, file: Seen, goal: dict[str, str]) -> dict[str, Any]:
        """The row of a file never seen before."""
        return {"path_key": key, "path": file.path, **_waits(file), **goal, **_FREE, "content_seq": None}

    def _note_known(self, connection: Connection, file: Seen, known: Row[Any], goal: dict[str, str]) -> SeenCounts:
        wait = {**_waits(file), **goal}
        same = (known.size, known.modified, known.stamp) == (file.size, file.modified, goal["stamp"])
        this = update(library_files).where(library_files.c.seq == known.seq)
        if same and (known.state == "done" or (known.state == "failed" and known.crashes >= _CRASHES)):
            return SeenCounts(known=1)
        if same and known.state == "gone" and known.content_seq is not None:
            connection.execute(this.values(state="done"))
            return SeenCounts(known=1)
        if same and known.state == "waiting":  # perhaps in somebody's hands: only whose it is may change
            if known.root_key != goal["root_key"]:
                connection.execute(this.values(root_key=goal["root_key"]))
            return SeenCounts(again=1)
        connection.execute(this.values(wait if known.state == "waiting" else {**wait, **_FREE}))
        return SeenCounts(again=1) if same else SeenCounts(changed=1)

    def mark_gone(self, seqs: Sequence[int]) -> None:
        """Note that files are no longer on the disk; what they held is kept for when it turns up elsewhere."""
        values = {"state": "gone", "reason": "", **_FREE}
        with self._database.writing() as connection:
            connection.execute(update(library_files).where(library_files.c.seq.in_(seqs)).values(values))

    def forget_gone(self, seqs: Sequence[int]) -> int:
        """Delete files that are gone, and the faces of contents that no other file holds; how many files."""
        f = library_files.c
        with self._database.writing() as connection:
            which = (f.seq.in_(seqs), f.state == "gone")
            contents = set(connection.execute(select(f.content_seq).where(*which)).scalars()) - {None}
            count = connection.execute(delete(library_files).where(*which)).rowcount
            for content in contents:
                rows.drop_orphan(connection, content)
        return count

    # sharing the work

    def claim(self, holder: str, *, root: bytes, limit: int, lease: float) -> list[Claim]:
        """Take up to ``limit`` waiting files of a folder; none where there are none that nobody holds.

        Args:
            holder: who takes them.
            root: the folder that is indexed.
            limit: at most so many; a file that a worker ended over comes alone.
            lease: seconds after which others may take them, by the clock of the database.
        """
        f = library_files.c
        with self._database.writing() as connection:
            now = rows.database_now(connection)
            free = or_(f.held_until.is_(None), f.held_until < now)
            query = select(library_files).where(f.root_key == rows.key_of(root), f.state == "waiting", free)
            query = query.order_by(f.seq).limit(limit).with_for_update(skip_locked=True)
            found = list(connection.execute(query))
            if any(row.crashes for row in found):
                found = [row for row in found if not row.crashes] or found[:1]
            held = {"holder": holder, "held_until": now + timedelta(seconds=lease)}
            connection.execute(update(library_files).where(f.seq.in_([row.seq for row in found])).values(held))
        return [Claim(r.seq, holder, r.path, r.kind, r.size, r.modified) for r in found]

    def renew(self, holder: str, *, lease: float) -> None:
        """Hold what ``holder`` has for another ``lease`` seconds."""
        with self._database.writing() as connection:
            until = rows.database_now(connection) + timedelta(seconds=lease)
            connection.execute(update(library_files).where(*_held_by(holder)).values(held_until=until))

    def release(self, holder: str, *, crashed: bool = False) -> int:
        """Give back what ``holder`` has; how many files.

        Args:
            holder: somebody who takes no more.
            crashed: it ended over one of them. A file that several ended over fails.
        """
        f = library_files.c
        free: dict[str, Any] = dict(_FREE)
        if crashed:
            free["crashes"] = f.crashes + 1
        with self._database.writing() as connection:
            mine = connection.execute(select(f.seq).where(*_held_by(holder))).scalars().all()
            connection.execute(update(library_files).where(f.seq.in_(mine)).values(free))
            beyond = (f.seq.in_(mine), f.crashes >= _CRASHES)
            reason = f"{_CRASHES} programs that read it ended at once: out of memory, or a fault in a decoder"
            connection.execute(update(library_files).where(*beyond).values(state="failed", reason=reason))
        return len(mine)

    def holders(self, root: bytes) -> list[str]:
        """Who holds files of a folder now, or held them when it ended."""
        f = library_files.c
        query = select(f.holder).where(f.root_key == rows.key_of(root), f.state == "waiting", f.holder != "").distinct()
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def waiting(self, root: bytes) -> int:
        """How many files of a folder wait, in whoever's hands."""
        f = library_files.c
        query = select(func.count()).where(f.root_key == rows.key_of(root), f.state == "waiting")
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    # what became of a file

    def known(self, claim: Claim, sha256: str, stamp: str) -> bool:
        """Settle a claim without work if the bytes are known already: a file that was moved, renamed or copied."""
        c = library_contents.c
        query = select(c.seq).where(c.sha256 == sha256, c.stamp == stamp)
        with self._database.reading() as connection:  # most files are new, and writers queue
            if connection.execute(query).scalar() is None:
                return False
        with self._database.writing() as connection:
            held = self._held(connection, claim)
            content = connection.execute(query).scalar()
            if held is None or content is None:
                return False
            self._settle(connection, (held, claim), content, stamp, reason=_KNOWN)
            return True

    def put(self, claim: Claim, content: Content, *, stamp: str, detector: str) -> bool:
        """Write what a file holds and give the file back, in one transaction.

        ``claim.size`` and ``claim.modified`` are those of the file as it was read.

        False if the claim is somebody else's by now: nothing is written, nothing is doubled. Names that people gave
        to faces of the same bytes, or of the file as it was before it was edited, go on.

        Raises:
            InputError: faces that could not be compared.
        """
        c = library_contents.c
        with self._database.writing() as connection:
            held = self._held(connection, claim)
            if held is None:
                return False
            seq = connection.execute(select(c.seq).where(c.sha256 == content.sha256)).scalar()
            if seq is None:
                try:
                    with connection.begin_nested():
                        seq = rows.insert_content(connection, content, stamp)
                except IntegrityError:  # another worker has just written a copy of it
                    seq = connection.execute(select(c.seq).where(c.sha256 == content.sha256)).scalar_one()
            rows.replace_faces(connection, seq, content, detector)
            connection.execute(update(library_contents).where(c.seq == seq).values(stamp=stamp))
            self._settle(connection, (held, claim), seq, stamp)
        return True

    def fail(self, claim: Claim, reason: str, *, state: FileState = "failed") -> bool:
        """Note why a file could not be used and give it back; False if the claim is somebody else's by now."""
        with self._database.writing() as connection:
            held = self._held(connection, claim)
            if held is not None:
                free = {"state": state, "reason": reason, **_FREE}
                connection.execute(update(library_files).where(library_files.c.seq == held.seq).values(free))
        return held is not None

    def _held(self, connection: Connection, claim: Claim) -> Row[Any] | None:
        """The row of a claim, if it is still the holder's."""
        f = library_files.c
        mine = (f.seq == claim.seq, f.holder == claim.holder, f.state == "waiting")
        return connection.execute(select(library_files).where(*mine).with_for_update()).first()

    def _settle(
        self, connection: Connection, held: tuple[Row[Any], Claim], content: int, stamp: str, *, reason: str = ""
    ) -> None:
        """The file is done and holds ``content``; what it held before goes if nothing else holds it.

        Whose it was stays, for ``run_counts``.
        """
        f = library_files.c
        row, claim = held
        read = {"size": claim.size, "modified": claim.modified}  # as it was read: another by now is read again
        free = {"state": "done", "reason": reason, "held_until": None, "crashes": 0}
        done = {**read, **free, "content_seq": content, "stamp": stamp}
        connection.execute(update(library_files).where(f.seq == row.seq).values(done))
        # a file of the same bytes that is gone was moved here
        connection.execute(delete(library_files).where(f.content_seq == content, f.state == "gone"))
        if row.content_seq is not None and row.content_seq != content:
            rows.carry_names(connection, row.content_seq, content)
            rows.drop_orphan(connection, row.content_seq)

    def run_counts(self, root: bytes, run: str) -> RunCounts:
        """What the workers of a run have done, as the database has it, whatever became of the workers.

        Args:
            root: the folder that was indexed.
            run: stands in the names of its holders between colons.
        """
        f = library_files.c
        done = (f.root_key == rows.key_of(root), f.state == "done", f.holder.contains(f":{run}:", autoescape=True))
        query = select(f.kind, f.reason, func.count()).where(*done).group_by(f.kind, f.reason)
        with self._database.reading() as connection:
            found = list(connection.execute(query))
        searched = {kind: count for kind, reason, count in found if reason != _KNOWN}
        known = sum(count for _, reason, count in found if reason == _KNOWN)
        return RunCounts(searched.get("photo", 0), searched.get("video", 0), known)

    def status(self, states: Sequence[FileState]) -> Iterator[FileStatus]:
        """Files in these states, in the order in which they were found."""
        f = library_files.c
        for page in self._pages(select(f.seq, f.path, f.state, f.reason).where(f.state.in_(states)), f.seq):
            yield from (FileStatus(bytes(row.path), row.state, row.reason) for row in page)


def _held_by(holder: str) -> tuple[ColumnElement[bool], ...]:
    return library_files.c.holder == holder, library_files.c.state == "waiting"


def _waits(file: Seen) -> dict[str, Any]:
    """What stands in the row of a file that waits to be searched."""
    look = {"kind": file.kind, "size": file.size, "modified": file.modified}
    return {**look, "state": "waiting", "reason": "", "crashes": 0}
