"""``mien index --engine ray`` on a real Ray cluster of several nodes, over a real PostgreSQL; nodes and workers are killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import text

from mien.core.errors import MienError, SettingError
from mien.jobs import ray_engine
from mien.jobs.engines import Ended
from mien.jobs.index import index, look_at_disk
from mien.jobs.index_worker import FileDone
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

        self.cluster = Cluster()
        try:
            self.cluster.add_node(num_cpus=0, **LEAN)
            self.cluster.add_node(num_cpus=1, **LEAN)
            self.mortal = self.cluster.add_node(num_cpus=1, **LEAN)
        except Exception:
            self.cluster.shutdown()
            raise
        self.address = self.cluster.address

    def take_one_away(self):
        """All processes of one node are killed at once."""
        self.cluster.remove_node(self.mortal, allow_graceful=False)


def start_machines(tries: int = 3) -> Machines:
    """Ray gives a node half a minute to start, which a machine that runs other tests too may not."""
    while True:
        try:
            return Machines()
        except Exception:
            tries -= 1
            if not tries:
                raise


ENVIRONMENT = {
    "PYTHONPATH": str(REPOSITORY),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_worker_niceness": "0",  # with Ray's 15, whatever else runs on a busy machine starves the workers
}


@pytest.fixture(scope="module")
def machines():
    pytest.importorskip("ray", reason='no Ray here: pip install "mien[ray]"')
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        there = start_machines()
        try:
            yield there
        finally:
            there.cluster.shutdown()


def find_or_die(once, picture):
    """The first who comes to a picture in the middle is killed over it."""
    if picture.pixels[..., 0].mean() > 100:
        with suppress(FileExistsError):
            once.mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
    return indexing.find(picture)


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
        with super().__call__() as bench:
            yield bench


@pytest.fixture
def colours(tmp_path):
    for i in range(24):
        indexing.write(tmp_path / "colours" / f"{i:02}.png", (10 * i, 255 - 10 * i, 7 * i))
    return tmp_path / "colours"


def run(job, machines):
    end = time.monotonic() + TIMEOUT
    with open_gallery(job.bench.database) as gallery:
        list(look_at_disk(job, gallery.library))
        with closing(index(job, gallery.library, OnRay(machines.address, workers=2))) as events:
            steps = [event.what for event in takewhile(lambda _: time.monotonic() < end, events)]
        done = [s.path for s in steps if isinstance(s, FileDone)]
        return done, [s.how for s in steps if isinstance(s, Ended)]


@pytest.mark.slow
def test_what_becomes_of_workers_that_are_killed_or_cannot_work(machines, colours, postgres_url, tmp_path):
    """One that is killed gives its files back at once and is replaced; one whose machine cannot do the work leaves it to
    the others and says why; where no machine can, the run ends with the reason.
    """
    plan = indexing.work(postgres_url, colours, lease=100 * TIMEOUT).plan
    find = partial(find_or_die, tmp_path / "died")
    job = indexing.IndexWork(Refusing(postgres_url, find, refusals=tmp_path / "one"), plan)
    done, ended = run(job, machines)
    assert len(set(done)) == len(done)
    reasons = [how.rpartition(": ")[2] for how in ended]
    assert reasons.count("no disk here") == 1
    assert {"its process was killed", "it does not answer any more"} & set(reasons)
    with open_gallery(postgres_url) as gallery:
        assert (gallery.library.counts().photos, gallery.library.counts().faces) == (24, 24)
        assert gallery.library.run_counts(plan.root.path, plan.run).searched == 24
    indexing.write(colours / "one more.png", (1, 2, 3))
    nobody = indexing.IndexWork(Refusing(postgres_url, refusals=tmp_path / "all", everywhere=True), plan)
    with pytest.raises(MienError, match="no disk here"):
        run(nobody, machines)


@pytest.fixture
def photographs(home, astronaut) -> Path:
    """A real photograph as twelve: mirrored, cropped and darkened, large enough to take a while."""
    folder = home / "photos"
    folder.mkdir()
    for i in range(12):
        cut = astronaut[4 * i :, : 512 - 8 * i]
        pixels = cv2.resize(cut[:, ::-1] if i % 2 else cut, None, fx=2, fy=2)
        pixels = np.clip(pixels * (1 - 0.01 * i), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i:02}.jpg"), pixels[..., ::-1])
    return folder


def wait_until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def queueing(connection) -> int:
    """How many writers of this database wait for the one who writes."""
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
        " WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    )
    return connection.execute(text(query)).scalar_one()


@contextmanager
def in_the_middle(gallery, root, process, workers):
    """When all workers hold files and something is done, everything stands still: nobody else can write."""
    library = gallery.library
    wait_until(lambda: library.waiting(root) or process.poll() is not None)
    with gallery._database.writing() as connection:  # nobody takes a file before all are there
        wait_until(lambda: queueing(connection) == workers or process.poll() is not None)
    while process.poll() is None:
        time.sleep(0.01)  # those who queue get their turn
        with gallery._database.writing():
            assert library.waiting(root)
            if library.counts().photos and len(library.holders(root)) == workers:
                yield
                return
    pytest.fail(process.stderr.read())


@pytest.mark.weights
@pytest.mark.slow
def test_a_node_killed_in_the_middle_loses_and_doubles_nothing(machines, photographs, postgres_url):
    """Every photograph is searched by somebody, stands in the database once and is counted, also those that the killed
    node had finished and not told; stdout is the result and nothing else.
    """
    command = [sys.executable, "-m", "mien", "index", str(photographs), "--database", postgres_url, "--json"]
    command += ["--engine", "ray", "--address", machines.address, "--workers", "2"]
    command += ["--full-size", "--onet-threshold", "0.95"]
    with (
        open_gallery(postgres_url, patience=TIMEOUT) as gallery,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
    ):
        root = os.fsencode(photographs)
        with in_the_middle(gallery, root, process, workers=2):
            machines.take_one_away()
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert (told["searched"], told["moved or copied"], told["waiting"], told["unreadable"]) == (12, 0, 0, 0)
    assert told["library"] == {"photos": 12, "videos": 0, "faces": 12, "gone": 0}
    assert "a worker ended" in err


@contextmanager
def listening(says: bytes):
    """The address of somebody who answers every caller with the same bytes and then says nothing more."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with suppress(OSError):
                while True:
                    call, _ = server.accept()
                    calls.append(call)
                    call.sendall(says)

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for call in calls:
        call.close()


def test_a_port_where_something_else_listens_is_told_in_time(monkeypatch):
    """One that never answers, one that speaks otherwise, and one that speaks as Ray does and lets nobody in."""
    pytest.importorskip("ray", reason='no Ray here: pip install "mien[ray]"')
    monkeypatch.setattr(ray_engine, "_REACH", 0.2)
    with listening(b"") as address, pytest.raises(SettingError, match=r"timed out.*ray start --head"):
        OnRay(address)
    with listening(b"SSH-2.0-OpenSSH") as address, pytest.raises(SettingError, match="something else listens there"):
        OnRay(address)
    monkeypatch.setattr(ray_engine, "_REACH", 10.0)
    with listening(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])) as address:
        engine = OnRay(address, workers=1, join=1.0)
        with closing(engine.run(iter)) as events, pytest.raises(MienError, match="not let us in for 1 s"):
            list(events)


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
