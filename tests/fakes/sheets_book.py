"""Spreadsheets as Google keeps them, as far as mien uses them, what a teacher does to them, and Google's faults."""

from __future__ import annotations

from dataclasses import dataclass, field

CELL_LIMIT = 10_000_000


class ApiError(Exception):
    """An answer that is no success: HTTP status, Google's status, message, reason."""

    def __init__(self, code, status, message, reason="", headers=None):
        super().__init__(message)
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]
        self.code = code
        self.headers = headers or {}
        self.body = {"error": {"code": code, "message": message, "status": status}}
        if reason:
            self.body["error"]["details"] = details


def invalid(message):
    return ApiError(400, "INVALID_ARGUMENT", message)


_ENABLE = "https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project=42"
FAULTS = {
    "401": lambda: ApiError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    "disabled": lambda: ApiError(
        403,
        "PERMISSION_DENIED",
        "Google Sheets API has not been used in project 42 before or it is disabled. Enable it by visiting "
        f"{_ENABLE} then retry. If you enabled this API recently, wait a few minutes for the action to propagate.",
        "SERVICE_DISABLED",
    ),
    "not shared": lambda: ApiError(403, "PERMISSION_DENIED", "The caller does not have permission"),
    "protected": lambda: invalid(
        "Invalid requests[0].updateCells: You are trying to edit a protected cell or object. "
        "Please contact the spreadsheet owner to remove protection if you need to edit."
    ),
    "protected 403": lambda: ApiError(403, "PERMISSION_DENIED", "You are trying to edit a protected cell or object."),
    "404": lambda: ApiError(404, "NOT_FOUND", "Requested entity was not found."),
    "429": lambda: over_quota("Write"),
    "429 wait": lambda: over_quota("Write", {"Retry-After": "30"}),
    "500": lambda: ApiError(500, "INTERNAL", "Internal error encountered."),
    "503": lambda: ApiError(503, "UNAVAILABLE", "The service is currently unavailable."),
    "full": lambda: invalid(
        "Invalid requests[0].addSheet: This action would increase the number of cells in the workbook above the limit of "
        f"{CELL_LIMIT} cells."
    ),
    "excel": lambda: ApiError(400, "FAILED_PRECONDITION", "This operation is not supported for this document"),
}
TOKEN_FAULTS = {
    "key deleted": (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
    "no account": (400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"}),
    "clock": (
        400,
        {
            "error": "invalid_grant",
            "error_description": "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
            "timeframe. Check your iat and exp values in the JWT claim.",
        },
    ),
}
CUTS = ("cut before", "cut middle", "cut after", "login page")


def make_fault(name):
    """One of ``FAULTS``."""
    return FAULTS[name]()


def over_quota(kind, headers=None):
    message = (
        f"Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute per user' of service "
        "'sheets.googleapis.com' for consumer 'project_number:42'."
    )
    return ApiError(429, "RESOURCE_EXHAUSTED", message, "RATE_LIMIT_EXCEEDED", headers)


@dataclass
class Tab:
    """A worksheet: text by (row, column), counted from 0, within its room."""

    gid: int
    title: str
    rows: int = 1000
    columns: int = 26
    cells: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    frozen: int = 0

    @property
    def values(self):
        """Rows without empty cells at their ends, as the API gives them."""
        height = 1 + max((r for r, _ in self.cells), default=-1)
        grid = [[] for _ in range(height)]
        for (row, column), text in sorted(self.cells.items()):
            grid[row].extend([""] * (column - len(grid[row])) + [text])
        return grid

    def put(self, row, column, text):
        if not (0 <= row < self.rows and 0 <= column < self.columns):
            raise invalid(f"Range ({self.title}!R{row + 1}C{column + 1}) exceeds grid limits.")
        self.cells.pop((row, column), None)
        if text:
            self.cells[row, column] = text

    def move(self, mapping):
        """Put cells elsewhere; ``mapping`` gives the new place, None for nowhere."""
        moved = {mapping(*place): text for place, text in self.cells.items()}
        self.cells = {place: text for place, text in moved.items() if place is not None}

    # What a teacher does

    def find(self, text):
        return next(place for place, cell in self.cells.items() if cell == text)

    def insert_column(self, at, head=""):
        self.columns += 1
        self.move(lambda r, c: (r, c + 1 if c >= at else c))
        self.put(0, at, head)

    def delete_column(self, at):
        self.columns -= 1
        self.move(lambda r, c: None if c == at else (r, c - 1 if c > at else c))

    def insert_row(self, at):
        self.rows += 1
        self.move(lambda r, c: (r + 1 if r >= at else r, c))

    def delete_row(self, at):
        self.rows -= 1
        self.move(lambda r, c: None if r == at else (r - 1 if r > at else r, c))

    def sort(self, column, *, backwards=False):
        """Rows below the frozen ones by the text of a column."""
        body = sorted(self.values[self.frozen :], key=lambda row: (row + [""] * 99)[column], reverse=backwards)
        rows = [*self.values[: self.frozen], *body]
        self.cells = {(r, c): text for r, row in enumerate(rows) for c, text in enumerate(row) if text}


@dataclass
class Spreadsheet:
    id: str
    title: str
    tabs: list = field(default_factory=lambda: [Tab(0, "Sheet1")])
    role: str = "Editor"

    def tab(self, which):
        """By title or gid."""
        return next(t for t in self.tabs if which in {t.title, t.gid})


def _tab(sheet, gid):
    tab = next((t for t in sheet.tabs if t.gid == gid), None)
    if tab is None:
        raise invalid(f"No grid with id: {gid}")
    return tab


def _add_sheet(sheet, what):
    properties = what["properties"]
    room = properties.get("gridProperties", {})
    tab = Tab(
        properties["sheetId"],
        properties["title"],
        room.get("rowCount", 1000),
        room.get("columnCount", 26),
        frozen=room.get("frozenRowCount", 0),
    )
    if any(t.title.casefold() == tab.title.casefold() for t in sheet.tabs):
        raise invalid(f'A sheet with the name "{tab.title}" already exists. Please enter another name.')
    if any(t.gid == tab.gid for t in sheet.tabs):
        raise invalid(f"Sheet with id {tab.gid} already exists.")
    if len(tab.title) > 100 or tab.frozen >= tab.rows:
        raise invalid("You can't freeze all visible rows, nor have so long a name.")
    sheet.tabs.append(tab)


def _text(cell):
    """What a cell is to hold; ``stringValue`` stays text, whatever it begins with."""
    assert set(cell) <= {"userEnteredValue"}, cell
    return cell.get("userEnteredValue", {}).get("stringValue", "")


def _update_cells(sheet, what):
    assert what["fields"] == "userEnteredValue"
    start = what["start"]
    tab = _tab(sheet, start["sheetId"])
    for r, row in enumerate(what["rows"], start["rowIndex"]):
        for c, cell in enumerate(row["values"], start["columnIndex"]):
            tab.put(r, c, _text(cell))


def _append_cells(sheet, what):
    assert what["fields"] == "userEnteredValue"
    tab = _tab(sheet, what["sheetId"])
    first = len(tab.values)
    tab.rows = max(tab.rows, first + len(what["rows"]))
    for r, row in enumerate(what["rows"], first):
        for c, cell in enumerate(row["values"]):
            tab.put(r, c, _text(cell))


def _insert_dimension(sheet, what):
    room = what["range"]
    assert room["dimension"] == "COLUMNS"
    if what.get("inheritFromBefore") and room["startIndex"] == 0:
        raise invalid("inheritFromBefore cannot be true at the start")
    tab = _tab(sheet, room["sheetId"])
    if room["startIndex"] > tab.columns:
        raise invalid("startIndex lies outside the grid")
    for at in range(room["startIndex"], room["endIndex"]):
        tab.insert_column(at)


def _create_metadata(sheet, what):
    note = what["developerMetadata"]
    assert note["visibility"] in {"DOCUMENT", "PROJECT"}
    _tab(sheet, note["location"]["sheetId"]).notes.append(note)


def _update_properties(sheet, what):
    assert what["fields"] == "title"
    _tab(sheet, what["properties"]["sheetId"]).title = what["properties"]["title"]


CHANGES = {
    "addSheet": _add_sheet,
    "updateCells": _update_cells,
    "appendCells": _append_cells,
    "insertDimension": _insert_dimension,
    "createDeveloperMetadata": _create_metadata,
    "updateSheetProperties": _update_properties,
}
