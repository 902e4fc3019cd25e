"""Identifiers from embeddings: what is refused, that nothing leaks, that ONNX says what scikit-learn says, and strangers."""

import json
import pickle
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import DuplicateError, InputError, SettingError, SpaceMismatchError
from mien.core.people import EmbeddingSpace
from mien.core.vectors import unit
from mien.datasets.packs import Embeddings, read_embeddings, write_embeddings
from mien.training.identifier import Recipe, Tools, train_identifier
from mien.training.identifier_data import Reading, read_samples, with_strangers
from mien.training.identifier_models import fit_scorer, grouped_folds, search
from mien.training.identifier_onnx import to_onnx
from mien.training.identifier_protocol import choose_bar, compare
from mien.zoo.catalog import Catalog
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions

WIDE = 64
SPACE = EmbeddingSpace("fake", WIDE, "00", "box", "none")
ONE = RuntimeOptions(threads=1)
POINTS = {
    "svm": [{"kernel": "linear", "C": 1.0}, {"kernel": "rbf", "C": 10.0, "gamma": 1.0}],
    "linear": [{"C": 10.0}],
    "knn": [{"k": 1}, {"k": 5}],
}


def people(count: int, each: int = 8, *, seed: int = 0, first: str = "p") -> Embeddings:
    """Faces like FaceNet's: two people's cosines spread by 0.125 around 0, one person's lie around 0.64."""
    order = np.random.default_rng(seed)
    centres = unit(order.normal(size=(count, WIDE)))
    noise = unit(order.normal(size=(count * each, WIDE)))
    labels = np.repeat([f"{first}{i:02d}" for i in range(count)], each)
    vectors = unit(0.8 * np.repeat(centres, each, axis=0) + 0.6 * noise)
    files = np.array([f"{label}/{i}.jpg" for i, label in enumerate(labels)])
    return Embeddings(vectors, labels, files, np.full(len(labels), "", "<U5"), SPACE)


def changed(pack: Embeddings, **columns) -> Embeddings:
    names = ("embeddings", "labels", "files", "split", "space")
    return Embeddings(*(columns.get(name, getattr(pack, name)) for name in names))


