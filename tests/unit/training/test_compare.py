"""Backbones compared: a small real grid, stopped and resumed, with one backbone that cannot be had."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mien.core.errors import InputError, SettingError, TrainingError, WeightsError
from mien.core.faces import Faces
from mien.datasets.labelled import read_labelled
from mien.media.images import read_image
from mien.training import compare as comparing
from mien.training.backbones import OnnxFile
from mien.training.classifier import Recipe, Tools
from mien.training.compare import Failure, Grid, RunDone, compare
from mien.training.compare_counts import count_network
from mien.training.compare_kinds import NO_DIFFERENCE, kinds, training_seconds, verdicts
from mien.training.compare_pictures import RememberingDetector, divide
from mien.training.compare_report import write_comparison
from mien.training.compare_runs import Cell, Run, read_run
from mien.training.decisions import FitOptions
from mien.training.pictures import Cut, Reading, beside
from mien.training.progress import Progress
from mien.zoo.catalog import Alignment, Catalog, Preprocessing
from mien.zoo.runtime import OnnxNetwork

RECIPE = Recipe("run", fit=FitOptions(epochs=2, batch=16, patience=0))
GRID = Grid(("none", "tiny", "gone"), augments=(0,), seeds=2)


def tiny(folder: Path) -> OnnxFile:
    """A backbone that any machine can make: colours of a picture of 32 × 32 in four by four fields."""
    node = [
        helper.make_node("AveragePool", ["x"], ["fields"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["fields"], ["y"]),
    ]
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["n", 3, 32, 32]), ("y", ["n", 48]))
    ]
    model = helper.make_model(helper.make_graph(node, "tiny", shapes[:1], shapes[1:]), ir_version=10)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "tiny.onnx")
    how = Preprocessing(32, mean=(127.5, 127.5, 127.5), scale=127.5, layout="nchw")
    record = replace(Catalog().get("dlib"), name="tiny", preprocessing=how, dimensions=48)
    return OnnxFile(record, folder / "tiny.onnx", OnnxNetwork(folder / "tiny.onnx"))


def opener(folder: Path):
    """What a door hands over; the backbone ``gone`` cannot be had."""

    def open_tools(backbone: str) -> Tools:
        if backbone == "gone":
            raise WeightsError("the weights of gone are not here")
        given = tiny(folder / "weights") if backbone == "tiny" else None
        return Tools(folder / "models", folder / "cache", OnnxNetwork, whole, given)

    return open_tools


def whole(size, _alignment):
    return Cut(size, Alignment("box"))


def finish(events, seen: list):
    while True:
        try:
            seen.append(next(events))
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="module")
def compared(tiles, tmp_path_factory):
    """A comparison that was stopped in its second run and resumed: what came of it, where, and what both sessions told."""
    folder = tmp_path_factory.mktemp("compared")
    first: list = []
    for event in (events := compare(read_labelled(tiles), folder / "out", (GRID, RECIPE), opener(folder))):
        first.append(event)
        if isinstance(event, Progress) and event.stage == "tiny, augment 0, seed 0: learn":
            events.close()
            break
    second: list = []
    resumed = compare(read_labelled(tiles), folder / "out", (GRID, replace(RECIPE, resume=True)), opener(folder))
    return finish(resumed, second), folder, first, second


def test_nothing_is_trained_twice(compared, tiles):
    """What was done before the stop is only read; a third session trains nothing and finds the same figures."""
    found, folder, first, second = compared
    assert [e.run.cell.name for e in first if isinstance(e, RunDone)] == ["none-augment0-all-seed0"]
    told = [(e.run.cell.backbone, e.run.cell.seed, e.fresh) for e in second if isinstance(e, RunDone)]
    assert told == [("none", 0, False), ("tiny", 0, True), ("none", 1, True), ("tiny", 1, True)]
    third: list = []
    again = compare(read_labelled(tiles), folder / "out", (GRID, replace(RECIPE, resume=True)), opener(folder))
    assert finish(again, third).runs == found.runs
    assert not any(e.fresh for e in third if isinstance(e, RunDone))
    assert not any(isinstance(e, Progress) and "learn" in e.stage for e in third)


def test_a_backbone_that_cannot_be_had_is_reported_once(compared):
    """Its reason is told, its other runs are left out, the rest goes on."""
    found, *_, second = compared
    told = [e for e in second if isinstance(e, Failure)]
    assert [(f.cell.backbone, f.cell.seed, f.for_good) for f in told] == [("gone", 0, True)]
    assert found.failures == tuple(told)
    assert len(found.runs) == 4


def test_one_seed_divides_alike_for_all_backbones(compared):
    """The pictures of a run depend on its seed, not on its backbone."""
    _, folder, *_ = compared
    chosen = {}
    for name in ("none", "tiny"):
        for seed in (0, 1):
            page = folder / "out" / "runs" / f"{name}-augment0-all-seed{seed}" / "report.json"
            chosen[name, seed] = json.loads(page.read_text())["pictures_of"]
    assert (
        chosen["none", 0] == chosen["tiny", 0] == {"train": {"cat": 19, "coffee": 19}, "val": {"cat": 5, "coffee": 5}}
    )


def test_networks_are_counted_and_timed(compared):
    """Parameters, depth and bytes of the exported file; the trained part by itself; one network per backbone is kept."""
    found, folder, *_ = compared
    by = {run.cell.backbone: run for run in found.runs}
    assert (by["tiny"].trainable, by["tiny"].depth, by["tiny"].layers) == (48 * 2 + 2, 1, 1)
    assert (by["none"].trainable, by["none"].depth) == (98_418, 5)
    assert 97_000 < by["none"].parameters < 99_000
    assert by["tiny"].features[0] > 0
    assert not by["none"].features
    assert set(found.milliseconds) == {"none", "tiny"}
    kept = sorted(path.stem for path in (folder / "out" / "runs").glob("*/*.onnx"))
    assert kept == sorted(run.cell.name for run in found.best.values())


def test_the_report_has_tables_plots_and_verdicts(compared):
    """Markdown and HTML with the same tables and pictures that are there, and JSON for programs."""
    found, folder, *_ = compared
    told = write_comparison(folder / "out", found)
    page, browser = ((folder / "out" / f"report.{ending}").read_text() for ending in ("md", "html"))
    assert "| tiny | 0 | 38 | 2 |" in page
    assert "| gone, augment 0, seed 0 | the weights of gone are not here (its other runs are left out) |" in page
    assert "There were no test pictures" in page
    for name in ("loss.png", "accuracy.png"):
        assert (folder / "out" / name).is_file()
        assert name in page
        assert f'<img src="{name}"' in browser
    assert browser.count("<table>") == 5
    assert json.loads((folder / "out" / "report.json").read_text()) == json.loads(json.dumps(told))
    assert "The least mean validation loss has " in page
    assert {kind["backbone"] for kind in told["kinds"]} == {"none", "tiny"}


def test_a_comparison_is_not_mixed_with_another(compared, tiles):
    """Without --resume, or with other settings, the folder is refused before anything is trained."""
    _, folder, *_ = compared
    for recipe, line in (
        (RECIPE, "holds a run: --resume"),
        (replace(RECIPE, resume=True, fit=replace(RECIPE.fit, epochs=3)), r"epochs of each run 2 \(now 3\)"),
    ):
        with pytest.raises(SettingError, match=line):
            finish(compare(read_labelled(tiles), folder / "out", (GRID, recipe), opener(folder)), [])


def made(cell: Cell, loss: float = 0.5, **more) -> Run:
    figures = {"learnt": cell.size or 38, "val_loss": loss, "val_accuracy": 0.9, "test_accuracy": 0.8, "epochs": 2}
    figures |= {"best_epoch": 2, "learning": 1.0, "features": (), "wall": 2.0, "parameters": 10, "trainable": 5}
    return Run(cell, **{**figures, "layers": 1, "depth": 1, "bytes": 100, **more})


def test_a_run_that_goes_wrong_does_not_take_its_backbone_along(tiles, tmp_path, monkeypatch):
    """A loss that is no number ends one run; the other seed of the same backbone is made, and time left is told."""

    def one(_found, _folder, cell, _how):
        yield Progress("learn", 1, 1)
        if cell.seed == 0:
            raise TrainingError("the loss is no number any more")
        return made(cell)

    monkeypatch.setattr(comparing, "make_run", one)
    seen: list = []
    events = compare(read_labelled(tiles), tmp_path / "out", (Grid(("none",), (0,), (), 3), RECIPE), opener(tmp_path))
    found = finish(events, seen)
    assert [(f.cell.seed, f.for_good) for f in found.failures] == [(0, False)]
    assert [(e.index, e.total, e.left) for e in seen if isinstance(e, RunDone)] == [(1, 2, 2.0), (2, 2, 0.0)]
    with pytest.raises(SettingError, match="no run could be made; the first: the weights of gone"):
        finish(compare(read_labelled(tiles), tmp_path / "b", (Grid(("gone",)), RECIPE), opener(tmp_path)), [])


def test_small_sets_lie_in_larger_ones_and_validation_stays(tiles):
    """Every class keeps its share, and what validates is the same for every size."""
    events = divide(beside(read_labelled(tiles), None), whole(32, None), Reading(seed=3))
    division = finish(events, [])
    division.require((4, 20))
    sets = {size: division.chosen(size) for size in (4, 20, 0)}
    learnt = {
        size: {name for name, side in zip(found.names, found.sides, strict=True) if side == "train"}
        for size, found in sets.items()
    }
    assert [len(names) for names in learnt.values()] == [4, 20, 38]
    assert learnt[4] < learnt[20] < learnt[0]
    assert sum(name.startswith("cat") for name in learnt[4]) == 2
    held = [{n for n, side in zip(found.names, found.sides, strict=True) if side == "val"} for found in sets.values()]
    assert held[0] == held[1] == held[2]
    for found in sets.values():
        same = [
            np.array_equal(found.read(i).pixels, read_image(tiles / found.names[i]).pixels) for i in range(len(found))
        ]
        assert all(same)
    for size in (1, 39):
        with pytest.raises(SettingError, match=f"--sizes {size}: expected 2 to 38"):
            division.require((size,))


def comparison(runs):
    grid = Grid(("a", "b"), (0, 5), seeds=3)
    return comparing.Comparison(grid, tuple(runs), (), {}, {"train": {"x": 1}, "val": {"x": 1}}, 0.25, {}, {})


def test_a_difference_within_the_spread_is_no_difference():
    """Two backbones whose losses cross over the seeds are not told apart; one that is worse with every seed is."""
    losses = {
        ("a", 0): (0.30, 0.35, 0.28),
        ("b", 0): (0.31, 0.33, 0.30),
        ("a", 5): (0.10, 0.14, 0.09),
        ("b", 5): (0.30, 0.34, 0.29),
    }
    runs = [made(Cell(*key, 0, seed), loss) for key, row in losses.items() for seed, loss in enumerate(row)]
    told = {(v.first.words, v.second.words): v.words for v in verdicts(comparison(runs))}
    assert told["a, augment 5", "b, augment 5"] == "a, augment 5 is better"
    assert told["a, augment 5", "a, augment 0"] == "a, augment 5 is better"
    assert told["b, augment 5", "b, augment 0"] == NO_DIFFERENCE
    assert len(told) == 3


def test_time_left_counts_what_is_still_to_be_computed(tmp_path):
    """Features of all pictures are there after the first seed, those of a smaller set are another seed's own."""
    runs = [
        made(Cell("a", 5, 0, 0), wall=60.0, features=(10.0, 40.0)),
        made(Cell("a", 5, 9, 0), wall=30.0, features=(5.0, 20.0)),
    ]
    left = [Cell("a", 5, 0, 1), Cell("a", 5, 9, 1)]
    assert comparing._time_left(left, runs, tmp_path) == 10 + 30
    assert comparing._time_left([Cell("b", 0, 0, 0)], runs, tmp_path) == 45


