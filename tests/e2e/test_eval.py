"""``mien eval`` as a user has it: a folder in, record and report out."""

import json

import cv2
import numpy as np
import pytest


@pytest.fixture
def faces(photo, home):
    """Four "people" with three pictures each, all of them the astronaut in another light, turned and mirrored."""
    for p in range(4):
        for k in range(3):
            turn = cv2.getRotationMatrix2D((128, 120), 5 * k - 5, 1)

            def change(a, p=p, turn=turn):
                part = np.ascontiguousarray(a[:256, 96:352])
                part = part[:, ::-1] if p % 2 else part
                lit = np.clip(part * (0.7 + 0.1 * p), 0, 255).astype(np.uint8)
                return cv2.warpAffine(np.ascontiguousarray(lit), turn, (256, 256))

            photo(f"faces/p{p}/{k}.png", change=change)
    return home / "faces"


def test_verification_leaves_record_report_and_pairs(mien, faces, home):
    """From a folder per person to figures, with weights, rules and seed in the record; the journal is gone."""
    result = mien("eval", "verification", faces, "--out", "out", "--per-fold", "6", "--seed", "3", "--json")
    assert result.code == 0, result.err
    record = json.loads((home / "out/record.json").read_text(encoding="utf-8"))
    assert record == result.json()
    assert record["protocol"]["seed"] == 3
    assert record["protocol"]["pictures"] == 12
    assert set(record["subject"]["weights_sha256"]) == {"mtcnn/pnet", "mtcnn/rnet", "mtcnn/onet", "facenet/embedder"}
    assert record["figures"]["missed_pictures"] == 0
    assert {f.name for f in (home / "out").iterdir()} == {
        "record.json",
        "report.md",
        "pairs.csv",
        "roc.png",
        "scores.png",
        "worst-pairs.jpg",
    }


def test_a_bad_picture_is_counted_and_the_rest_goes_on(mien, faces, home):
    """A file that is no picture is told, its pairs are dropped and counted; with --strict that is the end."""
    (faces / "p0" / "0.png").write_bytes(b"no picture")
    (home / "out").mkdir()
    result = mien("eval", "verification", faces, "--out", "out", "--per-fold", "9")
    assert result.code == 3
    assert "p0/0.png" in result.err
    record = json.loads((home / "out/record.json").read_text(encoding="utf-8"))
    assert record["protocol"]["missing_pictures"] == 1
    assert record["protocol"]["dropped_pairs"] > 0
    strict = ("eval", "verification", faces, "--out", "strict", "--strict")
    assert mien(*strict).code == 1
    (faces / "p0" / "0.png").write_bytes((faces / "p0" / "1.png").read_bytes())
    again = mien(*strict)
    assert again.code == 0, again.err
    assert "going on: 11 pictures were done before" in again.err


def test_pairs_that_name_absent_pictures_are_counted(mien, faces, home):
    """LFW's list over a folder that lacks some of its pictures: counted and said; --strict stops with the count."""
    for p in range(4):
        for k in range(3):
            (faces / f"p{p}" / f"{k}.png").rename(faces / f"p{p}" / f"p{p}_{k + 1:04d}.jpg")
    same = [f"p{p} 1 2" for p in range(4)]
    other = ["p0 1 p1 1", "p0 2 p1 2", "p2 1 p3 1", "p2 2 p3 9"]
    lines = [*same[:2], *other[:2], *same[2:], *other[2:]]
    (home / "pairs.txt").write_text("2 2\n" + "\n".join(lines) + "\n", encoding="utf-8")
    asked = ("eval", "verification", faces, "--pairs", "pairs.txt", "--out", "out")
    result = mien(*asked)
    assert result.code == 0, result.err
    assert "1 pictures that pairs.txt names are not there, e.g. " in result.err
    strict = mien(*asked, "--strict")
    assert strict.code == 1
    assert "p3_0009.jpg" in strict.err
    (home / "pairs.txt").write_text("2 1\nAda\t1\t2\nAda\t1\tBob\t1\nCid\t1\t2\nAda\t1\tCid\t1\n", encoding="utf-8")
    absent = mien(*asked[:-1], "absent")
    assert absent.code == 1
    assert "no pair of pairs.txt has both its pictures" in absent.err