def finish(work):
    """What a recipe returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def train(tmp_path, samples, ids=None, **recipe):
    tools = Tools(tmp_path / "models", lambda path: OnnxNetwork(path, ONE), ids or {})
    return finish(train_identifier(samples, tmp_path / "run", Recipe(**{"name": "svm", "rounds": 0} | recipe), tools))


@pytest.mark.parametrize("kind", ["svm", "knn", "linear"])
def test_a_recipe_ends_in_a_model_a_record_and_a_report(tmp_path, kind):
    """Everybody is recognised, few strangers are, and the record names people, space and threshold."""
    trained = train(
        tmp_path, read_samples(people(14)), {"p00": "id-of-p00"}, name="mine", kind=kind, false_accepts=0.05
    )
    record = Catalog(tmp_path / "models").get("mine")
    assert (record.kind, record.space, record.classes[0], record.people[:2]) == (
        "identifier",
        SPACE.id,
        "p00",
        ("id-of-p00", ""),
    )
    assert trained.figures["out_of_fold"]["accuracy"] >= 0.98
    assert trained.figures["threshold"]["accepted"] <= 0.05
    assert trained.figures["threshold"]["named"] >= 0.9
    network = OnnxNetwork(tmp_path / "models" / "mine.onnx", ONE)
    known, strangers = people(14).embeddings, people(60, 2, seed=9).embeddings
    assert (network.run(known)[0].max(axis=1) >= record.threshold).mean() >= 0.95
    assert (network.run(strangers)[0].max(axis=1) >= record.threshold).mean() <= 0.15
    assert "Protocol" in trained.report.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "run" / "report.json").read_text())["people"] == 14


def test_nothing_is_pickled(tmp_path):
    """The models folder holds ONNX and TOML; neither loads as a pickle."""
    train(tmp_path, read_samples(people(14)), false_accepts=0.05)
    files = sorted((tmp_path / "models").iterdir())
    assert [f.suffix for f in files] == [".onnx", ".toml"]
    with pytest.raises(Exception, match=r"."):  # whatever pickle calls it
        pickle.loads(files[0].read_bytes())
    assert tomllib.loads(files[1].read_text(encoding="utf-8"))["kind"] == "identifier"


@pytest.mark.parametrize(("kind", "point"), [(kind, point) for kind, points in POINTS.items() for point in points])
def test_onnx_says_what_was_fitted(tmp_path, kind, point):
    """The stored model's probabilities equal the fitted one's within 1e-4, on faces and on any batch size."""
    pack = people(6)
    scorer = fit_scorer(kind, pack.embeddings, np.repeat(np.arange(6), 8), point)
    (tmp_path / "m.onnx").write_bytes(to_onnx(scorer, 5.0, -1.0))
    network = OnnxNetwork(tmp_path / "m.onnx", ONE)
    for faces in (pack.embeddings, people(5, seed=3).embeddings, pack.embeddings[:1], pack.embeddings[:0]):
        wanted = 1 / (1 + np.exp(1.0 - 5.0 * scorer.scores(faces)))
        assert np.abs(network.run(faces)[0] - wanted).max(initial=0) <= 1e-4
        assert network.run(faces)[0].shape == (len(faces), 6)


@pytest.mark.parametrize("point", POINTS["svm"])
def test_the_scores_are_those_of_scikit_learn(point):
    """One machine per person, equal to SVC's own decision function on the same kernel."""
    from sklearn.svm import SVC

    pack, targets = people(5), np.repeat(np.arange(5), 8)
    asked = people(5, 3, seed=4).embeddings
    ours = fit_scorer("svm", pack.embeddings, targets, point).scores(asked)
    for person in range(5):
        machine = SVC(**point, class_weight="balanced").fit(pack.embeddings, targets == person)
        assert ours[:, person] == pytest.approx(machine.decision_function(asked), abs=1e-4)


def test_neighbours_are_those_of_scikit_learn():
    """The likeliest person by nearest neighbours is the one of KNeighborsClassifier with votes by cosine."""
    from sklearn.neighbors import KNeighborsClassifier

    pack, targets = people(5), np.repeat(np.arange(5), 8)
    asked = people(9, 3, seed=4).embeddings
    theirs = KNeighborsClassifier(5, weights=lambda d: np.maximum(1 - d**2 / 2, 0)).fit(pack.embeddings, targets)
    ours = fit_scorer("knn", pack.embeddings, targets, {"k": 5}).scores(asked)
    shares = ours / ours.sum(axis=1, keepdims=True)
    assert shares == pytest.approx(theirs.predict_proba(asked), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 5), st.integers(1, 4), st.integers(0, 99))
def test_folds_keep_groups_whole_and_leave_everybody_in(classes, groups, size, seed):
    """Whatever the sizes: a group is in one fold, and nobody is in one fold only."""
    targets = np.repeat(np.arange(classes), groups * size)
    numbers = np.arange(classes * groups).repeat(size)
    folds = grouped_folds(targets, numbers, seed=seed)
    assert all(len(set(folds[numbers == g])) == 1 for g in numbers)
    assert all(len(set(folds[targets == c])) >= 2 for c in range(classes))