def test_training_time_counts_features_once_computed():
    """The version that another run left in the cache counts with what it took there."""
    runs = [
        made(Cell("a", 0, 0, 0), features=(10.0,)),
        made(Cell("a", 5, 0, 0), features=(0.1, 8.0)),
        made(Cell("a", 5, 0, 1), features=(0.1, 0.1)),
    ]
    every = kinds(comparison(runs))
    assert training_seconds(every[0], every).values == (11.0,)
    assert training_seconds(every[1], every).values == (19.0, 19.0)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"backbones": ()}, "--backbones ''"),
        ({"backbones": ("a", "a")}, "--backbones 'a,a'"),
        ({"augments": ()}, "--augment ''"),
        ({"augments": (-1,)}, "0 or more"),
        ({"sizes": (0,)}, "1 or more"),
        ({"seeds": 0}, "1 or more"),
    ],
)
def test_a_grid_of_nothing_is_refused(values, line):
    """Each is answered with the value."""
    with pytest.raises(SettingError, match=line):
        Grid(**{"backbones": ("none",), **values})


def test_a_network_from_scratch_is_not_trained_twice_for_two_numbers_of_versions():
    """It sees new versions in each epoch, so 5 and 15 are one run; a frozen backbone has both."""
    cells = Grid(("none", "facenet"), (0, 5, 15), (50,), seeds=1).cells()
    assert [(c.backbone, c.augment, c.size) for c in cells if c.backbone == "none"] == [
        ("none", 0, 0),
        ("none", 0, 50),
        ("none", 5, 0),
        ("none", 5, 50),
    ]
    assert len(cells) == 4 + 6


