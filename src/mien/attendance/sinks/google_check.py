"""Everything that delivery to Google Sheets needs, looked at in the order in which a user sets it up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mien.attendance.sinks.google_client import Google, Pacer, Tab, connect
from mien.attendance.sinks.google_errors import GoogleError, Stage
from mien.attendance.sinks.sheet_grid import Grid
from mien.attendance.sinks.sheet_rows import ID, KindOfSheet, fixed_columns
from mien.core.attendance import Finding

__all__ = ["check"]

_NAMES: dict[Stage, str] = {
    "key file": "key file",
    "network": "network",
    "token": "key accepted",
    "API": "Google Sheets API enabled",
    "found": "spreadsheet found",
    "shared": "shared as Editor",
    "write": "shared as Editor",
}
_NO_SHEET = 2**31 - 1
"""A gid that no tab has."""


def check(key_file: Path, api: str, pacer: Pacer, wanted: Iterable[tuple[KindOfSheet, str]]) -> Iterator[Finding]:
    """What is as it must be, and at the first thing that is not, what to do.

    Args:
        key_file: of the service account.
        api: address of the API.
        pacer: of the service account.
        wanted: kinds of sheet with their spreadsheet's id.
    """
    try:
        with connect(key_file, pacer, api) as google:
            yield Finding(_NAMES["key file"], True, f"{key_file} is the key of {google.where.address}")
            google.sign_in()
            yield Finding(_NAMES["network"], True, "Google answers")
            yield Finding(_NAMES["token"], True, "Google gives a token for it")
            yield from _check_spreadsheets(google, wanted)
    except GoogleError as error:
        yield Finding(_NAMES.get(error.stage, "Google"), False, str(error))


def _check_spreadsheets(google: Google, wanted: Iterable[tuple[KindOfSheet, str]]) -> Iterator[Finding]:
    """Each spreadsheet once; one that cannot be used does not keep from looking at the next."""
    kinds: dict[str, list[KindOfSheet]] = {}
    for kind, spreadsheet in wanted:
        kinds.setdefault(spreadsheet, []).append(kind)
    for i, (spreadsheet, of_kinds) in enumerate(kinds.items()):
        looked = list(_look(google, spreadsheet, of_kinds))
        if i == 0:
            yield Finding(_NAMES["API"], True, "it answers")
        yield from looked


def _look(google: Google, spreadsheet: str, kinds: list[KindOfSheet]) -> Iterator[Finding]:
    named = " and ".join(kinds)
    try:
        google.pacer.wait(reads=1)
        title, tabs = google.tabs(spreadsheet)
        yield Finding(f"{named}: {_NAMES['found']}", True, f"{title!r}")
        google.pacer.wait(writes=1)
        _try_to_write(google, spreadsheet)
        yield Finding(f"{named}: {_NAMES['shared']}", True, f"{google.where.address} may write to {title!r}")
    except GoogleError as error:
        if error.stage not in {"found", "shared", "write"}:
            raise
        yield Finding(f"{named}: {_NAMES[error.stage]}", False, str(error))
        return
    for kind in kinds:
        ours = [tab for tab in tabs if tab.ours.startswith(f"{kind}/")]
        if not ours:
            yield Finding(f"{kind}: tab", True, f"none in {title!r} yet; the first delivery makes it")
        for tab in ours:
            yield _check_tab(google, spreadsheet, kind, tab)


def _try_to_write(google: Google, spreadsheet: str) -> None:
    """Ask for a change that cannot be: of a tab that is not there. Nothing is written whatever the answer is.

    Whether one may write can be learnt from the Drive API only, or by writing. A batch is refused as a whole if one of its
    requests is not valid, and somebody without the right to edit is refused first, with 403.
    """
    nowhere = {"properties": {"sheetId": _NO_SHEET, "title": "mien"}, "fields": "title"}
    try:
        google.change(spreadsheet, [{"updateSheetProperties": nowhere}])
    except GoogleError as error:
        if error.stage != "write" or "protected" in str(error):
            raise


def _check_tab(google: Google, spreadsheet: str, kind: KindOfSheet, tab: Tab) -> Finding:
    google.pacer.wait(reads=1)
    grid = Grid.read(google.values(spreadsheet, tab))
    name = f"{kind}: tab {tab.title!r}"
    fixed = fixed_columns(kind)
    missing = [head for head in fixed if head not in grid.columns]
    if ID in missing:
        return Finding(name, False, f"no row has the head {ID!r}; it was renamed or deleted: undo that in the sheet")
    if missing:
        others = ", ".join(head for head in grid.columns if head not in fixed)
        heads = " and ".join(repr(head) for head in missing)
        return Finding(
            name, False, f"the column {heads} was renamed or deleted; call it so again (others there: {others})"
        )
    double = [head for head in grid.twice if head in fixed]
    if double:
        return Finding(name, False, f"two columns are called {double[0]!r}; rename one")
    return Finding(name, True, f"{len(grid.rows)} rows, {len(grid.columns)} columns, all that are needed")
