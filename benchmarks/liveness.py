"""What the two liveness checks stop, and what they do not.

    python benchmarks/liveness.py --data DIR [--challenge | --passive]

The challenge: heads that turn in the clips (benchmarks/truth/turns.json), each turn played to its front and back again,
against photographs of LFW's people and of those in the clips, held up, bent and folded (benchmarks/held_up.py) by a hand
that does what is asked. The passive check: MiniFASNet on NUAA. Limits were chosen on other people than figures are of. Writes benchmarks/results/liveness.json and docs/benchmarks/liveness.md.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from held_up import Hand, Photograph, Shape, view
from liveness_page import page
from mien.classifiers.network import ClassifierOptions, NetworkClassifier
from mien.core.geometry import iou
from mien.evaluation.liveness import Share, equal_error, figures
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.evaluation.verification import identity_interval
from mien.media.video import VideoFile
from mien.recognition.challenge import Challenge, ChallengeOptions
from mien.recognition.liveness import PassiveOptions
from mien.recognition.parallax import pose
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from mien.zoo.catalog import Alignment, Preprocessing
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
from report import ROOT, arguments, data_folder, read_records, write_page, write_records

TURNS = ROOT / "benchmarks" / "truth" / "turns.json"
MODEL = Path("models") / "antispoof" / "minifas_128_best98.20.onnx"
REPORTED = "simplefr"
"""Turns in this clip are reported; those in all others were there to choose the limits."""
HALVES = ("choosing", "reported")
RATE, SECONDS = 10, 6
SHAPES = [
    *(Shape("bent", radius) for radius in (2.0, 1.0, 0.7)),
    *(Shape("folded", slope) for slope in (20.0, 35.0, 45.0)),
]
SCALINGS = {"0 … 1": (0.0, 255.0), "0 … 255": (0.0, 1.0), "-1 … 1": (127.5, 127.5)}
WAYS = [
    *((context, "0 … 1", "rgb") for context in (0.0, 0.2, 0.5, 0.7, 1.0, 1.7)),
    (0.5, "0 … 1", "bgr"),
    (0.5, "0 … 255", "rgb"),
    (0.5, "-1 … 1", "rgb"),
]
"""How MiniFASNet may want to be fed: context, scaling, channels; the file does not say."""


class Asked:
    """Draws one side, always."""

    def __init__(self, side: int) -> None:
        self._side = side

    def choice(self, _):
        return self._side


def main() -> None:
    parser = arguments(__doc__ or "", "liveness")
    parser.add_argument("--challenge", action="store_true", help="this part only; the other stays as it was")
    parser.add_argument("--passive", action="store_true", help="this part only; the other stays as it was")
    parser.add_argument("--people", type=int, default=5, help="people of LFW whose photographs are held up")
    options = parser.parse_args()
    data = data_folder(options, "nuaa").parent
    both = options.challenge == options.passive
    records = {record.task: record for record in read_records(options.results)}
    with House(load_settings(threads=1, min_face=60)) as house:
        if both or options.challenge:
            records["challenge"] = challenge(house, data, options.people)
        if both or options.passive:
            records["passive"] = passive(house, data)
    write_records(records.values(), options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def record(task, protocol, subject, found) -> Record:
    return Record(task, protocol, subject, found, this_machine(), installed_versions())


# heads that turn


@dataclass
class Turn:
    """One labelled turn: landmarks from the front to the side, their times, the photograph that its first frame is."""

    side: int
    reported: bool
    landmarks: list
    times: list
    photo: Photograph | None


def turns_of(house, data) -> list[Turn]:
    labels = json.loads(TURNS.read_text(encoding="utf-8"))["turns"]
    by_clip = defaultdict(list)
    for label in labels:
        by_clip[label["clip"]].append(label)
    return [turn for clip, own in by_clip.items() for turn in _of_clip(house, data / clip, own)]


def _of_clip(house, path, labels):
    spans = [(min(x["front"], x["turned"]) - 0.01, max(x["front"], x["turned"]) + 0.01) for x in labels]
    frames = [[] for _ in labels]
    detector = house.detector
    with VideoFile(path) as video:
        for picture in video.frames():
            for (low, high), kept in zip(spans, frames, strict=True):
                if low <= picture.time <= high:
                    kept.append((picture.time, picture.pixels, detector.at_scale(0.5).detect(picture.pixels)))
    for label, kept in zip(labels, frames, strict=True):
        if label["front"] > label["turned"]:
            kept.reverse()
        yield _tracked(label, kept, path.stem)


def _tracked(label, frames, clip) -> Turn:
    """Follow the labelled face from its front; frames in which it is not found are passed over."""
    box = np.array([label["box"]], np.float32)
    landmarks, times, photo = [], [], None
    for time, pixels, faces in frames:
        overlap = iou(faces.boxes, box)[:, 0] if len(faces) else np.zeros(0)
        if not len(overlap) or overlap.max() < 0.2:
            continue
        best = int(overlap.argmax())
        box = faces.boxes[best : best + 1]
        photo = photo or photograph(pixels, faces.landmarks[best])
        landmarks.append(faces.landmarks[best])
        times.append(abs(time - label["front"]))
    return Turn(1 if label["side"] == "right" else -1, clip.startswith(REPORTED), landmarks, times, photo)


def perform(turn: Turn, options: ChallengeOptions, side: int) -> Challenge:
    """Play a turn to a challenge that asks for ``side``: half a second of the front, there, back, and two seconds."""
    challenge = Challenge(options, Asked(side))
    front, end = turn.landmarks[0], turn.times[-1]
    played = [(0.1 * n, front) for n in range(6)]
    played += [(0.6 + t, seen) for t, seen in zip(turn.times, turn.landmarks, strict=True)]
    back = zip(turn.times[::-1], turn.landmarks[::-1], strict=True)
    played += [(0.7 + 2 * end - t, seen) for t, seen in back]
    played += [(0.8 + 2 * end + 0.1 * n, front) for n in range(20)]
    for time, seen in played:
        challenge.see(seen, time)
    return challenge


def depth_shown(turn: Turn) -> tuple[float, float]:
    """The greatest movement of the nose in a turn, and the least narrowing of the face."""
    from mien.recognition.parallax import parallax, slimness

    poses = [p for p in map(pose, turn.landmarks) if p is not None]
    return max(abs(parallax(poses[0], p)) for p in poses), min(slimness(poses[0], p) for p in poses)


def jitter(turns) -> float:
    """Standard deviation of a landmark's coordinate from frame to frame, eye distances: second differences, median."""
    found = []
    for turn in turns:
        points = np.array(turn.landmarks, np.float64)
        if len(points) > 4:
            eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=1).mean()
            second = points[2:] - 2 * points[1:-1] + points[:-2]
            found.append(1.4826 * np.median(np.abs(second)) / np.sqrt(6) / eyes)
    return float(np.median(found))


