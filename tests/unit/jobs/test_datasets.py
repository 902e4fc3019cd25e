"""Sets divided, multiplied and packed: nothing lands on two sides, a stopped run goes on, what is there is respected."""

import csv
import json
from itertools import islice

import numpy as np
import pytest

from mien.core.errors import InputError, SettingError
from mien.datasets.augmentation import Augmentation, AugmentOptions
from mien.datasets.choosing import Trial, _solved, best, cross_validate, folds
from mien.datasets.labelled import read_labelled
from mien.datasets.splits import sides
from mien.datasets.survey import survey
from mien.jobs.choosing import choose_count
from mien.jobs.datasets import augment, divide, join_pack, look_over, packed, plan_versions
from mien.jobs.running import Done, Failed, Skipped
from mien.media.images import read_image, write_image


@pytest.fixture
def source(tmp_path, astronaut):
    """Twelve real patches in two classes; four of them are frames of one video."""
    names = ["faces/v@1.0s.png", "faces/v@2.0s.png", "faces/v@3.0s.png", "faces/v@4.0s.png"]
    names += [f"faces/{i}.png" for i in range(2)] + [f"others/{i}.jpg" for i in range(6)]
    for i, name in enumerate(names):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, astronaut[40 * i : 40 * i + 60, 37 * i : 37 * i + 60])
    return tmp_path / "src"


def _divided(source, target, **options):
    seen = survey(read_labelled(source))
    placed = sides(seen.readable.labels, seen.groups(), val=0.2, test=0.3, seed=1)
    return [event.result for event in divide(seen, placed, target, **options)]


def test_a_division_keeps_groups_together(source, tmp_path):
    """Every picture is placed once, the frames of the video on one side, and split.csv tells which and why."""
    placed = _divided(source, tmp_path / "dst")
    assert sorted(row.source for row in placed) == sorted(read_labelled(source).names)
    frames = [row for row in placed if "@" in row.source]
    assert len({row.side for row in frames}) == len({row.group for row in frames}) == 1
    with (tmp_path / "dst" / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert survey(read_labelled(tmp_path / "dst")).leaks == []
    assert {row.side for row in placed} == {"train", "val", "test"}


def test_links_and_copies(source, tmp_path):
    """Links share the file of their source, copies do not, a list makes no pictures."""
    row = _divided(source, tmp_path / "link")[0]
    assert (tmp_path / "link" / row.file).samefile(source / row.source)
    row = _divided(source, tmp_path / "copy", how="copy")[0]
    assert not (tmp_path / "copy" / row.file).samefile(source / row.source)
    assert (tmp_path / "copy" / row.file).read_bytes() == (source / row.source).read_bytes()
    _divided(source, tmp_path / "list", how="list")
    assert [path.name for path in (tmp_path / "list").iterdir()] == ["split.csv"]


def test_a_division_never_mixes_with_another(source, tmp_path):
    """The same division may be made again; one that would put pictures on other sides is refused, so is one inside SRC."""
    _divided(source, tmp_path / "dst")
    _divided(source, tmp_path / "dst")
    seen = survey(read_labelled(source))
    with pytest.raises(SettingError, match="holds another division"):
        list(divide(seen, ["test"] * 12, tmp_path / "dst"))
    with pytest.raises(SettingError, match="lies in the source"):
        list(divide(seen, ["test"] * 12, source / "dst"))


def test_names_that_would_meet_are_numbered(source, tmp_path):
    """Pictures of one name in train and in test, divided anew, keep both their places."""
    first = _divided(source, tmp_path / "dst")
    (tmp_path / "dst" / "test" / "others" / "0.jpg").unlink(missing_ok=True)
    (tmp_path / "dst" / "train" / "others" / "0.jpg").unlink(missing_ok=True)
    for side, patch in (("train", 0), ("test", 200)):
        pixels = np.random.default_rng(patch).integers(0, 255, (40, 40, 3), np.uint8)
        (tmp_path / "dst" / side / "others").mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "dst" / side / "others" / "same.png", pixels)
    again = survey(read_labelled(tmp_path / "dst"))
    placed = [e.result.file for e in divide(again, ["train"] * len(again.rows), tmp_path / "all")]
    assert {"train/others/same.png", "train/others/same-2.png"} <= set(placed)
    assert len(set(placed)) == len(placed) > len(first) - 2


