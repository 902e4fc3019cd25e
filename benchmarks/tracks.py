"""Names in videos: the vote of a track beside every frame decided alone, against tracks that were labelled by eye.

    python benchmarks/tracks.py --data DIR

Two galleries for all clips: ``gate``, the given crops and portraits that the gate takes as shipped; ``every portrait``,
all in which a face is found. At every labelled moment (a box
about every quarter of a second, benchmarks/truth/tracks.json) three answers are written down: the frame alone
(``Recognizer.identify``), the follower's at that moment (``live``), and what ``mien who`` says of the whole track once
the clip is over (``whole``); a face belongs to a label if the boxes overlap by half. Writes benchmarks/results/tracks.json
and docs/benchmarks/tracks.md.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.evaluation.records import Record, installed_versions, subject_of, this_machine
from mien.jobs.follow import SightingList, Span
from mien.media.video import VideoFile
from mien.recognition.follower import Follower, FollowOptions
from mien.recognition.recognizer import Recognizer
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import ROOT, arguments, conditions, data_folder, table, write_page, write_records

TRUTH = ROOT / "benchmarks" / "truth" / "tracks.json"
PORTRAITS = ("actor-videos/images", "clips/simplefr_people", "clips/hamilton_people")
OVERLAP = 0.5
ABSENT = "not found"
WAYS = ("single", "live", "whole")
GALLERIES = {
    "gate": {},
    "every portrait": {
        "min_size": 20,
        "min_sharpness": 0,
        "darkest": 0,
        "min_contrast": 0,
        "max_yaw": 90,
        "max_roll": 180,
    },
}
"""Limits of the gate; the second lets in every picture in which one face is found."""
ROUNDS = 2000
"""Resamples of the tracks for an interval."""


class Answer(NamedTuple):
    """What one way said of one face at one moment."""

    clip: str
    track: int
    label: str
    said: str  # a name, a decision that is none ("unknown" …), or ABSENT

    @property
    def outcome(self) -> str:
        """right, wrong or missed of somebody enrolled; named or kept of a stranger."""
        named = self.said.startswith("=")
        if self.label == "unknown":
            return "named" if named else "kept"
        return "missed" if not named else "right" if self.said == f"={self.label}" else "wrong"


class Moment(NamedTuple):
    """One labelled face at one time."""

    track: int
    label: str
    box: tuple[float, float, float, float]


class Memo:
    """A detector and embedder that remember what they said of the frame at hand: several followers ask the same."""

    def __init__(self, detector, embedder) -> None:
        self._detector, self._embedder = detector, embedder
        self._frame: object = None
        self._said: dict = {}

    def __getattr__(self, name):
        return getattr(self._embedder, name)

    def at_scale(self, _scale):
        return self

    def detect(self, image):
        return self._remembered(image, "faces", lambda: self._detector.detect(image))

    def embed(self, image, faces):
        key = faces.boxes.tobytes()
        return self._remembered(image, key, lambda: self._embedder.embed(image, faces))

    def _remembered(self, image, key, make):
        if image is not self._frame:
            self._frame, self._said = image, {}
        if key not in self._said:
            self._said[key] = make()
        return self._said[key]


@dataclass
class Variant:
    """One gallery and one identifier, and what came out."""

    gallery: str
    identifier: str
    recognizer: Recognizer
    people: frozenset[str]
    pictures: int
    answers: dict[str, list[Answer]] = field(default_factory=lambda: {way: [] for way in WAYS})


def main() -> None:
    parser = arguments(__doc__ or "", "tracks")
    options = parser.parse_args()
    data_folder(options, "clips")
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder, ExitStack() as stack:
        memo, variants = None, []
        for gallery, limits in GALLERIES.items():
            for identifier in ("cosine", "knn"):
                settings = load_settings(
                    data_dir=folder, database=f"{folder}/{len(gallery)}.db", threads=2, identifier=identifier, **limits
                )
                house = stack.enter_context(House(settings))
                memo = memo or Memo(house.detector, house.embedder)
                if identifier == "cosine":
                    people, taken, given = enrol(house, gallery, Path(options.data))
                own = Recognizer(memo, memo, house.identifier, house.gallery)
                variants.append(Variant(gallery, identifier, own, people, taken))
        for clip in truth["clips"]:
            file = next(path for path in Path(options.data).rglob(clip["clip"]))
            if sha256(file.read_bytes()).hexdigest() != clip["sha256"]:
                raise SystemExit(f"{file.name} is not the clip that was labelled: its digest differs")
            clip_answers(house, variants, file, clip)
        records = [record for variant in variants for record in measured(house, variant, given)]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def enrol(house: House, gallery: str, data: Path) -> tuple[frozenset[str], int, int]:
    """Everybody there is a picture of: who is in, and how many of how many pictures."""
    people, taken, given = set(), 0, 0
    options = house.enrol_options(allow_similar=gallery != "gate", allow_unlike=gallery != "gate")
    for place in PORTRAITS:
        for file in sorted((data / place).iterdir()):
            name = file.stem.lstrip("0123456789_").rstrip("0123456789").rstrip("_")
            (outcome,) = house.recognizer.enroll(name, [house.read(file, chip=160)], options=options)
            given += 1
            taken += outcome.accepted
            if outcome.accepted:
                people.add(name)
            else:
                print(f"{gallery}: refused {file.name}: {'; '.join(reason.words() for reason in outcome.reasons)}")
    return frozenset(people), taken, given


def moments(clip: dict) -> dict[float, list[Moment]]:
    """The labelled faces of a clip by time."""
    found = defaultdict(list)
    for track in clip["tracks"]:
        if track["label"] != "doubtful":
            for time, *box in track["boxes"]:
                found[time].append(Moment(track["id"], track["label"], tuple(box)))
    return found


def clip_answers(house: House, variants: list[Variant], file: Path, clip: dict) -> None:
    """Every way's answer for every labelled face of one clip, by every variant."""
    print(file.name, flush=True)
    wanted = moments(clip)
    runs = [(v, Follower(v.recognizer, refiner=house.refiner), SightingList(), []) for v in variants]
    with VideoFile(file) as video:
        for picture in video.frames():
            time = round(picture.time or 0.0, 4)
            here = wanted.pop(time, [])
            found = variants[0].recognizer.find(picture) if here else Faces.empty()
            for variant, follower, sightings, seen in runs:
                faces = follower.follow(picture)
                sightings.add(faces, picture.time or 0.0)
                own = variant.recognizer
                alone = found.with_columns(matches=own.identifier.identify(found, own.gallery))
                for moment in here:
                    note(variant, "single", file, moment, said(alone, moment))
                    note(variant, "live", file, moment, said(faces, moment))
                    row = over(faces, moment)
                    seen.append((time, moment, None if row is None else int(faces.track_ids[row])))
        for variant, _, sightings, seen in runs:
            sightings.end(video.duration)
            spans = sightings.spans()
            for time, moment, track in seen:
                note(variant, "whole", file, moment, told(spans, track, time))
    if wanted:
        raise SystemExit(
            f"{file.name}: no frame at {sorted(wanted)[:3]} s; the clip is read otherwise than it was labelled"
        )


