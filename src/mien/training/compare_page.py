"""A page of headings, paragraphs, tables and figures, as Markdown and as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Block", "Image", "Table", "markdown", "to_html"]

Cells = Sequence[str]

_STYLE = """<style>
body { font-family: sans-serif; margin: 2em }
table { border-collapse: collapse }
td, th { border: 1px solid #bbb; padding: .2em .5em; text-align: left }
img { max-width: 40em }
</style>"""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head.

    Args:
        head: names of the columns.
        rows: cells as text.
    """

    head: Cells
    rows: Sequence[Cells]


@dataclass(frozen=True, slots=True)
class Image:
    """A figure.

    Args:
        file: beside the page.
        title: what it shows.
    """

    file: str
    title: str


Block = str | Table | Image
"""A paragraph (one that begins with ``# `` is a heading), a table or a figure."""


def markdown(blocks: Sequence[Block]) -> str:
    """The page for a repository or a terminal; the first heading is its title."""
    parts = []
    for i, block in enumerate(blocks):
        if isinstance(block, Table):
            lines = [block.head, ["---"] * len(block.head), *block.rows]
            parts.append("\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines))
        elif isinstance(block, Image):
            parts.append(f"![{block.title}]({block.file})")
        else:
            parts.append(f"#{block}" if i and block.startswith("# ") else block)
    return "\n\n".join(parts) + "\n"


def to_html(blocks: Sequence[Block]) -> str:
    """The page for a browser, the first paragraph its title; figures lie beside it."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Backbones compared</title>',
        _STYLE,
    ]
    for i, block in enumerate(blocks):
        if isinstance(block, Table):
            lines = [_row("th", block.head), *(_row("td", row) for row in block.rows)]
            parts.append(f"<table>{''.join(lines)}</table>")
        elif isinstance(block, Image):
            parts.append(f'<img src="{html.escape(block.file)}" alt="{html.escape(block.title)}">')
        elif block.startswith("# "):
            level = 2 if i else 1
            parts.append(f"<h{level}>{html.escape(block[2:])}</h{level}>")
        else:
            parts.append(f"<p>{html.escape(block)}</p>")
    return "\n".join(parts) + "\n</html>\n"


def _cell(text: str) -> str:
    """A cell of a table on one line; a bar would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def _row(tag: str, cells: Cells) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
