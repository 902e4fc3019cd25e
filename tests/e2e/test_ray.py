"""``mien index --engine ray`` on a real Ray cluster of several nodes, over a real PostgreSQL; nodes and workers are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.errors import MienError
from mien.jobs.engines import Ended
from mien.jobs.index import index, look_at_disk
from mien.jobs.index_worker import Bench, FileDone
from mien.jobs.library_scan import Root
from mien.jobs.ray_engine import OnRay
from mien.store.gallery import open_gallery
from tests.unit.jobs import indexing

REPOSITORY = Path(__file__).resolve().parents[2]
LEAN = {"include_dashboard": False, "object_store_memory": 80 * 2**20}
TIMEOUT = 240  # seconds; a busy machine needs most of a minute to start the workers


class Machines:
    """A cluster of a head that only conducts, a node that stays and one that can be taken away."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **LEAN})
        self.cluster.add_node(num_cpus=1, **LEAN)
        self.mortal = self.cluster.add_node(num_cpus=1, **LEAN)
        self.address = self.cluster.address

    def take_one_away(self):
        """All processes of one node are killed at once."""
        self.cluster.remove_node(self.mortal, allow_graceful=False)


@pytest.fixture(scope="module")
def machines():
    pytest.importorskip("ray", reason='no Ray here: pip install "mien[ray]"')
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_memory_monitor_refresh_ms="0", PYTHONPATH=str(REPOSITORY))
    there = Machines()
    try:
        yield there
    finally:
        there.cluster.shutdown()


@pytest.fixture
def photographs(home, astronaut) -> Path:
    """A real photograph as twenty: mirrored, cropped and darkened, large enough to take a while."""
    folder = home / "photos"
    folder.mkdir()
    for i in range(20):
        cut = astronaut[4 * i :, : 512 - 8 * i]
        pixels = cv2.resize(cut[:, ::-1] if i % 2 else cut, None, fx=3, fy=3)
        pixels = np.clip(pixels * (1 - 0.01 * i), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:02}.jpg"), pixels[..., ::-1])
    return folder


def wait_until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.weights
@pytest.mark.slow
def test_a_node_killed_in_the_middle_loses_and_doubles_nothing(machines, photographs, postgres_url):
    """Every photograph is searched by somebody and stands in the database once; stdout is the result and nothing else."""
    command = [sys.executable, "-m", "mien", "index", str(photographs), "--database", postgres_url, "--json"]
    command += [
        "--engine",
        "ray",
        "--address",
        machines.address,
        "--workers",
        "2",
        "--full-size",
        "--onet-threshold",
        "0.95",
    ]
    with open_gallery(postgres_url) as gallery:
        root = os.fsencode(photographs)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: len(gallery.library.holders(root)) == 2 or process.poll() is not None)
            wait_until(lambda: gallery.library.counts().photos >= 2)
            machines.take_one_away()
            assert gallery.library.waiting(root) > 0
            out, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
        told = json.loads(out)
        assert (told["searched"], told["waiting"], told["unreadable"]) == (20, 0, 0)
        assert told["library"] == {"photos": 20, "videos": 0, "faces": 20, "gone": 0}
        assert "a worker ended" in err


@dataclass(frozen=True)
class Refusing(indexing.FakeBench):
    """Cannot work on the machine that is first asked, or on any."""

    refusals: Path | None = None
    everywhere: bool = False

    @contextmanager
    def __call__(self):
        try:
            self.refusals.mkdir()
            first = True
        except FileExistsError:
            first = False
        if first or self.everywhere:
            raise MienError("no disk here")
        with open_gallery(self.database) as gallery:
            yield Bench(gallery.library, indexing.slow, "fake", indexing.ReadOptions(), 0.9)


@pytest.fixture
def colours(tmp_path):
    for i in range(24):
        indexing.write(tmp_path / "colours" / f"{i:02}.png", (10 * i, 255 - 10 * i, 7 * i))
    return tmp_path / "colours"


def run(job, machines, *, on_done=lambda library, step: None):
    with open_gallery(job.bench.database) as gallery:
        list(look_at_disk(job, gallery.library))
        steps = []
        with closing(index(job, gallery.library, OnRay(machines.address, workers=2))) as events:
            for event in events:
                steps.append(event.what)
                on_done(gallery.library, event.what)
        return [s for s in steps if isinstance(s, FileDone)], [s for s in steps if isinstance(s, Ended)]


@pytest.mark.slow
def test_what_becomes_of_workers_that_are_killed_or_cannot_work(machines, colours, postgres_url, tmp_path):
    """One that is killed gives its files back at once and is replaced; one whose machine cannot do the work leaves it to
    the others and says why; where no machine can, the run ends with the reason.
    """
    killed = []

    def kill_one(library, step):
        if isinstance(step, FileDone) and not killed:
            killed.append(library.holders(os.fsencode(colours))[0])
            os.kill(int(killed[0].split(":")[1]), signal.SIGKILL)

    plan = indexing.work(postgres_url, colours).plan
    job = indexing.IndexWork(Refusing(postgres_url, refusals=tmp_path / "one"), plan)
    done, ended = run(job, machines, on_done=kill_one)
    assert killed
    assert len({s.path for s in done}) == len(done)
    assert sorted(e.how.rpartition(": ")[2] for e in ended) == ["its process was killed", "no disk here"]
    with open_gallery(postgres_url) as gallery:
        assert (gallery.library.counts().photos, gallery.library.counts().faces) == (24, 24)
    indexing.write(colours / "one more.png", (1, 2, 3))
    nobody = indexing.IndexWork(Refusing(postgres_url, refusals=tmp_path / "all", everywhere=True), plan)
    with pytest.raises(MienError, match="no disk here"):
        run(nobody, machines)


def test_what_cannot_be_is_told_before_anything_is_looked_at(mien, photographs, postgres_url, monkeypatch):
    """A gallery in a file, no cluster, half of the options, no Ray: one line each, with what to do."""
    ray = ("index", photographs, "--engine", "ray")
    assert "belong together" in mien(*ray).err
    assert "belong together" in mien("index", photographs, "--address", "127.0.0.1:1").err
    assert "several machines cannot share" in mien(*ray, "--address", "127.0.0.1:1").err
    shared = (*ray, "--database", postgres_url, "--address")
    assert "expected HOST:PORT" in mien(*shared, "head").err
    nobody = mien(*shared, "127.0.0.1:1")
    assert "no Ray cluster answers at 127.0.0.1:1 (connection refused)" in nobody.err
    assert nobody.code == 2
    monkeypatch.setitem(sys.modules, "ray", None)
    assert 'pip install "mien[ray]"' in mien(*shared, "127.0.0.1:1").err


def test_a_folder_is_recognised_by_its_names_on_every_machine(colours, tmp_path):
    """An empty place, or another folder, where the disk should be is no place to work; files that come and go are none."""
    root = Root.at(colours).shared()
    (colours / "00.png").unlink()
    (colours / "new.png").touch()
    root.check()
    colours.rename(tmp_path / "away")
    colours.mkdir()
    (colours / "other.png").touch()
    with pytest.raises(MienError, match="not there any more"):
        root.check()