def test_a_rate_asked_for_in_vain_is_refused_before_any_work(mien, faces):
    """FAR 1e-6 of 54 pairs of strangers is one line, at once."""
    result = mien("eval", "verification", faces, "--out", "out", "--far", "1e-6")
    assert result.code == 1
    assert "FAR 1e-06 cannot be measured: 54 pairs" in result.err


@pytest.fixture
def boxes(photo, home):
    """The astronaut twice with her face marked, once with a face that is none, and a picture that is not there."""
    photo("pictures/a.png")
    photo("pictures/b.png", change=lambda a: a[:, ::-1])
    rows = ["a.png,170,60,280,200,bright", "b.png,232,60,342,200,bright", "a.png,10,400,40,440,dark"]
    (home / "boxes.csv").write_text(
        "file,x1,y1,x2,y2,light\n" + "\n".join([*rows, "c.png,1,1,9,9,dark"]), encoding="utf-8"
    )
    return home / "boxes.csv"


def test_detection_says_what_is_found_and_what_lost_the_rest(mien, boxes, home):
    """From a CSV of boxes to AP, recall by column, and the stage that lost the face that is none."""
    result = mien("eval", "detection", boxes, "pictures", "--out", "out", "--json")
    assert result.code == 0, result.err
    assert "1 pictures that boxes.csv names are not there, e.g. c.png" in result.err
    record = result.json()
    assert record["figures"]["by"]["light"]["bright"]["found"] == 2
    assert sum(record["figures"]["lost_at"]["all"].values()) == 1
    assert record["protocol"]["absent_pictures"] == 1
    assert record["subject"]["detector_options"]["min_face"] == 20
    assert (home / "out/report.md").is_file()
    assert not (home / "out/work.jsonl").exists()


def test_pictures_are_grouped_by_a_file_of_ones_own(mien, boxes, home):
    """Any truth may be grouped by a CSV of pictures; a group that is too small for the target says so."""
    (home / "cameras.csv").write_text("picture,camera\na.png,door\nb.png,hall\n", encoding="utf-8")
    asked = ("eval", "detection", boxes, "pictures", "--out", "out", "--no-why", "--slices", "cameras.csv")
    result = mien(*asked, "--target-miss", "0.1", "--json")
    assert result.code == 0, result.err
    record = result.json()
    assert record["figures"]["by"]["camera"]["hall"]["verdict"] == "not enough data"
    assert record["protocol"]["target_miss"] == 0.1
    assert "not enough data (1; need about 30)" in (home / "out/report.md").read_text(encoding="utf-8")
    assert "above 0 and below 1" in mien(*asked, "--target-miss", "1").err


def test_strict_stops_at_what_is_not_there(mien, boxes):
    """With --strict an absent picture ends it, in one line."""
    result = mien("eval", "detection", boxes, "pictures", "--out", "out", "--strict")
    assert result.code == 1
    assert "leave out --strict" in result.err


def test_a_detector_that_cannot_explain_itself_is_judged_all_the_same(mien, boxes):
    """Haar has no trace: its misses are counted, and the report says why there is no more."""
    result = mien("eval", "detection", boxes, "pictures", "--out", "out", "--detector", "haar", "--json")
    assert result.code == 0, result.err
    assert "cannot say why" in result.err
    assert result.json()["figures"]["lost_at"] is None
    subject = result.json()["subject"]
    assert subject["detector_options"]["neighbours"] == 5
    assert {name.split("/")[0] for name in subject["weights_sha256"]} == {"haar", "mtcnn"}