def test_frames_of_one_video_and_copies_stay_together():
    """File names, a pattern, a manifest and nearness all tie; other people's faces are never tied by nearness."""
    pack = people(3, 8)
    files = [f"{n}/clip_frame_{i}.jpg" if i < 3 else f"{n}/s{i // 6}_{i}.jpg" for n in "abc" for i in range(8)]
    tied = {"a/s0_3.jpg": "x", "a/s0_4.jpg": "x"}
    groups = read_samples(changed(pack, files=np.array(files)), Reading(tied=tied)).groups
    assert len({*groups[:3]}) == 1
    assert groups[3] == groups[4]
    assert len({*groups[4:8]}) == 4
    by_name = read_samples(changed(pack, files=np.array(files)), Reading(group_by=r"(./s\d)_")).groups
    assert by_name[6] == by_name[7] != by_name[3] == by_name[5]
    doubled = pack.embeddings.copy()
    doubled[1] = unit(doubled[:1] + 0.01)[0]
    near = read_samples(changed(pack, embeddings=doubled)).groups
    assert near[0] == near[1]
    assert len(set(near)) == 23


def test_strangers_hold_the_threshold_and_a_leaky_cosine_breaks_it():
    """With the threshold for 5 % about 5 % of strangers are named; a threshold of zero would name most of them."""
    samples = with_strangers(read_samples(people(12)), people(100, 3, seed=5, first="s"))
    bar = choose_bar("svm", samples, {"kernel": "linear", "C": 1.0}, 0.05)
    assert bar.strangers == 96 + 300
    assert 0.03 <= bar.accepted <= 0.05
    scorer = fit_scorer("svm", samples.vectors, samples.targets, {"kernel": "linear", "C": 1.0})
    fresh = scorer.scores(people(200, 2, seed=77).embeddings).max(axis=1)
    chance = 1 / (1 + np.exp(-(bar.slope * fresh + bar.offset)))
    assert (chance >= bar.probability).mean() <= 0.12
    assert (chance > 0).mean() == 1


def test_all_kinds_side_by_side():
    """The comparison asks every kind about the same faces and the same strangers."""
    samples = with_strangers(read_samples(people(12)), people(40, 3, seed=5, first="s"))
    results = finish(compare(samples, 0.05, rounds=1))
    assert [r.kind for r in results] == ["svm", "knn", "linear", "cosine"]
    assert len({(r.faces, r.strangers) for r in results}) == 1
    assert all(r.closed >= 0.95 and r.accepted <= 0.2 for r in results)


def test_the_grid_is_judged_out_of_fold():
    """Labels drawn at random cannot be learnt: a search that saw its own faces would be sure of them."""
    order = np.random.default_rng(1)
    vectors, targets = people(1, 60).embeddings, order.permutation(np.repeat(np.arange(3), 20))
    assert search("knn", vectors, targets, grouped_folds(targets, np.arange(60))).accuracy < 0.6


BAD = {
    "one person": (lambda p: changed(p, labels=np.full(len(p.labels), "Ada")), "two people or more"),
    "two faces each": (
        lambda p: changed(p, labels=np.array([f"n{i // 2}" for i in range(len(p.labels))])),
        "--at-least 5",
    ),
    "case": (
        lambda p: changed(p, labels=np.where(p.files == "p00/0.jpg", "P00", p.labels)),
        "P00 and p00.*--merge-case",
    ),
    "not unit": (lambda p: changed(p, embeddings=p.embeddings * 2), "unit length"),
    "two names": (
        lambda p: changed(p, embeddings=p.embeddings[[8, *range(1, len(p.labels))]]),
        "one picture under two",
    ),
    "one video": (
        lambda p: changed(p, files=np.array([f"{n}/clip_frame_{i}.jpg" for i, n in enumerate(p.labels)])),
        "one video or are copies",
    ),
    "leak": (
        lambda p: changed(
            p,
            files=np.array([f"{n}/clip{i // 4}_frame_{i}.jpg" for i, n in enumerate(p.labels)]),
            split=np.array(["test" if i % 8 == 7 else "train" for i in range(len(p.labels))]),
        ),
        "train and test sides share 5 groups.*--allow-leak",
    ),
}


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD)
def test_bad_packs_are_refused_with_the_remedy(change, words):
    """Each fault in one line that says what to do."""
    with pytest.raises(InputError, match=f"(?s){words}"):
        read_samples(change(people(5)))


