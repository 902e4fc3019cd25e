"""What we had put, what is found, what is wanted: which items of a place outside are ours to write. Pure rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mien.attendance.tables import BY_HAND, MARKS
from mien.core.attendance import Edit, Status

__all__ = ["Item", "Outcome", "about", "meant", "reconcile", "settled", "tried"]

_TRYING = "~"
"""Before the key of an item that is being written: what is written then may stand there, or not yet."""
_VALUE = "="
"""Before the value of such an item: an empty value would be forgotten."""

_MEANT: dict[str, Status] = {
    **{mark.casefold(): status for status, mark in MARKS.items()},
    **{status: status for status in MARKS},
    **dict.fromkeys(("✔", "✅", "x", "true"), "present"),  # other ticks, and a spreadsheet's check box
    **dict.fromkeys(("-", "—", "false"), "absent"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that stands, or should stand, in a place outside; an empty text is nothing.

    Args:
        key: the same each time.
        wanted: what should stand there.
        found: what stands there.
        put: what we had put there last; None or empty for nothing.
        tried: what a request that may have been lost was to put there; None without one.
        where: for people.
        entry_id: which line of the register it belongs to; empty for none.
    """

    key: str
    wanted: str
    found: str
    put: str | None = None
    tried: str | None = None
    where: str = ""
    entry_id: str = ""

    @classmethod
    def of(cls, known: Mapping[str, str], key: str, wanted: str, found: str, where: str, entry_id: str = "") -> Item:
        """The item as ``known`` (what ``tried`` and ``settled`` gave) remembers it."""
        trying = known.get(_TRYING + key)
        before = None if trying is None else trying.removeprefix(_VALUE)
        return cls(key, wanted, found, known.get(key), before, where, entry_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows for some items.

    Args:
        writes: what is to be written, by key.
        confirmed: what stands there as wanted or tried and is to be remembered, before anything is written, by key.
        edits: what somebody else changed; to be left alone.
    """

    writes: Mapping[str, str]
    confirmed: Mapping[str, str]
    edits: tuple[Edit, ...]


def reconcile(items: Iterable[Item]) -> Outcome:
    """Compare item by item.

    - found as wanted: to be remembered, should it not be. So a write whose answer was lost is not taken for an edit.
    - found as we had put it, or tried to, or nothing where we never put anything: ours to write, if not as wanted.
    - everything else was changed by somebody and stays.
    """
    writes, confirmed, edits = {}, {}, []
    for item in items:
        if item.found not in {item.wanted, *_ours(item)}:
            edits.append(_edit(item))
            continue
        if item.found != (item.put or "") or (item.tried is not None and item.found == item.wanted):
            confirmed[item.key] = item.found
        if item.found != item.wanted:
            writes[item.key] = item.wanted
    return Outcome(writes, settled(confirmed), tuple(edits))


def tried(writes: Mapping[str, str]) -> dict[str, str]:
    """What to remember before writing: should the answer never come, what is found later is known as ours."""
    return {_TRYING + key: _VALUE + value for key, value in writes.items()}


def settled(writes: Mapping[str, str]) -> dict[str, str]:
    """What to remember after writing: what stands there, and that nothing is under way."""
    return {**writes, **dict.fromkeys((_TRYING + key for key in writes), "")}


def about(keys: Iterable[str], person_ids: Collection[str]) -> list[str]:
    """Keys of items of these people, each of which ends with the person's id behind a slash."""
    return [key for key in keys if key.rpartition("/")[2] in person_ids]


def meant(text: str) -> Status | None:
    """The mark that somebody's text means, e.g. ``"✓ late"``, ``"Late"`` or a ticked box; None if it is none."""
    status = _MEANT.get(text.strip().removesuffix(BY_HAND).strip().casefold())
    return None if status == "expected" else status


def _ours(item: Item) -> set[str]:
    mine = {item.put or ""}
    return mine if item.tried is None else mine | {item.tried}


def _edit(item: Item) -> Edit:
    return Edit(item.key, item.entry_id, item.where, item.put or None, item.found, item.wanted, meant(item.found))
