"""A service in this process: what the tests of its nouns share."""

import socket
import threading
import time

import cv2
import numpy as np
import pytest
import uvicorn
from starlette.testclient import TestClient

from mien.doors.service.app import create_app
from mien.wiring.settings import load_settings
from tests.e2e.service.calls import HERE, jpeg


@pytest.fixture(scope="module")
def portrait() -> bytes:
    """A JPEG of one face."""
    from skimage import data

    return jpeg(np.ascontiguousarray(data.astronaut()[:200, 120:330]))


@pytest.fixture(scope="module")
def pair(portrait) -> bytes:
    """A JPEG of two faces."""
    one = cv2.cvtColor(cv2.imdecode(np.frombuffer(portrait, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return jpeg(np.hstack([one, one]))


@pytest.fixture(scope="module")
def app(tmp_path_factory, cache_dir):
    """One service for the module, on an empty gallery."""
    home = tmp_path_factory.mktemp("service")
    settings = load_settings(
        data_dir=home, cache_dir=cache_dir, models_dir=home / "models", serve_inference=1, serve_queue=2, serve_max_mb=2
    )
    made = create_app(settings)
    with TestClient(made, base_url=HERE, client=("127.0.0.1", 50000)):
        yield made


@pytest.fixture
def client(app):
    """A program on this machine, on a gallery without people and keys."""
    gallery = app.state.service.house.gallery
    for person in gallery.people():
        gallery.remove(person.id)
    for key in gallery.access.api_keys():
        gallery.access.remove_key(key.id)
    return TestClient(app, base_url=HERE, client=("127.0.0.1", 50000))


@pytest.fixture
def ada(client) -> str:
    """The id of somebody without photographs."""
    return client.post("/v1/people", json={"name": "Ada"}).json()["id"]


@pytest.fixture(scope="module")
def address(tmp_path_factory, cache_dir):
    """The address of a service that really listens, on a gallery of its own, without keys."""
    home = tmp_path_factory.mktemp("listening")
    settings = load_settings(
        data_dir=home,
        cache_dir=cache_dir,
        models_dir=home / "models",
        serve_max_mb=2,
        serve_upload_seconds=2,
        serve_batch=8,
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings), log_level="error", ws_max_size=2_000_000, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listening.close()