def test_shares_that_leave_nothing_are_refused():
    """Val and test together must leave something to train with."""
    with pytest.raises(SettingError, match="leave nothing to train with"):
        sides(["a"] * 4, range(4), val=0.5, test=0.5)
    assert set(sides(["a"] * 4, range(4), test=0)) == {"train"}


def test_versions_of_each_picture(source, tmp_path):
    """So many of each, named after it, of its size, different, and written down with seed, options and library."""
    found = read_labelled(source)
    done = list(augment(found, tmp_path / "aug", plan_versions(found, per_image=2), Augmentation(seed=4)))
    assert len(done) == 24
    made = read_labelled(tmp_path / "aug")
    assert made.counts == {"faces": 12, "others": 12}
    one, two = (read_image(tmp_path / "aug" / "others" / f"3~a{n}.jpg").pixels for n in (1, 2))
    assert one.shape == two.shape == found.read(found.names.index("others/3.jpg")).pixels.shape
    assert not np.array_equal(one, two)
    record = json.loads((tmp_path / "aug" / "augmentation.json").read_text())
    assert record["seed"] == 4
    assert record["per_image"] == 2
    assert record["rotation"] == AugmentOptions().rotation
    assert record["library"].startswith("opencv ")


def test_a_stopped_run_goes_on_to_the_same_end(source, tmp_path):
    """Stopped after five and run again: the rest is made, nothing twice, every byte as in an unbroken run."""
    found = read_labelled(source)
    plan = plan_versions(found, per_image=2)
    list(augment(found, tmp_path / "whole", plan, Augmentation()))
    list(islice(augment(found, tmp_path / "broken", plan, Augmentation()), 5))
    rest = list(augment(found, tmp_path / "broken", plan, Augmentation()))
    assert sum(isinstance(event, Skipped) for event in rest) == 5
    for file in (tmp_path / "whole").rglob("*~a*"):
        assert file.read_bytes() == (tmp_path / "broken" / file.relative_to(tmp_path / "whole")).read_bytes()
    with pytest.raises(SettingError, match=r"other settings \(seed\)"):
        list(augment(found, tmp_path / "broken", plan, Augmentation(seed=1)))


def test_only_the_training_side_is_altered(source, tmp_path):
    """Of a divided set validation and test pictures come over unaltered, and versions stay with their pictures."""
    _divided(source, tmp_path / "dst")
    found = read_labelled(tmp_path / "dst")
    list(augment(found, tmp_path / "aug", plan_versions(found, per_image=1), Augmentation()))
    made = read_labelled(tmp_path / "aug")
    assert len(made.side("train")) == len(found.side("train"))
    assert all("~a1" in name for name in made.side("train").names)
    assert made.side("test").names == found.side("test").names
    assert made.side("val").names == found.side("val").names
    seen = survey(made)
    assert seen.leaks == []


def test_versions_stay_in_the_group_of_their_picture(source, tmp_path):
    """A set with its versions, divided, has a picture and all its versions on one side."""
    found = read_labelled(source)
    list(augment(found, tmp_path / "aug", plan_versions(found, per_image=3, originals=True), Augmentation()))
    placed = _divided(tmp_path / "aug", tmp_path / "dst")
    where = {}
    for row in placed:
        where.setdefault((row.label, row.source.split("/")[1].split("~")[0].rsplit(".", 1)[0]), set()).add(row.side)
    assert all(len(found_sides) == 1 for found_sides in where.values())