def test_depth_is_the_longest_way(tmp_path):
    """Of two branches the longer counts; a product of two moving values is no layer, a constant of whole numbers no parameter."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], np.eye(4, dtype=np.float32).ravel())
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [-1, 4])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("MatMul", ["x", "w"], ["c"]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Reshape", ["d", "s"], ["e"]),
        helper.make_node("MatMul", ["e", "e"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4, 4]) for n in ("x", "y")]
    data = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight, shape])).SerializeToString()
    found = count_network(data)
    assert (found.parameters, found.layers, found.depth, found.bytes) == (16, 3, 2, len(data))


def test_a_picture_is_searched_once():
    """The detector is asked once for each picture; its name and its other scales are its own."""
    asked = []

    class Once:
        name = "once"

        def detect(self, image):
            asked.append(image.shape)
            return Faces.empty()

        def at_scale(self, scale):
            return scale

    detector = RememberingDetector(Once())
    dark, light = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8, 3), np.uint8)
    assert len(detector.detect_batch([dark, light, dark])) == 3
    assert len(asked) == 2
    assert (detector.name, detector.at_scale(0.5)) == ("once", 0.5)


def test_figures_that_were_damaged_are_named(tmp_path):
    """A file that is no figures says which to remove."""
    cell = Cell("none", 0, 0, 0)
    assert read_run(tmp_path, cell) is None
    (tmp_path / cell.name).mkdir()
    (tmp_path / cell.name / "figures.json").write_text("{")
    with pytest.raises(InputError, match=r"figures\.json cannot be read"):
        read_run(tmp_path, cell)