# photographs held up


def photograph(pixels, landmarks) -> Photograph:
    """A photograph of this face; enlarged where it is small, so that the camera sees no pixels."""
    import cv2

    factor = max(96 / float(np.linalg.norm(landmarks[1] - landmarks[0])), 1.0)
    middle = landmarks[[0, 1, 3, 4]].mean(axis=0)
    half = 4.0 * np.linalg.norm(landmarks[1] - landmarks[0])
    low = np.maximum(middle - half, 0).astype(int)
    high = np.minimum(middle + half, pixels.shape[1::-1]).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    large = cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return Photograph(large, factor * float(np.linalg.norm(landmarks[1] - landmarks[0])), factor * (middle - low))


def portraits(house, data, count) -> list[Photograph]:
    """Frontal faces of people of LFW, the same ones each time."""
    files = sorted((data / "lfw" / "images").glob("*/*_0001.jpg"))
    found = []
    for i in np.random.default_rng(2).permutation(len(files)):
        pixels = house.read(files[i]).pixels
        faces = house.detector.detect(pixels).sorted("size")
        front = pose(faces.landmarks[0]) if len(faces) else None
        if front is not None and abs(front.nose - 0.5) < 0.1:
            found.append(photograph(pixels, faces.landmarks[0]))
        if len(found) == count:
            break
    return found


