"""A camera of 30 frames a second against a recogniser that manages 5: latency, and memory over half an hour.

    python benchmarks/watching.py --data DIR [--only latency|memory]

Frames of a real 1280 × 720 clip, over and over, with its people enrolled (of a smaller one for memory). Latency is from the moment a frame is there to
the moment it is decided, for the newest frame only (as ``mien watch`` does) and, beside it, for a queue that leaves no
frame out. The recogniser is the real one; where it is faster than the period it waits for the rest of it. Memory is that
of the whole process while 54,000 frames arrive, six for every look, with everything that ``mien attendance watch`` does
behind: events, sightings, the attendance log; time is that of a camera of 30 frames a second, the run is as fast as it
can be. Writes benchmarks/results/watching.json and docs/benchmarks/watching.md. About ten minutes; ``--frames 3000
--seconds 5`` for a quick look.
"""

import os
import queue
import threading
import time
from argparse import Namespace
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from mien.core.faces import Picture
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.jobs.attend import SightingWriter, sighting_of
from mien.jobs.watch import Watcher, WatcherOptions, watch
from mien.media.cameras import Camera, CameraOptions
from mien.media.video import VideoFile
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, data_folder, read_records, table, write_page, write_records

CLIP = "simplefr_Video_2.mp4"
SMALL = "short_hamilton_clip.mp4"
"""640 × 360, for memory: what grows does not depend on the size of frames, how long half an hour takes does."""
RATE = 30.0
"""Frames a second of the camera."""
PERIOD = 0.2
"""Seconds that the recogniser takes for a frame."""
WAYS = (
    ("newest frame only", PERIOD),
    ("newest frame only, recogniser as fast as it is", 0.0),
    ("every frame in a queue", PERIOD),
)
WARM = 500
"""Looks before memory is measured first."""


class Paced:
    """A follower that takes its period for each frame, and notes when each decision was made."""

    def __init__(self, follower, clock, period: float) -> None:
        self._follower, self._clock, self._period = follower, clock, period
        self.ages, self.took = [], []

    def follow(self, picture: Picture):
        begin = time.monotonic()
        faces = self._follower.follow(picture)
        time.sleep(max(self._period - (time.monotonic() - begin), 0.0))
        self.took.append(time.monotonic() - begin)
        self.ages.append(self._clock() - picture.time)
        return faces


def main() -> None:
    parser = arguments(__doc__ or "", "watching")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement of latency")
    parser.add_argument("--frames", type=int, default=54_000, help="that arrive while memory is measured")
    parser.add_argument("--only", choices=("latency", "memory"), help="the other is kept from the results before")
    options = parser.parse_args()
    *before, last = read_records(options.results) or [None]
    clips = data_folder(options, "clips")
    with TemporaryDirectory() as folder, House(load_settings(data_dir=folder, threads=2)) as house:
        for portrait in sorted((clips / "simplefr_people").glob("*.png")):
            house.recognizer.enroll(portrait.stem, [house.read(portrait, chip=160)])
        frames = compressed(clips / CLIP, 900)
        house.follower().follow(Picture(frames[0](), time=0.0))  # everything is loaded
        if options.only != "memory":
            before = [latency(house, frames, way, period, options) for way, period in WAYS]
        if options.only != "latency":
            last = memory(house, compressed(clips / SMALL, 275), options)
    records = [*before, last]
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


def compressed(path: Path, count: int) -> list:
    """Frames of a clip as functions that decode them, as a camera's frames are."""
    with VideoFile(path) as video:
        pictures = islice(video.frames(), count)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        coded = [cv2.imencode(".jpg", cv2.cvtColor(p.pixels, cv2.COLOR_RGB2BGR), quality)[1] for p in pictures]
    return [partial(decoded, data) for data in coded]


