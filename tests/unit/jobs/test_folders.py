"""Photographs become chips and chips become embeddings: resumable, leak-free, and the bad ones are reported."""

import csv
import os
import shutil
from collections import defaultdict

import cv2
import numpy as np
import pytest

from mien.core.errors import ImageError, InputError, SettingError
from mien.core.faces import Faces
from mien.core.people import EmbeddingSpace
from mien.core.vectors import unit
from mien.datasets.packs import read_embeddings, read_train_test, write_embeddings, write_train_test
from mien.jobs.folders import AlignOptions, EmbedOptions, align_folder, chips_pack, embed_folder, join
from mien.jobs.manifest import MANIFEST, Manifest, Row
from mien.jobs.running import Done, Failed, Skipped
from mien.media.crops import crop_boxes
from mien.media.images import ReadOptions, read_image, write_image

BOX = np.array([178, 65, 270, 176], np.float32)
POINTS = np.array([[203.4, 103.6], [247.5, 104.4], [224.1, 127.7], [204.0, 143.1], [242.9, 143.7]], np.float32)
"""The astronaut's face, as a detector found it."""


class KnownFace:
    """A detector that knows where the astronaut's face is in a picture of any size, and sees none in a grey one."""

    name = "known"

    def __init__(self, *, landmarks=True):
        self.landmarks = landmarks
        self.calls = 0
        self.scales = []

    def detect(self, image):
        self.calls += 1
        if np.ptp(image) < 10:
            return Faces.empty()
        scale = image.shape[0] / 512
        boxes = np.stack([BOX * 0.2, BOX]) * scale  # a smaller "face" first: the largest must be taken
        points = np.stack([POINTS * 0.2, POINTS]) * scale if self.landmarks else None
        return Faces(boxes, np.array([0.99, 0.98]), points)

    def at_scale(self, scale):
        self.scales.append(scale)
        return self

    def detect_batch(self, images):
        return [self.detect(image) for image in images]


class MeanColours:
    """An embedder whose vectors are the mean colours of nine fields of a chip of 32 pixels; it notes its batches."""

    space = EmbeddingSpace("colours", 27, "00", "box+0@32", "mean")
    needs_landmarks = False

    def __init__(self):
        self.batches = []

    def crop(self, image, faces):
        return crop_boxes(image, faces.boxes, size=32)

    def embed(self, image, faces):
        return self.embed_chips(self.crop(image, faces))

    def embed_chips(self, chips):
        self.batches.append(len(chips))
        small = [cv2.resize(chip, (3, 3), interpolation=cv2.INTER_AREA).ravel() for chip in chips]
        return unit(np.array(small, np.float32).reshape(-1, 27))


@pytest.fixture
def album(tmp_path, astronaut):
    """Two people with four different photographs each (one has copies too), a greyish one and one that is no picture."""
    root = tmp_path / "photos"
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    for p, person in enumerate(("Ada", "Đức Nguyễn")):
        (root / person).mkdir(parents=True)
        for i in range(4):
            suit = np.random.default_rng(10 * p + i).integers(0, 255, (4, 8, 3), np.uint8)
            write_image(root / person / f"photo{i}.png", np.vstack([small[:128], suit.repeat(32, 0).repeat(32, 1)]))
    copy = read_image(root / "Ada" / "photo0.png").pixels
    write_image(root / "Ada" / "copy.jpg", cv2.resize(copy, (128, 128), interpolation=cv2.INTER_AREA))
    write_image(root / "Ada" / "grey.png", np.full((64, 64, 3), 128, np.uint8))
    (root / "Ada" / "broken.jpg").write_bytes(b"no picture")
    return root


def done(events, stage="align"):
    return [e for e in events if isinstance(e, Done) and e.stage == stage]


def is_done(event) -> bool:
    return isinstance(event, Done)


def test_chips_and_manifest(album, tmp_path):
    """Each readable photograph with a face becomes one chip below its person's name; the others are reported."""
    target = tmp_path / "chips"
    events = list(align_folder(album, target, detector=KnownFace()))
    chips = sorted(str(p.relative_to(target)) for p in target.rglob("*.png"))
    assert chips == sorted(
        [f"Ada/{n}.png" for n in ("copy", "photo0", "photo1", "photo2", "photo3")]
        + [f"Đức Nguyễn/photo{i}.png" for i in range(4)]
    )
    assert read_image(target / "Ada/copy.png").size == (160, 160)
    failed = {e.name.rsplit("/", 1)[-1]: e.reason for e in events if isinstance(e, Failed)}
    assert "no picture by its content" in failed["broken.jpg"]
    assert "no face found by known" in failed["grey.png"]
    with (target / MANIFEST).open(newline="") as file:
        rows = {row["chip"]: row for row in csv.DictReader(file)}
    assert rows.keys() == set(chips)
    row = rows["Ada/copy.png"]
    assert (row["person"], row["split"], row["source"], row["cut"]) == ("Ada", "", "Ada/copy.jpg", "box+32@160")
    assert [float(row[k]) for k in ("x1", "y1", "x2", "y2")] == pytest.approx(BOX / 4, abs=0.01)
    assert row["sha256"] == read_image(album / "Ada/copy.jpg").sha256


