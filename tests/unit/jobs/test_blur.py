"""Who is hidden, in doubt too, in photographs and in every frame of a video."""

import numpy as np
import pytest

from mien.core.answers import Contender, Match
from mien.core.faces import Faces
from mien.jobs.blur import BlurOptions, Finders, blur, hidden
from mien.jobs.running import Done, Failed
from mien.media.images import write_image
from mien.media.video import VideoFile
from tests.fakes.videos import write_video

ADA = Contender("ada", "Ada", 0.8, 0.8, 1)
BOB = Contender("bob", "Bob", 0.7, 0.7, 1)
MATCHES = (
    Match("match", (ADA, BOB), 0.6),
    Match("match", (BOB,), 0.6),
    Match("ambiguous", (BOB, ADA), 0.6),
    Match("unknown", (ADA,), 0.9),
    Match("no_usable_face"),
)


def people() -> Faces:
    boxes = np.array([[i * 30, 0, i * 30 + 20, 20] for i in range(5)], np.float32)
    return Faces(boxes=boxes, scores=np.ones(5, np.float32), matches=MATCHES)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (BlurOptions(), [1, 1, 1, 1, 1]),
        (BlurOptions(everybody_known=True), [0, 0, 1, 1, 1]),
        (BlurOptions(keep=frozenset({"ada"})), [0, 1, 1, 1, 1]),
        (BlurOptions(only=frozenset({"ada"})), [1, 0, 1, 0, 0]),
    ],
)
def test_in_doubt_a_face_is_hidden(options, expected):
    """Kept is only who is surely named; of the named ones, also who may be one of them is hidden."""
    assert hidden(people(), options).tolist() == [bool(x) for x in expected]


def test_without_names_everybody_is_hidden():
    """Faces that nobody was compared with are all hidden."""
    assert hidden(Faces(boxes=people().boxes, scores=np.ones(5)), BlurOptions()).all()


def found(box):
    return Faces(boxes=np.array([box], np.float32), scores=np.ones(1, np.float32))


def test_a_bad_photograph_is_told_and_the_rest_goes_on(tmp_path, astronaut):
    """One that cannot be read fails alone; the others are written, under an ending that can be."""
    write_image(tmp_path / "good.png", astronaut)
    (tmp_path / "bad.jpg").write_bytes(b"%PDF")
    finders = Finders(lambda _: found([150, 50, 290, 210]), lambda: lambda _: Faces.empty())
    pairs = [(tmp_path / n, tmp_path / "out" / n) for n in ("bad.jpg", "good.png")]
    bad, good = blur(pairs, finders, BlurOptions(style="fill"))
    assert isinstance(bad, Failed)
    assert isinstance(good, Done)
    assert (good.result.target, good.result.hidden) == (tmp_path / "out" / "good.png", 1)


def test_a_face_missed_in_some_frames_is_hidden_in_them_too(tmp_path):
    """Frames in which a face is not found borrow its place from those around; far from it nothing is hidden."""
    frames = [np.full((96, 128, 3), 230, np.uint8) for _ in range(60)]
    write_video(tmp_path / "in.mp4", frames, [i / 25 for i in range(60)])

    def finder():
        count = iter(range(1000))
        return lambda _: found([40, 30, 80, 70]) if next(count) in {20, 26} else Faces.empty()

    finders = Finders(lambda _: Faces.empty(), finder)
    (done,) = blur([(tmp_path / "in.mp4", tmp_path / "out" / "in.mp4")], finders, BlurOptions(style="fill"))
    assert done.result.hidden == 23
    with VideoFile(done.result.target) as video:
        middle = [int(picture.pixels[50, 60].mean()) for picture in video.frames()]
    dark = [i for i, level in enumerate(middle) if level < 180]
    assert dark == list(range(12, 35))