def hold_up(house, photo, shape, seed, options, *, still=False) -> Challenge:
    """A hand that does as asked with a photograph, as far as 35 to 60 degrees, at 30 to 80 degrees a second."""
    random = np.random.default_rng(seed)
    challenge = Challenge(options, Asked(int(random.choice((-1, 1)))))
    most, speed = random.uniform(35, 60), random.uniform(30, 80) / RATE
    lean = random.uniform(-25, 25) if shape.kind == "flat" else 0.0
    turn, roll, at, nearer = 0.0, 0.0, np.zeros(2), 1.0
    for frame in range(RATE * SECONDS):
        goal = most * challenge.side if challenge.state == "turn" and not still else 0.0
        turn += float(np.clip(goal - turn, -speed, speed))
        free = 3.0 if still else 1.0
        roll = 0.9 * roll + free * random.normal(0, 1.5)
        at = 0.9 * at + free * random.normal(0, 3, 2)
        nearer = float(np.clip(nearer + free * random.normal(0, 0.01), 0.8, 1.2))
        seen = view(photo, shape, Hand(turn, lean, roll, (float(at[0]), float(at[1])), nearer))
        faces = house.detector.detect(seen)
        if len(faces):
            challenge.see(faces.sorted("size").landmarks[0], frame / RATE)
        if challenge.state in {"flat", "wrong way", "timed out", "passed"}:
            break
    return challenge


def challenge(house, data, people) -> Record:
    turns = turns_of(house, data)
    options = ChallengeOptions()
    halves = {half: [t for t in turns if t.reported == (half == "reported") and t.landmarks] for half in HALVES}
    photos = [t.photo for t in halves["choosing"] if t.photo] + portraits(house, data, people)
    found = {
        "turns": {half: _heads(own, options) for half, own in halves.items()},
        "jitter": {half: round(jitter(own), 4) for half, own in halves.items()},
        "photographs": len(photos),
        "attacks": attacks(house, photos, options),
    }
    print(json.dumps(found, indent=1))
    return record(
        "challenge",
        {"turns": TURNS.name, "stills": "lfw and clips", "rate": RATE, "seconds": SECONDS},
        {"options": {k: getattr(options, k) for k in options.__slots__}, "detector": "mtcnn"},
        found,
    )


def attacks(house, photos, options, kinds=None) -> dict:
    """What becomes of every photograph, by how it is held; ``kinds`` is all of them if left out."""
    ways = {"flat, moved, never turned": (Shape("flat"), True)} | {str(s): (s, False) for s in [Shape("flat"), *SHAPES]}
    return {
        kind: _attack(house, photos, shape, options, still=still)
        for kind, (shape, still) in ways.items()
        if kinds is None or kind in kinds
    }


def _heads(turns, options) -> dict:
    one = ChallengeOptions(turns=1, **{k: getattr(options, k) for k in options.__slots__ if k != "turns"})
    as_asked = [perform(t, one, t.side) for t in turns]
    other_way = [perform(t, one, -t.side) for t in turns]
    shown = [depth_shown(t) for t in turns]
    return {
        "states": [c.state for c in as_asked],
        "movement": [round(m, 3) for m, _ in shown],
        "slimness": [round(s, 3) for _, s in shown],
        "refused": Share(sum(c.state != "passed" for c in as_asked), len(turns)).to_dict(),
        "refused_of_marked": _marked(as_asked, shown, options),
        "passed_when_asked_the_other_way": Share(sum(c.state == "passed" for c in other_way), len(turns)).to_dict(),
    }


def _marked(challenges, shown, options) -> dict:
    """Refusals among the turns whose nose has moved far enough: what is wrong then is not the size of the turn."""
    wide = [c for c, (moved, _) in zip(challenges, shown, strict=True) if moved >= options.parallax]
    return Share(sum(c.state != "passed" for c in wide), len(wide)).to_dict()


def _attack(house, photos, shape, options, *, still=False) -> dict:
    held = [hold_up(house, p, shape, seed, options, still=still) for seed, p in enumerate(photos)]
    states = defaultdict(int)
    for c in held:
        states[c.state] += 1
    return {
        "passed": Share(sum(c.state == "passed" for c in held), len(held)).to_dict(),
        "one_turn": Share(sum(c.state == "passed" or c.done > 0 for c in held), len(held)).to_dict(),
        "states": dict(states),
    }


# the passive check