def test_the_cut_is_that_of_the_options(album, tmp_path):
    """Box crops are those of ``crop_boxes``; landmark alignment puts the eyes on one level, in the template's place."""
    list(align_folder(album, tmp_path / "box", detector=KnownFace(), options=AlignOptions(size=96, margin=12)))
    photo = read_image(album / "Ada/photo0.png").pixels
    expected = crop_boxes(photo, BOX[None] / 2, size=96, margin=12)[0]
    assert np.array_equal(read_image(tmp_path / "box/Ada/photo0.png").pixels, expected)
    list(align_folder(album, tmp_path / "points", detector=KnownFace(), options=AlignOptions(size=112, landmarks=True)))
    assert not np.array_equal(read_image(tmp_path / "points/Ada/photo0.png").pixels, expected)
    with pytest.raises(SettingError, match="finds no landmarks"):
        list(
            align_folder(
                album, tmp_path / "none", detector=KnownFace(landmarks=False), options=AlignOptions(landmarks=True)
            )
        )


def test_boxes_are_told_in_pixels_of_the_original(album, tmp_path):
    """A photograph decoded at half its size is searched at that scale; its box is told in pixels of the whole."""
    detector = KnownFace()
    half = AlignOptions(read=ReadOptions(min_face=40, reduce_above=0))
    events = list(align_folder(album, tmp_path / "chips", detector=detector, options=half))
    row = next(e.result for e in done(events) if e.result.source == "Ada/copy.jpg")
    assert row[5:9] == pytest.approx(tuple(BOX / 4), abs=0.01)
    assert sorted(set(detector.scales)) == [0.5, 1.0]  # the JPEG and the PNGs


def test_a_stopped_run_goes_on(album, tmp_path):
    """Ctrl-C leaves finished chips and their rows; the next run passes over them and finishes; a lost chip is cut again."""
    target, detector = tmp_path / "chips", KnownFace()

    class Interrupted(KnownFace):
        def detect(self, image):
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().detect(image)

    with pytest.raises(KeyboardInterrupt):
        list(align_folder(album, target, detector=Interrupted()))
    before = {p: p.stat().st_mtime_ns for p in target.rglob("*.png")}
    assert 0 < len(before) < 9
    assert not list(target.rglob("*.part"))
    events = list(align_folder(album, target, detector=detector))
    assert len([e for e in events if isinstance(e, Skipped)]) == len(before)
    assert all(p.stat().st_mtime_ns == when for p, when in before.items())
    assert len(list(target.rglob("*.png"))) == 9
    (target / "Ada/photo1.png").unlink()
    again = list(align_folder(album, target, detector=detector))
    assert [e.result.chip for e in done(again)] == ["Ada/photo1.png"]


def test_a_torn_manifest_is_mended(album, tmp_path):
    """A row cut off when the machine went down is dropped, its chip is cut again, and the file is whole afterwards."""
    target = tmp_path / "chips"
    list(align_folder(album, target, detector=KnownFace()))
    whole = (target / MANIFEST).read_bytes()
    (target / MANIFEST).write_bytes(whole[:-4])
    assert len(done(list(align_folder(album, target, detector=KnownFace())))) == 1
    assert (target / MANIFEST).read_bytes() == whole


def test_names_of_any_bytes_are_kept_by_the_manifest(tmp_path):
    """Paths with commas, quotes, newlines, any script and bytes that are no UTF-8 come back from the manifest."""
    for name in ('a,"b"\n.jpg', "Đức/1.jpg", "caf\udce9.jpg"):
        row = Row(f"x/{name}", "x", "train", name, "00", 1.0, 2.0, 3.0, 4.5, 0.9, "box+32@160")
        with Manifest(tmp_path, row.cut) as manifest:
            manifest.add(row)
        with Manifest(tmp_path, row.cut) as manifest:
            assert manifest.rows[row.chip] == row
    (tmp_path / MANIFEST).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is no manifest"):
        Manifest(tmp_path, "x")


def test_chips_cut_otherwise_never_mix(album, tmp_path):
    """Another size or margin into the same folder is refused, naming both."""
    list(align_folder(album, tmp_path / "chips", detector=KnownFace()))
    with pytest.raises(SettingError, match=r"cut as box\+32@160, not as box\+0@112"):
        list(align_folder(album, tmp_path / "chips", detector=KnownFace(), options=AlignOptions(size=112, margin=0)))