def note(variant: Variant, way: str, file: Path, moment: Moment, said: str) -> None:
    """Write an answer down; somebody without a picture in the gallery is a stranger."""
    label = moment.label if moment.label in variant.people else "unknown"
    variant.answers[way].append(Answer(file.name, moment.track, label, said))


def measured(house: House, variant: Variant, given: int) -> Iterator[Record]:
    """One record per way."""
    single = variant.answers["single"]
    tracks = {(a.clip, a.track) for a in single}
    for way in WAYS:
        yield Record(
            task="names in videos",
            protocol={
                "truth": sha256(TRUTH.read_bytes()).hexdigest(),
                "clips": len({a.clip for a in single}),
                "tracks": len(tracks),
                "moments": len(single),
                "pictures_given": given,
                "overlap": OVERLAP,
            },
            subject=subject_of(house.detector, house.embedder)
            | {
                "identifier": variant.identifier,
                "gallery": variant.gallery,
                "way": way,
                "every": FollowOptions().every,
                "people": len(variant.people),
                "pictures": variant.pictures,
                "threshold": round(variant.recognizer.threshold().similarity, 4),
                "tracks_of_strangers": len({(a.clip, a.track) for a in single if a.label == "unknown"}),
            },
            figures=figures(variant.answers[way], single),
            machine=this_machine(),
            versions=installed_versions(),
        )


def over(faces: Faces, moment: Moment) -> int | None:
    """The row of the face over a labelled box."""
    overlaps = iou(faces.boxes, np.array([moment.box], np.float32))[:, 0]
    return int(overlaps.argmax()) if len(overlaps) and overlaps.max() >= OVERLAP else None


def said(faces: Faces, moment: Moment) -> str:
    """The answer on the face over a labelled box: ``=name``, a decision, or ABSENT."""
    row = over(faces, moment)
    return ABSENT if row is None else word((faces.matches or ())[row])


def told(spans: list[Span], track: int | None, time: float) -> str:
    """What the list of spans says of a track at a time."""
    for span in spans:
        if track in span.track_ids and span.start - 1e-3 <= time <= span.end + 1e-3:
            return word(span.match)
    return ABSENT


def word(match) -> str:
    return f"={match.name}" if match.decision == "match" else match.decision


def figures(answers: list[Answer], single: list[Answer]) -> dict:
    """Counts of face-frames and of tracks, in all and by clip, and intervals over the tracks."""
    clips = sorted({a.clip for a in answers})
    return {
        "frames": counts(answers),
        "said_when_missed": dict(Counter(a.said for a in answers if a.outcome == "missed")),
        "tracks": counts(by_track(answers)),
        "by_clip": {clip: counts([a for a in answers if a.clip == clip]) for clip in clips},
        "tracks_by_clip": {clip: counts(by_track([a for a in answers if a.clip == clip])) for clip in clips},
        **intervals(answers, single),
    }


def counts(answers: list[Answer]) -> dict[str, int]:
    found = Counter(a.outcome for a in answers)
    return {name: found[name] for name in ("right", "wrong", "missed", "named", "kept")}