def passive(house, data) -> Record:
    network = OnnxNetwork(data / MODEL, RuntimeOptions(threads=1))
    frames = list(_nuaa(house, data / "nuaa"))
    live = np.array([f[0] for f in frames])
    subject = np.array([int(f[1]) for f in frames])
    choosing = subject % 2 == 1
    grid = {}
    for context, scaling, channels in WAYS:
        mean, scale = SCALINGS[scaling]
        how = Preprocessing(128, (mean,) * 3, scale, channels)
        made = NetworkClassifier(
            network, ClassifierOptions("minifasnet", ("first", "second"), how, Alignment("context", context=context))
        )
        scores = np.concatenate([made.classify(pixels, face)[:, 0] for *_, pixels, face in frames])
        grid[context, scaling, channels] = scores
    areas = {how: _area(scores[choosing & live], scores[choosing & ~live]) for how, scores in grid.items()}
    best = max((how for how in areas if how[2] == "rgb"), key=lambda how: areas[how])
    scores = grid[best]
    grouped = _presentations(frames, scores)
    odd = {kind: np.array([x for k, n, x in grouped if k == kind and n % 2 == 1]) for kind in (True, False)}
    threshold = round(equal_error(odd[True], odd[False])[0], 2)
    found = {
        "experiment": [
            {
                "context": c,
                "scaling": s,
                "channels": ch,
                "area_choosing": round(a, 4),
                "area_reported": round(_area(grid[c, s, ch][~choosing & live], grid[c, s, ch][~choosing & ~live]), 4),
            }
            for (c, s, ch), a in areas.items()
        ],
        "threshold": threshold,
        "frames": _judged(scores, live, subject, ~choosing, threshold),
        "presentations": _judged(*_columns(grouped), np.array([n % 2 == 0 for _, n, _ in grouped]), threshold),
    }
    print(json.dumps(found, indent=1))
    protocol = {"data": "nuaa", "frames": len(frames), "choosing": "odd subjects", "reported": "even subjects"}
    subject_ = {
        "model": MODEL.name,
        "context": best[0],
        "scaling": best[1],
        "channels": best[2],
        "threshold": threshold,
        "frames": PassiveOptions().frames,
    }
    return record("passive", protocol, subject_, found)


def _nuaa(house, folder):
    """(live, subject, session, pixels, face) of each frame with a face, in order."""
    for kind in ("ClientRaw", "ImposterRaw"):
        for file in sorted((folder / kind).glob("*/*.jpg"), key=_order):
            pixels = house.read(file).pixels
            faces = house.detector.detect(pixels)
            if len(faces):
                yield (
                    kind == "ClientRaw",
                    file.parent.name,
                    file.stem.rpartition("_")[0],
                    pixels,
                    faces.sorted("size")[0],
                )


def _order(file: Path):
    session, _, number = file.stem.rpartition("_")
    return session, int(number)


def _presentations(frames, scores) -> list[tuple[bool, int, float]]:
    """(live, subject, mean score) of so many successive frames of one session as the check takes."""
    by_session = defaultdict(list)
    for (live, subject, session, *_), score in zip(frames, scores, strict=True):
        by_session[live, int(subject), session].append(float(score))
    some = PassiveOptions().frames
    return [
        (live, subject, float(np.mean(own[i : i + some])))
        for (live, subject, _), own in by_session.items()
        for i in range(0, len(own) - some + 1, some)
    ]


def _columns(grouped):
    return np.array([s for *_, s in grouped]), np.array([k for k, *_ in grouped]), np.array([n for _, n, _ in grouped])


def _judged(scores, live, subject, rows, threshold) -> dict:
    scores, live, subject = scores[rows], live[rows], subject[rows]
    out = figures(scores[live], {"held-up photograph": scores[~live]}, threshold).to_dict()
    out["eer"] = round(equal_error(scores[live], scores[~live])[1], 4)
    for name, kind, wrong in (("bpcer", live, scores < threshold), ("apcer", ~live, scores >= threshold)):
        low, high = identity_interval(wrong[kind], subject[kind], subject[kind])
        out[f"{name}_by_subject"] = [round(low, 4), round(high, 4)]
    out["subjects"] = len(set(subject.tolist()))
    return out


def _area(live, spoof) -> float:
    """Area under the ROC curve: how often a living face scores above a photograph."""
    above = (live[:, None] > spoof[None]).mean()
    return float(above + (live[:, None] == spoof[None]).mean() / 2)


if __name__ == "__main__":
    main()
