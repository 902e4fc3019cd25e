"""Registers kept up to date in Google Sheets: a tab of check marks and a tab of time stamps per session."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mien.attendance.reconcile import Item, reconcile, settled, tried
from mien.attendance.sinks import google_check
from mien.attendance.sinks.google_client import GOOGLE, Google, Pacer, Tab, connect, spreadsheet_id
from mien.attendance.sinks.google_errors import GoogleError
from mien.attendance.sinks.sheet_grid import Grid, gid_of
from mien.attendance.sinks.sheet_plan import Plan, Spot, known_of, make_plan, tab_key
from mien.attendance.sinks.sheet_rows import ID, KINDS, KindOfSheet, Sheet, make_sheet
from mien.core.attendance import Delivered, Edit, Finding, Register, Target
from mien.core.errors import DeliveryError, SettingError

__all__ = ["GoogleSheets", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sheets of one kind are.

    Args:
        spreadsheet: its id.
        title: of the tab; made of the session's name if empty.
    """

    spreadsheet: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class GoogleSheets:
    """Implements ``core.protocols.Channel`` with gspread and a service account.

    Args:
        key_file: of the service account, JSON.
        places: by kind of sheet; one or both, in one spreadsheet or in two.
        api: another address of the API, for trying it against a server of one's own.
        pacer: of this service account.
    """

    key_file: Path
    places: Mapping[KindOfSheet, Place]
    api: str = GOOGLE
    pacer: Pacer = field(default_factory=Pacer)

    @property
    def name(self) -> str:
        """Which sheets are in which spreadsheets."""
        return ", ".join(f"{kind} in {place.spreadsheet}" for kind, place in self.places.items())

    @classmethod
    def of(cls, target: Target, pacer: Pacer | None = None) -> GoogleSheets:
        """The channel of a target with the options ``key_file``, ``marks``, ``times``, ``marks_tab``, ``times_tab``, ``api``.

        Raises:
            SettingError: no key file, neither sheet, or what is given for one is no spreadsheet.
        """
        options = target.options
        places: dict[KindOfSheet, Place] = {
            kind: Place(spreadsheet_id(options[kind]), options.get(f"{kind}_tab", ""))
            for kind in KINDS
            if options.get(kind)
        }
        if not places:
            raise SettingError(f"{target.name} has no spreadsheet; give --marks, --times or both")
        if not options.get("key_file"):
            raise SettingError(f"{target.name} has no key of a service account; give --key-file FILE")
        for kind, place in places.items():
            if place.title and target.session_id is None:
                raise SettingError(f"{target.name} is of all sessions, each with its own tab; leave out {kind}_tab")
        api = options.get("api") or GOOGLE
        return cls(Path(options["key_file"]).expanduser(), places, api, pacer or Pacer())

    def deliver(
        self, register: Register, put: Mapping[str, str], withdrawn: Collection[str] = ()
    ) -> Iterator[Delivered]:
        """Bring both sheets up to date; see the protocol. What hinders only one of them does not hinder the other.

        Raises:
            MissingExtraError: gspread is not installed.
            DeliveryError: Google does not take it.
        """
        refused: dict[str, DeliveryError] = {}
        with connect(self.key_file, self.pacer, self.api) as google:
            for kind, place in self.places.items():
                sheet = make_sheet(register, kind, put, place.title)
                try:
                    yield from _bring(google, place.spreadsheet, sheet, put, withdrawn)
                except DeliveryError as error:
                    if error.passing:
                        raise
                    refused[str(error)] = error
        if refused:
            raise DeliveryError("; ".join(refused), passing=False) from next(iter(refused.values()))

    def check(self) -> list[Finding]:
        """Look at everything in the order in which it is set up; see the protocol."""
        wanted = [(kind, place.spreadsheet) for kind, place in self.places.items()]
        return list(google_check.check(self.key_file, self.api, self.pacer, wanted))


def _bring(
    google: Google, spreadsheet: str, sheet: Sheet, put: Mapping[str, str], withdrawn: Collection[str]
) -> Iterator[Delivered]:
    """One tab: two reads and a write per portion; usually one, and no write if nothing changed.

    Before each portion the tab is looked at anew: rows may have been sorted while the last one was written.
    """
    known, more = dict(put), True
    while more:
        google.pacer.wait(reads=2, writes=1)  # together, so that no wait lies between looking and writing
        title, tabs = google.tabs(spreadsheet)
        spot = _spot(google, spreadsheet, sheet, tabs, known_of(sheet, known))
        if spot is None:
            yield Delivered(edits=(_tab_gone(sheet, title, known),))
            return
        plan = make_plan(sheet, spot, known, withdrawn)
        more = len(plan.steps) > 1
        for delivered in _carried_out(google, spreadsheet, plan):
            known = {key: value for key, value in {**known, **delivered.put}.items() if value}
            yield delivered


def _carried_out(google: Google, spreadsheet: str, plan: Plan) -> Iterator[Delivered]:
    """What is to be remembered of a look, and the first portion of what follows from it."""
    if plan.confirmed or plan.edits:
        yield Delivered(plan.confirmed, plan.edits)
    for step in plan.steps[:1]:
        yield Delivered(tried(step.writes))
        google.change(spreadsheet, step.requests)
        yield Delivered(settled(step.writes))


def _spot(google: Google, spreadsheet: str, sheet: Sheet, tabs: list[Tab], known: Mapping[str, str]) -> Spot | None:
    """Where to write; None if the tab was there and somebody deleted it."""
    note = f"{sheet.kind}/{sheet.session_id}"
    gid = known.get(tab_key(sheet), "")
    tab = next((t for t in tabs if str(t.gid) == gid), None) or next((t for t in tabs if t.ours == note), None)
    if tab is not None:
        return Spot(tab.gid, tab.title, Grid.read(google.values(spreadsheet, tab)))
    if gid:
        return None
    by_title = {t.title.casefold(): t for t in tabs}  # Google lets no two titles differ in case alone
    same = by_title.get(sheet.title.casefold())
    if same is None:
        return Spot(gid_of(note), sheet.title, None)
    if same.ours:  # of another session with the same name
        return Spot(gid_of(note), f"{sheet.title} {sheet.session_id[:6]}", None)
    grid = Grid.read(google.values(spreadsheet, same))
    if grid.header is None and not grid.empty:
        raise GoogleError(
            "write",
            f"the tab {same.title!r} holds something else: it has no column called {ID!r}; "
            "rename the tab, and a new one is made, or add that head and the others to it",
        )
    return Spot(same.gid, same.title, grid, taken=True)


def _tab_gone(sheet: Sheet, title: str, put: Mapping[str, str]) -> Edit:
    item = Item.of(put, tab_key(sheet), sheet.title, "", f"{title}: tab {sheet.title}")
    return reconcile([item]).edits[0]
