"""How fast faces are followed through a 720p clip, beside searching every frame, and how many are lost by it.

    python benchmarks/following.py --data DIR

Stretches of a real 1280 × 720 clip. Each frame goes to the detector and to the follower in turn, the order changing
with every frame, decoding not counted; so whatever else the machine does falls on both. The follower's time without its
embeddings is that of finding, as the detector's is; with them it also names. A face-frame is lost when the search finds
a face that no followed box overlaps by half. Writes benchmarks/results/following.json and docs/benchmarks/following.md.
"""

import time
from argparse import Namespace
from itertools import islice
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from mien.core.faces import Faces, Picture
from mien.core.geometry import iou
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.video import VideoFile
from mien.recognition.follower import Follower, FollowOptions
from mien.recognition.recognizer import Recognizer
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, table, write_page, write_records

CLIP = "simplefr_Video_2.mp4"
SURE = 0.9
"""Score from which on a face of the search counts as sure."""
CAMERA = 1000 / 30
"""Milliseconds between the frames of a camera."""


class TimedEmbedder:
    """An embedder that counts its own time, milliseconds."""

    def __init__(self, embedder) -> None:
        self._embedder = embedder
        self.spent = 0.0

    def __getattr__(self, name):
        return getattr(self._embedder, name)

    def embed(self, image, faces):
        begin = time.perf_counter()
        vectors = self._embedder.embed(image, faces)
        self.spent += 1000 * (time.perf_counter() - begin)
        return vectors


def main() -> None:
    parser = arguments(__doc__ or "", "following")
    parser.add_argument("--starts", type=float, nargs="+", default=[5.0, 25.0, 45.0, 65.0])
    parser.add_argument("--frames", type=int, default=75, help="frames of each stretch")
    parser.add_argument("--every", type=int, nargs="+", default=[4, 8, 12, 16])
    options = parser.parse_args()
    clips = data_folder(options, "clips")
    with TemporaryDirectory() as folder, House(load_settings(data_dir=folder, threads=2)) as house:
        portraits = sorted((clips / "simplefr_people").glob("*.png"))
        for portrait in portraits:
            house.recognizer.enroll(portrait.stem, [house.read(portrait, chip=160)])
        records = [measure(house, clips / CLIP, every, options) for every in options.every]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def stretch(path, start: float, count: int) -> list[Picture]:
    with VideoFile(path) as video:
        frames = (frame for frame in video.frames() if (frame.time or 0) >= start)
        return list(islice(frames, count))


def measure(house: House, path, every: int, options: Namespace) -> Record:
    search, follow, embed = [], [], []
    faces = lost = sure = sure_lost = extra = searches = looks = 0
    for start in options.starts:
        embedder = TimedEmbedder(house.embedder)
        recognizer = Recognizer(house.detector, embedder, house.identifier, house.gallery)
        follower = Follower(recognizer, refiner=house.refiner, options=FollowOptions(every=every))
        for number, picture in enumerate(stretch(path, start, options.frames)):
            found, followed = both(house, follower, picture, number % 2, search, follow)
            embed.append(embedder.spent - sum(embed[-number:] if number else ()))
            overlap = iou(found.boxes, followed.boxes)
            faces += len(found)
            missing = overlap.max(axis=1, initial=0) < 0.5
            lost += int(missing.sum())
            sure += int((found.scores >= SURE).sum())
            sure_lost += int((missing & (found.scores >= SURE)).sum())
            extra += int((overlap.max(axis=0, initial=0) < 0.5).sum())
        searches += follower.searches
        looks += follower.looks
    finding = np.array(follow) - np.array(embed)
    return Record(
        task="following faces",
        protocol={
            "clip": path.name,
            "starts": options.starts,
            "frames": options.frames,
            "size": [1280, 720],
            "min_face": house.settings.min_face,
        },
        subject={"detector": house.settings.detector, "embedder": house.settings.embedder, "every": every},
        figures={
            "search_ms": round(float(np.mean(search)), 1),
            "finding_ms": round(float(finding.mean()), 1),
            "naming_ms": round(float(np.mean(follow)), 1),
            "median_frame_ms": round(median(follow), 1),
            "finding_ratio": round(float(np.mean(search) / finding.mean()), 2),
            "naming_ratio": round(float(np.mean(search) / np.mean(follow)), 2),
            "faces": faces,
            "lost": lost,
            "lost_share": round(lost / max(faces, 1), 4),
            "sure_faces": sure,
            "sure_lost": sure_lost,
            "sure_lost_share": round(sure_lost / max(sure, 1), 4),
            "extra_share": round(extra / max(faces, 1), 4),
            "searches": searches,
            "embedded": looks,
        },
        machine=this_machine(),
        versions=installed_versions(),
    )


def both(house, follower, picture, first: int, search: list, follow: list) -> tuple[Faces, Faces]:
    """The faces of one frame by either way, and what each took, milliseconds."""
    results = {}
    for which in (first, 1 - first):
        begin = time.perf_counter()
        results[which] = follower.follow(picture) if which else house.detector.detect(picture.pixels)
        (follow if which else search).append(1000 * (time.perf_counter() - begin))
    return results[0], results[1]


def page(records: list[Record]) -> list[str]:
    head = (
        "every",
        "search every frame",
        "follow",
        "× as fast",
        "follow and name",
        "× as fast",
        "frames/s",
        "lost, sure faces",
        "lost, all",
        "extra",
    )
    rows = [
        (
            str(r.subject["every"]),
            f"{r.figures['search_ms']:.1f}",
            f"{r.figures['finding_ms']:.1f}",
            f"{r.figures['finding_ratio']:.1f}",
            f"{r.figures['naming_ms']:.1f}",
            f"{r.figures['naming_ratio']:.1f}",
            f"{1000 / r.figures['naming_ms']:.0f}",
            f"{r.figures['sure_lost_share']:.1%}",
            f"{r.figures['lost_share']:.1%}",
            f"{r.figures['extra_share']:.1%}",
        )
        for r in records
    ]
    one = records[0]
    protocol = (
        f"Milliseconds per frame in the mean over {len(one.protocol['starts'])} stretches of {one.protocol['frames']} "
        f"frames of a 1280 × 720 clip ({one.figures['faces']} face-frames by search, {one.figures['sure_faces']} of them sure), MTCNN with min face "
        f"{one.protocol['min_face']:g}, decoding not counted, both ways taking turns at each frame. `every`: the whole "
        f"picture is searched in every so-manieth frame, after a cut, and where a sure face was lost. Naming is with "
        f"{one.subject['embedder']} and 14 people enrolled. Lost: share of the search's face-frames that no followed box "
        "overlaps by half; those of score 0.9 or more are sure, what MTCNN finds below flickers and mostly is no face. Extra: "
        "followed boxes that no found one overlaps. A camera of 30 frames a second leaves "
        f"{CAMERA:.0f} ms for each. Script: `benchmarks/following.py`."
    )
    return ["# Following beside searching", protocol, table(head, rows), conditions(one)]


if __name__ == "__main__":
    main()
