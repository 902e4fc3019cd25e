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
TUNED_ON = {"g1.avi": 1e9, "lc1.avi": 1e9, "pc1.avi": 1e9, "simplefr_Video_2.mp4": 41.4}
"""Until when, in seconds, each clip was looked at to choose how tracks go on and vote (docs/decisions/084-what-a-track-says.md)."""
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
    tuned: bool  # whether the moment lies in what was tuned on
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
    """A detector, refiner and embedder that remember what they said of the frame at hand: several followers ask the same."""

    def __init__(self, house: House) -> None:
        self._detector, self._refiner, self._embedder = house.detector, house.refiner, house.embedder
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

    def refine(self, image, faces):
        key = b"".join(column.tobytes() for column in (faces.boxes, faces.scores, faces.track_ids))
        return self._remembered(image, (key, "refined"), lambda: self._refiner.refine(image, faces))

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
                memo = memo or Memo(house)
                if identifier == "cosine":
                    people, taken, given = enrol(house, gallery, Path(options.data))
                own = Recognizer(memo, memo, house.identifier, house.gallery)
                variants.append(Variant(gallery, identifier, own, people, taken))
        for clip in truth["clips"]:
            file = next(path for path in Path(options.data).rglob(clip["clip"]))
            if sha256(file.read_bytes()).hexdigest() != clip["sha256"]:
                raise SystemExit(f"{file.name} is not the clip that was labelled: its digest differs")
            clip_answers(memo, variants, file, clip)
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


def clip_answers(memo: Memo, variants: list[Variant], file: Path, clip: dict) -> None:
    """Every way's answer for every labelled face of one clip, by every variant."""
    print(file.name, flush=True)
    wanted = moments(clip)
    runs = [(v, Follower(v.recognizer, refiner=memo), SightingList(), []) for v in variants]
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
                    note(variant, "single", (file.name, time), moment, said(alone, moment))
                    note(variant, "live", (file.name, time), moment, said(faces, moment))
                    row = over(faces, moment)
                    seen.append((time, moment, None if row is None else int(faces.track_ids[row])))
        for variant, _, sightings, seen in runs:
            sightings.end(video.duration)
            spans = sightings.spans()
            for time, moment, track in seen:
                note(variant, "whole", (file.name, time), moment, told(spans, track, time))
    if wanted:
        raise SystemExit(
            f"{file.name}: no frame at {sorted(wanted)[:3]} s; the clip is read otherwise than it was labelled"
        )


def note(variant: Variant, way: str, at: tuple[str, float], moment: Moment, said: str) -> None:
    """Write an answer down; somebody without a picture in the gallery is a stranger."""
    label = moment.label if moment.label in variant.people else "unknown"
    clip, time = at
    variant.answers[way].append(Answer(clip, time < TUNED_ON.get(clip, 0.0), moment.track, label, said))


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
                "tuned_on": TUNED_ON,
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
    """Figures of the half that nothing was tuned on and of the other, and of both together by clip."""
    clips = sorted({a.clip for a in answers})
    return {
        "held out": half(answers, single, tuned=False),
        "tuned on": half(answers, single, tuned=True),
        "by_clip": {clip: counts([a for a in answers if a.clip == clip]) for clip in clips},
        "tracks_by_clip": {clip: counts(by_track([a for a in answers if a.clip == clip])) for clip in clips},
    }


def half(answers: list[Answer], single: list[Answer], *, tuned: bool) -> dict:
    """Counts of face-frames and of tracks, and intervals over the tracks."""
    answers, single = ([a for a in own if a.tuned == tuned] for own in (answers, single))
    return {
        "frames": counts(answers),
        "said_when_missed": dict(Counter(a.said for a in answers if a.outcome == "missed")),
        "tracks": counts(by_track(answers)),
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


WORDS = {"single": "frame alone", "live": "live", "whole": "whole track"}
HALVES = {
    "held out": "What nothing was chosen on",
    "tuned on": "What was tuned on",
}


def page(records: list[Record]) -> list[str]:
    one = records[0].protocol
    protocol = (
        f"{one['tracks']} tracks of {one['clips']} clips labelled by eye (benchmarks/truth/tracks.json), "
        f"{one['moments']} face-frames, one about every quarter of a second. Strangers: everybody without a picture in the gallery, "
        "and the back of a head (four tracks). One gallery for all clips. Most of the pictures enrolled are stills of the same films, "
        "some of the very shots that are named here: with portraits from elsewhere the shares would be lower. Settings are as shipped. "
        "How tracks go on over a cut and how they vote was chosen on g1, lc1, pc1 and the first 41.4 s of simplefr_Video_2 "
        "(docs/decisions/084-what-a-track-says.md), how often a frame is searched on frames of simplefr_Video_2 by the faces found "
        "there, not by names (083); nothing was chosen by the other clips and the other half of simplefr_Video_2. "
        "`frame alone`: `Recognizer.identify` of that frame. `live`: what the follower says at that "
        "moment. `whole track`: what `mien who` says once the clip is over. Missed: unknown, ambiguous, unusable or not found. 95 % "
        f"intervals: {ROUNDS} resamples of the tracks of people in the gallery. Tracks: what was said most often of each. "
        "Script: `benchmarks/tracks.py`."
    )
    parts = ["# Names in videos", protocol, NOTES]
    for at in range(0, len(records), len(WAYS)):
        parts += variant_parts(records[at : at + len(WAYS)])
    return [*parts, conditions(records[0])]


def variant_parts(own: list[Record]) -> list[str]:
    """The tables of one gallery and identifier, a record per way."""
    head = ("", "right", "wrong", "missed", "strangers named", "right, 95 %", "lead over frames, 95 %")
    what = own[0].subject
    parts = [
        f"## Gallery {what['gallery']}, identifier {what['identifier']}",
        (
            f"{what['people']} people from {what['pictures']} of {own[0].protocol['pictures_given']} pictures, threshold "
            f"{what['threshold']:.2f}; {what['tracks_of_strangers']} tracks are strangers'."
        ),
    ]
    for name, title in HALVES.items():
        found = [(WORDS[record.subject["way"]], record.figures[name]) for record in own]
        parts += [f"{title}, face-frames:", table(head, [(way, *shares(f["frames"]), *bounds(f)) for way, f in found])]
        parts += [f"{title}, tracks:", table(head[:5], [(way, *shares(f["tracks"])) for way, f in found])]
    alone, whole = own[0].figures, own[-1].figures
    parts += ["Face-frames by clip, frame alone → whole track:"]
    return [*parts, table(("clip", *head[1:5]), clip_rows(alone["by_clip"], whole["by_clip"]))]


NOTES = (
    "The strangers who are named in the gallery `gate` are two: a boy whose own portrait the gate refused is taken for another "
    "boy of the clip, and one man for another; both pairs are of East Asian descent. Facenet's calibration, one stranger in a "
    "hundred, was measured on LFW and does not hold for them. With everybody's portrait in the gallery no stranger is named "
    "and the boys are told apart. Over the whole clip a vote gains a few looks and loses hardly any; where a face is found but "
    "too unlike its portrait (the missed ones), no vote helps."
)


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