def test_nan_is_named_by_its_file():
    """A vector that is no number stops everything before anything is learnt."""
    pack = people(3)
    pack.embeddings[5, 0] = np.nan
    with pytest.raises(InputError, match=r"1 of 24 vectors hold NaN.*p00/5.jpg"):
        read_samples(pack)


def test_an_allowed_leak_is_remembered():
    """--allow-leak goes on and the report says so."""
    change, _ = BAD["leak"]
    assert len(read_samples(change(people(5)), Reading(allow_leak=True)).leaks) == 5


def test_case_can_be_merged_and_few_faces_become_strangers():
    """The two switches that the errors name."""
    pack = people(5)
    merged = BAD["case"][0](pack)
    assert read_samples(merged, Reading(merge_case=True)).classes[0] == "p00"
    fewer = changed(pack, **{n: getattr(pack, n)[: 8 * 4 + 4] for n in ("embeddings", "labels", "files", "split")})
    samples = read_samples(fewer, Reading(at_least=5))
    assert (len(samples.classes), len(samples.strangers)) == (4, 4)


@pytest.mark.parametrize(
    ("count", "rate", "words"), [(5, 0.01, "needs 100 faces.*there are 40.*0.025"), (2, 0.1, "three")]
)
def test_too_few_strangers_are_refused(count, rate, words):
    """A rate that the faces cannot show is no promise; says how many are needed."""
    with pytest.raises(InputError, match=words):
        choose_bar("knn", read_samples(people(count)), {"k": 1}, rate)


def test_spaces_never_mix(tmp_path):
    """Strangers of another space, two spaces in one file, and no space at all."""
    other = changed(people(5, seed=2), space=EmbeddingSpace("else", WIDE, "01", "box", "none"))
    with pytest.raises(SpaceMismatchError, match="else-"):
        with_strangers(read_samples(people(5)), other)
    with pytest.raises(InputError, match="--vectors-of"):
        train(tmp_path, read_samples(changed(people(14), space=None)))
    write_embeddings(tmp_path / "e.npz", people(3))
    arrays = dict(np.load(tmp_path / "e.npz"))
    np.savez(tmp_path / "two.npz", **arrays | {"space": np.array([str(arrays["space"]), "null"])})
    with pytest.raises(SpaceMismatchError, match="2 spaces"):
        read_embeddings(tmp_path / "two.npz")


def test_a_pickle_is_never_opened(tmp_path):
    """Somebody else's svm.pkl: refused with what to do, and its code does not run."""

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "svm.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="never opened"):
        read_embeddings(tmp_path / "svm.pkl")
    assert not (tmp_path / "ran").exists()


def test_names_that_are_taken(tmp_path):
    """Those called cosine and knn are not trained; another model's name needs --replace."""
    for name in ("cosine", "knn"):
        with pytest.raises(SettingError, match="without training"):
            Recipe(name)
    samples = read_samples(people(14))
    train(tmp_path, samples, kind="knn", false_accepts=0.05)
    with pytest.raises(DuplicateError, match="--replace"):
        train(tmp_path, samples, kind="knn", false_accepts=0.05)
    train(tmp_path, samples, kind="knn", false_accepts=0.05, replace=True)


def test_a_test_side_is_never_learnt_from(tmp_path):
    """Faces that the pack sets apart have no influence on the model: damage them and it stays the same, bit by bit."""
    pack = people(14)
    split = np.array(["test" if i % 8 == 7 else "train" for i in range(len(pack.labels))])
    spoilt = pack.embeddings.copy()
    spoilt[split == "test"] = people(14, 1, seed=50).embeddings
    models = []
    for i, vectors in enumerate((pack.embeddings, spoilt)):
        samples = read_samples(changed(pack, embeddings=vectors, split=split))
        train(tmp_path / str(i), samples, kind="linear", false_accepts=0.05)
        models.append((tmp_path / str(i) / "models" / "svm.onnx").read_bytes())
    assert models[0] == models[1]
