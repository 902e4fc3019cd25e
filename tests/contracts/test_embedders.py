"""What every embedder must do, whatever it is made of."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.core.errors import ImageError, InputError
from mien.core.faces import Faces
from mien.core.vectors import check_unit
from mien.embedders.ensemble import EnsembleEmbedder, Member
from mien.embedders.network import EmbedderOptions, NetworkEmbedder
from mien.zoo.adding import FAMILIES, AddOptions, add
from mien.zoo.catalog import Alignment, Catalog
from mien.zoo.runtime import OnnxNetwork
from mien.zoo.weights import ensure
from tests.fakes.brought import embedder_file

pytestmark = pytest.mark.weights

OURS = ("facenet", "facenet-int8", "dlib", "facenet+dlib")
BROUGHT = {"arcface": "n", "sface": 1}
"""Families of embedders from a file, and the batch size that the file of each declares."""

FACE = Faces(
    boxes=np.array([[170, 60, 280, 205]], np.float32),
    scores=np.ones(1, np.float32),
    landmarks=np.array([[[196, 113], [247, 114], [223, 141], [201, 167], [243, 168]]], np.float32),
)
"""The astronaut's, by eye."""


def build(name, cache_dir):
    """An embedder as wiring would make it."""
    record = Catalog().get(name)
    if record.format == "ensemble":
        stored = record.load_statistics()
        members = [
            Member(build(m, cache_dir), np.array(stored[m]["centre"], np.float32), stored[m]["spread"])
            for m in record.members
        ]
        return EnsembleEmbedder(name, members)
    (file,) = ensure(record, cache=cache_dir, models=cache_dir / "models").values()
    return NetworkEmbedder(OnnxNetwork(file), EmbedderOptions.from_record(record))


def bring(family, folder):
    """A small embedder taken in from a file, fed as its family is."""
    (folder / "brought.onnx").write_bytes(embedder_file(batch=BROUGHT[family]))
    how = FAMILIES[family]
    alignment = Alignment("landmarks", template=how.align)
    options = AddOptions(name="mine", size=how.size, mean=(how.mean,) * 3, scale=how.scale, alignment=alignment)
    record = add(folder / "brought.onnx", folder / "models", options)
    (file,) = ensure(record, cache=folder, models=folder / "models").values()
    return NetworkEmbedder(OnnxNetwork(file), EmbedderOptions.from_record(record))


@pytest.fixture(scope="module", params=[*OURS, *BROUGHT])
def embedder(request, cache_dir, tmp_path_factory):
    if request.param in BROUGHT:
        return bring(request.param, tmp_path_factory.mktemp(request.param))
    return build(request.param, cache_dir)


def many(n):
    """The face n times, each a little further right."""
    return Faces.concat([FACE.shifted(3.0 * i, 0) for i in range(n)])


def test_unit_vectors_of_its_space(embedder, astronaut):
    """Every vector is float32, of unit length, and as long as the space says."""
    vectors = embedder.embed(astronaut, many(3))
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, embedder.space.dimensions)
    check_unit(vectors, embedder.space.dimensions)


def test_no_faces_no_vectors(embedder, astronaut):
    """Without faces there is an empty table of the right width."""
    assert embedder.embed(astronaut, Faces.empty()).shape == (0, embedder.space.dimensions)
    assert embedder.crop(astronaut, Faces.empty()).shape[0] == 0


def test_embed_is_crop_then_embed_chips(embedder, astronaut):
    """Chips that were cut before give the same vectors as the picture they were cut from."""
    chips = embedder.crop(astronaut, many(2))
    assert chips.dtype == np.uint8
    assert chips.shape[1] == chips.shape[2]
    assert chips.shape[3] == 3
    np.testing.assert_allclose(embedder.embed_chips(chips), embedder.embed(astronaut, many(2)), atol=1e-5)


def test_batch_equals_single(embedder, astronaut):
    """A face's vector does not depend on its neighbours, nor on where a batch ends."""
    faces = many(35)
    together = embedder.embed(astronaut, faces)
    for i in (0, 31, 32, 34):
        np.testing.assert_allclose(embedder.embed(astronaut, faces[i])[0], together[i], atol=2e-5)


def test_same_face_moved_is_the_same_face(embedder, astronaut):
    """The face a little shifted is nearer to itself than its mouth is to it."""
    calm, moved = embedder.embed(astronaut, many(2))
    wrong = FACE.shifted(40, 90)
    other = embedder.embed(astronaut, wrong)[0]
    assert calm @ moved > 0.9
    assert calm @ moved > calm @ other


def test_threads_share_it(embedder, astronaut):
    """Two threads at once get what one gets alone."""
    alone = embedder.embed(astronaut, FACE)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: embedder.embed(astronaut, FACE), range(4)):
            np.testing.assert_allclose(found, alone, atol=1e-5)


def test_missing_landmarks_are_named(embedder, astronaut):
    """An embedder that needs landmarks says so when they are missing; the others do without."""
    bare = Faces(boxes=FACE.boxes, scores=FACE.scores)
    if embedder.needs_landmarks:
        with pytest.raises(InputError, match="landmarks"):
            embedder.embed(astronaut, bare)
    else:
        assert len(embedder.embed(astronaut, bare)) == 1


def test_faces_at_and_beyond_the_edge(embedder, astronaut):
    """A face partly outside the picture still gives a finite unit vector."""
    check_unit(embedder.embed(astronaut, FACE.shifted(-215, -110)), embedder.space.dimensions)


def test_no_picture_is_refused(embedder):
    """What is no picture is refused before anything runs."""
    with pytest.raises(ImageError):
        embedder.embed(np.zeros((10, 10), np.uint8), FACE)


def test_wrong_chips_are_refused(embedder):
    """Chips of another size are refused, naming the size it takes."""
    with pytest.raises(InputError, match="takes chips"):
        embedder.embed_chips(np.zeros((1, 64, 64, 3), np.uint8))


def test_the_space_is_known_to_the_calibrations(embedder):
    """The catalog holds impostor scores of the very space the embedder embeds into."""
    calibration = Catalog().calibration(embedder.space.id)
    if embedder.space.name == "mine":
        assert calibration is None  # nobody has measured what a user brings
        return
    assert calibration is not None
    assert calibration.smallest_far < 1e-5
    assert list(calibration.similarity) == sorted(calibration.similarity)