def by_track(answers: list[Answer]) -> list[Answer]:
    """One answer per labelled track: what was said most often; of two equally often, the first said."""
    tracks: dict[tuple[str, int], list[Answer]] = defaultdict(list)
    for a in answers:
        tracks[a.clip, a.track].append(a)
    return [own[0]._replace(said=Counter(a.said for a in own).most_common(1)[0][0]) for own in tracks.values()]


def intervals(answers: list[Answer], single: list[Answer]) -> dict:
    """95 % of ``ROUNDS`` resamples of the tracks of enrolled people: share named rightly, and the lead over single frames."""
    keys = sorted({(a.clip, a.track) for a in answers if a.label != "unknown"})
    rows = {key: i for i, key in enumerate(keys)}
    right, alone, total = (np.zeros(len(keys)) for _ in range(3))
    for column, all_answers in ((right, answers), (alone, single)):
        for a in all_answers:
            if a.label != "unknown":
                column[rows[a.clip, a.track]] += a.outcome == "right"
    for a in answers:
        if a.label != "unknown":
            total[rows[a.clip, a.track]] += 1
    drawn = np.random.default_rng(0).integers(0, len(keys), (ROUNDS, len(keys)))
    shares = right[drawn].sum(axis=1) / total[drawn].sum(axis=1)
    leads = (right - alone)[drawn].sum(axis=1) / total[drawn].sum(axis=1)
    return {
        "right_share": round(float(right.sum() / total.sum()), 4),
        "right_interval": [round(float(v), 4) for v in np.percentile(shares, [2.5, 97.5])],
        "lead": round(float((right - alone).sum() / total.sum()), 4),
        "lead_interval": [round(float(v), 4) for v in np.percentile(leads, [2.5, 97.5])],
    }


def page(records: list[Record]) -> list[str]:
    one = records[0].protocol
    protocol = (
        f"{one['tracks']} tracks of {one['clips']} clips labelled by eye (benchmarks/truth/tracks.json), "
        f"{one['moments']} face-frames, one about every quarter of a second. Strangers: everybody without a picture in the gallery, "
        "and the back of a head (four tracks). One gallery for all clips. Most of the pictures enrolled are stills of the same films, some of "
        "the very shots that are named here: with portraits from elsewhere the shares would be lower. Settings are as shipped; nothing was tuned on these clips. "
        "`frame alone`: `Recognizer.identify` of that frame. `live`: what the follower says at that "
        "moment. `whole track`: what `mien who` says once the clip is over. Missed: unknown, ambiguous, unusable or not found. 95 % "
        f"intervals: {ROUNDS} resamples of the tracks of people in the gallery. Tracks: what was said most often of each. "
        "Script: `benchmarks/tracks.py`."
    )
    head = ("", "right", "wrong", "missed", "strangers named", "right, 95 %", "lead over frames, 95 %")
    words = {"single": "frame alone", "live": "live", "whole": "whole track"}
    parts = ["# Names in videos", protocol]
    for at in range(0, len(records), len(WAYS)):
        own = records[at : at + len(WAYS)]
        what = own[0].subject
        parts += [
            f"## Gallery {what['gallery']}, identifier {what['identifier']}",
            (
                f"{what['people']} people from {what['pictures']} of {one['pictures_given']} pictures, threshold {what['threshold']:.2f}; "
                f"{what['tracks_of_strangers']} tracks are strangers'. Face-frames:"
            ),
            table(head, [(words[r.subject["way"]], *shares(r.figures["frames"]), *bounds(r.figures)) for r in own]),
            "Tracks:",
            table(head[:5], [(words[r.subject["way"]], *shares(r.figures["tracks"])) for r in own]),
            "Face-frames by clip, frame alone → whole track:",
            table(("clip", *head[1:5]), clip_rows(own[0].figures["by_clip"], own[-1].figures["by_clip"])),
        ]
    return [*parts, NOTES, conditions(records[0])]


NOTES = ""


def clip_rows(alone: dict, whole: dict) -> list[tuple[str, ...]]:
    def cell(clip: str, name: str, of: tuple[str, ...]) -> str:
        total = sum(alone[clip][n] for n in of)
        return f"{alone[clip][name]} → {whole[clip][name]} of {total}" if total else "–"

    known, strange = ("right", "wrong", "missed"), ("named", "kept")
    return [(clip, *(cell(clip, n, known) for n in known), cell(clip, "named", strange)) for clip in alone]


def shares(found: dict[str, int]) -> tuple[str, ...]:
    known = sum(found[n] for n in ("right", "wrong", "missed"))
    strange = found["named"] + found["kept"]
    return (
        *(f"{found[n]} ({found[n] / max(known, 1):.1%})" for n in ("right", "wrong", "missed")),
        f"{found['named']} of {strange}",
    )


def bounds(found: dict) -> tuple[str, str]:
    low, high = found["right_interval"]
    worse, better = found["lead_interval"]
    return f"{low:.1%} … {high:.1%}", f"{found['lead']:+.1%} ({worse:+.1%} … {better:+.1%})"


if __name__ == "__main__":
    main()
