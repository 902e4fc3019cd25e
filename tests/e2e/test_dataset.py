"""Data sets on the command line: counted, checked, divided, multiplied, packed, fetched."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import cv2
import numpy as np
import pytest

from mien.datasets.packs import read_train_test
from mien.media.images import read_image


@pytest.fixture
def animals(home):
    """Two classes of real patches; a dog that is a cat's copy, a copy of a cat, a damaged file."""
    from skimage import data

    scenes = {"cats": data.chelsea(), "dogs": data.coffee()}
    for label, scene in scenes.items():
        (home / "set" / label).mkdir(parents=True)
        for i in range(6):
            patch = scene[20 * i : 20 * i + 120, 50 * i : 50 * i + 120, ::-1]
            cv2.imwrite(str(home / "set" / label / f"{i}.png"), patch)
    cats = home / "set" / "cats"
    (cats / "copy.png").write_bytes((cats / "1.png").read_bytes())
    cv2.imwrite(str(home / "set" / "dogs" / "cat.png"), cv2.resize(cv2.imread(str(cats / "0.png")), (60, 60)))
    (cats / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return home / "set"


def test_info_counts_and_finds(mien, animals):
    """Counts per class, the copy, the picture in two classes and the damaged file; one bad file is exit code 3."""
    result = mien("dataset", "info", animals, "--json")
    story = result.json()
    assert result.code == 3
    assert [(row["class"], row["pictures"], row["corrupt"]) for row in story["classes"]] == [
        ("cats", 8, 1),
        ("dogs", 7, 0),
    ]
    assert story["copies"] == [["cats/1.png", "cats/copy.png"]]
    assert story["in_two_classes"] == [["cats/0.png", "dogs/cat.png"]]
    assert "bad.jpg" in result.err
    assert "in two classes at once: cats/0.png = dogs/cat.png" in result.err
    table = mien("dataset", "info", animals)
    assert "15 pictures of 2 classes" in table.out
    assert "1 cannot be read" in table.out


def test_labels_that_differ_in_case(mien, animals):
    """Refused with the remedy, merged with it."""
    (animals / "dogs").rename(animals / "Cats")
    refused = mien("dataset", "info", animals)
    assert refused.code == 1
    assert "--merge-case" in refused.err
    assert mien("dataset", "info", animals, "--merge-case", "--json").json()["classes"][0]["pictures"] == 15


def test_a_leak_stops_unless_allowed(mien, animals, home):
    """Frames of one video in train and test: the line says how many of which; --allow-leak goes on and says so."""
    for side, number in (("train", 1), ("train", 2), ("test", 3)):
        for label in ("cats", "dogs"):
            (home / "bad" / side / label).mkdir(parents=True, exist_ok=True)
        patch = (animals / "cats" / f"{number}.png").read_bytes()
        (home / "bad" / side / "cats" / f"v7_frame_{number}.png").write_bytes(patch)
    (home / "bad" / "train" / "dogs" / "d.png").write_bytes((animals / "dogs" / "2.png").read_bytes())
    (home / "bad" / "test" / "dogs" / "e.png").write_bytes((animals / "dogs" / "5.png").read_bytes())
    stopped = mien("dataset", "info", "bad")
    assert stopped.code == 1
    assert "leak: 3 frames of video v7 in both (train 2, test 1)" in stopped.err
    allowed = mien("dataset", "info", "bad", "--allow-leak", "--json")
    assert allowed.code == 0
    assert allowed.json()["leaks"] == ["leak: 3 frames of video v7 in both (train 2, test 1)"]
    assert "allowed" in allowed.err


def test_split_augment_pack(mien, animals, home):
    """Divided without a leak, the training side multiplied, all packed as the tutorials' four arrays."""
    divided = mien("dataset", "split", animals, "parts", "--test", "0.3", "--json")
    assert divided.code == 3  # the damaged file
    where = {row["source"]: row["side"] for row in divided.json()}
    assert where["cats/1.png"] == where["cats/copy.png"]
    assert where["cats/0.png"] == where["dogs/cat.png"]
    assert mien("dataset", "info", "parts").code == 0
    made = mien("dataset", "augment", "parts", "more", "--per-image", "3", "--csv")
    assert made.code == 0
    rows = {row["folder"]: row for row in csv.DictReader(io.StringIO(made.out))}
    train = sum(side == "train" for side in where.values())
    assert sum(int(row["versions"]) for row in rows.values()) == 3 * train
    assert json.loads((home / "more" / "augmentation.json").read_text())["per_image"] == 3
    assert mien("dataset", "info", "more").code == 0
    packed = mien("dataset", "pack", "more", "faces-dataset.npz", "--size", "32")
    assert packed.code == 0
    pack = read_train_test(home / "faces-dataset.npz")
    assert pack.train.shape == (3 * train, 32, 32, 3)
    assert len(pack.test) == 14 - train
    assert mien("dataset", "info", "faces-dataset.npz", "--json").json()["pictures"] == 2 * train + 14


def test_what_cannot_work_is_said_first(mien, animals):
    """Wrong options end with exit code 2 and what to give instead, before any work."""
    for words, said in (
        (("augment", animals, "out"), "--per-image N"),
        (("augment", animals), "give DST, or --choose"),
        (("augment", animals, "out", "--per-image", "2", "--mirror", "1.5"), "mirror must lie between 0 and 1"),
        (("augment", animals, animals / "in", "--per-image", "2"), "lies in the source"),
        (("split", animals, "out", "--test", "0.5", "--val", "0.5"), "leave nothing to train with"),
        (("split", animals, "out", "--how", "move"), "expected link, copy or list"),
        (("info", animals, "--fix", "x.csv"), "--annotations"),
        (("info", animals, "--pattern", "("), "no regular expression"),
    ):
        result = mien("dataset", *words)
        assert result.code == 2, words
        assert said in result.err, words


def test_choosing_how_many_versions(mien, animals):
    """--choose prints a row per number with its spread, and one of them is chosen."""
    result = mien("dataset", "augment", animals, "--choose", "0,2", "--json")
    assert result.code == 3
    rows = result.json()
    assert [row["per image"] for row in rows] == [0, 2]
    assert [row["chosen"] for row in rows].count("chosen") == 1


def test_show_draws_a_row_per_class(mien, animals, home):
    """The sheet has as many columns as pictures are asked for, and a row for each class."""
    assert mien("dataset", "show", animals, "--per-class", "3", "--size", "64").code in {0, 3}
    height, width = read_image(home / "sheet.png").pixels.shape[:2]
    assert 3 * 64 < width < 4 * 80
    assert 2 * 64 < height < 3 * 90
    for number in range(40):
        (animals / f"more{number}").mkdir()
        (animals / f"more{number}" / "a.png").write_bytes((animals / "cats" / "1.png").read_bytes())
    many = mien("dataset", "show", animals, "--per-class", "1", "--size", "32", "--out", "many.png")
    assert "30 of 42 classes are shown" in many.err
    assert read_image(home / "many.png").pixels.shape[0] < 31 * 60


def test_annotations_checked_mended_and_drawn(mien, home, photo):
    """Each fault has its file and line; the mended copy has none; the face's box is drawn."""
    photo("pictures/a.png")
    (home / "faces.csv").write_text(
        "file,x1,y1,x2,y2\na.png,170,60,280,210\na.png,280,210,170,60\na.png,9,9,9,20\na.png,500,500,530,540\n"
    )
    result = mien("dataset", "info", "pictures", "--annotations", "faces.csv")
    assert result.code == 3
    assert "faces.csv:3: box 280,210 – 170,60 of a.png ends before it begins" in result.err
    assert "faces.csv:5: box 500,500 – 530,540 of a.png leaves its 512 × 512 pixels" in result.err
    mended = mien("dataset", "info", "pictures", "--annotations", "faces.csv", "--fix", "new.csv")
    assert mended.code == 0
    assert "1 beyond the border, mended, 1 no area, left out, 1 wrong order, mended" in mended.err
    clean = mien("dataset", "info", "pictures", "--annotations", "new.csv", "--json")
    assert (clean.code, clean.json()["files"][0]["boxes"], clean.json()["faults"]) == (0, 3, [])
    assert mien("dataset", "show", "pictures", "--annotations", "new.csv", "--out", "b.png", "--size", "400").code == 0
    drawn = read_image(home / "b.png").pixels.astype(int)
    blue = (np.abs(drawn - (0x56, 0xB4, 0xE9)).sum(axis=2) < 40).sum()
    assert blue > 200


def test_two_files_that_name_one_picture(mien, home, photo):
    """A picture in the boxes of train and of test is a leak."""
    photo("pictures/a.png")
    for name in ("train.csv", "test.csv"):
        (home / name).write_text("file,x1,y1,x2,y2\na.png,170,60,280,210\n")
    both = ("dataset", "info", "pictures", "--annotations", "train.csv", "--annotations", "test.csv")
    stopped = mien(*both)
    assert stopped.code == 1
    assert "leak: 1 pictures in both train.csv and test.csv, the first a.png" in stopped.err
    assert mien(*both, "--allow-leak").code == 0


def test_files_of_one_name_are_two_files(mien, home, photo):
    """train/boxes.csv and test/boxes.csv are held against each other, too."""
    photo("pictures/a.png")
    for side in ("train", "test"):
        (home / side).mkdir()
        (home / side / "boxes.csv").write_text("file,x1,y1,x2,y2\na.png,170,60,280,210\n")
    both = ("dataset", "info", "pictures", "--annotations", "train/boxes.csv", "--annotations", "test/boxes.csv")
    stopped = mien(*both)
    assert stopped.code == 1
    assert "leak: 1 pictures in both train/boxes.csv and test/boxes.csv" in stopped.err.replace("\n", " ")


def test_terms_first(mien, home):
    """Without --accept-terms the terms and the size are shown and nothing is fetched."""
    result = mien("dataset", "fetch", "lfw", "there")
    assert result.code == 2
    assert "research" in result.err
    assert "about 180 MB" in result.err
    assert not (home / "there").exists()


def test_no_network_is_one_line(mien):
    """Nobody answers: the address, the reason, exit code 1."""
    result = mien("dataset", "fetch", "fddb", "there", "--accept-terms", "--mirror", "http://127.0.0.1:9")
    assert result.code == 1
    assert "http://127.0.0.1:9/FDDB-folds.tgz could not be fetched" in result.err
    assert "Traceback" not in result.err


SLOW_SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
data = open(sys.argv[1], "rb").read()
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        for at in range(start, len(data), 20000):
            self.wfile.write(data[at:at + 20000])
            time.sleep(0.0 if start else 0.02)
    def log_message(self, *a):
        print(self.headers.get("Range"), file=sys.stderr, flush=True)
server = HTTPServer(("127.0.0.1", 0), H)
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_interrupted_and_resumed(home, tmp_path):
    """Ctrl-C in the middle of a transfer: exit code 130, the part stays, and the next run asks for the rest only."""
    with zipfile.ZipFile(tmp_path / "WIDER.zip", "w") as packed:
        packed.writestr("wider_face_split/wider_face_train.mat", os.urandom(4_000_000))
    serve = [sys.executable, "-c", SLOW_SERVER, str(tmp_path / "WIDER.zip")]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            mirror = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            words = [
                sys.executable,
                "-m",
                "mien",
                "dataset",
                "fetch",
                "wider",
                "got",
                "--accept-terms",
                "--mirror",
                mirror,
            ]
            with subprocess.Popen(words, cwd=home, stderr=subprocess.PIPE, text=True) as first:
                part = home / "got" / "wider_face_split.zip.part"
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and not (part.is_file() and part.stat().st_size > 300_000):
                    time.sleep(0.02)
                first.send_signal(signal.SIGINT)
                assert first.wait(10) == 130
                assert "what was done stays" in first.stderr.read()
            kept = part.stat().st_size
            assert 300_000 < kept < 4_000_000
            second = subprocess.run(words, cwd=home, capture_output=True, text=True, timeout=60, check=False)
            assert second.returncode == 1  # this file's digest is not the published one
            assert "published is 0e3767bcf0e3" in second.stderr
            assert (home / "got" / "wider_face_split.zip.refused").read_bytes() == (tmp_path / "WIDER.zip").read_bytes()
        finally:
            server.terminate()
        assert f"bytes={kept}-" in server.stderr.read()