def test_so_many_versions_at_random(source):
    """--total draws pictures with equal chances, numbers the versions of one, and the seed repeats the draw."""
    found = read_labelled(source)
    plan = plan_versions(found, total=60, seed=2)
    assert len(plan.versions) == len(set(plan.versions)) == 60
    assert len({row for row, _ in plan.versions}) > 8
    assert plan == plan_versions(found, total=60, seed=2)
    with pytest.raises(SettingError, match="either --per-image"):
        plan_versions(found, total=3, per_image=3)


def test_a_bad_picture_is_reported_and_the_rest_goes_on(source):
    """One damaged file fails, the others are looked at."""
    (source / "faces" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    events = list(look_over(read_labelled(source)))
    assert [type(event) for event in events].count(Failed) == 1
    assert [type(event) for event in events].count(Done) == 12


def test_packing(source, astronaut):
    """Pictures of one size become trainX and the rest; other sizes are refused unless they are scaled."""
    found = read_labelled(source)
    pictures = {event.index - 1: event.result for event in packed(found)}
    pack = join_pack(found, pictures)
    assert pack.train.shape == (12, 60, 60, 3)
    assert pack.test.shape == (0, 60, 60, 3)
    assert pack.train_labels.tolist() == list(found.labels)
    write_image(source / "faces" / "big.png", astronaut)
    found = read_labelled(source)
    with pytest.raises(InputError, match=r"2 \(60×60, 512×512\)"):
        join_pack(found, {event.index - 1: event.result for event in packed(found)})
    scaled = join_pack(found, {event.index - 1: event.result for event in packed(found, size=32)})
    assert scaled.train.shape == (13, 32, 32, 3)


def test_cross_validation_finds_what_helps():
    """Where a picture alone misleads and its versions show the rule, versions win; where they are noise, none is chosen."""
    rng = np.random.default_rng(0)
    targets = np.arange(60) % 2
    signal = (2.0 * targets - 1)[:, None] * np.ones(20) * 0.3
    pictures = signal[:, None] + rng.normal(0, 1, (60, 7, 20))
    trials = cross_validate(pictures.astype(np.float32), targets, np.arange(60), [0, 6], repeats=2)
    assert trials[1].mean > trials[0].mean
    assert best(trials).per_image == 6
    same = np.repeat(pictures[:, :1], 7, axis=1).astype(np.float32)
    assert best(cross_validate(same, targets, np.arange(60), [0, 6], repeats=2)).per_image == 0


def test_the_fewest_versions_within_one_standard_error():
    """Two versions as good as ten within the error: two."""
    trials = [Trial(0, (0.5, 0.6)), Trial(2, (0.84, 0.94)), Trial(10, (0.85, 0.95))]
    assert best(trials).per_image == 2


def test_folds_never_divide_a_group():
    """Groups are tested whole, every picture once, both classes in every fold; one group per class is refused."""
    groups, targets = np.repeat(np.arange(20), 3), np.repeat(np.arange(20) % 2, 3)
    masks = list(folds(targets, groups))
    assert np.array_equal(np.sum(masks, axis=0), np.ones(60))
    for mask in masks:
        assert not set(groups[mask]) & set(groups[~mask])
        assert set(targets[mask]) == {0, 1}
    with pytest.raises(InputError, match="two groups"):
        list(folds(np.array([0, 0, 1]), np.array([0, 0, 1])))


def test_choosing_on_real_patches(source):
    """The job looks at each picture and ends with a trial per number."""
    *looked, last = choose_count(read_labelled(source), Augmentation(), [0, 2])
    assert len(looked) == 12
    assert [trial.per_image for trial in last.result] == [0, 2]
    assert all(0 <= score <= 1 for trial in last.result for score in trial.scores)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_both_ways_to_solve_give_ridge_regression(shape):
    """More rows than features or fewer: the coefficients are those of the textbook's formula."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=shape).astype(np.float32), rng.normal(size=(shape[0], 2)).astype(np.float32)
    expected = np.linalg.inv(x.T @ x + 2 * np.eye(shape[1])) @ x.T @ y
    assert np.allclose(_solved(x, y, 2.0), expected, atol=1e-4)
