"""What the catalog says about weights."""

import pytest

from mien.core.errors import NotFoundError, WeightsError
from mien.zoo.catalog import Alignment, Catalog, Preprocessing, Source, WeightRecord, record_to_toml

MINE = WeightRecord(
    name="mine",
    kind="embedder",
    format="onnx",
    title='Größe "5"',
    licence="MIT",
    trained_on="my photographs",
    roles=("embedder",),
    sources=(Source("embedder", "mine.onnx", "ab" * 32, 12),),
    dimensions=7,
    flip=True,
    centre=(0.25, 0.0, -1.0, 0.0, 0.0, 0.0, 0.5),
    preprocessing=Preprocessing(112, (1.0, 2.0, 3.0), 4.0, "bgr", "nhwc"),
    alignment=Alignment("landmarks", template="arcface-112"),
    figures={"LFW, ten folds": "0.99"},
)


@pytest.mark.parametrize("record", Catalog().all(), ids=lambda record: record.name)
def test_every_record_is_complete(record):
    """Each of our records states its licence, its training data and where its files come from, with sha256."""
    assert record.title
    assert record.licence
    assert record.trained_on
    assert bool(record.sources) != bool(record.members)
    for source in record.sources:
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.size > 0
        assert not source.url or source.url.startswith("https://")
    assert all(member in Catalog().names() for member in record.members)
    if record.kind == "embedder" and record.format != "ensemble":
        assert record.preprocessing
        assert record.alignment
        assert record.dimensions > 0


def test_close_names_are_suggested():
    """A misspelt name is answered with the right one."""
    with pytest.raises(NotFoundError, match="did you mean facenet"):
        Catalog().get("facnet")


def test_names_by_kind():
    """Names come ordered and can be asked for by kind."""
    names = Catalog().names("embedder")
    assert names == tuple(sorted(names))
    assert "facenet" in names
    assert "mtcnn" not in names


def test_record_survives_its_file(tmp_path):
    """What is written as NAME.toml is read back as the same record."""
    (tmp_path / "mine.toml").write_text(record_to_toml(MINE), encoding="utf-8")
    found = Catalog(tmp_path).get("mine")
    assert found.folder == tmp_path
    assert all(
        getattr(found, name) == getattr(MINE, name) for name in MINE.__slots__ if name not in {"folder", "figures"}
    )
    assert dict(found.figures) == dict(MINE.figures)


def test_a_missing_models_folder_is_no_fault(tmp_path):
    """Without a models folder there are our records only."""
    assert Catalog(tmp_path / "absent").names() == Catalog().names()


@pytest.mark.parametrize("text", ["kind = ", 'colour = "red"', 'kind = "embedder"\n[[sources]]\nfile = 3'])
def test_a_bad_record_is_named(tmp_path, text):
    """A record that cannot be read is refused with its name."""
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(WeightsError, match="bad"):
        Catalog(tmp_path)


def test_the_digest_covers_stored_measurements():
    """Weights made from others with stored ranges have a digest of their own."""
    assert Catalog().get("facenet-int8").digest != Catalog().get("facenet").digest
    assert Catalog().get("facenet").digest == Catalog().get("facenet").sources[0].sha256
    assert Catalog().get("facenet-int8").load_statistics()["source"] == Catalog().get("facenet").digest


def test_facenet_is_centred_in_both_forms():
    """Both forms of FaceNet are centred alike, on a vector of their width."""
    exact, small = Catalog().get("facenet"), Catalog().get("facenet-int8")
    assert len(exact.centre) == exact.dimensions
    assert small.centre == exact.centre


def test_preprocessing_in_words():
    """The words that enter the space name what matters."""
    assert str(Preprocessing(160)) == "(x-127.5)/128 rgb"
    assert str(MINE.preprocessing) == "(x-[1, 2, 3])/4 bgr"
    assert MINE.alignment.describe(112) == "arcface-112@112"
    assert Alignment("box", margin=32).describe(160) == "box+32@160"
