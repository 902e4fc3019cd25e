"""What a command says: data on stdout (table, JSON or CSV), everything else on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeVar

from rich.console import Console
from rich.markup import escape

from mien.core.errors import MienError

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID

__all__ = ["Output"]

Item = TypeVar("Item")

Format = Literal["table", "json", "csv"]


@dataclass
class Output:
    """Prints the result of one command.

    Args:
        format: ``table`` for people, ``json`` or ``csv`` for programs.
        quiet: no progress and no notes.
    """

    format: Format = "table"
    quiet: bool = False
    _notes: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, emoji=False, soft_wrap=True))

    def table(self, title: str, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str], data: Any = None) -> None:
        """Print rows as a table or CSV; as JSON ``data``, or the rows if there is none.

        Args:
            title: over the table.
            rows: one mapping per row; a missing column is empty.
            columns: which keys are shown, in order.
            data: the whole story for JSON.
        """
        if self.format == "json":
            self.json(list(rows) if data is None else data)
        elif self.format == "csv":
            writer = csv.writer(_stdout(), lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([_writable(_cell(row.get(c))) for c in columns] for row in rows)
        else:
            _print_table(title, rows, columns)

    def json(self, data: Any) -> None:
        """Print one JSON document, names in their own script where stdout can carry it, else as JSON's escapes."""
        _stdout().write(_document(data, indent=2) + "\n")

    def text(self, line: str) -> None:
        """Print one line of the result; only where a table would be printed."""
        if self.format == "table":
            _stdout().write(_writable(line) + "\n")

    def line(
        self, words: str, row: Mapping[str, Any], *, columns: Sequence[str] = (), data: Mapping[str, Any] | None = None
    ) -> None:
        """Print one thing as it happens, and hand it over at once: words, a row of CSV, or a document of one line.

        Args:
            words: for people.
            row: for CSV, and for JSON if there is no ``data``.
            columns: which keys are shown in CSV, in order; ``header`` comes before the first.
            data: the whole story for JSON.
        """
        if self.format == "table":
            self.text(words)
        elif self.format == "csv":
            csv.writer(_stdout(), lineterminator="\n").writerow([_writable(_cell(row.get(c))) for c in columns])
        else:
            _stdout().write(_document(dict(row if data is None else data)) + "\n")
        self.flush()

    def header(self, columns: Sequence[str]) -> None:
        """The names of the columns before lines of CSV."""
        if self.format == "csv":
            csv.writer(_stdout(), lineterminator="\n").writerow(columns)

    def flush(self) -> None:
        """Hand over what was printed, so that a full disk or a reader that has gone shows now and not at the end."""
        if sys.stdout is not None:
            sys.stdout.flush()

    def note(self, line: str) -> None:
        """Something worth knowing that is not the result."""
        if not self.quiet:
            self._notes.print(escape(_writable(line)))

    def problem(self, line: str) -> None:
        """Something that went wrong; said even when quiet."""
        self._notes.print(f"[red]{escape(_writable(line))}[/red]")

    @property
    def draws(self) -> bool:
        """Whether progress is drawn: on a terminal (colours asked for by FORCE_COLOR make none of a pipe), unless quiet."""
        return sys.stderr is not None and sys.stderr.isatty() and not self.quiet

    @contextmanager
    def steps(self, rate: str = "") -> Iterator[Callable[[str, int, int], None]]:
        """Bars on a terminal; yields a function to call with stage, items done and items in all.

        A stage that is done leaves when the next begins, so that long work with many stages stays in view.

        Args:
            rate: what is counted per second beside the bar, e.g. ``"files"``; empty for none.
        """
        if not self.draws:
            yield lambda _stage, _index, _total: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        speed = (_speed(rate),) if rate else ()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *speed, TimeRemainingColumn())
        with Progress(*columns, console=self._notes, transient=True) as bar:
            tasks: dict[str, TaskID] = {}

            def at(stage: str, index: int, total: int) -> None:
                if stage not in tasks:
                    for done in [t for t in bar.tasks if t.finished]:
                        done.visible = False
                    tasks[stage] = bar.add_task(escape(stage), total=total)
                bar.update(tasks[stage], completed=index, total=total, visible=True)

            yield at

    def track(self, items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
        """The items, with a bar on a terminal."""
        with self.steps() as at:
            for index, item in enumerate(items, 1):
                yield item
                at(what, index, total)


def _speed(what: str) -> ProgressColumn:
    """A column beside a bar: how many per second."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f} {what}/s")

    return Speed()


def _print_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.table import Table

    console = Console(file=_stdout(), highlight=False, emoji=False)
    if not console.is_terminal:
        # A pipe has no width: give every column what it needs.
        console = Console(file=_stdout(), highlight=False, emoji=False, width=max(80, _needed(rows, columns)))
    table = Table(title=escape(_writable(title)), title_justify="left")
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_writable(_cell(row.get(c)))) for c in columns))
    console.print(table)


def _needed(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> int:
    from rich.cells import cell_len

    widths = (max([len(c), *(cell_len(_cell(r.get(c))) for r in rows)]) for c in columns)
    return sum(w + 3 for w in widths) + 1


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)


def _document(data: Any, *, indent: int | None = None) -> str:
    """JSON with names in their own script where stdout can carry it, else with JSON's escapes."""
    document = json.dumps(data, ensure_ascii=False, indent=indent)
    return document if _writable(document) == document else json.dumps(data, indent=indent)


def _stdout() -> TextIO:
    """Where data go; looked up at each use, since programs put another stream in its place.

    Raises:
        MienError: it was closed before the program began (``mien … >&-``).
    """
    # typeshed has TextIO, Python has None for a closed descriptor
    out: TextIO | None = sys.stdout
    if out is None:
        raise MienError("stdout is closed: there is nowhere to print the result")
    return out


def _writable(text: str) -> str:
    """``text`` with escapes for what stdout cannot carry (names that are no UTF-8, a console that knows ASCII only)."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