@pytest.mark.parametrize("seed", range(4))
def test_split_keeps_copies_on_one_side(album, tmp_path, seed):
    """With a split both people are on both sides, a copy is on the side of its original, and a rerun moves nothing."""
    target, options = tmp_path / "chips", AlignOptions(split=0.6, seed=seed)
    list(align_folder(album, target, detector=KnownFace(), options=options))
    sides = defaultdict(set)
    for chip in target.rglob("*.png"):
        side, person, name = chip.relative_to(target).parts
        sides[person].add(side)
        if person == "Ada" and name in {"copy.png", "photo0.png"}:
            sides["copies"].add(side)
    assert sides["Ada"] == sides["Đức Nguyễn"] == {"train", "test"}
    assert len(sides["copies"]) == 1
    shutil.copy(album / "Ada/photo2.png", album / "Ada/later.png")
    new = done(list(align_folder(album, target, detector=KnownFace(), options=AlignOptions(split=0.6, seed=seed + 1))))
    assert [row.result.source for row in new] == ["Ada/later.png"]
    with Manifest(target, options.cut) as manifest:
        placed = {row.source: row.split for row in manifest.rows.values()}
    assert placed["Ada/later.png"] == placed["Ada/photo2.png"]


def test_who_cannot_be_split_is_told(tmp_path, album):
    """A person whose pictures are all copies is named with the reason; frames of a video count as one group."""
    shutil.rmtree(album / "Ada")
    folder = album / "Đức Nguyễn"
    for i in range(4):
        (folder / f"photo{i}.png").rename(folder / f"clip_frame_{i}.png")
    events = list(align_folder(album, tmp_path / "chips", detector=KnownFace(), options=AlignOptions(split=0.5)))
    assert [(e.name, e.reason) for e in events if isinstance(e, Skipped)] == [
        ("Đức Nguyễn", "all 4 pictures are near-duplicates or frames of one video; kept on the train side")
    ]


def test_shuffle_changes_the_order_and_nothing_else(album, tmp_path):
    """Shuffled runs give the same chips, in an order that the seed settles."""
    orders = []
    for n, options in enumerate([AlignOptions(), *[AlignOptions(shuffle=True, seed=s) for s in (1, 1, 2)]]):
        orders.append(
            [
                e.result.chip
                for e in done(list(align_folder(album, tmp_path / str(n), detector=KnownFace(), options=options)))
            ]
        )
    assert orders[1] == orders[2] != orders[3]
    assert orders[0] != orders[1]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


def test_pictures_of_one_name_get_chips_of_their_own(album, tmp_path):
    """a.jpg, a.png and deep/a.png of one person become three chips."""
    photo = album / "Ada/photo0.png"
    (album / "Ada/deep").mkdir()
    for name in ("photo0.webp", "deep/photo0.png", "deep/photo0.webp"):
        write_image(album / "Ada" / name.replace(".png", ".webp"), read_image(photo).pixels)
        shutil.copy(photo, album / "Ada" / name)
    list(align_folder(album, tmp_path / "chips", detector=KnownFace()))
    chips = sorted(p.name for p in (tmp_path / "chips/Ada").iterdir() if p.name.startswith("photo0"))
    assert len(chips) == 4


def test_a_later_photograph_of_the_same_name_takes_nobodys_chip(album, tmp_path):
    """photo0.bmp comes before photo0.png in a later run: it gets a chip of its own, photo0.png keeps the one it has."""
    target = tmp_path / "chips"
    first = {e.result.source: e.result.chip for e in align_folder(album, target, detector=KnownFace()) if is_done(e)}
    other = read_image(album / "Ada" / "photo3.png").pixels
    cv2.imwrite(str(album / "Ada" / "photo0.bmp"), other[:, ::-1, ::-1])
    (new,) = [e.result for e in align_folder(album, target, detector=KnownFace()) if is_done(e)]
    assert new.source == "Ada/photo0.bmp"
    assert new.chip not in first.values()
    assert len(list((target / "Ada").glob("photo0*.png"))) == 2


def test_names_that_differ_in_case_only_get_chips_of_their_own(album, tmp_path):
    """On macOS and Windows PHOTO0.png and photo0.png are one file: the later must not replace the earlier."""
    shutil.copy(album / "Ada" / "photo1.png", album / "Ada" / "PHOTO0.webp")
    list(align_folder(album, tmp_path / "chips", detector=KnownFace()))
    names = [p.name.casefold() for p in (tmp_path / "chips" / "Ada").iterdir()]
    assert len(names) == len(set(names)) == 6


