"""Held out pictures of one face each, named by the nearest neighbours of those learnt: what `mien classify` answers.

    python benchmarks/stills.py --data DIR

AT&T (ORL): pictures 1 to 5 of each person are learnt, 6 to 10 asked; in the open set ten of the 40 people are strangers.
The actors' stills: odd numbers are learnt, even ones asked; many are of one shot, so this is easier than it looks.
Nothing is computed here: the command's own answers are counted. Writes benchmarks/results/stills.json and
docs/benchmarks/stills.md.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

STRANGERS = 10
"""The last so many people of AT&T are not learnt in the open set."""


class Still(NamedTuple):
    """A picture, whose it is, and whether it is learnt."""

    file: Path
    person: str
    learnt: bool


def main() -> None:
    options = arguments(__doc__ or "", "stills").parse_args()
    att = att_faces(data_folder(options, "att-faces"))
    actors = actor_stills(data_folder(options, "actor-videos/images"))
    strangers = {f"s{i}" for i in range(41 - STRANGERS, 41)}
    some = [still for still in att if not (still.learnt and still.person in strangers)]
    records = [
        measure("AT&T", "closed set", att, "--closed"),
        measure("AT&T", "open set, all learnt", att),
        measure("AT&T", f"open set, {STRANGERS} strangers", some),
        measure("AT&T", f"open set, {STRANGERS} strangers", some, identifier="cosine"),
        measure("actors", "closed set", actors, "--closed"),
        measure("actors", "open set, all learnt", actors),
    ]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def att_faces(folder: Path) -> list[Still]:
    return [Still(file, file.parent.name, int(file.stem) <= 5) for file in sorted(folder.glob("s*/*.pgm"))]


def actor_stills(folder: Path) -> list[Still]:
    named = [(file, re.fullmatch(r"(.+)_(\d+)", file.stem)) for file in sorted(folder.iterdir())]
    return [Still(file, name[1], int(name[2]) % 2 == 1) for file, name in named if name is not None]


def measure(data: str, case: str, stills: list[Still], *flags: str, identifier: str = "knn") -> Record:
    """What the command says of the pictures that are asked, counted."""
    answer = classified(stills, "--identifier", identifier, *flags)
    targets, learnt = answer["targets"], answer["learnt"]
    of_known = [t for t in targets if t["label"] in learnt]
    of_strangers = [t for t in targets if t["label"] not in learnt]
    with TemporaryDirectory() as folder, House(load_settings(data_dir=folder)) as house:
        subject = subject_of(house.detector, house.embedder) | {"k": house.settings.k}
    return Record(
        task="held out stills",
        protocol={"att": "1-5 learnt, 6-10 asked", "actors": "odd learnt, even asked", "gate": "as shipped"},
        subject=subject | {"data": data, "case": case, "identifier": identifier},
        figures={
            "people": len(learnt),
            "given": sum(still.learnt for still in stills),
            "learnt": sum(learnt.values()),
            "asked": len(of_known),
            "right": sum(t["said"] == t["label"] for t in of_known),
            "wrong": sum(t["match"]["decision"] == "match" and t["said"] != t["label"] for t in of_known),
            "not_named": dict(Counter(t["match"]["decision"] for t in of_known if t["match"]["decision"] != "match")),
            "strangers_asked": len(of_strangers),
            "strangers_named": sum(t["match"]["decision"] == "match" for t in of_strangers),
        },
        machine=this_machine(),
        versions=installed_versions(),
    )


def classified(stills: list[Still], *flags: str) -> dict:
    """``mien classify`` of a folder per person each: its JSON."""
    with TemporaryDirectory() as folder:
        for still in stills:
            target = Path(folder, "learn" if still.learnt else "ask", still.person, still.file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(still.file, target)
        command = ["-m", "mien", "classify", "learn", "ask", "--json", "--quiet", *flags]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=os.environ | {"MIEN_DATA_DIR": f"{folder}/data"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def page(records: list[Record]) -> list[str]:
    head = ("data", "case", "identifier", "learnt", "right", "wrong name", "not named", "strangers named")
    rows = []
    for record in records:
        what, found = record.subject, record.figures
        missed = ", ".join(f"{count} {decision}" for decision, count in found["not_named"].items())
        strange = (
            f"{found['strangers_named']} of {found['strangers_asked']}" if found["strangers_asked"] else "none asked"
        )
        rows.append(
            (
                what["data"],
                what["case"],
                what["identifier"],
                f"{found['learnt']} of {found['given']}, {found['people']} people",
                f"{found['right']} of {found['asked']}",
                str(found["wrong"]),
                missed or "0",
                strange,
            )
        )
    protocol = (
        "Pictures of one face each, asked of `mien classify`, the gate and the threshold as shipped. AT&T (ORL): pictures 1 to "
        f"5 of each of 40 people are learnt, 6 to 10 asked; with strangers, the last {STRANGERS} people are not learnt. Actors: "
        "70 stills of six actors, odd numbers learnt, even ones asked; many are of one shot, so this is easier than it looks. "
        "Script: `benchmarks/stills.py`."
    )
    return ["# Held out stills", protocol, table(head, rows), conditions(records[0])]


if __name__ == "__main__":
    main()