def decoded(data: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@contextmanager
def camera_of(frames, *, rate: float, seconds: float):
    """What a camera sends: a frame at each tick of its clock."""

    def sent():
        begin = time.monotonic()
        for number, frame in enumerate(islice(cycle(frames), int(rate * seconds))):
            time.sleep(max(begin + number / rate - time.monotonic(), 0.0))
            yield frame

    yield sent()


def latency(house: House, frames, way: str, period: float, options: Namespace) -> Record:
    run = queued if "queue" in way else newest
    paced = run(house, frames, period, options.seconds)
    took = median(paced.took)
    return record(
        house,
        "latency of a watch",
        {
            "clip": CLIP,
            "size": [1280, 720],
            "camera_fps": RATE,
            "seconds": options.seconds,
            "people": len(house.gallery.people()),
        },
        {"way": way, "period_ms": round(1000 * period)},
        {
            "decisions": len(paced.ages),
            "recogniser_ms": round(1000 * took, 1),
            "recogniser_worst_ms": round(1000 * max(paced.took), 1),
            "median_ms": round(1000 * median(paced.ages), 1),
            "worst_ms": round(1000 * max(paced.ages), 1),
            "last_ms": round(1000 * paced.ages[-1], 1),
            "median_periods": round(median(paced.ages) / took, 2),
            "worst_periods": round(max(paced.ages) / took, 2),
        },
    )


def newest(house: House, frames, period: float, seconds: float) -> Paced:
    connect = partial(camera_of, frames, rate=RATE, seconds=seconds)
    with Camera("rtsp://benchmark/", options=CameraOptions(retry="never"), connect=connect) as camera:
        paced = Paced(house.follower(), lambda: camera.time, period)
        for _ in watch(camera, paced, Watcher()):
            pass
    return paced


def queued(house: House, frames, period: float, seconds: float) -> Paced:
    """No frame is left out: what is not looked at yet waits."""
    waiting = queue.Queue()
    begin = time.monotonic()

    def read():
        with camera_of(frames, rate=RATE, seconds=seconds) as sent:
            for frame in sent:
                waiting.put((frame, time.monotonic() - begin))

    reader = threading.Thread(target=read)
    reader.start()
    paced = Paced(house.follower(), lambda: time.monotonic() - begin, period)
    while time.monotonic() - begin < seconds:
        frame, came = waiting.get()
        paced.follow(Picture(frame(), time=came))
    reader.join()
    return paced


class HalfAnHour:
    """A camera whose frames come six to a look, and whose pictures carry the time they would have at 30 a second."""

    def __init__(self, frames, count: int) -> None:
        self._frames, self._count = frames, count
        self._looked = threading.Semaphore(6)
        self.sent = 0
        self._camera = Camera("rtsp://benchmark/", options=CameraOptions(retry="never"), connect=self._connect)

    @contextmanager
    def _connect(self):
        yield self._send()

    def _send(self):
        for frame in islice(cycle(self._frames), self._count):
            self._looked.acquire()
            self.sent += 1
            yield frame

    def __getattr__(self, name):
        return getattr(self._camera, name)

    def newest(self, timeout: float = 1.0) -> Picture | None:
        picture = self._camera.newest(timeout)
        if picture is not None:
            self._looked.release(6)
        return None if picture is None else replace(picture, time=self.sent / RATE)


def memory(house: House, frames, options: Namespace) -> Record:
    source = HalfAnHour(frames, options.frames)
    looks, rss = 0, []
    begin = time.monotonic()
    with SightingWriter(house.gallery.attendance) as writer:
        for watched in watch(source, house.follower(), Watcher(WatcherOptions(every=60.0))):
            looks += watched.picture is not None
            for event in watched.events:
                sighting = sighting_of(event, camera="benchmark", run="benchmark")
                if sighting is not None:
                    writer.put(sighting)
            writer.outcomes()
            if watched.picture is not None and looks % WARM == 0:
                rss.append(resident())
    source.close()
    written = len(house.gallery.attendance.sightings())
    third = max(len(rss) // 3, 1)
    return record(
        house,
        "memory of a watch",
        {"clip": SMALL, "size": [640, 360], "camera_fps": RATE, "frames": options.frames},
        {"way": "newest frame only, six frames to a look"},
        {
            "minutes": round(options.frames / RATE / 60, 1),
            "looks": looks,
            "took_seconds": round(time.monotonic() - begin),
            "sightings": written,
            "start_mb": round(rss[0], 1),
            "first_third_mb": round(median(rss[:third]), 1),
            "last_third_mb": round(median(rss[-third:]), 1),
            "end_mb": round(rss[-1], 1),
            "most_mb": round(max(rss), 1),
        },
    )


def resident() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def record(house: House, task: str, protocol: dict, subject: dict, figures: dict) -> Record:
    with_names = {**subject, "detector": house.settings.detector, "embedder": house.settings.embedder}
    return Record(task, protocol, with_names, figures, machine=this_machine(), versions=installed_versions())


def page(records: list[Record]) -> list[str]:
    *runs, kept = records
    head = ("way", "decisions", "recogniser", "latency, median", "worst", "at the end", "worst, in recogniser periods")
    rows = [
        (
            r.subject["way"],
            str(r.figures["decisions"]),
            f"{r.figures['recogniser_ms']:.0f} ms",
            f"{r.figures['median_ms']:.0f} ms",
            f"{r.figures['worst_ms']:.0f} ms",
            f"{r.figures['last_ms']:.0f} ms",
            f"{r.figures['worst_periods']:.2f}",
        )
        for r in runs
    ]
    one, figures = runs[0], kept.figures
    told = (
        f"Frames of a 1280 × 720 clip at {one.protocol['camera_fps']:g} a second for {one.protocol['seconds']:g} s, MTCNN "
        f"and {one.subject['embedder']} with {one.protocol['people']} people enrolled; a recogniser of {one.subject['period_ms']} ms per frame is the "
        "real one, which waits for the rest of its period. Latency: from a frame's arrival to its decision. The aim was less "
        "than 2 periods of the recogniser."
    )
    flat = (
        f"Memory while {kept.protocol['frames']:,} frames of a 640 × 360 clip arrive ({figures['minutes']:g} minutes at 30 a second, "
        f"{figures['looks']:,} looked at, in {figures['took_seconds']} s; {figures['sightings']} sightings written): "
        f"{figures['start_mb']:.0f} MB after {WARM} looks, {figures['end_mb']:.0f} MB at the end, {figures['most_mb']:.0f} MB "
        f"at most; the median of the first third is {figures['first_third_mb']:.1f} MB, that of the last {figures['last_third_mb']:.1f} MB."
    )
    return ["# Watching a camera", told, table(head, rows), flat, conditions(one)]


if __name__ == "__main__":
    main()