def test_an_edited_photograph_is_cut_anew(album, tmp_path):
    """Who retouches one photograph gets that one's chip again, and no other."""
    target = tmp_path / "chips"
    list(align_folder(album, target, detector=KnownFace()))
    edited = album / "Ada" / "photo2.png"
    write_image(edited, 255 - read_image(edited).pixels)
    later = (target / "Ada" / "photo2.png").stat().st_mtime + 5
    os.utime(edited, (later, later))
    (row,) = [e.result for e in align_folder(album, target, detector=KnownFace()) if is_done(e)]
    assert row.source == "Ada/photo2.png"
    assert row.sha256 == read_image(edited).sha256


def test_the_target_lies_outside_the_source(album):
    """A target inside the source would become a person: refused."""
    for target in (album, album / "chips"):
        with pytest.raises(SettingError, match="would be taken for a person"):
            list(align_folder(album, target, detector=KnownFace()))


def test_embeddings_of_chips(album, tmp_path):
    """Chips are embedded in batches, in order, with names, files and sides; the pack can be written and read."""
    chips = tmp_path / "chips"
    list(align_folder(album, chips, detector=KnownFace(), options=AlignOptions(size=32, margin=0, split=0.6)))
    embedder = MeanColours()
    events = list(embed_folder(chips, embedder=embedder, options=EmbedOptions(batch_size=4)))
    assert embedder.batches == [4, 4, 1]
    assert [e.index for e in events] == list(range(1, 10))
    pack = join([e.result for e in done(events, "embed")], embedder.space)
    write_embeddings(tmp_path / "embeddings.npz", pack)
    again = read_embeddings(tmp_path / "embeddings.npz")
    assert set(again.labels) == {"Ada", "Đức Nguyễn"}
    assert set(again.split) == {"train", "test"}
    assert all(
        file.startswith(f"{side}/{label}/")
        for file, side, label in zip(again.files, again.split, again.labels, strict=True)
    )
    whole = embedder.embed_chips(np.stack([read_image(chips / file).pixels for file in again.files]))
    assert np.array_equal(again.embeddings, whole)


def test_embeddings_of_photographs(album, tmp_path):
    """Photographs are cut by the detector; without one, each says that it is no chip, and the rest goes on."""
    embedder = MeanColours()
    events = list(embed_folder(album, embedder=embedder, detector=KnownFace()))
    assert len(done(events, "embed")) == 9
    assert len([e for e in events if isinstance(e, Failed)]) == 2
    photo = read_image(album / "Ada/photo0.png").pixels
    first = next(e.result for e in done(events, "embed") if e.result.file == "Ada/photo0.png")
    assert np.allclose(first.embedding, embedder.embed_chips(crop_boxes(photo, BOX[None] / 2, size=32))[0])
    alone = list(embed_folder(album, embedder=embedder))
    assert "expected a chip of 32 × 32 pixels, got 256 × 256" in next(e.reason for e in alone if "photo0" in e.name)
    assert join([], embedder.space).embeddings.shape == (0, 27)


def test_a_broken_chip_in_the_last_place_loses_nothing(album, tmp_path):
    """Chips that wait for a batch are embedded even if the last file is broken."""
    chips = tmp_path / "chips"
    list(align_folder(album, chips, detector=KnownFace(), options=AlignOptions(size=32, margin=0)))
    (chips / "Đức Nguyễn" / "zzz.png").write_bytes(b"")
    events = list(embed_folder(chips, embedder=MeanColours(), options=EmbedOptions(batch_size=100)))
    assert len(done(events, "embed")) == 9
    assert sum(isinstance(e, Failed) for e in events) == 1


def test_chips_as_the_tutorials_pack(album, tmp_path):
    """The chips of a split folder become faces-dataset.npz: trainX, trainy, testX, testy."""
    chips = tmp_path / "chips"
    list(align_folder(album, chips, detector=KnownFace(), options=AlignOptions(size=32, margin=0, split=0.6)))
    write_train_test(tmp_path / "faces-dataset.npz", chips_pack(chips))
    pack = read_train_test(tmp_path / "faces-dataset.npz")
    assert pack.train.shape[1:] == (32, 32, 3)
    assert len(pack.train) + len(pack.test) == 9
    assert len(pack.test) >= 2
    write_image(chips / "train/Ada/other.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="chips of one size"):
        chips_pack(chips)


def test_a_full_disk_leaves_no_row_without_a_chip(album, tmp_path, monkeypatch):
    """A chip that cannot be written is reported and has no row, so that the next run tries again."""

    def full(path, pixels):
        raise ImageError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr("mien.jobs.folders.write_image", full)
    events = list(align_folder(album, tmp_path / "chips", detector=KnownFace()))
    assert not done(events)
    monkeypatch.undo()
    assert len(done(list(align_folder(album, tmp_path / "chips", detector=KnownFace())))) == 9
