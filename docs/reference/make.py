"""Write the reference pages that can be told from the code: cli.md and models.md. With --check, say which are stale."""

import subprocess
import sys
from pathlib import Path

from mien.zoo.catalog import Catalog

HERE = Path(__file__).resolve().parent
APP = HERE.parents[1] / "src" / "mien" / "doors" / "cli" / "app.py"
HEAD = """# Weights

What the catalog knows; `mien models list` adds whether each is here. Made by `make docs`. Weights you bring
(`mien models add`) have the same record beside their ONNX file. Figures marked "published" are their authors'; the
others were measured by the scripts in `benchmarks/`.

| name | kind | what | licence | trained on | comes from | figures |
| --- | --- | --- | --- | --- | --- | --- |
"""


def commands() -> str:
    words = [sys.executable, "-m", "typer", str(APP), "utils", "docs", "--name", "mien"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() + "\n"


def models() -> str:
    rows = []
    for record in Catalog().all():
        sources = [(s.package and f"package `{s.package}`") or s.url or "bring the file" for s in record.sources]
        sources = sources or [f"made from {' and '.join(record.members)}"]
        figures = "; ".join(f"{what}: {value}" for what, value in record.figures.items())
        cells = (
            record.kind,
            record.title,
            record.licence,
            record.trained_on,
            ", ".join(dict.fromkeys(sources)),
            figures,
        )
        rows.append(f"| `{record.name}` | {' | '.join(cells)} |")
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    stale = []
    for name, text in (("cli.md", commands()), ("models.md", models())):
        page = HERE / name
        if page.is_file() and page.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            page.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        sys.exit(f"stale: {', '.join(stale)}; run `make docs` and commit the result")


if __name__ == "__main__":
    main()