def test_records_of_one_protocol_are_compared_and_others_refused(mien, faces, home):
    """Two runs over the same pairs stand side by side; other pairs, and other weights of the same name, are refused."""
    for out, seed in (("one", 0), ("same", 0), ("other", 1)):
        assert mien("eval", "verification", faces, "--out", out, "--per-fold", "5", "--seed", seed).code == 0
    result = mien("eval", "compare", "one", "same/record.json", "--json")
    assert result.code == 0, result.err
    assert result.json()["figures"][0]["accuracy"][2] == 0
    test = result.json()["paired_tests"][0]
    assert (test["first_only"], test["second_only"], test["p"]) == (0, 0, 1.0)
    assert "(McNemar, exact)" in mien("eval", "compare", "one", "same").out
    unlike = mien("eval", "compare", "one", "other")
    assert unlike.code == 1
    assert "seed: 0 against 1; pairs_digest:" in unlike.err
    record = json.loads((home / "same/record.json").read_text(encoding="utf-8"))
    record["subject"]["weights_sha256"]["facenet/embedder"] = "0" * 64
    (home / "same/record.json").write_text(json.dumps(record), encoding="utf-8")
    altered = mien("eval", "compare", "one", "same")
    assert altered.code == 1
    assert "different versions of them (facenet/embedder:" in altered.err
    assert mien("eval", "compare", "one").code == 2


def test_identification_by_size_of_the_gallery(mien, faces, home):
    """From a folder per person to rank 1 and its report; impossible sizes and templates are refused at once."""
    result = mien("eval", "identification", faces, "--out", "out", "--left-out", "0", "--sizes", "2,4", "--json")
    assert result.code == 0, result.err
    record = result.json()
    assert list(record["figures"]["by_size"]) == ["2", "4"]
    assert record["figures"]["by_size"]["4"]["mated_probes"] == 8
    assert {"cmc.png", "size.png", "cost.png", "report.md"} <= {f.name for f in (home / "out").iterdir()}
    assert (
        "4 can be in it" in mien("eval", "identification", faces, "--out", "o", "--left-out", "0", "--sizes", "9").err
    )
    assert (
        "each with more than 3 pictures" in mien("eval", "identification", faces, "--out", "o", "--templates", "3").err
    )


def test_clusters_of_a_csv(mien, home):
    """Two columns in, BCubed and pairs out, and a record where one is wanted."""
    (home / "faces.csv").write_text("picture,truth,group\n1,a,1\n2,a,1\n3,a,2\n4,b,2\n5,,2\n", encoding="utf-8")
    result = mien("eval", "clustering", "faces.csv", "--out", "out", "--json")
    assert result.code == 0, result.err
    assert result.json()["figures"]["bcubed"]["precision"] == 0.75
    assert result.json()["protocol"]["faces_without_truth"] == 1
    assert "BCubed" in (home / "out/report.md").read_text(encoding="utf-8")
    (home / "faces.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "expected the columns truth and group" in mien("eval", "clustering", "faces.csv").err


def test_groups_of_a_csv_at_one_threshold(mien, faces, home):
    """Every column is a table of errors, too few trials are told, a missed target is warned of; a wrong file ends it at once."""
    (home / "groups.csv").write_text("person,side\np0,left\np1,right\np2,left\np3,right\n", encoding="utf-8")
    asked = ("eval", "verification", faces, "--out", "out", "--per-fold", "9", "--slices", "groups.csv")
    result = mien(*asked, "--operating-far", "0.9", "--target-far", "0.4", "--target-miss", "0.3", "--json")
    assert result.code == 0, result.err
    side = result.json()["figures"]["slices"]["side"]
    assert side["left"]["missed"]["words"] == "not enough data (6; need about 10)"
    assert side["left"]["accepted"]["trials"] == 9
    assert result.json()["protocol"]["slices"]["columns"] == ["side"]
    assert "## By group, at one threshold" in (home / "out/report.md").read_text(encoding="utf-8")
    (home / "groups.csv").write_text("person,side\nnobody,left\n", encoding="utf-8")
    assert "says nothing of any" in mien(*asked, "--operating-far", "0.9").err
